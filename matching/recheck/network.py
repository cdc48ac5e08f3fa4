"""The result on its network: what flows, by `pandapower.runpp` with its defaults, and whether the rows are right.

Physical injection at a bus = baseline + every firm order in full + curtailable orders less what is curtailed of them +
accepted flexible energy, divided by the length of the interval. Voltage limits apply to buses under 1 kV.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray
from matching.book import IntArray
from matching.recheck.checks import Verdict, verdict
from matching.recheck.claims import NetworkInput, Row
from matching.recheck.mechanisms import outcome, unfit_rules
from matching.recheck.power_flow import RecordedNetwork, State
from matching.recheck.published import Published

LOADINGS = frozenset({"line_loading", "trafo_loading"})
KEPT_WITHIN = {"voltage_high": 1e-6, "voltage_low": 1e-6, "line_loading": 1e-4, "trafo_loading": 1e-4}
FIGURE_WITHIN = {"pu": 1e-6, "percent": 1e-4}  # how well two power flows agree that stop at a hundredth of a watt
BINDING_WITHIN = 1e-5  # of the limit: the linear rows were found with another power flow
ROW_WITHIN = 1e-4  # of the limit: what curvature makes of a row between its point and the result
SLOPE_WITHIN = 0.02  # of a row's largest effect: buses within a thousandth count as equal, and the slope bends
UNPRICED_WITHIN = 0.25  # the same of rows that only tell orders apart: found where they were passed, not at the result
IDLE_BELOW = 0.1  # of the limit: what flows so far from it has no direction of its own
NUDGE_W = 50.0  # small enough to stay straight, large enough to be seen
NUDGED_BUSES_MAX = 400
LOSS_WITHIN_WH = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnNetwork:
    """A result on its network: what flows anyway [n_bus] in W and var, what the market moved, and the state then.

    position  [n_order] place of each order's bus among the network's
    """

    result: Published
    network: RecordedNetwork
    limits: NetworkInput
    base_w: FloatArray
    base_var: FloatArray
    position: IntArray
    moved_wh: FloatArray
    state: State | None

    @property
    def w_per_wh(self) -> float:
        """Power that gives a Wh in the interval."""
        return 60.0 / self.result.claims.interval_minutes

    def limit(self, kind: str) -> float:
        """The limit of every element of a kind."""
        named = {"voltage_high": self.limits.v_max_pu, "voltage_low": self.limits.v_min_pu}
        return named.get(kind, self.limits.max_loading_percent)

    def passed(self, state: State, *, tolerances: float = 1.0) -> Iterator[tuple[str, int, float, float]]:
        """Kind, element, value and limit of everything beyond its limit by more than a power flow's tolerance."""
        values: list[tuple[str, int, float]] = []
        for bus in sorted(self.network.low_voltage):
            values += [("voltage_high", bus, state.vm_pu[bus]), ("voltage_low", bus, state.vm_pu[bus])]
        values += [("line_loading", line, value) for line, value in state.line_loading.items()]
        values += [("trafo_loading", trafo, value) for trafo, value in state.trafo_loading.items()]
        for kind, element, value in values:
            limit = self.limit(kind)
            if (limit - value if kind == "voltage_low" else value - limit) > tolerances * KEPT_WITHIN[kind]:
                yield kind, element, value, limit


def on_network(
    result: Published,
    limits: NetworkInput,
    network: RecordedNetwork,
    *,
    baseline_w: FloatArray,
    baseline_var: FloatArray,
) -> OnNetwork:
    """The result put on its network. `baseline_*` [n_bus] flows beside the book. Raises KeyError for an unknown bus."""
    book, w_per_wh = result.book, 60.0 / result.claims.interval_minutes
    number = {bus: at for at, bus in enumerate(network.buses)}
    buses, inverse = np.unique(book.bus, return_inverse=True)
    position = np.array([number[bus] for bus in buses.tolist()], dtype=np.int64)[inverse]
    flowing = np.where(result.flexible, 0, book.quantity_wh) * result.side
    moved = (np.where(result.flexible, result.accepted_wh, 0) - result.curtailed_wh) * result.side
    base_w, moved_wh = baseline_w.copy(), np.zeros(baseline_w.size)
    np.add.at(base_w, position, flowing * w_per_wh)
    np.add.at(moved_wh, position, moved)
    return OnNetwork(
        result=result,
        network=network,
        limits=limits,
        base_w=base_w,
        base_var=baseline_var,
        position=position,
        moved_wh=moved_wh,
        state=network.state(base_w + moved_wh * w_per_wh, baseline_var),
    )


def same_network(on: OnNetwork) -> Iterator[str]:
    """The recorded network is the one that was cleared on: its fingerprint is the published one."""
    if on.network.digest != on.limits.digest:
        yield f"the network's digest is said to be {on.limits.digest}, it is {on.network.digest}"


def power_flow(on: OnNetwork) -> Iterator[str]:
    """A fresh AC power flow gives the published extremes and losses."""
    claims = on.result.claims
    if on.state is None or claims.ac is None:
        if on.state is not None or claims.ac is not None:
            yield "the power flow has a solution" if on.state is not None else "the power flow has no solution"
        return
    voltages, ac = on.state.vm_pu.values(), claims.ac
    for what, claimed, found in (
        ("min_vm_pu", ac.min_vm_pu, min(voltages)),
        ("max_vm_pu", ac.max_vm_pu, max(voltages)),
        ("max_line_loading_percent", ac.max_line_loading_percent, max(on.state.line_loading.values(), default=0.0)),
        ("max_trafo_loading_percent", ac.max_trafo_loading_percent, max(on.state.trafo_loading.values(), default=0.0)),
    ):
        if not abs(claimed - found) <= FIGURE_WITHIN[what.rpartition("_")[2]] * max(1.0, abs(found) / 100.0):
            yield f"{what} is said to be {claimed}, the power flow gives {found:.8f}"
    loss_wh = on.state.loss_w / on.w_per_wh
    if (
        claims.rules.losses == "market"
        and claims.status != "red"
        and abs(claims.loss_wh - loss_wh) > LOSS_WITHIN_WH + 0.5
    ):
        yield f"loss_wh is {claims.loss_wh}, the power flow gives {loss_wh:.1f}"


def status(on: OnNetwork) -> Iterator[str]:
    """Green and amber keep every limit; red passes one with nothing flexible accepted; amber is what green is not.

    Green: nothing is curtailed, and with no flexible order flowing no limit is passed either.
    """
    result, claimed = on.result, on.result.claims.status
    passed = None if on.state is None else [*on.passed(on.state)]
    if claimed == "red":
        if passed == []:
            yield "red, but no limit is passed"
        if (result.flexible & (result.accepted_wh != 0)).any():
            yield "red, but flexible orders were accepted"
        return
    for kind, element, value, limit in (passed or [])[:3]:
        yield f"{claimed}, but {kind} of element {element} is {value:.6f} where the limit is {limit}"
    found = "green"
    if result.curtailed_wh.any():
        found = "amber"
    elif (result.flexible & (result.accepted_wh != 0)).any():
        base = on.network.state(on.base_w, on.base_var)
        found = "amber" if base is None or any(on.passed(base)) else "green"
    if result.is_refused:  # a mechanism that does not optimise: amber for what it left out
        found = "amber"
    if found != claimed:
        yield f"{claimed}, but by what was curtailed and what flexible orders relieve it is {found}"


def refusal(on: OnNetwork) -> Iterator[str]:
    """Where a mechanism that does not optimise left energy out, its own result would have passed a limit."""
    result = on.result
    if result.claims.mechanism.most_welfare or not result.is_refused or any(unfit_rules(result)):
        return
    own = outcome(result, result.book.quantity_wh)
    moved = np.zeros(on.moved_wh.size)
    np.add.at(moved, on.position, np.where(result.flexible, own.accepted_wh, 0) * result.side)
    state = on.network.state(on.base_w + moved * on.w_per_wh, on.base_var)
    if state is not None and not any(on.passed(state, tolerances=0.5)):
        yield f"{result.claims.status}, but all that {result.claims.mechanism.name} makes of the book keeps every limit"


def binding(on: OnNetwork) -> Iterator[str]:
    """Each limit of a row is listed with its value in the power flow; in red, each limit that is passed.

    In amber of a mechanism that refused, the limits are those of the state that was refused, which is not looked at.
    """
    claims = on.result.claims
    listed = {(one.kind, one.element): one for one in claims.binding}
    refused = on.result.is_refused and claims.status != "red"
    due = dict.fromkeys(listed, 0.0) if refused else _binding_due(on)
    for kind, element in [*sorted(due.keys() - listed.keys()), *sorted(listed.keys() - due.keys())]:
        yield f"{kind} {element} is {'missing' if (kind, element) in due else 'listed without reason'}"
    if len(listed) < len(claims.binding):
        yield "a limit is listed twice"
    for key in sorted(due.keys() & listed.keys()):
        one = listed[key]
        found = None if on.state is None else on.state.value(*key)
        if one.limit != on.limit(one.kind):
            yield f"{one.kind} {one.element}: limit {one.limit}, the rules say {on.limit(one.kind)}"
        if not refused and (found is None or not abs(one.value - found) <= BINDING_WITHIN * one.limit):
            yield f"{one.kind} {one.element}: value {one.value}, the power flow gives {found}"
        if not abs(one.shadow_price - due[key]) <= 1e-9 * due[key]:
            yield f"{one.kind} {one.element}: shadow_price {one.shadow_price}, the certificate's rows give {due[key]}"


def _binding_due(on: OnNetwork) -> dict[tuple[str, int], float]:
    """The limits that must be listed, and their shadow prices."""
    due: dict[tuple[str, int], float] = {}
    if on.result.claims.status == "red":
        return {} if on.state is None else {(kind, element): 0.0 for kind, element, _, _ in on.passed(on.state)}
    for row in on.result.claims.certificate.rows:
        due[row.kind, row.element] = due.get((row.kind, row.element), 0.0) + row.shadow_price
    return due


def rows(on: OnNetwork) -> Iterator[str]:
    """Every row with a shadow price is kept, and says of the limit at the result what the power flow says."""
    moved_wh = dict(zip(on.network.buses, on.moved_wh.tolist(), strict=True))
    for row in on.result.claims.certificate.rows:
        left = row.room - sum(effect * moved_wh.get(bus, 0.0) for bus, effect in row.effect_per_wh.items())
        value = None if on.state is None else on.state.value(row.kind, row.element)
        limit = on.limit(row.kind)
        if value is None:
            yield f"{row}: the network has no such element in service"
            continue
        if left < -ROW_WITHIN * limit:
            yield f"{row}: passed by {-left}"
        really = value - limit if row.kind == "voltage_low" else limit - value
        if row.shadow_price > 0.0 and not abs(left - really) <= ROW_WITHIN * limit:
            yield f"{row}: leaves {left} at the result, the power flow leaves {really}"


def sensitivities(on: OnNetwork) -> Iterator[str]:
    """Each row's effect at each bus is what a little more energy there does to the power flow.

    In large networks only at buses where orders can be moved, and of those evenly at most NUDGED_BUSES_MAX. A row
    without a shadow price only tells orders apart; what flows through its element may by now flow the other way.
    """
    rows = [row for row in on.result.claims.certificate.rows if not _is_idle(on, row)]
    if not rows or on.state is None:
        return
    movable = sorted(set(on.result.book.bus[on.result.flexible | on.result.curtailable].tolist()))
    buses = sorted({*movable, *(bus for row in rows for bus in row.effect_per_wh)})
    if len(buses) > NUDGED_BUSES_MAX:
        buses = movable[:: -(-len(movable) // NUDGED_BUSES_MAX)]
    injection_w = on.base_w + on.moved_wh * on.w_per_wh
    for bus in buses:
        for row, slope in zip(rows, _slopes(on, rows, bus, injection_w), strict=True):
            largest = max(map(abs, row.effect_per_wh.values()), default=0.0)
            claimed, within, off = row.effect_per_wh.get(bus, 0.0), SLOPE_WITHIN, [slope]
            if row.shadow_price == 0.0:
                within, off = UNPRICED_WITHIN, [slope, -slope] if row.kind in LOADINGS else [slope]
            if not min(abs(claimed - found) for found in off) <= within * max(largest, abs(slope)):
                yield f"{row}: effect at bus {bus} is {claimed} per Wh, the power flow gives {slope:.4g}"
                return


def _is_idle(on: OnNetwork, row: Row) -> bool:
    """Whether a row without a shadow price is about something through which next to nothing flows at the result."""
    value = None if on.state is None else on.state.value(row.kind, row.element)
    if row.shadow_price > 0.0 or row.kind not in LOADINGS or value is None:
        return False
    return value < IDLE_BELOW * on.limit(row.kind)


def _slopes(on: OnNetwork, rows: list[Row], bus: int, injection_w: FloatArray) -> list[float]:
    """Change of each row per Wh more at a bus."""
    nudged = injection_w.copy()
    if bus not in on.network.buses:
        return [np.nan] * len(rows)
    nudged[on.network.buses.index(bus)] += NUDGE_W
    state = on.network.state(nudged, on.base_var, near=True)
    slopes = []
    for row in rows:
        before = None if on.state is None else on.state.value(row.kind, row.element)
        after = None if state is None else state.value(row.kind, row.element)
        change = np.nan if before is None or after is None else after - before
        slopes.append((-change if row.kind == "voltage_low" else change) * on.w_per_wh / NUDGE_W)
    return slopes


CHECKS: tuple[tuple[str, Callable[[OnNetwork], Iterator[str]]], ...] = (
    ("network", same_network),
    ("power flow", power_flow),
    ("status", status),
    ("refusal", refusal),
    ("binding limits", binding),
    ("rows", rows),
    ("sensitivities", sensitivities),
)


def recheck_on_network(on: OnNetwork) -> tuple[Verdict, ...]:
    """Everything that can be seen only on the network."""
    return tuple(verdict(name, check, on) for name, check in CHECKS)
