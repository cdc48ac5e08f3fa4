"""What every meter contributed, day by day since its first reading: how much of the day it told, and how surely."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date

from sqlalchemy import ColumnElement, Connection, Integer, and_, case, func, select

from app.local_time import LocalDay
from app.storage import tables
from app.storage.store.bulk import upsert
from app.storage.store.metered_days import first_readings
from app.storage.store.readings import ALARMS, ENERGY, READINGS
from app.storage.tables import core_table
from meters.interval import Quality
from meters.signing import FLAG_IMPORTED

CONTRIBUTIONS = core_table(tables.ContributionRow)

LIVE = (Quality.MEASURED.value, Quality.INTERPOLATED.value)
BY_GATEWAY, BY_FILE, UNSIGNED = "gateway", "file", "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One meter on one local day.

    expected_count  intervals of the day between the meter's first reading and the moment of recording
    complete_count  those whose energy is complete, however it came to be known: coverage
    live_count      those the meter was read in, not filled in afterwards: uptime
    signature       who vouches for the readings: gateway (read and signed), file (signed, from a file), none
    fault_count     batches of this meter that were refused that day, and long silences
    """

    device_id: str
    day: str
    expected_count: int
    complete_count: int
    live_count: int
    signature: str
    fault_count: int

    @property
    def date(self) -> date:
        return date.fromisoformat(self.day)


def recorded_until_s(connection: Connection) -> int:
    """When contributions were recorded last; 0 before the first time."""
    newest: int | None = connection.scalar(select(func.max(CONTRIBUTIONS.c.recorded_s)))
    return newest or 0


def utc_days_with_news(connection: Connection, *, since_s: int) -> list[int]:
    """Days, counted from the Unix epoch in UTC, for which energy came in since an instant."""
    day = (ENERGY.c.start_s - ENERGY.c.start_s % 86_400).label("day")
    query = select(day).where(ENERGY.c.received_s >= since_s).distinct()
    return sorted(start_s // 86_400 for (start_s,) in connection.execute(query))


def record_day(connection: Connection, day: LocalDay, *, now_s: int) -> None:
    """Write what every meter contributed to `day` by now, in place of what was written before."""
    counts, signed, faults = _counts(connection, day), _signatures(connection, day), _faults(connection, day)
    rows = []
    for device, point, first_s in first_readings(connection):
        begin_s = max(day.start_s, -(-first_s // day.interval_s) * day.interval_s)
        expected = (min(day.end_s, now_s) - begin_s) // day.interval_s
        if expected <= 0:
            continue
        complete, live = counts.get(point, (0, 0))
        contribution = Contribution(
            device_id=device,
            day=day.date.isoformat(),
            expected_count=expected,
            complete_count=complete,
            live_count=live,
            signature=signed.get(device, UNSIGNED),
            fault_count=faults.get(device, 0),
        )
        rows.append({**asdict(contribution), "recorded_s": now_s})
    replacing = [column.name for column in CONTRIBUTIONS.c if not column.primary_key]
    upsert(connection, CONTRIBUTIONS, rows, replacing=replacing)


def _counts(connection: Connection, day: LocalDay) -> Mapping[str, tuple[int, int]]:
    """Complete and live intervals by metering point."""
    complete = ENERGY.c.covered_s >= day.interval_s
    live = and_(complete, ENERGY.c.quality.in_(LIVE))
    query = (
        select(ENERGY.c.metering_point_id, _how_many(complete), _how_many(live))
        .where(ENERGY.c.start_s >= day.start_s, ENERGY.c.start_s < day.end_s)
        .group_by(ENERGY.c.metering_point_id)
    )
    return {point: (int(all_), int(own)) for point, all_, own in connection.execute(query)}


def _signatures(connection: Connection, day: LocalDay) -> Mapping[str, str]:
    imported = READINGS.c.flags.op("&", return_type=Integer())(FLAG_IMPORTED) != 0
    query = (
        select(READINGS.c.device_id, _how_many(imported))
        .where(READINGS.c.start_s >= day.start_s, READINGS.c.start_s < day.end_s)
        .group_by(READINGS.c.device_id)
    )
    return {device: BY_FILE if count else BY_GATEWAY for device, count in connection.execute(query)}


def _faults(connection: Connection, day: LocalDay) -> Mapping[str, int]:
    query = (
        select(ALARMS.c.device_id, func.count())
        .where(ALARMS.c.at_s >= day.start_s, ALARMS.c.at_s < day.end_s)
        .group_by(ALARMS.c.device_id)
    )
    return {device: int(count) for device, count in connection.execute(query)}


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def contributions_of(
    connection: Connection, devices: Sequence[str], *, first_day: str, last_day: str
) -> tuple[Contribution, ...]:
    """What some meters contributed on the days from first to last (YYYY-MM-DD), newest day first."""
    query = (
        select(*(CONTRIBUTIONS.c[field.name] for field in fields(Contribution)))
        .where(
            CONTRIBUTIONS.c.device_id.in_(devices), CONTRIBUTIONS.c.day >= first_day, CONTRIBUTIONS.c.day <= last_day
        )
        .order_by(CONTRIBUTIONS.c.day.desc(), CONTRIBUTIONS.c.device_id)
    )
    return tuple(Contribution(**row) for row in connection.execute(query).mappings())
