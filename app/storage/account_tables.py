"""The database tables of invoices and payments.

Columns as in `tables`, which is where everybody imports them from.
"""

from sqlalchemy import BigInteger
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
