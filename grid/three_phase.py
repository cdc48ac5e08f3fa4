"""A published result looked at phase by phase, where a network's data allow it: homes are on one phase, not on three.

The market works with balanced phases. On a feeder whose homes are each on one phase, single phases stand higher or
lower than the balanced state says; this check tells by how much, with pandapower's power flow in symmetrical components
(`runpp_3ph`). It needs zero-sequence data, which the IEEE European feeder has and SimBench's networks have not.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from grid.feeder import NetworkError, bus_names, element_name
from grid.limits import FloatArray, LimitKind
from grid.measurement import LOADING_TOLERANCE_PERCENT, LOW_VOLTAGE_BELOW_KV, VOLTAGE_TOLERANCE_PU, Limits
from grid.power_flow import PowerFlowDiverged

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

PHASES = ("a", "b", "c")
ALL_PHASES = "abc"
CHECKED_BY = "pandapower.runpp_3ph"
ZERO_SEQUENCE = {
    "line": ("r0_ohm_per_km", "x0_ohm_per_km", "c0_nf_per_km"),
    "trafo": ("vector_group", "vk0_percent", "vkr0_percent", "mag0_percent", "mag0_rx", "si0_hv_partial"),
    "ext_grid": ("s_sc_max_mva", "rx_max", "r0x0_max", "x0x_max"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseViolation:
    """One limit that one phase passes: p.u. for voltages to neutral, percent for loadings."""

    kind: LimitKind
    element: int
    name: str
    phase: str
    limit: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseCheck:
    """What a look at the single phases of a published result found: limits passed, or why nobody could look.

    diverged  the power flow of single phases has no solution
    """

    violations: tuple[PhaseViolation, ...] = ()
    not_checked: str | None = None
    diverged: bool = False

    def document(self) -> dict[str, object]:
        """Ready for JSON."""
        found = [asdict(violation) | {"kind": violation.kind.value} for violation in self.violations]
        return {"checked_by": CHECKED_BY, "violations": found, "not_checked": self.not_checked}


def phase_violations(
    net: "pandapowerNet",
    limits: Limits,
    *,
    point_bus: Sequence[int],
    point_phase: Sequence[str],
    injection_w: FloatArray,
    injection_var: FloatArray,
) -> tuple[PhaseViolation, ...]:
    """Limits that single phases pass when every point injects on its own phases alone, worst first.

    point_bus [n_point] indices of the bus table, point_phase [n_point] "a", "b", "c", or "abc" for a third on each,
    injections [n_point] in W and var, + into the grid. Voltage limits apply to buses under 1 kV. Raises NetworkError
    where the network has no zero-sequence data, PowerFlowDiverged where there is no solution.
    """
    import pandapower
    from pandapower.auxiliary import LoadflowNotConverged

    from grid.extraction import without_injections

    require_zero_sequence(net)
    given = without_injections(net)
    for bus, drawn in _drawn_by_bus(point_bus, point_phase, injection_w, injection_var).items():
        pandapower.create_asymmetric_load(given, bus, **drawn)
    try:
        pandapower.runpp_3ph(given, numba=False)
    except LoadflowNotConverged as failure:
        raise PowerFlowDiverged(iterations=0) from failure
    found = [violation for letter in PHASES for violation in _of_phase(given, limits, letter)]
    return tuple(sorted(found, key=lambda one: -abs(one.value - one.limit) / one.limit))


def _drawn_by_bus(
    point_bus: Sequence[int], point_phase: Sequence[str], injection_w: FloatArray, injection_var: FloatArray
) -> Mapping[int, Mapping[str, float]]:
    """What the points of each bus draw on each phase, as pandapower names it, in MW and Mvar."""
    drawn: dict[int, defaultdict[str, float]] = {}
    for bus, letters, active_w, reactive_var in zip(point_bus, point_phase, injection_w, injection_var, strict=True):
        powers = drawn.setdefault(int(bus), defaultdict(float))
        for letter in letters:
            powers[f"p_{letter}_mw"] -= float(active_w) / len(letters) / 1e6
            powers[f"q_{letter}_mvar"] -= float(reactive_var) / len(letters) / 1e6
    return drawn


def require_zero_sequence(net: "pandapowerNet") -> None:
    """Raise NetworkError naming the first table and columns that a check of single phases misses."""
    for table, columns in ZERO_SEQUENCE.items():
        rows = net[table][net[table].in_service.astype(bool)]
        missing = [name for name in columns if name not in rows or rows[name].isna().any()]
        if missing and len(rows):
            raise NetworkError(
                f"single phases cannot be checked: the table {table} has no {', '.join(missing)}; add them, or check "
                "balanced phases only"
            )


def _of_phase(net: "pandapowerNet", limits: Limits, phase: str) -> list[PhaseViolation]:
    volts = net.res_bus_3ph[f"vm_{phase}_pu"][net.bus.vn_kv < LOW_VOLTAGE_BELOW_KV]
    names = bus_names(net)
    found = [
        PhaseViolation(
            kind=kind, element=int(bus), name=names[int(bus)], phase=phase, limit=limit, value=float(volts.at[bus])
        )
        for kind, limit, passed in (
            (LimitKind.VOLTAGE_HIGH, limits.v_max_pu, volts > limits.v_max_pu + VOLTAGE_TOLERANCE_PU),
            (LimitKind.VOLTAGE_LOW, limits.v_min_pu, volts < limits.v_min_pu - VOLTAGE_TOLERANCE_PU),
        )
        for bus in volts.index[passed]
    ]
    highest = limits.max_loading_percent
    for kind, table in ((LimitKind.LINE_LOADING, "line"), (LimitKind.TRAFO_LOADING, "trafo")):
        loading = net[f"res_{table}_3ph"][f"loading_{phase}_percent"]
        found += [
            PhaseViolation(
                kind=kind,
                element=int(index),
                name=element_name(table, int(index), net[table].name.at[index]),
                phase=phase,
                limit=highest,
                value=float(loading.at[index]),
            )
            for index in loading.index[loading > highest + LOADING_TOLERANCE_PERCENT]
        ]
    return found
