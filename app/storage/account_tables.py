"""The database tables of invoices, payments, tax classes and wallets.

Columns as in `tables`, which is where everybody imports them from.
"""

from sqlalchemy import BigInteger, Text, false
from sqlmodel import Field, SQLModel


class InvoiceRow(SQLModel, table=True):
    """An invoice as it was issued. Rows are only ever inserted."""

    __tablename__ = "invoice"
    id: str = Field(primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    month: str = Field(index=True)
    number: int
    run: str
    total_cents: int = Field(sa_type=BigInteger)  # + the member pays
    reference: str = Field(unique=True)
    issued_s: int = Field(sa_type=BigInteger)


class PaymentRow(SQLModel, table=True):
    """Money that moved at the bank, posted to the member's account and then to the ledger."""

    __tablename__ = "payment"
    id: str = Field(primary_key=True)
    invoice_id: str = Field(foreign_key="invoice.id", index=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    amount_cents: int = Field(sa_type=BigInteger)  # + the member paid in
    booked_on: str
    bank_reference: str | None = Field(default=None, unique=True)
    actor: str
    recorded_s: int = Field(sa_type=BigInteger)
    tx_hash: str | None = None


class VatClassChangeRow(SQLModel, table=True):
    """A later VAT class of a member, in force from an instant on; `Participant.vat_class` is the first."""

    __tablename__ = "vat_class_change"
    participant_id: str = Field(primary_key=True, foreign_key="participant.id")
    valid_from_s: int = Field(primary_key=True, sa_type=BigInteger)
    vat_class: str


class MemberKeyRow(SQLModel, table=True):
    """A key that the platform keeps for a member without a wallet, encrypted for this member alone."""

    __tablename__ = "member_key"
    participant_id: str = Field(primary_key=True, foreign_key="participant.id")
    address: str = Field(unique=True)
    keystore_json: str = Field(sa_type=Text)
    made_s: int = Field(sa_type=BigInteger)


class WalletMoveRow(SQLModel, table=True):
    """A member's balance is to be shown to another wallet; `shown` once the ledger knows."""

    __tablename__ = "wallet_move"
    id: int | None = Field(default=None, primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    before: str | None = None
    after: str
    shown: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class WalletChallengeRow(SQLModel, table=True):
    """The message that a member's own wallet is asked to sign."""

    __tablename__ = "wallet_challenge"
    participant_id: str = Field(primary_key=True, foreign_key="participant.id")
    address: str
    message: str = Field(sa_type=Text)
    expires_s: int = Field(sa_type=BigInteger)
