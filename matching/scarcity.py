"""Red: limits that cannot be kept. Flexible energy stays out, curtailment does what it can, firm orders still trade."""

from dataclasses import dataclass

import numpy as np

from grid.limits import OperatingPoint, Violation
from matching.book import IntArray
from matching.cells import aggregate
from matching.congestion import MARGIN, BoundMarket
from matching.disaggregation import disaggregate
from matching.pricing import DualPrices
from matching.problem import WelfareProblem
from matching.welfare import solve_welfare

ROUNDS_MAX = 6
ROWS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scarcity:
    """curtailed_wh [n_order], the state it leads to (None where the power flow has no solution), optimisations used."""

    curtailed_wh: IntArray
    point: OperatingPoint | None
    rounds: int


def curtail_as_far_as_helps(market: BoundMarket) -> Scarcity:
    """Least violation that curtailment alone can reach, and with it the least curtailment.

    Starts where everything that is not flexible flows and linearises again at each state it reaches.
    """
    nothing = np.zeros(len(market.terms.book), dtype=np.int64)
    best = Scarcity(curtailed_wh=nothing, point=_state(market, nothing), rounds=0)
    active: dict[tuple[str, int], Violation] = {}
    point = best.point
    for rounds in range(1, ROUNDS_MAX + 1):
        if point is None or not point.violations:
            break
        for violation in point.violations[:ROWS_MAX]:
            active.setdefault((violation.kind, violation.element), violation)
        curtailed = _curtail(market, point, tuple(active.values()))
        point = _state(market, curtailed)
        if _excess(point) < _excess(best.point):
            best = Scarcity(curtailed_wh=curtailed, point=point, rounds=rounds)
        elif (curtailed == best.curtailed_wh).all():
            break
    return best


def _curtail(market: BoundMarket, point: OperatingPoint, limits: tuple[Violation, ...]) -> IntArray:
    """Curtailed Wh per order of the optimisation that may pass limits but avoids it above all."""
    limit_rows = market.feeder.limits.linearise(point, limits)
    rows = market.feeder.rows(limit_rows, point)
    quantity = np.where(market.feeder.flexible, 0, market.terms.book.quantity_wh)
    problem = WelfareProblem(
        cells=aggregate(market.terms.book, quantity, market.feeder.bus_position, rows),
        room=rows.room - MARGIN * np.array([limit.limit for limit in limits]),
        supplier=market.terms.rules.supplier,
        loss_wh=0,
        curtailment_price_micro_per_kwh=market.terms.rules.curtailment_price_micro_per_kwh,
        elastic=True,
    )
    with market.stopwatch.measuring("solve"):
        solution = solve_welfare(problem)
        assert solution is not None, "limits that may be passed can always be kept"
        return disaggregate(
            quantity_wh=quantity,
            problem=problem,
            solution=solution,
            duals=DualPrices.of_solver(solution),
            respected=np.zeros(len(limits), dtype=np.bool_),
            loss_wh=0,
            tie_keys=market.terms.tie_keys,
        ).curtailed_wh


def _state(market: BoundMarket, curtailed_wh: IntArray) -> OperatingPoint | None:
    with market.stopwatch.measuring("power_flow"):
        return market.feeder.solve_towards(market.feeder.injection_w(np.zeros_like(curtailed_wh), curtailed_wh))


def _excess(point: OperatingPoint | None) -> float:
    """The worst relative excess over a limit; infinite where there is no state."""
    if point is None:
        return np.inf
    return max((abs(v.value - v.limit) / v.limit for v in point.violations), default=0.0)
