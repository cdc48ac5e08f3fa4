"""From a result to its prices. A solver's dual is one corner of what supports the result and is never published.

The uniform price is a point of the interval of supporting prices, floored to the tick. Only flexible orders see
locational adders; they are rounded to the tick in the trader's favour and never pass the trader's limit.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from grid.limits import FloatArray
from matching.auction import PriceInterval, Supplier
from matching.book import BoolArray, IntArray
from matching.cells import NO_GROUP, Cells
from matching.orders import PRICE_TICK_MICRO_PER_KWH
from matching.price_rule import NOISE_MICRO_PER_KWH, PriceRule
from matching.problem import SHADOW_NOISE, WelfareProblem, WelfareSolution

PART_WH = 1e-3  # less than this of a cell is none of it
PRICE_SPAN = 4.0  # times the highest limit: where a uniform price that nothing holds is looked for
SLACKS = (0.0, 1e-8, 1e-6, 1e-4)  # of the highest price: how far a supporting price may miss each condition


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DualPrices:
    """Prices that support a result: the uniform one, its interval, and shadow_price [n_row] in nano per row unit."""

    price_micro_per_kwh: float
    prices: PriceInterval
    shadow_price: FloatArray

    @classmethod
    def of_solver(cls, solution: WelfareSolution) -> "DualPrices":
        """One corner of what supports the result: good enough to round with, not to publish."""
        price = solution.price_micro_per_kwh
        return cls(
            price_micro_per_kwh=price,
            prices=PriceInterval(lower_micro_per_kwh=price, upper_micro_per_kwh=price),
            shadow_price=solution.shadow_price,
        )


def trader_prices(
    *,
    uniform_micro_per_kwh: int | IntArray,
    adder_micro_per_kwh: FloatArray,
    is_sell: BoolArray,
    limit_micro_per_kwh: IntArray,
    lowest_micro_per_kwh: int,
) -> IntArray:
    """Price of each order [n]: the uniform one less its adder, rounded in the trader's favour, within its limit.

    Orders without an adder get the uniform price, which may be one for each order [n], as it is. No price falls below
    `lowest`, so that buyers are not paid for consuming unless a limit of the book asks for it.
    """
    local = uniform_micro_per_kwh - adder_micro_per_kwh
    tick = PRICE_TICK_MICRO_PER_KWH
    upwards = -np.floor((-local + NOISE_MICRO_PER_KWH) / tick).astype(np.int64) * tick
    downwards = np.floor((local + NOISE_MICRO_PER_KWH) / tick).astype(np.int64) * tick
    rounded = np.maximum(np.where(is_sell, upwards, downwards), lowest_micro_per_kwh)
    within = np.where(is_sell, np.maximum(rounded, limit_micro_per_kwh), np.minimum(rounded, limit_micro_per_kwh))
    return np.where(adder_micro_per_kwh == 0.0, uniform_micro_per_kwh, within)


def dual_prices(problem: WelfareProblem, solution: WelfareSolution, rule: PriceRule) -> DualPrices:
    """Uniform price and shadow prices that support an optimum of the welfare problem.

    The prices that support it satisfy complementary slackness with it: a polytope in (price, shadow prices, worth of
    curtailment room). Its extent along the uniform price is the interval; at the chosen price the smallest
    shadow prices are taken.
    """
    system = _SupportingPrices(problem, solution)
    for slack in SLACKS:
        lower, upper = system.extreme(slack, +1.0), system.extreme(slack, -1.0)
        if lower is None or upper is None:
            continue
        prices = _within_accepted_limits(problem, solution, float(lower[0]), float(max(upper[0], lower[0])))
        price = rule.choose(prices)
        shadow = system.smallest_shadow_prices(slack, price)
        if shadow is not None:
            return DualPrices(price_micro_per_kwh=price, prices=prices, shadow_price=shadow)
    return DualPrices.of_solver(solution)


def _within_accepted_limits(
    problem: WelfareProblem, solution: WelfareSolution, lower: float, upper: float
) -> PriceInterval:
    """Shadow prices alone can support a uniform price beyond every accepted limit: such prices are left out.

    An end that nothing holds is drawn to the other one.
    """
    cells, taken = problem.cells, solution.accepted_wh > PART_WH
    lowest = float(cells.price_micro_per_kwh[taken & cells.is_sell].min(initial=np.iinfo(np.int64).max))
    highest = float(cells.price_micro_per_kwh[taken & ~cells.is_sell].max(initial=np.iinfo(np.int64).min))
    lower = lowest if lower < lowest <= upper else lower
    upper = highest if lower <= highest < upper else upper
    span = (PRICE_SPAN - 1.0) * float(max(1, np.abs(cells.price_micro_per_kwh).max(initial=1)))
    if upper >= span:
        upper = max(lower, 0.0) if lower <= -span else lower
    if lower <= -span:
        lower = upper
    return PriceInterval(lower_micro_per_kwh=lower, upper_micro_per_kwh=upper)


class _SupportingPrices:
    """Conditions A z <= b + slack on z = (uniform price, shadow prices, worth of each group's curtailment room).

    Prices are divided by the highest one, shadow prices belong to rows scaled to a largest effect of one.
    """

    def __init__(self, problem: WelfareProblem, solution: WelfareSolution) -> None:
        cells = problem.cells
        self._price_scale = float(max(1.0, np.abs(cells.price_micro_per_kwh).max(initial=1)))
        self._row_scale = cells.largest_effect
        self._row_count, self._group_count = problem.room.size, cells.group_capacity_wh.size
        conditions = [*self._cells(problem, solution), *self._groups(problem, solution)]
        self._matrix = np.vstack([matrix for matrix, _ in conditions])
        self._bound = np.concatenate([bound for _, bound in conditions])
        self._bounds = self._variable_bounds(problem, solution)

    def extreme(self, slack: float, sign: float) -> FloatArray | None:
        """The supporting prices with the lowest (sign +1) or highest (-1) uniform price, which comes first."""
        cost = np.zeros(self._matrix.shape[1])
        cost[0] = sign
        found = self._minimise(cost, slack, self._bounds)
        return None if found is None else found * self._price_scale

    def smallest_shadow_prices(self, slack: float, price: float) -> FloatArray | None:
        """Shadow prices with the smallest sum at this uniform price."""
        cost = np.concatenate([[0.0], np.ones(self._row_count), np.zeros(self._group_count)])
        fixed = price / self._price_scale
        found = self._minimise(cost, slack, [(fixed, fixed), *self._bounds[1:]])
        if found is None:
            return None
        shadow = found[1 : 1 + self._row_count]
        return np.where(shadow > max(10.0 * slack, SHADOW_NOISE), shadow, 0.0) * self._price_scale / self._row_scale

    def _minimise(self, cost: FloatArray, slack: float, bounds: list[tuple[float, float | None]]) -> FloatArray | None:
        found = linprog(cost, A_ub=self._matrix, b_ub=self._bound + slack, bounds=bounds, method="highs")
        return np.asarray(found.x, dtype=np.float64) if found.status == 0 else None

    def _cells(self, problem: WelfareProblem, solution: WelfareSolution) -> list[tuple[FloatArray, FloatArray]]:
        """What is accepted has a surplus of at least zero; what is left out has one of at most zero.

        Within a ladder conditions differ in their bound alone: that of the worst cell accepted and of the best one left
        out implies the others.
        """
        cells, conditions = problem.cells, []
        side = np.where(cells.is_sell, 1.0, -1.0)
        worth = -side * cells.price_micro_per_kwh / self._price_scale
        taken = solution.accepted_wh > PART_WH
        left = solution.accepted_wh < cells.capacity_wh - PART_WH
        for sign, held in ((-1.0, np.flatnonzero(taken)), (1.0, np.flatnonzero(left))):
            first = np.flatnonzero(np.diff(cells.ladder[held], prepend=-1))
            last = np.append(first[1:], held.size)[: first.size] - 1
            worst_is_last = cells.is_sell[held[first]] == (sign < 0.0)  # prices ascend within a ladder
            tightest = held[np.where(worst_is_last, last, first)]
            conditions.append((sign * self._surplus(cells, tightest), -sign * worth[tightest]))
        return conditions

    def _surplus(self, cells: Cells, at: IntArray) -> FloatArray:
        """Coefficients of the surplus of these cells beside their own price."""
        side = np.where(cells.is_sell[at], 1.0, -1.0)
        room = np.zeros((at.size, self._group_count))
        grouped = np.flatnonzero(cells.group[at] != NO_GROUP)
        room[grouped, cells.group[at[grouped]]] = 1.0
        effect = cells.class_effect[:, cells.moved_class[at]] / self._row_scale[:, None]
        return np.hstack([side[:, None], -(effect * side).T, -room])

    def _groups(self, problem: WelfareProblem, solution: WelfareSolution) -> list[tuple[FloatArray, FloatArray]]:
        """Curtailing never gains more than its room is worth, and just that much where something is curtailed."""
        relief = (problem.cells.relief / self._row_scale[:, None]).T
        gain = np.hstack([np.zeros((self._group_count, 1)), -relief, -np.eye(self._group_count)])
        cost = np.full(self._group_count, problem.curtailment_price_micro_per_kwh / self._price_scale)
        used = solution.curtailed_wh > PART_WH
        return [(gain, cost), (-gain[used], -cost[used])]

    def _variable_bounds(self, problem: WelfareProblem, solution: WelfareSolution) -> list[tuple[float, float | None]]:
        """The supplier bounds the price; a row or a group that is not used up has no price."""
        cells = problem.cells
        lower, upper = _supplier_bounds(problem.supplier, solution)
        bounds: list[tuple[float, float | None]] = [
            (
                -PRICE_SPAN if lower is None else lower / self._price_scale,
                PRICE_SPAN if upper is None else upper / self._price_scale,
            )
        ]
        signed = np.where(cells.is_sell, solution.accepted_wh, -solution.accepted_wh)
        moved = np.bincount(cells.moved_class, weights=signed, minlength=cells.class_effect.shape[1])
        used = cells.class_effect @ moved + cells.relief @ solution.curtailed_wh
        active = used >= problem.room - PART_WH * self._row_scale
        bounds += [(0.0, None if at_limit else 0.0) for at_limit in active]
        grouped = cells.group != NO_GROUP
        cleared = np.bincount(cells.group[grouped], weights=solution.accepted_wh[grouped], minlength=self._group_count)
        tight = cleared + solution.curtailed_wh > cells.group_capacity_wh - PART_WH
        bounds += [(0.0, None if full else 0.0) for full in tight]
        return bounds


def _supplier_bounds(supplier: Supplier, solution: WelfareSolution) -> tuple[int | None, int | None]:
    lower, upper = supplier.buys_at_micro_per_kwh, supplier.sells_at_micro_per_kwh
    if solution.supplier_import_wh > PART_WH:
        lower = upper
    if solution.supplier_export_wh > PART_WH:
        upper = lower
    return lower, upper
