"""Lumped columns come to the optimum of all orders: as scipy with one variable an order, as HiGHS with all cells."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from market_cases import many
from scipy.optimize import linprog

from matching.auction import Supplier
from matching.book import CURTAILABLE, FLEXIBLE, OrderBook
from matching.cells import NetworkRows, aggregate
from matching.disaggregation import disaggregate
from matching.orders import Firmness, Order, Side
from matching.pricing import DualPrices
from matching.problem import WelfareProblem, WelfareSolution
from matching.programme import solve_programme
from matching.rationing import keyed_tie_keys
from matching.reduction import solve_reduced
from matching.welfare import solve_welfare

CURTAILMENT_PRICE = 90_000
SUPPLIER = Supplier(sells_at_micro_per_kwh=300_000, buys_at_micro_per_kwh=60_000)
BUS_COUNT = 4


@dataclass(frozen=True)
class Case:
    """A book on some buses and rows with effects that no two buses share."""

    book: OrderBook
    effect: np.ndarray
    room: np.ndarray

    @property
    def problem(self) -> WelfareProblem:
        rows = NetworkRows(effect_per_wh=self.effect, room=self.room)
        return WelfareProblem(
            cells=aggregate(self.book, self.book.quantity_wh, self.book.bus, rows),
            room=rows.room,
            supplier=SUPPLIER,
            loss_wh=0,
            curtailment_price_micro_per_kwh=CURTAILMENT_PRICE,
        )

    def per_order(self) -> float | None:
        """The most welfare, nano-units, or None where the rows cannot be kept."""
        book = self.book
        side, count = np.where(book.is_sell, 1.0, -1.0), len(book)
        cost = [*(side * book.limit_micro_per_kwh), *np.full(count, float(CURTAILMENT_PRICE)), 300_000.0, -60_000.0]
        effect = self.effect[:, book.bus] * side
        flexible, curtailable = book.firmness_codes == FLEXIBLE, book.firmness_codes == CURTAILABLE
        limits = np.hstack([effect * flexible, -effect * curtailable, np.zeros((self.room.size, 2))])
        uncleared = np.hstack([np.eye(count), np.eye(count), np.zeros((count, 2))])
        found = linprog(
            cost,
            A_ub=np.vstack([limits, uncleared]),
            b_ub=np.concatenate([self.room, book.quantity_wh]),
            A_eq=[[*side, *np.zeros(count), 1.0, -1.0]],
            b_eq=[0.0],
            bounds=[(0, None)] * count + [(0, None if may else 0) for may in curtailable] + [(0, None)] * 2,
        )
        return None if found.status == 2 else -float(found.fun)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Some dozens of orders at few prices, so that many tie, under one to three rows of any tightness."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, prices = draw(st.integers(1, 60)), draw(st.sampled_from((2, 7, 40)))
    orders = [
        Order(
            order_id=f"o{number}",
            participant="p",
            metering_point="m",
            side=Side.SELL if random.random() < 0.5 else Side.BUY,
            quantity_wh=int(random.integers(0, 2_000)),
            limit_micro_per_kwh=int(100 * (700 + random.integers(0, prices) * (1_600 // prices))),
            firmness=list(Firmness)[int(random.integers(3))],
            bus=int(random.integers(BUS_COUNT)),
        )
        for number in range(count)
    ]
    row_count = draw(st.integers(1, 3))
    return Case(
        book=OrderBook.from_orders(orders),
        effect=random.uniform(-1.0, 1.0, (row_count, BUS_COUNT)),
        room=random.uniform(-0.2, 1.0, row_count) * draw(st.sampled_from((100.0, 2_000.0, 20_000.0))),
    )


def whole(case: Case, problem: WelfareProblem, solution: WelfareSolution) -> list[int]:
    """Accepted Wh of every order."""
    return disaggregate(
        quantity_wh=case.book.quantity_wh,
        problem=problem,
        solution=solution,
        duals=DualPrices.of_solver(solution),
        respected=np.zeros(case.room.size, dtype=np.bool_),
        loss_wh=0,
        tie_keys=keyed_tie_keys(case.book.order_ids, "a test"),
    ).accepted_wh.tolist()


@given(case=cases())
@many()
def test_lumps_come_to_the_welfare_of_one_variable_an_order(case: Case) -> None:
    problem, best = case.problem, case.per_order()
    reduced = solve_reduced(problem, whole_cells_max=0)
    assert (reduced is None) == (best is None)
    if reduced is None or best is None:
        return
    turnover = max(1.0, float(problem.cells.price_micro_per_kwh @ problem.cells.capacity_wh))
    # The preference for volume may cost a thousandth of the finest unit of price on every Wh.
    assert abs(reduced.solution.objective_nano - best) <= 1e-9 * turnover + 2e-3 * problem.cells.capacity_wh.sum()
    specified = solve_welfare(problem, reduced.solution.programme)
    assert specified is not None
    assert abs(specified.objective_nano - reduced.solution.objective_nano) <= 1e-9 * turnover


@given(case=cases())
@many()
def test_lumps_come_to_the_same_energy_of_every_order_as_all_cells(case: Case) -> None:
    problem = case.problem
    full, reduced = solve_programme(problem), solve_reduced(problem, whole_cells_max=0)
    assert (full is None) == (reduced is None)
    if full is None or reduced is None:
        return
    assert whole(case, problem, reduced.solution) == whole(case, problem, full)
    # Where the search begins makes no difference, be it ever so wrong.
    wrong_guess = np.full(problem.cells.of_part.size, 1e5)
    again = solve_reduced(problem, wrong_guess, whole_cells_max=0)
    assert again is not None
    assert whole(case, problem, again.solution) == whole(case, problem, full)


@given(case=cases())
@many()
def test_of_each_ladder_at_most_full_single_and_empty_columns_are_left(case: Case) -> None:
    reduced = solve_reduced(case.problem, whole_cells_max=0)
    if reduced is None:
        return
    cells, columns = case.problem.cells, reduced.solution.programme.columns
    assert int(columns.capacity_wh.sum()) == int(cells.capacity_wh.sum())
    in_part = (reduced.solution.accepted_wh > 1e-6) & (reduced.solution.accepted_wh < cells.capacity_wh - 1e-6)
    assert in_part.sum() <= case.room.size + 1 + cells.group_capacity_wh.size
    for ladder in range(int(cells.ladder[-1]) + 1):
        here = np.flatnonzero(cells.ladder == ladder)
        accepted = reduced.solution.accepted_wh[here] / np.maximum(cells.capacity_wh[here], 1)
        best_first = accepted[cells.capacity_wh[here] > 0][:: 1 if cells.is_sell[here[0]] else -1]
        assert (np.diff(best_first) <= 1e-6).all(), "a worse price was accepted before a better one"
