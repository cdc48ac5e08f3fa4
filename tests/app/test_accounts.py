"""Invoices are paid by the treasurer's word, who owes too much does not buy, and books and ledger agree."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from app.agents.histories import Histories
from app.audit import entries
from app.credit import members_beyond_limit
from app.ledger_access import open_ledger, settler_key
from app.ledger_payments import bring_payments_to_ledger
from app.market_choice import MarketChoice, adopt_choice
from app.market_round import MarketDesk, expect, open_gate, place_agent_orders
from app.order_entry import HandOrder, OrderRefusedError, place_by_hand
from app.payments import PaymentRefusedError, mark_paid
from app.storage.database import reading, writing
from app.storage.store.accounts import invoices_of, payments
from app.storage.store.community import COMMUNITY, add_tariff
from app.storage.store.members import PARTICIPANTS
from app.storage.store.orders import ORDERS, book_of
from app.storage.store.rounds import open_rounds
from app.storage.store.settlement import balances
from contracts.bills import NANO_PER_CENT
from contracts.published import ContractRefusedError
from contracts.tariff import Tariff
from contracts.transfers import PLATFORM_FEE, TREASURY
from matching.orders import Side
from meters.interval import DeliveryInterval
from tests.app.delivered_day import DAY_START_S, DeliveredDay
from tests.app.neighbourhood import NOON_S, StandingClock
from tests.app.test_settlement_runs import DAY_SLOTS, KEY, SF_S
from tests.app.two_invoices import ANNA, BELA, owe, pay, state, totals


def test_what_the_treasurer_marks_as_paid_is_on_the_account_and_in_the_audit(invoiced: Engine) -> None:
    assert (state(invoiced, BELA), state(invoiced, ANNA)) == (("payable", 2_570), ("credit", -1_631))
    pay(invoiced, BELA)
    pay(invoiced, ANNA)
    assert (state(invoiced, BELA), state(invoiced, ANNA)) == (("paid", 0), ("paid", 0))
    assert totals(invoiced) == {PLATFORM_FEE: 2_570 - 1_631, TREASURY: 1_631 - 2_570}
    with reading(invoiced) as connection:
        newest = entries(connection)[0]
    assert (newest.actor, newest.action, newest.subject) == ("tina", "payment.recorded", "2025-05-anna-1-p1")


def test_a_part_may_be_paid_and_then_the_rest(invoiced: Engine) -> None:
    pay(invoiced, BELA, 1_000)
    assert state(invoiced, BELA) == ("payable", 1_570)
    pay(invoiced, BELA)
    assert state(invoiced, BELA) == ("paid", 0)
    assert totals(invoiced)[TREASURY] == -2_570


@pytest.mark.parametrize(
    ("invoice", "cents", "slug"),
    [
        ("nobody-1", None, "unknown-invoice"),
        (BELA.id, 0, "amount"),
        (BELA.id, -5, "amount"),
        (BELA.id, 2_571, "too-much"),
    ],
)
def test_a_payment_that_cannot_be_is_refused_and_nothing_is_posted(
    invoiced: Engine, invoice: str, cents: int | None, slug: str
) -> None:
    before = totals(invoiced)
    with writing(invoiced) as connection, pytest.raises(PaymentRefusedError) as refused:
        mark_paid(connection, invoice, amount_cents=cents, actor="tina", now_s=NOON_S)
    assert refused.value.slug == slug
    assert totals(invoiced) == before


def test_an_invoice_is_not_paid_twice(invoiced: Engine) -> None:
    pay(invoiced, BELA)
    with pytest.raises(PaymentRefusedError, match="is paid already"):
        pay(invoiced, BELA)


def test_a_credit_that_was_used_since_is_not_paid_out(invoiced: Engine) -> None:
    with writing(invoiced) as connection:
        owe(connection, "anna", 1_000)
    with pytest.raises(PaymentRefusedError, match="balance is 631 cents by now"):
        pay(invoiced, ANNA)
    pay(invoiced, ANNA, 631)
    assert totals(invoiced).get("member:anna", 0) == 0
    assert state(invoiced, ANNA) == ("credit", -1_000)


def buying(engine: Engine, name: str, side: Side = Side.BUY) -> None:
    start_s = NOON_S + 4 * 900
    with writing(engine) as connection:
        open_rounds(connection, [start_s])
        place_by_hand(
            connection,
            HandOrder(
                order_id=f"{name}-{side}",
                participant=name,
                metering_point=f"mp-{name}",
                start_s=start_s,
                side=side,
                quantity_wh=100,
                limit_micro_per_kwh=200_000,
            ),
            now_s=NOON_S,
        )


def test_who_owes_more_than_the_limit_may_sell_and_not_buy(invoiced: Engine) -> None:
    """The limit is twice the mean bill: 51.40, of which 25.70 are owed already."""
    with writing(invoiced) as connection:
        owe(connection, "bela", 2_500)
        owe(connection, "bela", 70)
    buying(invoiced, "bela")
    with writing(invoiced) as connection:
        owe(connection, "bela", 1)
        connection.execute(ORDERS.delete())
    with pytest.raises(
        OrderRefusedError, match=r"You owe 0\.01 EUR more than your credit limit of 51\.40 EUR"
    ) as refused:
        buying(invoiced, "bela")
    assert refused.value.slug == "credit-limit"
    buying(invoiced, "bela", Side.SELL)
    pay(invoiced, BELA, 1)
    buying(invoiced, "bela")


def test_before_there_is_a_bill_the_first_limit_holds(community: Engine) -> None:
    with writing(community) as connection:
        owe(connection, "bela", 20_001)
    with pytest.raises(OrderRefusedError, match=r"0\.01 EUR more than your credit limit of 200\.00 EUR"):
        buying(community, "bela")
    with writing(community) as connection:
        adopt_choice(connection, MarketChoice(first_credit_limit_cents=20_001), next_s=0)
    buying(community, "bela")


def test_the_agent_of_who_owes_too_much_does_not_buy(invoiced: Engine) -> None:
    with writing(invoiced) as connection:
        assert members_beyond_limit(connection, at_s=NOON_S) == frozenset()
        owe(connection, "bela", 2_571)
        assert members_beyond_limit(connection, at_s=NOON_S) == {"bela"}
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
    interval, clock = DeliveryInterval.at(NOON_S), StandingClock(NOON_S - 1800)
    market = MarketDesk(engine=invoiced, clock=clock, network=None, histories=Histories(invoiced, minutes=15))
    open_gate(market, interval)
    place_agent_orders(market, expect(market, interval, decided_s=clock.now_s))
    with reading(invoiced) as connection:
        buyers = {order.participant for order in book_of(connection, NOON_S) if order.side is Side.BUY}
    assert buyers == {"anna"}  # without history both are expected to draw as a standard home does


def test_books_and_ledger_agree_after_invoices_and_payments(community: Engine, tmp_path: Path) -> None:
    with writing(community) as connection:
        unfounded = dict.fromkeys(("chain_id", "ledger_address", "ledger_code_hash", "genesis_hash"))
        connection.execute(update(COMMUNITY).values(**unfounded))
        for lane, name in enumerate(("anna", "bela")):
            connection.execute(update(PARTICIPANTS).where(PARTICIPANTS.c.id == name).values(lane=lane))
    day = DeliveredDay(community, KEY)
    key = settler_key(tmp_path / "settler", seed="test")
    chain, lock = tmp_path / "chain", tmp_path / "lock"
    access = open_ledger(community, chain=chain, key=key, clock=day.clock, lock_path=lock)
    day.scheduler = replace(day.scheduler, settlement=replace(day.scheduler.settlement, ledger=access.ledger))
    day.deliver(DAY_SLOTS)
    day.settle_at(SF_S)
    with reading(community) as connection:
        (invoice,), (credit,) = invoices_of(connection, "bela"), invoices_of(connection, "anna")
    with writing(community) as connection:
        for each in (invoice, credit):
            mark_paid(connection, each.id, amount_cents=None, actor="tina", now_s=day.clock.now_s)
    later = (SF_S - DAY_START_S) // 900 + 52
    for _ in range(2):
        day.deliver(range(later, later + 2))
        later += 96
    with reading(community) as connection:
        books = {name: nano for name, nano in balances(connection).items() if nano}
        assert all(each.tx_hash is not None for each in payments(connection))
    on_chain = {f"member:{name}": access.ledger.balance_of(lane) for lane, name in enumerate(("anna", "bela"))}
    on_chain |= access.ledger.system_balances()
    assert {name: nano for name, nano in on_chain.items() if nano} == books
    assert books[TREASURY] == -(invoice.total_cents + credit.total_cents) * NANO_PER_CENT
    assert bring_payments_to_ledger(community, access.ledger) == []
    access.close()


def test_a_redemption_that_the_ledger_cannot_cover_yet_waits(invoiced: Engine) -> None:
    class Poor:
        def redeem(self, business_id: str, *, lane: int, amount_nano: int) -> None:
            raise ContractRefusedError(f"{business_id}: InsufficientBalance", {"lane": lane, "amount": amount_nano})

    pay(invoiced, ANNA)
    assert bring_payments_to_ledger(invoiced, Poor()) == []
    with reading(invoiced) as connection:
        assert [each.tx_hash for each in payments(connection)] == [None]
