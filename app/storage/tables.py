"""The database tables. One database holds one community.

Instants are integer seconds since the Unix epoch in columns ending `_s`; energies are integer Wh, money integer
nano-units of currency, prices integer micro-units per kWh. Only this package reads and writes them.
"""

from sqlalchemy import BigInteger, Table, Text, text
from sqlmodel import Field, SQLModel

from app.storage import certificate_tables
from app.storage.account_tables import InvoiceRow, MemberKeyRow, PaymentRow, VatClassChangeRow, WalletChallengeRow
from app.storage.mail_tables import LetterRow
from app.storage.preference_tables import MemberChoiceRow, Preference, PreferenceVersion
from app.storage.reading_tables import (
    BatteryLookRow,
    ContributionRow,
    DayFindingRow,
    DeviceHead,
    DeviceReportRow,
    IngestAlarm,
    IntervalEnergyRow,
    ReadingBatchRow,
    ReadingRow,
)
from app.storage.request_tables import AccessToken, KeptAnswerRow
from app.storage.settlement_tables import (
    AllocationRow,
    BatchPart,
    BatchPublic,
    ChainOutbox,
    GridQuantityRow,
    MemberSalt,
    SettlementBatch,
    SettlementRunRow,
    TransferRow,
)
from app.storage.sign_in_tables import (
    GuessCountRow,
    OneTimeLinkRow,
    PasskeyRow,
    SignInRow,
    SpentChallengeRow,
)
from app.storage.window_tables import WindowOrderRow, WindowOwnUse

__all__ = [
    "AccessToken",
    "AllocationRow",
    "AuditEntry",
    "BatchPart",
    "BatchPublic",
    "BatteryLookRow",
    "ChainOutbox",
    "Community",
    "ContributionRow",
    "DayFindingRow",
    "Device",
    "DeviceHead",
    "DeviceReportRow",
    "Envelope",
    "Gateway",
    "GridQuantityRow",
    "GuessCountRow",
    "IngestAlarm",
    "IntervalEnergyRow",
    "InvoiceRow",
    "KeptAnswerRow",
    "LetterRow",
    "MarketChoiceRow",
    "MarketOrder",
    "MarketRound",
    "MemberChoiceRow",
    "MemberKeyRow",
    "MemberSalt",
    "MeteringPoint",
    "OneTimeLinkRow",
    "Participant",
    "PasskeyRow",
    "PaymentRow",
    "Preference",
    "PreferenceVersion",
    "ReadingBatchRow",
    "ReadingRow",
    "SetPoint",
    "SettlementBatch",
    "SettlementRunRow",
    "SignInRow",
    "SpentChallengeRow",
    "SupplyContract",
    "TariffVersion",
    "TradeRow",
    "TransferRow",
    "VatClassChangeRow",
    "WalletChallengeRow",
    "WindowOrderRow",
    "WindowOwnUse",
    "certificate_tables",
    "core_table",
]


class Community(SQLModel, table=True):
    """The one community of this database and the platform its signatures are meant for."""

    id: str = Field(primary_key=True)
    name: str
    currency: str = "EUR"
    timezone: str = "Europe/Berlin"
    market_time_unit_minutes: int = 15
    network: str
    simulated: bool = False
    chain_id: int | None = Field(default=None, sa_type=BigInteger)
    ledger_address: str | None = None
    ledger_code_hash: str | None = None
    first_ledger_address: str | None = None  # for which gateways sign, where another ledger has taken over since
    certificates_address: str | None = None
    genesis_hash: str | None = None
    drawing_json: str | None = Field(default=None, sa_type=Text)  # grid.feeder.drawing of the network
    tie_seed: str


class Participant(SQLModel, table=True):
    """A member or an operator. `lane` is the member's balance slot in the ledger contract, None for staff."""

    id: str = Field(primary_key=True)
    display_name: str
    email: str | None = Field(default=None, unique=True)
    role: str = "household"  # household, or the first of a staff member's roles (app.roles)
    extra_roles: str = Field(
        default="", sa_column_kwargs={"server_default": text("''")}
    )  # further ones, with spaces between
    status: str = "active"  # active | suspended
    vat_class: str = "private"  # the first; later ones are VatClassChangeRow
    lane: int | None = Field(default=None, unique=True)
    account_address: str | None = None
    password_hash: str | None = None
    created_s: int = Field(default=0, sa_type=BigInteger)


class MeteringPoint(SQLModel, table=True):
    """A grid connection: where it is, and what stands behind it."""

    id: str = Field(primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    bus: int | None = None
    phase: str | None = None  # a, b, c or abc; None where nobody said
    connection_w: int = 25_000
    generation_w: int = 0
    generation_controllable: bool = False
    generation_source: str = Field(default="solar", sa_column_kwargs={"server_default": "solar"})
    battery_wh: int = 0
    battery_w: int = 0


class SupplyContract(SQLModel, table=True):
    """What a participant's own supplier charges and pays, net of VAT and grid fees."""

    id: int | None = Field(default=None, primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    supplier_price_micro_per_kwh: int
    feed_in_price_micro_per_kwh: int
    valid_from_s: int = Field(sa_type=BigInteger)
    valid_to_s: int | None = Field(default=None, sa_type=BigInteger)


class Gateway(SQLModel, table=True):
    """A gateway and the address of its signing key."""

    id: str = Field(primary_key=True)
    name: str
    address: str | None = Field(default=None, unique=True)
    token_hash: str | None = Field(default=None, unique=True)
    enrolment_code_hash: str | None = Field(default=None, unique=True)
    enrolment_expires_s: int | None = Field(default=None, sa_type=BigInteger)
    status: str = "pending"  # pending | approved | revoked
    last_seen_s: int | None = Field(default=None, sa_type=BigInteger)


class Device(SQLModel, table=True):
    """A meter, read by one gateway, at one metering point."""

    id: str = Field(primary_key=True)
    metering_point_id: str = Field(foreign_key="meteringpoint.id", index=True)
    gateway_id: str = Field(foreign_key="gateway.id", index=True)
    profile: str


class Envelope(SQLModel, table=True):
    """Operating envelope of a metering point in an interval."""

    metering_point_id: str = Field(primary_key=True)
    start_s: int = Field(primary_key=True, sa_type=BigInteger)
    import_limit_w: int
    export_limit_w: int
    stopped_by_kind: str | None = None  # of the limit behind which feed-in stopped, None where nothing stopped it
    stopped_by_element: int | None = None


class MarketOrder(SQLModel, table=True):
    """A sealed order. Never deleted: a cancelled one keeps its row."""

    __tablename__ = "market_order"
    order_id: str = Field(primary_key=True)
    start_s: int = Field(index=True, sa_type=BigInteger)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    metering_point_id: str
    side: str
    quantity_wh: int
    limit_micro_per_kwh: int
    firmness: str
    origin: str  # agent | person
    reason: str = ""
    placed_s: int = Field(sa_type=BigInteger)
    cancelled_s: int | None = Field(default=None, sa_type=BigInteger)
    window_id: str | None = Field(default=None, index=True)  # the window it was made for


class MarketRound(SQLModel, table=True):
    """One round: the state machine of a delivery interval and the published result.

    state goes open -> closed -> cleared -> settled; a row is cleared at most once.
    """

    __tablename__ = "market_round"
    start_s: int = Field(primary_key=True, sa_type=BigInteger)
    state: str = "open"
    closed_s: int | None = Field(default=None, sa_type=BigInteger)
    cleared_s: int | None = Field(default=None, sa_type=BigInteger)
    book_hash: str | None = None
    status: str | None = None  # green | amber | red
    clearing_price_micro_per_kwh: int | None = None
    traded_wh: int | None = None
    binding_count: int | None = None
    clearing_json: str | None = Field(default=None, sa_type=Text)
    clearing_hash: str | None = None
    network_json: str | None = Field(default=None, sa_type=Text)  # bus voltages and loadings of the published result


class TradeRow(SQLModel, table=True):
    """The outcome of one order."""

    __tablename__ = "trade"
    order_id: str = Field(primary_key=True)
    start_s: int = Field(index=True, sa_type=BigInteger)
    accepted_wh: int
    curtailed_wh: int
    price_micro_per_kwh: int | None
    amount_nano: int = Field(sa_type=BigInteger)


class SetPoint(SQLModel, table=True):
    """What a gateway must enforce in an interval; None means free."""

    __tablename__ = "set_point"
    metering_point_id: str = Field(primary_key=True)
    start_s: int = Field(primary_key=True, sa_type=BigInteger)
    generation_limit_w: int | None = None
    battery_w: int | None = None  # + charges, - discharges


class MarketChoiceRow(SQLModel, table=True):
    """How the community trades (app.market_choice) and from when that holds."""

    __tablename__ = "market_choice"
    valid_from_s: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    choice_json: str = Field(sa_type=Text)


class TariffVersion(SQLModel, table=True):
    """A tariff and from when it holds."""

    __tablename__ = "tariff_version"
    id: int | None = Field(default=None, primary_key=True)
    valid_from_s: int = Field(unique=True, sa_type=BigInteger)
    tariff_json: str = Field(sa_type=Text)


class AuditEntry(SQLModel, table=True):
    """Who did what, and when."""

    __tablename__ = "audit_entry"
    id: int | None = Field(default=None, primary_key=True)
    at_s: int = Field(sa_type=BigInteger)
    actor: str
    action: str
    subject: str
    detail: str = Field(default="", sa_type=Text)


def core_table(model: type[SQLModel]) -> Table:
    """The Core table of a model: bulk statements are written on it, never row by row through the ORM."""
    return SQLModel.metadata.tables[str(model.__tablename__)]
