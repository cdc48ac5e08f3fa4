"""Invoices and payments: only ever inserted; to a payment is added what the bank and the chain call it."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Select, func, select, update

from app.storage import tables
from app.storage.store.bulk import insert_all
from app.storage.tables import core_table

INVOICES = core_table(tables.InvoiceRow)
PAYMENTS = core_table(tables.PaymentRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A member's month in cents, + is owed by the member; `number` counts from 1, later ones are corrections.

    reference  what to type into the bank transfer
    """

    id: str
    participant_id: str
    month: str
    number: int
    run: str
    total_cents: int
    reference: str
    issued_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that moved for an invoice, + to the community.

    bank_reference  the bank's own name for it, None as long as only the treasurer said so
    tx_hash         of the ledger's issue or redemption, None before
    """

    id: str
    invoice_id: str
    participant_id: str
    amount_cents: int
    booked_on: str
    actor: str
    recorded_s: int
    bank_reference: str | None = None
    tx_hash: str | None = None


def add_invoice(connection: Connection, invoice: Invoice) -> None:
    """Issue an invoice; the same again raises IntegrityError."""
    insert_all(connection, INVOICES, [asdict(invoice)])


def invoices_of(connection: Connection, participant_id: str) -> tuple[Invoice, ...]:
    """A member's invoices, oldest month first."""
    return _invoices(connection, select(INVOICES).where(INVOICES.c.participant_id == participant_id))


def all_invoices(connection: Connection) -> tuple[Invoice, ...]:
    """Every invoice, oldest month first."""
    return _invoices(connection, select(INVOICES))


def find_invoice(connection: Connection, invoice_id: str) -> Invoice | None:
    """One invoice, None if unknown."""
    return next(iter(_invoices(connection, select(INVOICES).where(INVOICES.c.id == invoice_id))), None)


def invoice_by_reference(connection: Connection, reference: str) -> Invoice | None:
    """The invoice that is paid with this reference, None if unknown."""
    return next(iter(_invoices(connection, select(INVOICES).where(INVOICES.c.reference == reference))), None)


def _invoices(connection: Connection, query: Select[tuple[object, ...]]) -> tuple[Invoice, ...]:
    rows = connection.execute(query.order_by(INVOICES.c.month, INVOICES.c.participant_id, INVOICES.c.number)).mappings()
    return tuple(Invoice(**row) for row in rows)


def paid_cents(connection: Connection, invoice_id: str) -> int:
    """What was paid for an invoice so far, + to the community."""
    query = select(func.coalesce(func.sum(PAYMENTS.c.amount_cents), 0)).where(PAYMENTS.c.invoice_id == invoice_id)
    return int(connection.execute(query).scalar_one())


def add_payment(connection: Connection, payment: Payment) -> None:
    """Record a payment; the same again raises IntegrityError."""
    insert_all(connection, PAYMENTS, [asdict(payment)])


def payments(connection: Connection, *, participant_id: str | None = None) -> tuple[Payment, ...]:
    """All payments or a member's, in the order in which they were recorded."""
    query = select(PAYMENTS).order_by(PAYMENTS.c.recorded_s, PAYMENTS.c.id)
    if participant_id is not None:
        query = query.where(PAYMENTS.c.participant_id == participant_id)
    return tuple(Payment(**row) for row in connection.execute(query).mappings())


def name_at_bank(connection: Connection, payment_id: str, bank_reference: str) -> None:
    """The bank's statement confirms what the treasurer said."""
    connection.execute(update(PAYMENTS).where(PAYMENTS.c.id == payment_id).values(bank_reference=bank_reference))


def mark_on_ledger(connection: Connection, payment_id: str, *, tx_hash: str) -> None:
    """The ledger has issued or redeemed the payment."""
    connection.execute(update(PAYMENTS).where(PAYMENTS.c.id == payment_id).values(tx_hash=tx_hash))
