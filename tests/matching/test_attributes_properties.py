"""Random small books with premiums and fees, against trying everything, and against what must hold for every result."""

import dataclasses
import random

import pytest
from attribute_cases import FEES, best_welfare, books, fee_between, premium_between
from hypothesis import given
from hypothesis import strategies as st
from market_cases import many

from matching.book import OrderBook
from matching.clearing import Clearing, MarketRules, clear
from matching.mechanisms.k_double_auction import KDoubleAuction
from matching.orders import Order, Side
from matching.preferences.attributes import NO_ATTRIBUTES
from matching.preferences.auction import NO_ROWS, AttributeAuction, class_problem
from matching.preferences.fees import GridFees
from matching.preferences.model import solve_class_model
from matching.preferences.programme import solve_classes
from matching.rationing import keyed_tie_keys
from matching.rules import Terms

OUTSIDE = st.none() | st.tuples(st.integers(0, 3), st.integers(0, 5)).map(lambda p: (100 * p[0], 100 * (p[0] + p[1])))
SOME_FEES = st.none() | st.just(FEES)
SHARES = st.sampled_from((0.0, 0.3, 0.5, 1.0))


def rules_with(outside: tuple[int, int] | None, fees: GridFees | None, k: float = 0.5) -> MarketRules:
    return MarketRules(
        tie_seed="a test",
        k=k,
        grid_fees=fees,
        supplier_bids=outside is not None,
        feed_in_price_micro_per_kwh=None if outside is None else outside[0],
        supplier_price_micro_per_kwh=None if outside is None else outside[1],
    )


def terms_of(book: OrderBook, rules: MarketRules) -> Terms:
    return Terms(book=book, rules=rules, interval_minutes=15, tie_keys=keyed_tie_keys(book.order_ids, rules.tie_seed))


def cleared(orders: tuple[Order, ...], rules: MarketRules) -> Clearing:
    return clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules)


@given(orders=books(most=3, wh=2), outside=OUTSIDE, fees=SOME_FEES)
@many()
def test_the_welfare_is_the_best_of_all_ways_to_send_whole_wh(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, fees: GridFees | None
) -> None:
    result = cleared(orders, rules_with(outside, fees))
    assert result.welfare_nano == best_welfare(orders, fees, outside)
    assert result.certificate.dual_welfare_nano == result.welfare_nano


@given(orders=books(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES)
@many()
def test_the_matrices_and_the_model_come_to_the_same_welfare(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, fees: GridFees | None
) -> None:
    if not orders:
        return
    book, rules = OrderBook.from_orders(orders), rules_with(outside, fees)
    terms = terms_of(book, rules)
    problem = class_problem(terms.tradable(book.quantity_wh), NO_ROWS)
    fast, stated = solve_classes(problem), solve_class_model(problem)
    assert fast is not None
    assert stated is not None
    assert fast.objective_nano == pytest.approx(stated.objective_nano, rel=1e-9, abs=1e-6)


@given(orders=books(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES, k=SHARES)
@many()
def test_nobody_would_rather_have_bought_elsewhere_or_not_at_all(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, fees: GridFees | None, k: float
) -> None:
    """Every accepted Wh has the best surplus there is, every Wh left out could have had none."""
    result = cleared(orders, rules_with(outside, fees, k))
    if result.attributes is None or result.clearing_price_micro_per_kwh is None:
        return
    seller_price = {
        order.order_id: int(result.attributes.prices.price[number])
        for order, number in zip(orders, result.attributes.classes.of_order.tolist(), strict=True)
        if order.side is Side.SELL and order.quantity_wh
    }
    by_id = {order.order_id: order for order in orders}
    received = {trade.order_id: trade for trade in result.trades()}
    for order_id, price in seller_price.items():
        gain, trade = price - by_id[order_id].limit_micro_per_kwh, received[order_id]
        assert trade.amount_nano == trade.accepted_wh * price
        assert gain <= 0 or trade.accepted_wh == by_id[order_id].quantity_wh
        assert gain >= 0 or trade.accepted_wh == 0
    for order in (order for order in orders if order.side is Side.BUY):
        offers = [
            order.limit_micro_per_kwh + premium_between(by_id[s], order) - price - fee_between(by_id[s], order, fees)
            for s, price in seller_price.items()
        ]
        best = max([*offers, *([order.limit_micro_per_kwh - outside[1]] if outside else [])], default=-1)
        trade = received[order.order_id]
        mine = [part for part in parts_of(result) if part[0] == order.order_id]
        surplus = sum(wh * (order.limit_micro_per_kwh + premium) - amount for _, wh, premium, amount in mine)
        assert surplus == trade.accepted_wh * max(best, 0)
        if best > 0:
            assert trade.accepted_wh == order.quantity_wh


def parts_of(result: Clearing) -> list[tuple[str, int, int, int]]:
    """Order, Wh, premium and amount of every part."""
    assert result.attributes is not None
    names = [name.decode() for name in result.book.order_ids.tolist()]
    return [(row[0], row[3], row[6], row[7]) for row in result.attributes.rows(names)]


@given(orders=books(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES)
@many()
def test_energy_and_money_are_conserved_to_the_last_unit(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, fees: GridFees | None
) -> None:
    result = cleared(orders, rules_with(outside, fees))
    energy, money = result.supplier_import_wh - result.supplier_export_wh, 0
    for order, trade in zip(orders, result.trades(), strict=True):
        side = 1 if order.side is Side.SELL else -1
        energy += side * trade.accepted_wh
        money += side * trade.amount_nano
    feed_in, supplier = outside or (0, 0)
    money += result.supplier_import_wh * supplier - result.supplier_export_wh * feed_in
    assert (energy, result.congestion_rent_nano) == (0, 0)
    if result.attributes is None:
        assert money == 0
        return
    assert money + result.attributes.grid_fee_nano == 0
    accepted = accepted_by_part(result)
    assert accepted == {trade.order_id: trade.accepted_wh for trade in result.trades() if trade.accepted_wh}
    more_parts = len(parts_of(result)) - len(accepted)
    assert more_parts <= 2 * int((result.attributes.flow_wh > 0).sum())


@given(orders=books(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES, seed=st.integers(0, 99))
@many()
def test_arrival_changes_no_trade_and_no_part(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, fees: GridFees | None, seed: int
) -> None:
    shuffled = list(orders)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (nothing secret)
    first, second = (cleared(tuple(each), rules_with(outside, fees)) for each in (orders, shuffled))
    assert first.digest() == second.digest()
    if first.attributes is not None:
        assert sorted(parts_of(first)) == sorted(parts_of(second))


@given(orders=books(most=5, wh=9), outside=OUTSIDE, fees=SOME_FEES, at=st.integers(0, 9), more=st.integers(1, 3))
@many()
def test_a_higher_premium_never_lowers_the_welfare(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, fees: GridFees | None, at: int, more: int
) -> None:
    buyers = [position for position, order in enumerate(orders) if order.attributes.premiums]
    if not buyers:
        return
    position = buyers[at % len(buyers)]
    (name, amount), *rest = orders[position].attributes.premiums
    raised = dataclasses.replace(orders[position].attributes, premiums=((name, amount + 100 * more), *rest))
    changed = list(orders)
    changed[position] = dataclasses.replace(orders[position], attributes=raised)
    rules = rules_with(outside, fees)
    assert cleared(tuple(changed), rules).welfare_nano >= cleared(orders, rules).welfare_nano


@given(orders=books(most=8, wh=9), outside=OUTSIDE, k=SHARES)
@many()
def test_without_preferences_the_classes_come_to_the_plain_result(
    orders: tuple[Order, ...], outside: tuple[int, int] | None, k: float
) -> None:
    plain = OrderBook.from_orders([dataclasses.replace(order, attributes=NO_ATTRIBUTES) for order in orders])
    rules = rules_with(outside, None, k)
    tradable = terms_of(plain, rules).tradable(plain.quantity_wh)
    merged, matched = KDoubleAuction().match(tradable), AttributeAuction().match(tradable)
    assert matched.accepted_wh.tolist() == merged.accepted_wh.tolist()
    assert matched.payments.price_micro_per_kwh.tolist() == merged.payments.price_micro_per_kwh.tolist()
    assert matched.payments.amount_nano.tolist() == merged.payments.amount_nano.tolist()
    assert matched.payments.supplier_pays_nano == merged.payments.supplier_pays_nano
    assert (matched.supplier_import_wh, matched.supplier_export_wh) == (
        merged.supplier_import_wh,
        merged.supplier_export_wh,
    )
    if merged.prices is not None and outside is None:
        assert matched.prices == merged.prices


def accepted_by_part(result: Clearing) -> dict[str, int]:
    total: dict[str, int] = {}
    for name, wh, _, _ in parts_of(result):
        total[name] = total.get(name, 0) + wh
    return total
