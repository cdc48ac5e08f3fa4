"""How much generation the network takes beside what flows anyway."""

import numpy as np

from grid.limits import FloatArray, NetworkLimits
from grid.power_flow import PowerFlowDiverged

SHARE_STEPS = 1024
SEARCH_STEP = SHARE_STEPS // 32


def uniform_generation_share(
    limits: NetworkLimits, *, firm_injection_w: FloatArray, firm_injection_var: FloatArray, generation_w: FloatArray
) -> float:
    """The largest share in [0, 1] of every bus's generation at which the AC power flow violates nothing.

    All arrays are [n_bus] in the order of `limits.buses`, in W and var into the grid; `generation_w` >= 0 is the
    nameplate. Everyone gets the same share of their nameplate: the rule of an equally limited community without a
    market. Found to 1/1024, rounded down, so the answer itself was solved and is feasible; where the firm injections
    alone break a limit, to the largest share a search in steps of 1/32 can find. 0 where no share keeps the limits.
    """
    firm_w, nameplate_w = np.asarray(firm_injection_w, np.float64), np.asarray(generation_w, np.float64)
    if not (nameplate_w >= 0.0).all():
        raise ValueError("generation must not be negative: loads belong into the firm injections")

    def feasible(step: int) -> bool:
        try:
            return not limits.solve(firm_w + nameplate_w * (step / SHARE_STEPS), firm_injection_var).violations
        except PowerFlowDiverged:
            return False

    if feasible(SHARE_STEPS):
        return 1.0
    low, high = 0, SHARE_STEPS
    if not feasible(0):
        searched = range(SHARE_STEPS - SEARCH_STEP, 0, -SEARCH_STEP)
        low = next((step for step in searched if feasible(step)), 0)
        high = low + SEARCH_STEP if low else 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if feasible(middle) else (low, middle)
    return low / SHARE_STEPS
