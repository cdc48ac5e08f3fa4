"""A limit passed by a little is passed: what the market does by itself, and limits just inside of that."""

from pathlib import Path

import numpy as np
import pandapower
import pytest
from feeder_cases import two_homes
from market_cases import RULES, book, order

from grid.network import open_network
from matching.clearing import clear
from matching.recheck.power_flow import RecordedNetwork, State

BUSBAR, ELM = 1, 3
# Which limit, whether energy leaves the far home or comes to it, and where its value is found in pandapower's state.
CASES = {
    "line_loading": ("max_loading_percent", True, lambda state: max(state.line_loading.values())),
    "trafo_loading": ("max_loading_percent", False, lambda state: max(state.trafo_loading.values())),
    "voltage_high": ("v_max_pu", True, lambda state: max(state.vm_pu.values())),
    "voltage_low": ("v_min_pu", False, lambda state: min(state.vm_pu.values())),
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("within", [0.995, 0.9995])
def test_a_limit_passed_by_half_a_percent_of_what_flows_or_less_is_kept(
    tmp_path: Path, kind: str, within: float
) -> None:
    name, leaves, value_of = CASES[kind]
    path = two_homes(tmp_path / "feeder.json")
    recorded = RecordedNetwork(pandapower.from_json(str(path), convert=False))
    far, near = ("sell", "buy") if leaves else ("buy", "sell")
    # At the transformer something flows anyway, so that it is its loading and not the cable's that is the highest.
    anyway_w = np.array([0.0, -60_000.0 if kind == "trafo_loading" else 0.0, 0.0, 0.0])
    placed = book(
        order("far", far, 3_000, 100_000 if leaves else 200_000, "flexible", ELM),
        order("near", near, 3_000, 200_000 if leaves else 100_000, "flexible", BUSBAR),
        order("else", far, 3_000, 110_000 if leaves else 190_000, "flexible", BUSBAR),
    )

    def state(accepted_wh: np.ndarray) -> State:
        injected = anyway_w.copy()
        for each, wh in zip(placed.orders(), accepted_wh.tolist(), strict=True):
            injected[each.bus] += 4.0 * wh * (1 if each.side == "sell" else -1)
        found = recorded.state(injected, np.zeros(4))
        assert found is not None
        return found

    def cleared(**limits: float) -> np.ndarray:
        return clear(
            placed, interval_minutes=15, rules=RULES, limits=open_network(str(path), **limits), baseline_w=anyway_w
        ).accepted_wh

    idle, free = value_of(state(np.zeros(3))), value_of(state(cleared()))
    limit = idle + within * (free - idle)
    kept = value_of(state(cleared(**{name: limit})))
    assert abs(free - idle) > abs(limit - idle)
    assert (kept - limit) * np.sign(free - idle) <= (1e-6 if "voltage" in kind else 1e-4)
    assert abs(kept - limit) <= 0.01 * abs(free - idle)  # and no more is given up than whole Wh and the margin cost
