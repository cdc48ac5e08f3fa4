"""Meters and gateways, and how well they report."""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, Subquery, and_, func, select

from app.storage.store.device_reports import DEVICE_REPORTS
from app.storage.store.findings import QUALITY
from app.storage.store.members import POINTS
from app.storage.store.rounds import DEVICES
from app.storage.tables import DeviceHead, Gateway, IngestAlarm, core_table
from app.web.read_models.energy import ENERGY

GATEWAYS = core_table(Gateway)
HEADS = core_table(DeviceHead)
ALARMS = core_table(IngestAlarm)

# Readings arrive a little after their interval ends; later than this many intervals is worth a word.
LATE_INTERVALS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHealth:
    """One meter. `health` is good, late or silent.

    read_until_s             end of the newest accepted reading, None before the first
    measured_count           intervals of the day with complete data, of `expected_count` by now
    import_wh_total, export_wh_total  the registers at `read_until_s`, whole Wh
    trouble                  what its gateway says is wrong with it or its inverter, empty if nothing is
    commissioning            passed, refused or open at `commissioned_s`, with what stood against it; empty if never
    """

    device_id: str
    metering_point_id: str
    profile: str
    gateway_id: str
    gateway_name: str
    gateway_status: str
    gateway_seen_s: int | None
    read_until_s: int | None
    import_wh_total: int | None
    export_wh_total: int | None
    measured_count: int
    estimated_count: int
    expected_count: int
    alarm_count: int
    phase: str | None
    connection_w: int
    generation_w: int
    generation_controllable: bool
    battery_wh: int
    battery_w: int
    trouble: str
    commissioned_s: int | None
    commissioning: str
    commissioning_said: str
    health: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRow:
    """A gateway with how many meters it reads."""

    id: str
    name: str
    address: str | None
    status: str
    last_seen_s: int | None
    device_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Input that was refused, and why."""

    at_s: int
    kind: str
    device_id: str
    message: str


def device_health(
    connection: Connection, *, day_start_s: int, day_end_s: int, now_s: int, interval_s: int, participant_id: str | None
) -> tuple[DeviceHealth, ...]:
    """Meters of one participant, or of the community when `participant_id` is None (operators only), by id."""
    counts = _day_counts(participant_id, day_start_s=day_start_s, day_end_s=day_end_s, interval_s=interval_s)
    newest = select(HEADS.c.device_id, func.max(HEADS.c.epoch).label("epoch")).group_by(HEADS.c.device_id).subquery()
    alarms = (
        select(ALARMS.c.device_id, func.count().label("alarms"))
        .where(ALARMS.c.at_s >= day_start_s, ALARMS.c.at_s < day_end_s)
        .group_by(ALARMS.c.device_id)
        .subquery()
    )
    query = (
        select(
            DEVICES.c.id.label("device_id"),
            DEVICES.c.profile,
            POINTS,
            GATEWAYS.c.id.label("gateway_id"),
            GATEWAYS.c.name.label("gateway_name"),
            GATEWAYS.c.status.label("gateway_status"),
            GATEWAYS.c.last_seen_s,
            HEADS.c.end_s,
            HEADS.c.import_mwh,
            HEADS.c.export_mwh,
            counts.c.measured,
            counts.c.estimated,
            alarms.c.alarms,
            DEVICE_REPORTS.c.trouble,
            DEVICE_REPORTS.c.commissioned_s,
            DEVICE_REPORTS.c.commissioning,
            DEVICE_REPORTS.c.commissioning_said,
        )
        .join(POINTS, POINTS.c.id == DEVICES.c.metering_point_id)
        .join(GATEWAYS, GATEWAYS.c.id == DEVICES.c.gateway_id)
        .outerjoin(newest, newest.c.device_id == DEVICES.c.id)
        .outerjoin(HEADS, and_(HEADS.c.device_id == DEVICES.c.id, HEADS.c.epoch == newest.c.epoch))
        .outerjoin(counts, counts.c.metering_point_id == POINTS.c.id)
        .outerjoin(alarms, alarms.c.device_id == DEVICES.c.id)
        .outerjoin(DEVICE_REPORTS, DEVICE_REPORTS.c.device_id == DEVICES.c.id)
        .order_by(DEVICES.c.id)
    )
    if participant_id is not None:
        query = query.where(POINTS.c.participant_id == participant_id)
    expected = max(0, (min(day_end_s, now_s) - day_start_s) // interval_s)
    return tuple(
        _health(row, expected=expected, now_s=now_s, interval_s=interval_s) for row in connection.execute(query)
    )


def _day_counts(participant_id: str | None, *, day_start_s: int, day_end_s: int, interval_s: int) -> Subquery:
    """Complete and estimated intervals of a day by metering point."""
    counted = (
        select(
            ENERGY.c.metering_point_id,
            func.sum((ENERGY.c.covered_s >= interval_s).cast(ENERGY.c.covered_s.type)).label("measured"),
            func.sum((QUALITY != "measured").cast(ENERGY.c.covered_s.type)).label("estimated"),
        )
        .where(ENERGY.c.start_s >= day_start_s, ENERGY.c.start_s < day_end_s)
        .group_by(ENERGY.c.metering_point_id)
    )
    if participant_id is not None:
        own_points = select(POINTS.c.id).where(POINTS.c.participant_id == participant_id)
        counted = counted.where(ENERGY.c.metering_point_id.in_(own_points))
    return counted.subquery()


def _health(row: Row[tuple[object, ...]], *, expected: int, now_s: int, interval_s: int) -> DeviceHealth:
    return DeviceHealth(
        device_id=row.device_id,
        metering_point_id=row.id,
        profile=row.profile,
        gateway_id=row.gateway_id,
        gateway_name=row.gateway_name,
        gateway_status=row.gateway_status,
        gateway_seen_s=row.last_seen_s,
        read_until_s=row.end_s,
        import_wh_total=None if row.import_mwh is None else row.import_mwh // 1000,
        export_wh_total=None if row.export_mwh is None else row.export_mwh // 1000,
        measured_count=row.measured or 0,
        estimated_count=row.estimated or 0,
        expected_count=expected,
        alarm_count=row.alarms or 0,
        phase=row.phase,
        connection_w=row.connection_w,
        generation_w=row.generation_w,
        generation_controllable=row.generation_controllable,
        battery_wh=row.battery_wh,
        battery_w=row.battery_w,
        trouble=row.trouble or "",
        commissioned_s=row.commissioned_s,
        commissioning=row.commissioning or "",
        commissioning_said=row.commissioning_said or "",
        health=_state(row.end_s, now_s=now_s, interval_s=interval_s),
    )


def _state(read_until_s: int | None, *, now_s: int, interval_s: int) -> str:
    if read_until_s is None or now_s - read_until_s > 86_400:
        return "silent"
    return "good" if now_s - read_until_s <= LATE_INTERVALS * interval_s else "late"


def gateways(connection: Connection) -> tuple[GatewayRow, ...]:
    """Every gateway, those that wait for approval first."""
    query = (
        select(GATEWAYS, func.count(DEVICES.c.id).label("device_count"))
        .outerjoin(DEVICES, DEVICES.c.gateway_id == GATEWAYS.c.id)
        .group_by(GATEWAYS.c.id)
        .order_by(GATEWAYS.c.status != "pending", GATEWAYS.c.id)
    )
    return tuple(
        GatewayRow(
            id=row.id,
            name=row.name,
            address=row.address,
            status=row.status,
            last_seen_s=row.last_seen_s,
            device_count=row.device_count,
        )
        for row in connection.execute(query)
    )


def alarms(connection: Connection, *, newest: int) -> tuple[Alarm, ...]:
    """The newest alarms, latest first."""
    query = select(ALARMS).order_by(ALARMS.c.at_s.desc(), ALARMS.c.id.desc()).limit(newest)
    return tuple(
        Alarm(at_s=row.at_s, kind=row.kind, device_id=row.device_id, message=row.message)
        for row in connection.execute(query)
    )


def complete_starts(
    connection: Connection, participant_id: str, *, start_s: int, end_s: int, interval_s: int
) -> dict[str, list[int]]:
    """Starts of the completely metered intervals in [start_s, end_s) of a participant, by metering point."""
    found: dict[str, list[int]] = {}
    for point in connection.execute(select(POINTS.c.id).where(POINTS.c.participant_id == participant_id)).scalars():
        found[point] = []
    query = (
        select(ENERGY.c.metering_point_id, ENERGY.c.start_s)
        .where(
            ENERGY.c.metering_point_id.in_(list(found)),
            ENERGY.c.start_s >= start_s,
            ENERGY.c.start_s < end_s,
            ENERGY.c.covered_s >= interval_s,
        )
        .order_by(ENERGY.c.start_s)
    )
    for point, at_s in connection.execute(query):
        found[point].append(at_s)
    return found
