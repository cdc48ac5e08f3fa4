"""The bank's statement as CSV: each line is a payment, known already, or told to the treasurer with the reason.

    booked_on,amount,currency,reference,bank_reference
    2025-07-09,2.57,EUR,RF18539007547034,2025070912345

`amount` is + where money came in. `bank_reference` is the bank's own name of the line: the same again is the same line.
A line that cannot be read refuses the whole file; a line that belongs to no invoice refuses itself alone.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from app.audit import AuditEntry, record
from app.errors import InputError
from app.payments import PaymentRefusedError, post_payment
from app.storage.store.accounts import Payment, invoice_by_reference, name_at_bank, payments
from app.storage.store.community import the_community
from contracts.references import is_creditor_reference

COLUMNS = ["booked_on", "amount", "currency", "reference", "bank_reference"]
AMOUNT = re.compile(r"[+-]?\d{1,9}[.]\d{2}")
BANK_REFERENCE = re.compile(r"[!-~]{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLine:
    """One line of a bank's statement; amount_cents is + where money came in."""

    line: int
    booked_on: str
    amount_cents: int
    reference: str
    bank_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A line that was not posted, and why."""

    line: BankLine
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankImport:
    """What came of a file: posted now, known before, and confirmed where the treasurer had said so before."""

    posted: tuple[Payment, ...]
    known: int
    confirmed: int
    unmatched: tuple[Unmatched, ...]


def read_bank_lines(lines: Sequence[str], *, currency: str, today: date) -> tuple[BankLine, ...]:
    """The lines of a file. Raises InputError naming the first that cannot be read."""
    rows = csv.reader(lines, strict=True)
    found: dict[str, BankLine] = {}
    try:
        header = next(rows, [])
        if header != COLUMNS:
            raise InputError(f"line 1: the columns are {','.join(COLUMNS)}, not {','.join(header)[:80]}")
        for row in rows:
            line = _line(row, rows.line_num, currency=currency, today=today)
            if line.bank_reference in found:
                raise InputError(f"line {line.line}: bank_reference {line.bank_reference} is there twice")
            found[line.bank_reference] = line
    except csv.Error as error:
        raise InputError(f"line {rows.line_num}: {error}") from error
    if not found:
        raise InputError("the file holds no payments")
    return tuple(found.values())


def _line(row: Sequence[str], number: int, *, currency: str, today: date) -> BankLine:
    if len(row) != len(COLUMNS):
        raise InputError(f"line {number}: has {len(row)} fields, not {len(COLUMNS)}")
    booked_on, amount, given, reference, bank_reference = (text.strip() for text in row)
    try:
        day = date.fromisoformat(booked_on)
    except ValueError as error:
        raise InputError(f"line {number}: booked_on {booked_on[:20]!r} is no day such as 2025-07-09") from error
    if day > today:
        raise InputError(f"line {number}: booked_on {booked_on} is still to come")
    if not AMOUNT.fullmatch(amount) or int(amount.replace(".", "")) == 0:
        raise InputError(f"line {number}: amount {amount[:20]!r} is no sum such as 2.57 or -2.57")
    if given != currency:
        raise InputError(f"line {number}: currency {given[:10]!r} is not {currency}")
    if not BANK_REFERENCE.fullmatch(bank_reference):
        raise InputError(f"line {number}: bank_reference {bank_reference[:20]!r} is missing or not plain text")
    return BankLine(
        line=number,
        booked_on=day.isoformat(),
        amount_cents=int(amount.replace(".", "")),
        reference="".join(reference.split()).upper(),
        bank_reference=bank_reference,
    )


def import_bank_statement(connection: Connection, lines: Sequence[str], *, actor: str, now_s: int) -> BankImport:
    """Post the payments of a file in the caller's transaction. Raises InputError, and then nothing is to be kept."""
    today = datetime.fromtimestamp(now_s, UTC).date()
    read = read_bank_lines(lines, currency=the_community(connection).currency, today=today)
    posted: list[Payment] = []
    unmatched: list[Unmatched] = []
    known = confirmed = 0
    by_bank = {each.bank_reference: each for each in payments(connection) if each.bank_reference is not None}
    for line in read:
        if (before := by_bank.get(line.bank_reference)) is not None:
            _require_same(connection, line, before)
            known += 1
            continue
        try:
            payment = _matched(connection, line, actor=actor, now_s=now_s)
        except PaymentRefusedError as error:
            unmatched.append(Unmatched(line=line, reason=str(error)))
            continue
        if payment is None:
            confirmed += 1
        else:
            posted.append(payment)
    detail = f"{len(posted)} posted, {known} known, {confirmed} confirmed, {len(unmatched)} not matched"
    entry = AuditEntry(at_s=now_s, actor=actor, action="bank statement imported", subject="bank", detail=detail)
    record(connection, entry)
    return BankImport(posted=tuple(posted), known=known, confirmed=confirmed, unmatched=tuple(unmatched))


def _require_same(connection: Connection, line: BankLine, before: Payment) -> None:
    invoice = invoice_by_reference(connection, line.reference)
    if before.amount_cents != line.amount_cents or invoice is None or invoice.id != before.invoice_id:
        raise InputError(
            f"line {line.line}: bank_reference {line.bank_reference} was imported before with other figures"
        )


def _matched(connection: Connection, line: BankLine, *, actor: str, now_s: int) -> Payment | None:
    """The payment that a line is; None where the treasurer had marked it. Raises PaymentRefusedError."""
    invoice = invoice_by_reference(connection, line.reference)
    if invoice is None:
        why = "no invoice has this reference" if is_creditor_reference(line.reference) else "the reference is mistyped"
        raise PaymentRefusedError("unknown-reference", f"{line.reference[:40] or 'No reference'}: {why}.")
    for each in payments(connection, participant_id=invoice.participant_id):
        by_hand = each.bank_reference is None and each.invoice_id == invoice.id
        if by_hand and each.amount_cents == line.amount_cents:
            name_at_bank(connection, each.id, line.bank_reference)
            return None
    return post_payment(
        connection,
        invoice,
        line.amount_cents,
        booked_on=line.booked_on,
        actor=actor,
        now_s=now_s,
        bank_reference=line.bank_reference,
    )
