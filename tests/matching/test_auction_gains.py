"""What a member gains by splitting an order, and what anybody could gain by promising energy that does not exist."""

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies as st
from market_cases import RULES, book, many, order
from random_books import FEW_WH, OUTSIDE, Orders, Outside, books, rules_with

from matching.book import OrderBook
from matching.clearing import Clearing, clear
from matching.orders import Order, Side


def cleared(orders: Orders, outside: Outside) -> Clearing:
    return clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules_with(outside))


def surplus(order: Order, accepted_wh: int, result: Clearing) -> int:
    """Nano-units that the owner of an order is better off than without the auction, by the order's limit."""
    gain = (result.clearing_price_micro_per_kwh or 0) - order.limit_micro_per_kwh
    return accepted_wh * (gain if order.side is Side.SELL else -gain)


@given(
    orders=books(8, st.integers(0, 30)),
    outside=OUTSIDE,
    at=st.integers(0, 7),
    cuts=st.lists(st.integers(0, 30), min_size=1, max_size=4),
)
@many()
def test_splitting_an_order_gains_no_money_and_at_most_a_wh_a_cut(
    orders: Orders, outside: Outside, at: int, cuts: list[int]
) -> None:
    if not orders:
        return
    whole = orders[at % len(orders)]
    edges = [0, *sorted(min(cut, whole.quantity_wh) for cut in cuts), whole.quantity_wh]
    parts = tuple(
        dataclasses.replace(whole, order_id=f"{whole.order_id} part {k}", quantity_wh=upper - lower)
        for k, (lower, upper) in enumerate(itertools.pairwise(edges))
    )
    before = cleared(orders, outside)
    after = cleared((*(each for each in orders if each is not whole), *parts), outside)
    accepted = int(before.accepted_wh[at % len(orders)])
    in_parts = int(after.accepted_wh[-len(parts) :].sum())
    assert after.clearing_price_micro_per_kwh == before.clearing_price_micro_per_kwh
    assert abs(in_parts - accepted) <= len(cuts)
    assert surplus(whole, in_parts, after) == surplus(whole, accepted, before)


@given(orders=books(8, FEW_WH), extra=st.integers(1, 9), at=st.integers(0, 7))
@many()
def test_more_energy_on_offer_never_raises_the_price(orders: Orders, extra: int, at: int) -> None:
    # Why phantom energy would pay whoever buys: it can only push the price down.
    if not orders or orders[at % len(orders)].side is Side.BUY:
        return
    at %= len(orders)
    more = dataclasses.replace(orders[at], quantity_wh=orders[at].quantity_wh + extra)
    before, after = cleared(orders, None), cleared((*orders[:at], more, *orders[at + 1 :]), None)
    if before.prices is not None:
        assert after.prices is not None
        assert after.prices.lower_micro_per_kwh <= before.prices.lower_micro_per_kwh
        assert after.prices.upper_micro_per_kwh <= before.prices.upper_micro_per_kwh


def test_phantom_energy_would_push_the_price_down_and_pay_the_buyer_who_promised_it() -> None:
    # Feed-in is 80 000. Mallory needs 1 000 Wh and has a panel that makes nothing this quarter of an hour. Honest, she
    # is one of two buyers for 1 500 Wh and the price lies between 150 000 and the 300 000 both would pay.
    street = (
        order("seller", "sell", 2_000, 150_000, "firm"),
        order("mallory buys", "buy", 1_000, 300_000, "firm", participant="mallory"),
        order("neighbour", "buy", 1_000, 300_000, "firm"),
    )
    honest = clear(book(*street), interval_minutes=15, rules=RULES)
    assert honest.clearing_price_micro_per_kwh == 225_000
    # If she could offer 2 000 Wh that do not exist as firm energy, at the feed-in price, the real seller would be left
    # out, and she would save 1 000 Wh x (225 000 - 115 000) while a firm order answers for no deviation.
    phantom = order("mallory sells", "sell", 2_000, 80_000, "firm", participant="mallory")
    cheated = clear(book(*street, phantom), interval_minutes=15, rules=RULES)
    assert cheated.clearing_price_micro_per_kwh == 115_000
    assert cheated.accepted_wh.tolist() == [0, 1_000, 1_000, 2_000]
    assert honest.amount_nano[1] - cheated.amount_nano[1] == 1_000 * 110_000
    # The auction cannot see which energy exists: that firm quantities are forecasts is kept where orders are made
    # (tests/app/test_firm_quantities.py).
