"""The database tables of metering: signed readings as accepted, the energy in them, and what was refused.

Columns as in `tables`, which is where everybody imports them from.
"""

from sqlalchemy import BigInteger, Index, LargeBinary, Text, true
from sqlmodel import Field, SQLModel


class ReadingBatchRow(SQLModel, table=True):
    """A signed batch exactly as it was accepted."""

    __tablename__ = "reading_batch"
    device_id: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    first_seq: int = Field(primary_key=True, sa_type=BigInteger)
    count: int
    previous_hash: bytes = Field(sa_type=LargeBinary)
    head: bytes = Field(sa_type=LargeBinary)
    signature: bytes = Field(sa_type=LargeBinary)
    received_s: int = Field(sa_type=BigInteger)
    signer: str | None = None  # address of the gateway's key; None where it was accepted before this was kept


class ReadingRow(SQLModel, table=True):
    """One accepted register reading (cumulative, mWh)."""

    __tablename__ = "reading"
    device_id: str = Field(primary_key=True)
    epoch: int = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    start_s: int = Field(sa_type=BigInteger)
    duration_s: int
    import_mwh: int = Field(sa_type=BigInteger)
    export_mwh: int = Field(sa_type=BigInteger)
    flags: int
    batch_first_seq: int = Field(sa_type=BigInteger)
    __table_args__ = (Index("reading_by_start", "start_s"),)


class DeviceHead(SQLModel, table=True):
    """Where a device's chain of accepted readings stands: what its next reading must follow.

    The registers, the instant and the flags are those of the last accepted reading.
    """

    __tablename__ = "device_head"
    device_id: str = Field(primary_key=True, foreign_key="device.id")
    epoch: int = Field(primary_key=True)
    next_seq: int = Field(sa_type=BigInteger)
    head: bytes = Field(sa_type=LargeBinary)
    end_s: int = Field(sa_type=BigInteger)
    import_mwh: int = Field(sa_type=BigInteger)
    export_mwh: int = Field(sa_type=BigInteger)
    flags: int


class IntervalEnergyRow(SQLModel, table=True):
    """Validated energy of a metering point in an interval, complete when `covered_s` is the interval's length."""

    __tablename__ = "interval_energy"
    metering_point_id: str = Field(primary_key=True)
    start_s: int = Field(primary_key=True, sa_type=BigInteger)
    import_wh: int
    export_wh: int
    quality: str
    received_s: int = Field(sa_type=BigInteger)
    covered_s: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    __table_args__ = (Index("interval_energy_by_start", "start_s"),)


class ContributionRow(SQLModel, table=True):
    """What a meter contributed to one local day (YYYY-MM-DD), as counts of intervals."""

    __tablename__ = "contribution"
    device_id: str = Field(primary_key=True, foreign_key="device.id")
    day: str = Field(primary_key=True)
    expected_count: int
    complete_count: int
    live_count: int
    signature: str  # gateway | file | none
    fault_count: int
    recorded_s: int = Field(sa_type=BigInteger)
    __table_args__ = (Index("contribution_by_recorded", "recorded_s"),)


class DayFindingRow(SQLModel, table=True):
    """What a rule of validation found at a metering point on a local day (YYYY-MM-DD)."""

    __tablename__ = "day_finding"
    metering_point_id: str = Field(primary_key=True, foreign_key="meteringpoint.id")
    day: str = Field(primary_key=True, index=True)
    rule: str = Field(primary_key=True)
    start_s: int = Field(sa_type=BigInteger)
    end_s: int = Field(sa_type=BigInteger)
    message: str = Field(sa_type=Text)
    version: int
    doubts: bool
    found_s: int = Field(sa_type=BigInteger)
    accepted_by: str | None = None
    accepted_s: int | None = Field(default=None, sa_type=BigInteger)


class DeviceReportRow(SQLModel, table=True):
    """What a gateway last told of a meter: what is wrong, and how it was commissioned."""

    __tablename__ = "device_report"
    device_id: str = Field(primary_key=True, foreign_key="device.id")
    at_s: int = Field(sa_type=BigInteger)
    trouble: str = Field(sa_type=Text)
    commissioned_s: int | None = Field(default=None, sa_type=BigInteger)
    commissioning: str  # passed | refused | open, empty if never commissioned
    commissioning_said: str = Field(sa_type=Text)


class IngestAlarm(SQLModel, table=True):
    """Refused or conflicting input, kept as evidence."""

    __tablename__ = "ingest_alarm"
    id: int | None = Field(default=None, primary_key=True)
    at_s: int = Field(sa_type=BigInteger)
    kind: str  # unknown_key | bad_signature | altered | gap | conflict | malformed | ...
    device_id: str
    message: str
    evidence: str = Field(sa_type=Text)
    signed: bool = Field(default=True, sa_column_kwargs={"server_default": true()})  # by the device's own gateway


class BatteryLookRow(SQLModel, table=True):
    """Energy in a metering point's battery at one moment, as its gateway reported it."""

    __tablename__ = "battery_look"
    metering_point_id: str = Field(primary_key=True)
    at_s: int = Field(primary_key=True, sa_type=BigInteger)
    stored_wh: int
