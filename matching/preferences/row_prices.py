"""Prices of every class, and of the limits that bind, which support an optimum under network rows.

With mu_c the price of room in row c, a flexible seller at bus i receives price_S - sum_c mu_c effect_ci and a flexible
buyer pays as much more or less; everybody else has the price of the class. They are found in two steps: first the price
of the class that sells most, as where there are no classes: its extent over all prices that support the optimum, the
rule's point of it, and the smallest shadow prices then; after that all classes, with these shadow prices, by the same
relaxation as without a network, every class at the share of its interval at which that one price lies.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from grid.limits import FloatArray
from matching.auction import PriceInterval
from matching.book import BoolArray, IntArray
from matching.cells import NO_GROUP
from matching.certificate import each_rounded
from matching.preferences.problem import ClassProblem, ClassSolution
from matching.preferences.supporting import UNBOUNDED, ClassBounds, ClassPriceInterval, interval_within
from matching.price_rule import PriceRule
from matching.pricing import PART_WH, PRICE_SPAN, SLACKS
from matching.problem import SHADOW_NOISE

FINE = 1000  # nano-units in a micro-unit: relaxation works in whole numbers, shadow prices do not
CONTRADICTION_MAX_MICRO = 100  # a tick: more is no support


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowPrices:
    """interval in parts of a micro-unit (`FINE`), and the share of it that is paid.

    shadow_price [n_row] and class_adder [n_class of buses] are rounded as they are published.
    """

    interval: ClassPriceInterval
    share: Fraction
    shadow_price: FloatArray
    class_adder: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Kinds:
    """Cells that differ in price alone, [n_kind]; from and to bound what their class may be paid before adders.

    least  the cell's limit that the price must at least reach, for sellers the highest accepted one, for buyers the
           highest that is not fully accepted; -inf where there is none
    most   the other way round
    """

    is_sell: BoolArray
    match_class: IntArray
    moved_class: IntArray
    group: IntArray
    least: FloatArray
    most: FloatArray


def row_prices(problem: ClassProblem, solution: ClassSolution, main: int, rule: PriceRule) -> RowPrices | None:
    """Prices that support an optimum; `main` is the class of sellers whose price is quoted. None if there are none."""
    if not problem.classes.sellers:
        return None  # nobody has a price to quote, and nothing can be traded
    system = _Support(problem, solution)
    for slack in SLACKS:
        lower, upper = system.extreme(slack, main, +1.0), system.extreme(slack, main, -1.0)
        if lower is None or upper is None:
            continue
        ends = _within_accepted_limits(problem, solution, main, lower, max(lower, upper), system.unheld)
        chosen = rule.choose(ends)
        found = system.smallest_shadow_prices(slack, main, chosen)
        if found is None:
            continue
        shadow, room_worth = found
        return _priced(problem, solution, system.kinds, main, chosen, each_rounded(shadow), room_worth)
    return None


def _priced(
    problem: ClassProblem,
    solution: ClassSolution,
    kinds: _Kinds,
    main: int,
    chosen: float,
    shadow: FloatArray,
    room_worth: FloatArray,
) -> RowPrices:
    priced = np.flatnonzero(shadow)
    adder = shadow[priced] @ each_rounded(problem.cells.class_effect[priced])
    beyond = adder[kinds.moved_class] + np.where(kinds.is_sell, 1.0, -1.0) * np.append(room_worth, 0.0)[kinds.group]
    interval = interval_within(
        _bounds(problem, solution, kinds, beyond),
        problem.classes.weight * FINE,
        solution.flow_wh > PART_WH,
        noise=CONTRADICTION_MAX_MICRO * FINE,
    )
    lowest, highest = int(interval.lowest.price[main]), int(interval.highest.price[main])
    place = Fraction(round(chosen * FINE) - lowest, max(1, highest - lowest))
    return RowPrices(
        interval=interval, share=min(max(place, Fraction(0)), Fraction(1)), shadow_price=shadow, class_adder=adder
    )


def _bounds(problem: ClassProblem, solution: ClassSolution, kinds: _Kinds, beyond: FloatArray) -> ClassBounds:
    """What each class demands once every kind's own adder is known."""
    sellers, buyers = problem.classes.weight.shape
    price_from, price_to = np.full(sellers, -UNBOUNDED), np.full(sellers, UNBOUNDED)
    worth_from, worth_to = np.full(buyers, -UNBOUNDED), np.full(buyers, UNBOUNDED)
    for side, least, most in ((True, price_from, price_to), (False, worth_from, worth_to)):
        for limit, extreme, bound in ((kinds.least, np.maximum, least), (kinds.most, np.minimum, most)):
            at = (kinds.is_sell == side) & np.isfinite(limit)
            values = np.rint((limit[at] + beyond[at]) * FINE).astype(np.int64)
            extreme.at(bound, kinds.match_class[at], values)
    supplier = problem.supplier
    if problem.classes.supplier_sells:
        price_to[-1] = (supplier.sells_at_micro_per_kwh or 0) * FINE
        price_from[-1] = price_to[-1] if solution.supplier_import_wh > PART_WH else -UNBOUNDED
    if problem.classes.supplier_buys:
        worth_from[-1] = (supplier.buys_at_micro_per_kwh or 0) * FINE
        worth_to[-1] = worth_from[-1] if solution.supplier_export_wh > PART_WH else UNBOUNDED
    return ClassBounds(price_from=price_from, price_to=price_to, worth_from=worth_from, worth_to=worth_to)


def _within_accepted_limits(
    problem: ClassProblem, solution: ClassSolution, main: int, lower: float, upper: float, unheld: float
) -> PriceInterval:
    """Shadow prices alone can support a price beyond every accepted limit: such prices are left out.

    An end that nothing holds is drawn to the other one.
    """
    cells, taken = problem.cells, solution.accepted_wh > PART_WH
    selling = taken & cells.is_sell & (cells.match_class == main)
    served = np.flatnonzero(solution.flow_wh[main] > PART_WH)
    buying = taken & ~cells.is_sell & np.isin(cells.match_class, served)
    limit = cells.price_micro_per_kwh
    lowest = float(limit[selling].min(initial=np.iinfo(np.int64).max))
    with_premium = limit[buying] + problem.classes.weight[main][cells.match_class[buying]]
    highest = float(with_premium.max(initial=np.iinfo(np.int64).min))
    lower = lowest if lower < lowest <= upper else lower
    upper = highest if lower <= highest < upper else upper
    if upper >= unheld:
        upper = lower if lower > -unheld else 0.0
    if lower <= -unheld:
        lower = upper
    return PriceInterval(lower_micro_per_kwh=lower, upper_micro_per_kwh=upper)


def _kinds(problem: ClassProblem, solution: ClassSolution) -> _Kinds:
    cells = problem.cells
    columns = np.stack([cells.is_sell, cells.match_class, cells.moved_class, cells.group], axis=1)
    distinct, of_cell = np.unique(columns, axis=0, return_inverse=True)
    of_cell = of_cell.reshape(-1)
    least, most = np.full(len(distinct), -np.inf), np.full(len(distinct), np.inf)
    taken, left = solution.accepted_wh > PART_WH, solution.accepted_wh < cells.capacity_wh - PART_WH
    for chosen, extreme, bound in (
        (np.where(cells.is_sell, taken, left), np.maximum, least),
        (np.where(cells.is_sell, left, taken), np.minimum, most),
    ):
        extreme.at(bound, of_cell[chosen], cells.price_micro_per_kwh[chosen])
    return _Kinds(
        is_sell=distinct[:, 0] == 1,
        match_class=distinct[:, 1],
        moved_class=distinct[:, 2],
        group=distinct[:, 3],
        least=least,
        most=most,
    )


class _Support:
    """Conditions A z <= b + slack on z = (price of sellers' classes, worth of buyers', shadow prices, worth of room).

    Prices are divided by the highest one, shadow prices belong to rows scaled to a largest effect of one.
    """

    def __init__(self, problem: ClassProblem, solution: ClassSolution) -> None:
        cells, (self._sellers, buyers) = problem.cells, problem.classes.weight.shape
        self.kinds = _kinds(problem, solution)
        largest = max(np.abs(cells.price_micro_per_kwh).max(initial=1), np.abs(problem.flow_worth).max(initial=1))
        self._price_scale = float(largest)
        self.unheld = (PRICE_SPAN - 1.0) * self._price_scale
        unit = np.abs(np.hstack([cells.effect, cells.relief])).max(axis=1, initial=0.0)
        self._row_scale = np.where(unit > 0.0, unit, 1.0)
        self._classes, self._rows = self._sellers + buyers, problem.room.size
        self._groups = cells.group_capacity_wh.size
        conditions = [*self._orders(problem), *self._curtailing(problem, solution), *self._pairs(problem, solution)]
        self._matrix = sparse.vstack([matrix for matrix, _ in conditions], format="csr")
        self._bound = np.concatenate([bound for _, bound in conditions])
        self._bounds = self._variable_bounds(problem, solution)

    def extreme(self, slack: float, main: int, sign: float) -> float | None:
        """The lowest (sign +1) or highest (-1) price of a class."""
        cost = np.zeros(self._matrix.shape[1])
        cost[main] = sign
        found = self._minimise(cost, slack, self._bounds)
        return None if found is None else float(found[main]) * self._price_scale

    def smallest_shadow_prices(self, slack: float, main: int, price: float) -> tuple[FloatArray, FloatArray] | None:
        """Shadow prices with the smallest sum at this price of the class, and the worth of curtailment room then."""
        cost = np.zeros(self._matrix.shape[1])
        cost[self._classes : self._classes + self._rows] = 1.0
        bounds = list(self._bounds)
        bounds[main] = (price / self._price_scale, price / self._price_scale)
        found = self._minimise(cost, slack, bounds)
        if found is None:
            return None
        shadow, room = np.split(found[self._classes :], [self._rows])
        kept = np.where(shadow > max(10.0 * slack, SHADOW_NOISE), shadow, 0.0)
        return kept * self._price_scale / self._row_scale, room * self._price_scale

    def _minimise(
        self, cost: FloatArray, slack: float, bounds: list[tuple[float | None, float | None]]
    ) -> FloatArray | None:
        found = linprog(cost, A_ub=self._matrix, b_ub=self._bound + slack, bounds=bounds, method="highs")
        return np.asarray(found.x, dtype=np.float64) if found.status == 0 else None

    def _orders(self, problem: ClassProblem) -> list[tuple[sparse.csr_matrix, FloatArray]]:
        """Price - adder -+ room of a kind, at least the one limit and at most the other."""
        kinds, count = self.kinds, self.kinds.is_sell.size
        at = np.arange(count)
        own = np.where(kinds.is_sell, 0, self._sellers) + kinds.match_class
        price = sparse.csr_matrix((np.ones(count), (at, own)), (count, self._classes))
        adder = sparse.csr_matrix(-(problem.cells.class_effect / self._row_scale[:, None])[:, kinds.moved_class].T)
        grouped = np.flatnonzero(kinds.group != NO_GROUP)
        side = np.where(kinds.is_sell, -1.0, 1.0)[grouped]
        room = sparse.csr_matrix((side, (grouped, kinds.group[grouped])), (count, self._groups))
        local = sparse.hstack([price, adder, room], format="csr")
        least, most = np.isfinite(kinds.least), np.isfinite(kinds.most)
        return [
            (-local[least], -kinds.least[least] / self._price_scale),
            (local[most], kinds.most[most] / self._price_scale),
        ]

    def _curtailing(self, problem: ClassProblem, solution: ClassSolution) -> list[tuple[sparse.csr_matrix, FloatArray]]:
        """Curtailing never gains more than its room is worth, and just that much where something is curtailed."""
        relief = sparse.csr_matrix((problem.cells.relief / self._row_scale[:, None]).T)
        nothing = sparse.csr_matrix((self._groups, self._classes))
        gain = sparse.hstack([nothing, -relief, -sparse.identity(self._groups)], format="csr")
        cost = np.full(self._groups, problem.curtailment_price_micro_per_kwh / self._price_scale)
        used = solution.curtailed_wh > PART_WH
        return [(gain, cost), (-gain[used], -cost[used])]

    def _pairs(self, problem: ClassProblem, solution: ClassSolution) -> list[tuple[sparse.csr_matrix, FloatArray]]:
        """A class costs what its buyers would pay for it at least, and just that much where energy flows."""
        seller, buyer = (index.ravel() for index in np.indices(problem.classes.weight.shape))
        pair = np.arange(seller.size)
        entries = (
            np.concatenate([np.ones(pair.size), -np.ones(pair.size)]),
            (np.tile(pair, 2), np.concatenate([self._sellers + buyer, seller])),
        )
        width = self._classes + self._rows + self._groups
        dearer = sparse.csr_matrix(entries, (pair.size, width))
        weight = problem.classes.weight.ravel() / self._price_scale
        flows = solution.flow_wh.ravel() > PART_WH
        return [(dearer, -weight), (-dearer[flows], weight[flows])]

    def _variable_bounds(
        self, problem: ClassProblem, solution: ClassSolution
    ) -> list[tuple[float | None, float | None]]:
        """The supplier bounds its own prices; a row or a group that is not used up has no price."""
        cells, supplier, classes = problem.cells, problem.supplier, problem.classes
        bounds: list[tuple[float | None, float | None]] = [(-PRICE_SPAN, PRICE_SPAN)] * self._classes
        if classes.supplier_sells:
            sells = (supplier.sells_at_micro_per_kwh or 0) / self._price_scale
            bounds[self._sellers - 1] = (sells if solution.supplier_import_wh > PART_WH else -PRICE_SPAN, sells)
        if classes.supplier_buys:
            buys = (supplier.buys_at_micro_per_kwh or 0) / self._price_scale
            bounds[-1] = (buys, buys if solution.supplier_export_wh > PART_WH else PRICE_SPAN)
        used = cells.effect @ solution.accepted_wh + cells.relief @ solution.curtailed_wh
        bounds += [(0.0, None if full else 0.0) for full in used >= problem.room - PART_WH * self._row_scale]
        grouped = cells.group != NO_GROUP
        cleared = np.zeros(self._groups)
        np.add.at(cleared, cells.group[grouped], solution.accepted_wh[grouped])
        tight = cleared + solution.curtailed_wh > cells.group_capacity_wh - PART_WH
        bounds += [(0.0, None if full else 0.0) for full in tight]
        return bounds
