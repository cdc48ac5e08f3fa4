"""Tables of energy over a window, defined as in `tables`."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel


class WindowOrderRow(SQLModel, table=True):
    """What a device asks for over a window. Never deleted: a cancelled one keeps its row."""

    __tablename__ = "window_order"
    window_id: str = Field(primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    metering_point_id: str
    device: str  # battery | car | heat_pump
    earliest_s: int = Field(sa_type=BigInteger)
    latest_s: int = Field(index=True, sa_type=BigInteger)
    energy_wh: int
    power_w: int
    efficiency_permille: int
    limit_micro_per_kwh: int | None = None
    buffer_wh: int | None = None
    stored_wh: int = 0
    placed_s: int = Field(sa_type=BigInteger)
    cancelled_s: int | None = Field(default=None, sa_type=BigInteger)


class WindowOwnUse(SQLModel, table=True):
    """Energy of its home's own surplus that a device takes in an interval; no order speaks for it."""

    __tablename__ = "window_own_use"
    window_id: str = Field(primary_key=True)
    start_s: int = Field(primary_key=True, sa_type=BigInteger)
    own_wh: int
