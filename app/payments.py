"""Payments of invoices: what the treasurer says, or the bank's statement says, is posted to the member's account.

A payment moves money between the treasury and the member: in the community's books at once, on the ledger as an issue
(money came in) or a redemption (money went out) when the chain has all batches before it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import Connection

from app.audit import AuditEntry, record
from app.errors import InputError
from app.storage.store.accounts import Invoice, Payment, add_payment, find_invoice, paid_cents, payments
from app.storage.store.community import the_community
from app.storage.store.settlement import balance_of, post_transfers
from contracts.bills import NANO_PER_CENT
from contracts.transfers import TREASURY, Postings, TransferKind, member_account
from meters.interval import DeliveryInterval

PAYMENT_RUN = "PAYMENT"


class PaymentRefusedError(InputError):
    """A payment that cannot be. `slug` names the rule for programs, the message explains it to people."""

    def __init__(self, slug: str, message: str) -> None:
        super().__init__(message)
        self.slug = slug


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceState:
    """An invoice and what is still due of it, + from the member; `state` is payable, credit or paid."""

    invoice: Invoice
    paid_cents: int

    @property
    def due_cents(self) -> int:
        return self.invoice.total_cents - self.paid_cents

    @property
    def state(self) -> str:
        if self.due_cents == 0:
            return "paid"
        return "payable" if self.due_cents > 0 else "credit"


def state_of(connection: Connection, invoice: Invoice) -> InvoiceState:
    """What is still due of an invoice."""
    return InvoiceState(invoice=invoice, paid_cents=paid_cents(connection, invoice.id))


def mark_paid(connection: Connection, invoice_id: str, *, amount_cents: int | None, actor: str, now_s: int) -> Payment:
    """The treasurer saw the money of an invoice move: all that is due, or a part (`amount_cents`, + as a credit too).

    Raises PaymentRefusedError.
    """
    invoice = find_invoice(connection, invoice_id)
    if invoice is None:
        raise PaymentRefusedError("unknown-invoice", f"There is no invoice {invoice_id[:60]!r}.")
    due_cents = state_of(connection, invoice).due_cents
    if amount_cents is not None and amount_cents <= 0:
        raise PaymentRefusedError("amount", "The amount has to be more than nothing.")
    moved_cents = abs(due_cents) if amount_cents is None else amount_cents
    signed_cents = moved_cents if due_cents > 0 else -moved_cents
    booked_on = datetime.fromtimestamp(now_s, UTC).date().isoformat()
    return post_payment(connection, invoice, signed_cents, booked_on=booked_on, actor=actor, now_s=now_s)


def post_payment(
    connection: Connection,
    invoice: Invoice,
    amount_cents: int,
    *,
    booked_on: str,
    actor: str,
    now_s: int,
    bank_reference: str | None = None,
) -> Payment:
    """Record and post money that moved for an invoice, + to the community. Raises PaymentRefusedError."""
    require_due(connection, invoice, amount_cents)
    number = 1 + sum(
        each.invoice_id == invoice.id for each in payments(connection, participant_id=invoice.participant_id)
    )
    payment = Payment(
        id=f"{invoice.id}-p{number}",
        invoice_id=invoice.id,
        participant_id=invoice.participant_id,
        amount_cents=amount_cents,
        booked_on=booked_on,
        actor=actor,
        recorded_s=now_s,
        bank_reference=bank_reference,
    )
    add_payment(connection, payment)
    account = member_account(invoice.participant_id)
    interval = DeliveryInterval.containing(
        datetime.fromtimestamp(now_s, UTC), the_community(connection).market_time_unit_minutes
    )
    book = Postings(interval, PAYMENT_RUN)
    book.post(
        TransferKind.PAYMENT,
        account,
        sha256(payment.id.encode()).hexdigest()[:16],
        debit=TREASURY,
        credit=account,
        amount_nano=amount_cents * NANO_PER_CENT,
    )
    post_transfers(connection, book.transfers)
    detail = f"{amount_cents} cents" if bank_reference is None else f"{amount_cents} cents, bank {bank_reference}"
    entry = AuditEntry(at_s=now_s, actor=actor, action="payment.recorded", subject=payment.id, detail=detail)
    record(connection, entry)
    return payment


def require_due(connection: Connection, invoice: Invoice, amount_cents: int) -> None:
    """Raises PaymentRefusedError for money that is not due, or that the member has used up since."""
    due_cents = state_of(connection, invoice).due_cents
    if due_cents == 0:
        raise PaymentRefusedError("paid-already", f"Invoice {invoice.id} is paid already.")
    if (amount_cents > 0) != (due_cents > 0):
        wrong = "is a credit, and money came in" if due_cents < 0 else "is payable, and money went out"
        raise PaymentRefusedError("wrong-direction", f"Invoice {invoice.id} {wrong}.")
    if abs(amount_cents) > abs(due_cents):
        raise PaymentRefusedError("too-much", f"Of invoice {invoice.id} only {abs(due_cents)} cents are due.")
    if amount_cents < 0:
        left_cents = max(0, balance_of(connection, member_account(invoice.participant_id))) // NANO_PER_CENT
        if -amount_cents > left_cents:
            raise PaymentRefusedError(
                "above-balance",
                f"The member's balance is {left_cents} cents by now, the rest was used since: pay out at most that.",
            )
