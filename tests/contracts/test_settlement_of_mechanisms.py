"""What a mechanism decided is what is settled: amounts to the nano-unit, and no sharing where it forbids it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settlement_cases import NOON, Book, energy, point, settle, shared

from contracts.allocation import ClearedInterval
from contracts.transfers import MARKET, TransferKind, net_positions
from matching.book import OrderBook
from matching.clearing import MarketRules, clear
from matching.mechanisms import MECHANISMS
from matching.orders import Firmness, Order, Side

R, F = 180_000, 60_000
NAMES = sorted(MECHANISMS)
quantities, steps = st.integers(1, 400), st.integers(0, 12)


@st.composite
def markets(draw: st.DrawFn) -> list[Order]:
    """One order of each of up to seven homes, firm, between the outside prices."""
    sides = draw(st.lists(st.sampled_from(Side), min_size=2, max_size=7))
    return [
        Order(
            order_id=f"o{n}",
            participant=f"p{n}",
            metering_point=f"M-p{n}",
            side=side,
            quantity_wh=draw(quantities),
            limit_micro_per_kwh=F + draw(steps) * 10_000,
            firmness=Firmness.FIRM,
        )
        for n, side in enumerate(sides)
    ]


def cleared(mechanism: str, orders: list[Order]) -> ClearedInterval:
    rules = MarketRules(
        tie_seed="seed", mechanism=mechanism, supplier_price_micro_per_kwh=R, feed_in_price_micro_per_kwh=F
    )
    clearing = clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules)
    return ClearedInterval(
        interval=NOON,
        orders=orders,
        trades=clearing.trades(),
        clearing_price_micro_per_kwh=clearing.clearing_price_micro_per_kwh,
        mechanism=mechanism,
    )


def metered(orders: list[Order], share: float = 1.0) -> list:
    return [
        energy(each.participant, **{f"{'im' if each.side is Side.BUY else 'ex'}port_wh": int(each.quantity_wh * share)})
        for each in orders
    ]


@pytest.mark.parametrize("mechanism", NAMES)
@given(orders=markets())
def test_what_is_delivered_as_contracted_is_paid_to_the_nano_unit(mechanism: str, orders: list[Order]) -> None:
    decided = cleared(mechanism, orders)
    points = [
        point(each.participant, buy_at_most_micro_per_kwh=None, sell_at_least_micro_per_kwh=None) for each in orders
    ]
    contracts = [
        energy(each.participant, **{f"{'im' if each.side is Side.BUY else 'ex'}port_wh": trade.accepted_wh})
        for each, trade in zip(orders, decided.trades, strict=True)
    ]
    result = settle(decided, contracts, points)
    moved = dict.fromkeys((f"M-{each.participant}" for each in orders), 0)
    for transfer in result.transfers:
        if transfer.kind is TransferKind.ENERGY:
            moved[transfer.transfer_id.split("/")[3]] += transfer.amount_nano
    assert list(moved.values()) == [trade.amount_nano for trade in decided.trades]


@pytest.mark.parametrize("mechanism", NAMES)
@given(orders=markets(), kept=st.floats(0.0, 1.3))
def test_money_and_energy_are_conserved_whatever_is_delivered(mechanism: str, orders: list[Order], kept: float) -> None:
    result = settle(cleared(mechanism, orders), metered(orders, kept), [point(each.participant) for each in orders])
    net = net_positions(result.transfers)
    assert (sum(net.values()), net.get(MARKET, 0)) == (0, 0)
    assert sum(each.bought_wh for each in result.allocations) == sum(each.sold_wh for each in result.allocations)


@pytest.mark.parametrize("mechanism", NAMES)
def test_what_nobody_has_a_contract_for_is_shared_only_where_the_mechanism_shares_it(mechanism: str) -> None:
    book = Book().sell("sun", 100).buy("load", 100).cleared()
    decided = replace(book, mechanism=mechanism)
    result = settle(
        decided, [energy("sun", export_wh=150), energy("load", import_wh=150)], [point("sun"), point("load")]
    )
    expected_wh = 150 if MECHANISMS[mechanism].properties.pools_leftovers else 100
    assert shared(result) == {"load": (expected_wh, 0), "sun": (0, expected_wh)}


def test_an_amount_that_does_not_fit_its_price_is_refused() -> None:
    book = Book().sell("sun", 100).buy("load", 100).cleared()
    wrong = replace(
        book, trades=[book.trades[0], replace(book.trades[1], amount_nano=book.trades[1].amount_nano + 100)]
    )
    with pytest.raises(ValueError, match="do not fit its energy and price"):
        settle(wrong, [], [point("sun"), point("load")])
