"""The rules of validation over the energy of every metering point and local day.

They run where the energy is used next: before a settlement run takes a day, and once an hour for every day of which
something came in (`app.contributions`). Run again they find the same, so nothing depends on how often they run.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from statistics import median
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.local_time import LocalDay, day_of
from app.storage.store.community import the_community
from app.storage.store.findings import DayFinding, replace_findings
from app.storage.store.members import metering_points
from app.storage.store.metered_days import energies_between, first_readings, import_of_days_before, register_deltas
from meters.day_rules import CANNOT_BE, MeteredDay, findings_of_day
from meters.interval import IntervalEnergy

LATE_INTERVALS = 3
"""Readings arrive a little after their interval ends: so long after midnight a day is over."""
USUAL_DAYS, USUAL_DAYS_MIN = 14, 5
NIGHT_HOURS = frozenset({23, 0, 1, 2})
"""Local hours without sun all year round up to 55 degrees of latitude, also where clocks show summer time."""


def examine_span(connection: Connection, *, start_s: int, end_s: int, now_s: int) -> None:
    """Run the rules over every local day that [start_s, end_s) touches."""
    community = the_community(connection)
    day = day_of(start_s, ZoneInfo(community.timezone), community.market_time_unit_s)
    while day.start_s < end_s:
        examine_day(connection, day, now_s=now_s)
        day = day.shifted(1)


def examine_day(connection: Connection, day: LocalDay, *, now_s: int) -> None:
    """Run the rules over a day of every metering point, and keep what they find in place of what they found before."""
    minutes = day.interval_s // 60
    over = now_s >= day.end_s + LATE_INTERVALS * day.interval_s
    by_point: dict[str, list[IntervalEnergy]] = defaultdict(list)
    for energy in energies_between(connection, start_s=day.start_s, end_s=day.end_s, minutes=minutes):
        by_point[energy.metering_point].append(energy)
    begun_s = {point: first_s for _, point, first_s in first_readings(connection)} if over else {}
    before = import_of_days_before(connection, day.start_s, days=USUAL_DAYS, interval_s=day.interval_s)
    usual_wh = {point: median(days) for point, days in before.items() if len(days) >= USUAL_DAYS_MIN}
    deltas = register_deltas(connection, start_s=day.start_s, end_s=day.end_s)
    found: list[DayFinding] = []
    for point in metering_points(connection):
        metered = MeteredDay(
            metering_point=point.id,
            energies=by_point[point.id],
            minutes=minutes,
            connection_w=point.connection_w,
            has_battery=point.battery_wh > 0,
            interval_count=day.interval_count,
            expected_count=_expected(day, begun_s.get(point.id)),
            usual_import_wh=usual_wh.get(point.id),
            register_deltas_mwh=deltas.get(point.id),
        )
        found.extend(_findings(metered, day, now_s=now_s))
    replace_findings(connection, str(day.date), found)


def _expected(day: LocalDay, begun_s: int | None) -> int | None:
    """Intervals of a day since the meter's first reading."""
    if begun_s is None:
        return None
    return max(0, (day.end_s - max(day.start_s, begun_s)) // day.interval_s)


def _findings(metered: MeteredDay, day: LocalDay, *, now_s: int) -> Iterable[DayFinding]:
    def is_night(instant: datetime) -> bool:
        return instant.astimezone(day.zone).hour in NIGHT_HOURS

    for finding in findings_of_day(metered, is_night=is_night):
        yield DayFinding(
            metering_point_id=metered.metering_point,
            day=str(day.date),
            rule=finding.rule.value,
            start_s=day.start_s,
            end_s=day.end_s,
            message=finding.message,
            version=finding.version,
            doubts=finding.rule in CANNOT_BE,
            found_s=now_s,
        )
