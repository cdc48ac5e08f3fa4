"""Two invoices of a month, one to pay and one to pay out, and the money that moves for them."""

from sqlalchemy import Connection, Engine

from app.bank_statement import BankImport, import_bank_statement
from app.payments import mark_paid, state_of
from app.storage.database import reading, writing
from app.storage.store.accounts import Invoice, add_invoice
from app.storage.store.members import Participant, add_participant
from app.storage.store.settlement import balances, post_transfers
from contracts.bills import NANO_PER_CENT
from contracts.references import creditor_reference
from contracts.transfers import PLATFORM_FEE, Postings, TransferKind
from meters.interval import DeliveryInterval
from tests.app.neighbourhood import DAY_S, NOON_S

BELA = Invoice(
    id="2025-05-bela-1",
    participant_id="bela",
    month="2025-05",
    number=1,
    run="SF",
    total_cents=2_570,
    reference=creditor_reference("2X202505X1"),
    issued_s=NOON_S - DAY_S,
)
ANNA = Invoice(
    id="2025-05-anna-1",
    participant_id="anna",
    month="2025-05",
    number=1,
    run="SF",
    total_cents=-1_631,
    reference=creditor_reference("1X202505X1"),
    issued_s=NOON_S - DAY_S,
)
HEADER = "booked_on,amount,currency,reference,bank_reference"


def issue_two(community: Engine) -> Engine:
    """bela owes 25.70 and anna is owed 16.31: invoices and books say the same."""
    with writing(community) as connection:
        for invoice in (BELA, ANNA):
            add_invoice(connection, invoice)
            owe(connection, invoice.participant_id, invoice.total_cents)
        add_participant(
            connection, Participant(id="tina", display_name="Tina", email="tina@example.org", role="treasurer")
        )
    return community


def owe(connection: Connection, name: str, cents: int) -> None:
    """Move money between a member and the platform fee, as any settlement does."""
    book = Postings(DeliveryInterval.at(NOON_S - DAY_S), f"D1-{name}-{cents}")
    nano = cents * NANO_PER_CENT
    book.post(TransferKind.PLATFORM_FEE, name, "buy", debit=f"member:{name}", credit=PLATFORM_FEE, amount_nano=nano)
    post_transfers(connection, book.transfers)


def pay(engine: Engine, invoice: Invoice, cents: int | None = None) -> None:
    with writing(engine) as connection:
        mark_paid(connection, invoice.id, amount_cents=cents, actor="tina", now_s=NOON_S)


def bank(engine: Engine, *rows: str) -> BankImport:
    with writing(engine) as connection:
        return import_bank_statement(connection, [HEADER, *rows], actor="tina", now_s=NOON_S)


def totals(engine: Engine) -> dict[str, int]:
    with reading(engine) as connection:
        return {name: nano // NANO_PER_CENT for name, nano in balances(connection).items() if nano}


def state(engine: Engine, invoice: Invoice) -> tuple[str, int]:
    with reading(engine) as connection:
        found = state_of(connection, invoice)
    return found.state, found.due_cents


def row(cents: int, invoice: Invoice, name: str, *, reference: str | None = None) -> str:
    sign = "-" if cents < 0 else ""
    amount = f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    return f"2025-06-16,{amount},EUR,{reference or invoice.reference},{name}"
