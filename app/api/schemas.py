"""What goes into and comes out of the API: Wh, micro-units of currency per kWh, nano-units of currency."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

INSTANT_S_MAX = 253_402_300_799
"""The end of the year 9999, up to which dates can be written; beyond it a database's integers end, too."""


def _whole(value: object) -> object:
    # JSON's true would pass as 1 and "7" as 7: neither is a number anybody meant.
    if isinstance(value, bool | str):
        raise ValueError("write a number")  # noqa: TRY004  Pydantic collects ValueErrors
    return value


NO_TEXT = BeforeValidator(_whole)
"""Behind the bounds of a number: pydantic leaves bounds that follow a validator out of the JSON schema."""
Instant = Annotated[int, Field(ge=0, le=INSTANT_S_MAX, description="seconds since the Unix epoch")]


class Incoming(BaseModel):
    """What callers send: nothing unknown is ignored."""

    model_config = ConfigDict(extra="forbid")


class SpanQuery(Incoming):
    """Intervals that start in [start_s, end_s)."""

    start_s: Instant
    end_s: Instant


class IntervalQuery(Incoming):
    """The interval that starts at `start`."""

    start: Instant


class OrderRequest(Incoming):
    """One step of supply or demand by hand. With an `order_id` of yours, a retry is the same order."""

    order_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    metering_point: str = Field(max_length=100)
    start_s: Annotated[int, Field(ge=0, le=INSTANT_S_MAX), NO_TEXT]
    side: Literal["buy", "sell"]
    quantity_wh: Annotated[int, Field(le=10**9), NO_TEXT]
    limit_micro_per_kwh: Annotated[int, Field(ge=-(10**9), le=10**9), NO_TEXT]


class TradeAnswer(BaseModel):
    """Outcome of an order in its cleared round."""

    accepted_wh: int
    curtailed_wh: int
    price_micro_per_kwh: int | None
    amount_nano: int


class OrderAnswer(BaseModel):
    """An order as it stands; `trade` is null until its round is cleared."""

    order_id: str
    metering_point: str
    start_s: int
    side: str
    quantity_wh: int
    limit_micro_per_kwh: int
    firmness: str
    origin: str
    reason: str
    placed_s: int
    cancelled_s: int | None
    trade: TradeAnswer | None = None


class OrdersAnswer(BaseModel):
    """Your orders by interval."""

    orders: list[OrderAnswer]


class EnergyAnswer(BaseModel):
    """Metered energy of one connection in one interval."""

    metering_point: str
    start_s: int
    import_wh: int
    export_wh: int
    quality: str


class EnergiesAnswer(BaseModel):
    """Energy by interval and connection."""

    energies: list[EnergyAnswer]


class ReadingAnswer(BaseModel):
    """Cumulative registers of a meter at the end of an interval, as its gateway signed them."""

    device: str
    epoch: int
    seq: int
    start_s: int
    duration_s: int
    import_mwh: int
    export_mwh: int
    flags: int


class OwnReadingsAnswer(BaseModel):
    """Readings by device, epoch and sequence."""

    readings: list[ReadingAnswer]


class StoppedByAnswer(BaseModel):
    """A limit of the network behind which feed-in had to stop."""

    kind: Literal["voltage_high", "voltage_low", "line_loading", "trafo_loading"]
    element: int
    name: str


class EnvelopeAnswer(BaseModel):
    """What a connection may draw and feed in during one interval, W, and the limit that stopped its feed-in."""

    metering_point: str
    start_s: int
    import_limit_w: int
    export_limit_w: int
    stopped_by: StoppedByAnswer | None


class EnvelopesAnswer(BaseModel):
    """Envelopes by interval and connection."""

    envelopes: list[EnvelopeAnswer]


class ContributionAnswer(BaseModel):
    """What a meter contributed on one local day, as counts of intervals.

    Of `expected_count` intervals since its first reading `complete_count` have their energy (coverage), and in
    `live_count` the meter itself was read (uptime). `signature` is gateway, file or none.
    """

    device: str
    day: date
    expected_count: int
    complete_count: int
    live_count: int
    signature: str
    fault_count: int


class ContributionsAnswer(BaseModel):
    """Contributions by day, newest first."""

    contributions: list[ContributionAnswer]


class FeederRoomAnswer(BaseModel):
    """What the plants of one feeder that can be limited may feed in together, W, of what they are rated for."""

    feeder: str
    plants: int
    generation_w: int
    limit_w: int
    stopped_by: list[StoppedByAnswer]


class FeederRoomsAnswer(BaseModel):
    """Feeders by name; the one without a name is the busbar."""

    feeders: list[FeederRoomAnswer]


class StatementMonth(BaseModel):
    """A month with a statement; provisional until it is over."""

    month: str
    provisional: bool


class OriginAnswer(BaseModel):
    """Your settled energy of a month in Wh, and certificates by source: solar, wind, hydro, biogas, stored, other.

    Certification is awaited, running or done; what it says is complete once it is done.
    """

    month: str
    from_neighbours_wh: int
    from_supplier_wh: int
    to_neighbours_wh: int
    to_supplier_wh: int
    certification: Literal["awaited", "running", "done"]
    certified_wh: dict[str, int]
    own_certificates_wh: dict[str, int]
    community_certified_wh: dict[str, int]
    community_retired_wh: dict[str, int]


class StatementsAnswer(BaseModel):
    """Months, newest first."""

    statements: list[StatementMonth]


class MeteringPointAnswer(BaseModel):
    """A grid connection and what stands behind it."""

    id: str
    phase: str | None
    connection_w: int
    generation_w: int
    generation_controllable: bool
    battery_wh: int
    battery_w: int


class MeAnswer(BaseModel):
    """Who this session or token belongs to; credits are positive."""

    id: str
    display_name: str
    role: str
    status: str
    balance_nano: int
    metering_points: list[MeteringPointAnswer]


class HealthAnswer(BaseModel):
    """The platform answers; `simulated` says that its clock is not the world's."""

    status: Literal["ok"]
    community: str | None
    now_s: int
    simulated: bool


class IslandAnswer(BaseModel):
    """A round without suppliers: demand not served, generation held back, energy lost on the way, all in Wh."""

    shed_wh: int
    spilled_wh: int
    loss_wh: int
    is_dark: bool


class RoundAnswer(BaseModel):
    """What everybody may know of a round. Figures are null until it is cleared."""

    start_s: int
    state: str
    status: str | None
    clearing_price_micro_per_kwh: int | None
    traded_wh: int | None
    binding_count: int | None
    book_hash: str | None
    clearing_hash: str | None
    island: IslandAnswer | None


class RoundsAnswer(BaseModel):
    """Rounds by interval."""

    rounds: list[RoundAnswer]
