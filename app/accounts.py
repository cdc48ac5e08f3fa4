"""Accounts as they are shown: invoices with what is due, payments, and whether the ledger agrees."""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.credit import credit_limit_nano
from app.payments import InvoiceState, state_of
from app.storage.store.accounts import Payment, all_invoices, invoices_of, payments
from app.storage.store.settlement import balance_of
from contracts.transfers import member_account


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAccount:
    """One member's account: + balance is what the community owes; invoices newest first."""

    balance_nano: int
    credit_limit_nano: int
    invoices: tuple[InvoiceState, ...]
    payments: tuple[Payment, ...]


def account_of(connection: Connection, participant_id: str, *, now_s: int) -> MemberAccount:
    """A member's own account."""
    return MemberAccount(
        balance_nano=balance_of(connection, member_account(participant_id)),
        credit_limit_nano=credit_limit_nano(connection, participant_id, at_s=now_s),
        invoices=tuple(state_of(connection, each) for each in reversed(invoices_of(connection, participant_id))),
        payments=payments(connection, participant_id=participant_id),
    )


def all_accounts(connection: Connection) -> tuple[tuple[InvoiceState, ...], tuple[Payment, ...]]:
    """Every invoice, newest month first, and every payment, newest first: no figure tells when a home used energy."""
    states = tuple(state_of(connection, each) for each in reversed(all_invoices(connection)))
    return states, tuple(reversed(payments(connection)))
