"""Random small books, dense with ties, against brute force, the optimisation, exact fractions, and themselves.

What splitting and promising energy can gain is in test_auction_gains.py, what must come out everywhere alike in
test_auction_everywhere.py.
"""

import dataclasses
import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_cases import many
from random_books import EXTREME_OUTSIDE, FEW_WH, OUTSIDE, SEED, Orders, Outside, books, extreme_books, rules_with
from reference_auction import reference

from matching.auction import sort_and_merge
from matching.book import OrderBook
from matching.cells import NetworkRows, aggregate
from matching.clearing import Clearing, clear
from matching.disaggregation import disaggregate
from matching.orders import Side
from matching.price_rule import PriceRule
from matching.pricing import DualPrices, dual_prices
from matching.problem import WelfareProblem, WelfareSolution
from matching.programme import solve_programme
from matching.rationing import keyed_tie_keys
from matching.welfare import solve_welfare

ONE_SIDED = st.sampled_from(Side).flatmap(lambda side: books(8, FEW_WH, sides=st.just(side)))
WITHOUT_ENERGY = books(8, st.just(0))
ALL_EQUAL = st.tuples(st.integers(1, 9), st.integers(-2, 6)).flatmap(
    lambda same: books(8, st.just(same[0]), prices=st.just(100 * same[1]))
)


def cleared(orders: Orders, outside: Outside) -> Clearing:
    return clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules_with(outside))


def best_by_brute_force(orders: Orders, outside: Outside) -> tuple[int, int]:
    """Highest welfare, and the largest traded volume that reaches it, over every whole-Wh outcome."""
    best = (0, 0)
    for accepted in itertools.product(*(range(order.quantity_wh + 1) for order in orders)):
        sold = sum(wh for wh, order in zip(accepted, orders, strict=True) if order.side is Side.SELL)
        bought = sum(accepted) - sold
        if outside is None and sold != bought:
            continue
        welfare = sum(
            wh * (order.limit_micro_per_kwh if order.side is Side.BUY else -order.limit_micro_per_kwh)
            for wh, order in zip(accepted, orders, strict=True)
        )
        if outside is not None:
            welfare -= outside[1] * max(0, bought - sold)
            welfare += outside[0] * max(0, sold - bought)
        best = max(best, (welfare, min(sold, bought)))
    return best


@given(orders=books(5, st.integers(0, 3)), outside=OUTSIDE)
@many()
def test_welfare_and_volume_equal_brute_force(orders: Orders, outside: Outside) -> None:
    result = cleared(orders, outside)
    assert (result.welfare_nano, result.traded_wh) == best_by_brute_force(orders, outside)
    assert result.certificate.dual_welfare_nano == result.welfare_nano


@given(orders=books(10, FEW_WH), outside=OUTSIDE, seed=st.integers(0, 99))
@many()
def test_the_order_of_arrival_changes_nothing(orders: Orders, outside: Outside, seed: int) -> None:
    shuffled = list(orders)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (nothing secret)
    first = cleared(orders, outside)
    second = cleared(tuple(shuffled), outside)
    assert first.digest() == second.digest()
    assert {trade.order_id: trade for trade in first.trades()} == {trade.order_id: trade for trade in second.trades()}


@given(orders=books(10, FEW_WH) | extreme_books(), outside=OUTSIDE | EXTREME_OUTSIDE)
@many()
def test_energy_is_conserved_to_the_wh_and_money_to_the_nano_unit(orders: Orders, outside: Outside) -> None:
    result = cleared(orders, outside)
    energy = money = 0
    for order, trade in zip(orders, result.trades(), strict=True):
        side = 1 if order.side is Side.SELL else -1
        energy += side * trade.accepted_wh
        money += side * trade.amount_nano
    supplied = result.supplier_import_wh - result.supplier_export_wh
    assert energy + supplied == 0
    assert money + supplied * (result.clearing_price_micro_per_kwh or 0) == 0
    assert result.congestion_rent_nano == 0


@given(orders=books(10, FEW_WH) | extreme_books(), outside=OUTSIDE | EXTREME_OUTSIDE)
@many()
def test_nobody_gets_more_than_ordered_or_a_price_beyond_the_own_limit(orders: Orders, outside: Outside) -> None:
    for order, trade in zip(orders, cleared(orders, outside).trades(), strict=True):
        side = 1 if order.side is Side.SELL else -1
        assert 0 <= trade.accepted_wh <= order.quantity_wh
        if trade.accepted_wh:
            assert side * (trade.price_micro_per_kwh - order.limit_micro_per_kwh) >= 0
            assert trade.amount_nano == trade.accepted_wh * trade.price_micro_per_kwh
        else:
            assert (trade.price_micro_per_kwh, trade.amount_nano) == (None, 0)


@given(orders=books(8, FEW_WH), outside=OUTSIDE, at=st.integers(0, 7), better=st.integers(1, 3))
@many()
def test_a_better_price_never_gets_less(orders: Orders, outside: Outside, at: int, better: int) -> None:
    if not orders:
        return
    at %= len(orders)
    step = 100 * better if orders[at].side is Side.BUY else -100 * better
    improved = dataclasses.replace(orders[at], limit_micro_per_kwh=orders[at].limit_micro_per_kwh + step)
    before = cleared(orders, outside)
    changed = (*orders[:at], improved, *orders[at + 1 :])
    after = cleared(changed, outside)
    assert after.accepted_wh[at] >= before.accepted_wh[at]


@given(orders=books(8, FEW_WH), outside=OUTSIDE)
@many()
def test_nobody_at_a_better_price_is_left_out_for_somebody_at_a_worse_one(orders: Orders, outside: Outside) -> None:
    result = cleared(orders, outside)
    price = result.clearing_price_micro_per_kwh
    for order, accepted in zip(orders, result.accepted_wh.tolist(), strict=True):
        gain = 0 if price is None else (price - order.limit_micro_per_kwh) * (1 if order.side is Side.SELL else -1)
        if gain > 0:
            assert accepted == order.quantity_wh
        if gain < 0:
            assert accepted == 0


@given(orders=books(10, FEW_WH), outside=OUTSIDE)
@many()
def test_prices_far_apart_clear_as_the_same_prices_close_together(orders: Orders, outside: Outside) -> None:
    apart = 10**6  # too far to count every tick between them: the book is sorted
    stretched = tuple(
        dataclasses.replace(order, limit_micro_per_kwh=apart * order.limit_micro_per_kwh) for order in orders
    )
    far = None if outside is None else (apart * outside[0], apart * outside[1])
    near = cleared(orders, outside)
    result = cleared(stretched, far)
    assert result.accepted_wh.tolist() == near.accepted_wh.tolist()
    assert result.welfare_nano == result.certificate.dual_welfare_nano == apart * near.welfare_nano


@given(orders=books(10, FEW_WH), outside=OUTSIDE)
@many()
def test_orders_at_one_price_share_in_proportion_and_envy_nobody_a_whole_wh(orders: Orders, outside: Outside) -> None:
    shared: dict[tuple[Side, int], list[tuple[int, int]]] = {}
    for order, accepted in zip(orders, cleared(orders, outside).accepted_wh.tolist(), strict=True):
        shared.setdefault((order.side, order.limit_micro_per_kwh), []).append((order.quantity_wh, accepted))
    for alike in shared.values():
        offered, taken = (sum(column) for column in zip(*alike, strict=True))
        for quantity, accepted in alike:
            assert abs(accepted * offered - quantity * taken) < max(1, offered)
        for (quantity, accepted), (other_quantity, other_accepted) in itertools.product(alike, repeat=2):
            assert quantity < other_quantity or accepted >= other_accepted - 1


@given(
    orders=books(10, FEW_WH) | extreme_books() | ONE_SIDED | WITHOUT_ENERGY | ALL_EQUAL,
    outside=OUTSIDE | EXTREME_OUTSIDE,
)
@many()
def test_every_trade_and_the_price_are_those_of_exact_fractions(orders: Orders, outside: Outside) -> None:
    result, exact = cleared(orders, outside), reference(orders, outside=outside, tie_seed=SEED)
    accepted = dict(zip((order.order_id for order in orders), result.accepted_wh.tolist(), strict=True))
    assert accepted == exact.accepted_wh
    assert result.clearing_price_micro_per_kwh == exact.price
    assert (result.supplier_import_wh, result.supplier_export_wh) == (
        exact.supplier_import_wh,
        exact.supplier_export_wh,
    )


@given(orders=ONE_SIDED | WITHOUT_ENERGY)
@many()
def test_a_book_of_one_side_or_of_no_energy_trades_nothing(orders: Orders) -> None:
    result = cleared(orders, None)
    assert not result.accepted_wh.any()
    assert result.clearing_price_micro_per_kwh is None
    assert (result.welfare_nano, result.certificate.dual_welfare_nano, result.traded_wh) == (0, 0, 0)


@given(orders=books(8, FEW_WH), gap=st.integers(1, 3))
@many()
def test_a_book_that_does_not_cross_trades_nothing(orders: Orders, gap: int) -> None:
    highest = max((order.limit_micro_per_kwh for order in orders if order.side is Side.BUY), default=0)
    apart = tuple(
        dataclasses.replace(order, limit_micro_per_kwh=highest + 100 * gap + abs(order.limit_micro_per_kwh))
        if order.side is Side.SELL
        else order
        for order in orders
    )
    result = cleared(apart, None)
    assert not result.accepted_wh.any()
    assert result.clearing_price_micro_per_kwh is None


@given(orders=ALL_EQUAL)
@many()
def test_where_all_are_equal_the_short_side_trades_in_full_at_that_price(orders: Orders) -> None:
    result = cleared(orders, None)
    sold, bought = (sum(each.quantity_wh for each in orders if each.side is side) for side in (Side.SELL, Side.BUY))
    assert result.traded_wh == min(sold, bought)
    assert result.clearing_price_micro_per_kwh == (orders[0].limit_micro_per_kwh if sold and bought else None)


@pytest.mark.parametrize("solve", [solve_welfare, solve_programme])
@given(orders=books(10, FEW_WH), outside=OUTSIDE)
@many()
def test_the_optimisation_gives_the_same_result_to_the_wh_and_tick(
    solve: Callable[[WelfareProblem], WelfareSolution | None],
    orders: Orders,
    outside: Outside,
) -> None:
    book, rules = OrderBook.from_orders(orders), rules_with(outside)
    tie_keys = keyed_tie_keys(book.order_ids, rules.tie_seed)
    merged = sort_and_merge(
        is_sell=book.is_sell,
        quantity_wh=book.quantity_wh,
        limit_micro_per_kwh=book.limit_micro_per_kwh,
        supplier=rules.supplier,
        tie_keys=tie_keys,
    )
    no_rows = NetworkRows(effect_per_wh=np.zeros((0, 1)), room=np.zeros(0))
    problem = WelfareProblem(
        cells=aggregate(book, book.quantity_wh, np.zeros(len(book), dtype=np.int64), no_rows),
        room=no_rows.room,
        supplier=rules.supplier,
        loss_wh=0,
        curtailment_price_micro_per_kwh=0,
    )
    solution = solve(problem)
    assert solution is not None
    whole = disaggregate(
        quantity_wh=book.quantity_wh,
        problem=problem,
        solution=solution,
        duals=DualPrices.of_solver(solution),
        respected=np.zeros(0, dtype=np.bool_),
        loss_wh=0,
        tie_keys=tie_keys,
    )
    assert whole.accepted_wh.tolist() == merged.accepted_wh.tolist()
    assert (whole.supplier_import_wh, whole.supplier_export_wh) == (
        merged.supplier_import_wh,
        merged.supplier_export_wh,
    )
    if merged.prices is not None:
        optimal = dual_prices(problem, solution, PriceRule(k=0.5)).prices
        assert abs(optimal.lower_micro_per_kwh - merged.prices.lower_micro_per_kwh) < 1e-3
        assert abs(optimal.upper_micro_per_kwh - merged.prices.upper_micro_per_kwh) < 1e-3
