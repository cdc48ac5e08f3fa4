"""What the API says of accounts, invoices and payments. Cents and nano-units, + is what the member pays or owes."""

from typing import Annotated

from pydantic import BaseModel, Field

from app.api.schemas import NO_TEXT, Incoming

CSV_CHARACTERS_MAX = 1_000_000


class InvoiceAnswer(BaseModel):
    """An invoice: payable, credit or paid. `reference` belongs into the bank transfer."""

    id: str
    member: str
    month: str
    number: int
    total_cents: int
    due_cents: int
    state: str
    reference: str
    issued_s: int


class PaymentAnswer(BaseModel):
    """A payment. `bank_reference` is null until the bank's statement confirms it, `tx_hash` until the ledger has it."""

    id: str
    invoice: str
    member: str
    amount_cents: int
    booked_on: str
    bank_reference: str | None
    tx_hash: str | None


class AccountAnswer(BaseModel):
    """Your account: + balance_nano is what the community owes you."""

    balance_nano: int
    credit_limit_nano: int
    invoices: list[InvoiceAnswer]
    payments: list[PaymentAnswer]


class AccountsAnswer(BaseModel):
    """Every invoice and payment."""

    invoices: list[InvoiceAnswer]
    payments: list[PaymentAnswer]


class PaidRequest(Incoming):
    """How much of an invoice was paid, or paid out; all that is due if left out."""

    amount_cents: Annotated[int, Field(gt=0, le=10**12), NO_TEXT] | None = None


class BankRequest(Incoming):
    """The bank's statement: CSV with booked_on, amount, currency, reference, bank_reference."""

    csv: Annotated[str, Field(max_length=CSV_CHARACTERS_MAX)]


class UnmatchedAnswer(BaseModel):
    """A line that was not posted, and why."""

    line: int
    amount_cents: int
    reason: str


class BankAnswer(BaseModel):
    """What came of a file."""

    posted: list[PaymentAnswer]
    known: int
    confirmed: int
    unmatched: list[UnmatchedAnswer]


class WalletRequest(Incoming):
    """The address of a wallet of your own, with its checksum."""

    address: Annotated[str, Field(max_length=42)]


class WalletMessage(BaseModel):
    """What to sign with it (EIP-4361, personal_sign), within ten minutes."""

    message: str


class SignatureRequest(Incoming):
    """The wallet's signature under the message, 0x and 130 digits."""

    signature: Annotated[str, Field(max_length=200)]


class WalletAnswer(BaseModel):
    """The address that is bound to your account."""

    address: str
