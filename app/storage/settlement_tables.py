"""The database tables of settlement: who shared what, what was transferred, and how it reaches the chain.

Columns as in `tables`, which is where everybody imports them from.
"""

from sqlalchemy import BigInteger, Index, LargeBinary, Text, false
from sqlmodel import Field, SQLModel


class AllocationRow(SQLModel, table=True):
    """How a metering point's metered energy was shared in an interval, by the latest settlement run."""

    __tablename__ = "allocation"
    metering_point_id: str = Field(primary_key=True)
    start_s: int = Field(primary_key=True, sa_type=BigInteger)
    run: str
    bought_wh: int
    sold_wh: int
    residual_import_wh: int
    residual_export_wh: int
    curtailed_wh: int = 0
    pending: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  # in no batch yet as it is here
    __table_args__ = (Index("allocation_by_start", "start_s"),)


class SettlementRunRow(SQLModel, table=True):
    """A settlement run that was made over [first_start_s, end_s), and what it found and posted."""

    __tablename__ = "settlement_run"
    first_start_s: int = Field(primary_key=True, sa_type=BigInteger)
    name: str = Field(primary_key=True)
    kind: str  # D1 | SF | R1 | RF
    end_s: int = Field(sa_type=BigInteger)
    ran_s: int = Field(sa_type=BigInteger)
    actor: str
    intervals_changed: int
    transfers_posted: int
    moved_nano: int = Field(sa_type=BigInteger)
    missing_json: str = Field(sa_type=Text)


class GridQuantityRow(SQLModel, table=True):
    """What the operator of the grid says a metering point shared in an interval."""

    __tablename__ = "grid_quantity"
    metering_point_id: str = Field(primary_key=True)
    start_s: int = Field(primary_key=True, sa_type=BigInteger)
    bought_wh: int
    sold_wh: int
    received_s: int = Field(sa_type=BigInteger)


class TransferRow(SQLModel, table=True):
    """A posted transfer. Rows are only ever inserted."""

    __tablename__ = "transfer"
    transfer_id: str = Field(primary_key=True)
    start_s: int = Field(index=True, sa_type=BigInteger)
    run: str
    kind: str
    debit: str
    credit: str
    amount_nano: int = Field(sa_type=BigInteger)
    energy_wh: int
    price_micro_per_kwh: int
    batch_sequence: int | None = Field(default=None, index=True)
    # A balance, or what a month cost, is a sum over one account's rows: the index alone answers it.
    __table_args__ = (
        Index("transfer_by_debit", "debit", "start_s", "kind", "amount_nano"),
        Index("transfer_by_credit", "credit", "start_s", "kind", "amount_nano"),
    )


class SettlementBatch(SQLModel, table=True):
    """One batch on chain: prepared in the transaction that posts its transfers, then sent, then final."""

    __tablename__ = "settlement_batch"
    sequence: int = Field(primary_key=True)
    first_start_s: int = Field(sa_type=BigInteger)
    end_s: int = Field(sa_type=BigInteger)
    corrects_from_s: int | None = Field(
        default=None, sa_type=BigInteger
    )  # first interval before its own that it corrects
    trades_root: str
    readings_root: str
    evidence_hash: str
    net_json: str = Field(sa_type=Text)
    state: str = "prepared"  # prepared | sent | final
    tx_hash: str | None = None
    block_number: int | None = None
    block_hash: str | None = None
    gas_used: int | None = None
    prepared_s: int = Field(sa_type=BigInteger)


class MemberSalt(SQLModel, table=True):
    """Secret that blinds a member's leaves of one batch; erasing it unlinks past proofs."""

    __tablename__ = "member_salt"
    participant_id: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    salt: bytes = Field(sa_type=LargeBinary)


class ChainOutbox(SQLModel, table=True):
    """A signed transaction, stored before it is sent; the same bytes are sent again until final."""

    __tablename__ = "chain_outbox"
    business_id: str = Field(primary_key=True)
    nonce: int = Field(unique=True)
    raw: bytes = Field(sa_type=LargeBinary)
    tx_hash: str
    state: str = "stored"  # stored | final
    stored_s: int = Field(sa_type=BigInteger)


class BatchPart(SQLModel, table=True):
    """A member's part of a batch as it was hashed: zlib-compressed JSON of the intervals, and the leaf in the tree."""

    __tablename__ = "batch_part"
    sequence: int = Field(primary_key=True)
    participant_id: str = Field(primary_key=True)
    lane: int
    delta_nano: int = Field(sa_type=BigInteger)
    leaf: bytes = Field(sa_type=LargeBinary)
    intervals_z: bytes = Field(sa_type=LargeBinary)


class BatchPublic(SQLModel, table=True):
    """The rest of a batch that proofs need: heads of the devices and the rounds, zlib-compressed JSON."""

    __tablename__ = "batch_public"
    sequence: int = Field(primary_key=True)
    previous_evidence_hash: bytes = Field(sa_type=LargeBinary)
    heads_z: bytes = Field(sa_type=LargeBinary)
    rounds_z: bytes = Field(sa_type=LargeBinary)
