"""How far a member's account may go below zero before orders are refused; never at settlement, never on supply."""

from collections import defaultdict

from sqlalchemy import Connection

from app.market_choice import choice_at
from app.storage.store.accounts import all_invoices, invoices_of, payments
from app.storage.store.members import participants
from app.storage.store.settlement import balance_of
from contracts.bills import NANO_PER_CENT
from contracts.transfers import member_account


def credit_limit_nano(connection: Connection, participant_id: str, *, at_s: int) -> int:
    """What the member may owe: a share of the mean monthly bill, or the first limit before there is one to pay."""
    choice = choice_at(connection, at_s)
    months: dict[str, int] = defaultdict(int)
    for invoice in invoices_of(connection, participant_id):
        months[invoice.month] += invoice.total_cents
    billed_cents = sum(max(0, cents) for cents in months.values())
    if billed_cents == 0:
        return choice.first_credit_limit_cents * NANO_PER_CENT
    return billed_cents * NANO_PER_CENT * choice.credit_limit_percent // (100 * len(months))


def beyond_limit_nano(connection: Connection, participant_id: str, *, at_s: int) -> int:
    """By how much the member owes more than the limit; 0 within it."""
    owed_nano = -balance_of(connection, member_account(participant_id))
    return max(0, owed_nano - credit_limit_nano(connection, participant_id, at_s=at_s))


def members_beyond_limit(connection: Connection, *, at_s: int) -> frozenset[str]:
    """Members whose agents may not buy. Who paid all invoices cannot owe much: only the others are looked at."""
    due_cents: dict[str, int] = defaultdict(int)
    for invoice in all_invoices(connection):
        due_cents[invoice.participant_id] += invoice.total_cents
    for payment in payments(connection):
        due_cents[payment.participant_id] -= payment.amount_cents
    candidates = [
        person.id
        for person in participants(connection, role="household")
        if due_cents.get(person.id) is None or due_cents[person.id] > 0
    ]
    return frozenset(each for each in candidates if beyond_limit_nano(connection, each, at_s=at_s))
