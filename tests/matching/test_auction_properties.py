"""Random small books, dense with ties, against brute force, against the optimisation, and against themselves."""

import dataclasses
import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_cases import many

from matching.auction import sort_and_merge
from matching.book import OrderBook
from matching.cells import NetworkRows, aggregate
from matching.clearing import MarketRules, clear
from matching.disaggregation import disaggregate
from matching.orders import Firmness, Order, Side
from matching.price_rule import PriceRule
from matching.pricing import DualPrices, dual_prices
from matching.problem import WelfareProblem, WelfareSolution
from matching.programme import solve_programme
from matching.rationing import keyed_tie_keys
from matching.welfare import solve_welfare

PRICES = st.integers(-2, 6).map(lambda ticks: ticks * 100)
OUTSIDE = st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)).map(lambda p: (100 * p[0], 100 * (p[0] + p[1])))


def books(most: int, quantity: int) -> st.SearchStrategy[tuple[Order, ...]]:
    """Up to `most` orders of up to `quantity` Wh on few prices."""
    one = st.tuples(st.sampled_from(Side), st.integers(0, quantity), PRICES, st.sampled_from(Firmness))
    return st.lists(one, max_size=most).map(
        lambda rows: tuple(
            Order(
                order_id=f"o{k}",
                participant=f"p{k % 3}",
                metering_point=f"m{k}",
                side=side,
                quantity_wh=wh,
                limit_micro_per_kwh=limit,
                firmness=firmness,
            )
            for k, (side, wh, limit, firmness) in enumerate(rows)
        )
    )


def rules_with(outside: tuple[int, int] | None) -> MarketRules:
    if outside is None:
        return MarketRules(tie_seed="a test")
    return MarketRules(
        tie_seed="a test",
        supplier_price_micro_per_kwh=outside[1],
        feed_in_price_micro_per_kwh=outside[0],
        supplier_bids=True,
    )


def best_by_brute_force(orders: tuple[Order, ...], outside: tuple[int, int] | None) -> tuple[int, int]:
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


@given(orders=books(5, 3), outside=OUTSIDE)
@many()
def test_welfare_and_volume_equal_brute_force(orders: tuple[Order, ...], outside: tuple[int, int] | None) -> None:
    result = clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules_with(outside))
    assert (result.welfare_nano, result.traded_wh) == best_by_brute_force(orders, outside)
    assert result.certificate.dual_welfare_nano == result.welfare_nano


@given(orders=books(10, 9), outside=OUTSIDE, seed=st.integers(0, 99))
@many()
def test_the_order_of_arrival_changes_nothing(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, seed: int
) -> None:
    shuffled = list(orders)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (nothing secret)
    first = clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules_with(outside))
    second = clear(OrderBook.from_orders(shuffled), interval_minutes=15, rules=rules_with(outside))
    assert first.digest() == second.digest()
    assert {trade.order_id: trade for trade in first.trades()} == {trade.order_id: trade for trade in second.trades()}


@given(orders=books(10, 9), outside=OUTSIDE)
@many()
def test_energy_and_money_are_conserved_and_nobody_is_worse_off(
    orders: tuple[Order, ...], outside: tuple[int, int] | None
) -> None:
    result = clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules_with(outside))
    energy, money = result.supplier_import_wh - result.supplier_export_wh, 0
    for order, trade in zip(orders, result.trades(), strict=True):
        side = 1 if order.side is Side.SELL else -1
        energy += side * trade.accepted_wh
        money += side * trade.amount_nano
        assert 0 <= trade.accepted_wh <= order.quantity_wh
        if trade.accepted_wh:
            assert side * (trade.price_micro_per_kwh - order.limit_micro_per_kwh) >= 0
            assert trade.amount_nano == trade.accepted_wh * trade.price_micro_per_kwh
    assert energy == 0
    supplied = result.supplier_import_wh - result.supplier_export_wh
    assert money + supplied * (result.clearing_price_micro_per_kwh or 0) == 0
    assert result.congestion_rent_nano == 0


@given(orders=books(8, 9), outside=OUTSIDE, at=st.integers(0, 7), better=st.integers(1, 3))
@many()
def test_a_better_price_never_gets_less(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, at: int, better: int
) -> None:
    if not orders:
        return
    at %= len(orders)
    step = 100 * better if orders[at].side is Side.BUY else -100 * better
    improved = dataclasses.replace(orders[at], limit_micro_per_kwh=orders[at].limit_micro_per_kwh + step)
    before = clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules_with(outside))
    changed = (*orders[:at], improved, *orders[at + 1 :])
    after = clear(OrderBook.from_orders(changed), interval_minutes=15, rules=rules_with(outside))
    assert after.accepted_wh[at] >= before.accepted_wh[at]


@given(orders=books(8, 9), outside=OUTSIDE)
@many()
def test_nobody_at_a_better_price_is_left_out_for_somebody_at_a_worse_one(
    orders: tuple[Order, ...], outside: tuple[int, int] | None
) -> None:
    result = clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules_with(outside))
    price = result.clearing_price_micro_per_kwh
    for order, accepted in zip(orders, result.accepted_wh.tolist(), strict=True):
        gain = 0 if price is None else (price - order.limit_micro_per_kwh) * (1 if order.side is Side.SELL else -1)
        if gain > 0:
            assert accepted == order.quantity_wh
        if gain < 0:
            assert accepted == 0


@given(orders=books(10, 9), outside=OUTSIDE)
@many()
def test_prices_far_apart_clear_as_the_same_prices_close_together(
    orders: tuple[Order, ...], outside: tuple[int, int] | None
) -> None:
    apart = 10**6  # too far to count every tick between them: the book is sorted
    stretched = tuple(
        dataclasses.replace(order, limit_micro_per_kwh=apart * order.limit_micro_per_kwh) for order in orders
    )
    far = None if outside is None else (apart * outside[0], apart * outside[1])
    near = clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules_with(outside))
    result = clear(OrderBook.from_orders(stretched), interval_minutes=15, rules=rules_with(far))
    assert result.accepted_wh.tolist() == near.accepted_wh.tolist()
    assert result.welfare_nano == result.certificate.dual_welfare_nano == apart * near.welfare_nano


@pytest.mark.parametrize("solve", [solve_welfare, solve_programme])
@given(orders=books(10, 9), outside=OUTSIDE)
@many()
def test_the_optimisation_gives_the_same_result_to_the_wh_and_tick(
    solve: Callable[[WelfareProblem], WelfareSolution | None],
    orders: tuple[Order, ...],
    outside: tuple[int, int] | None,
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
