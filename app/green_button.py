"""Metered energy as Green Button XML: an Atom feed of NAESB ESPI resources, as "Download My Data" tools read it.

Per connection a UsagePoint with a MeterReading of drawn and one of fed-in energy, each with its ReadingType and one
IntervalBlock a local day. Element order is that of the ESPI schema (REQ.21).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from app.local_time import local_date
from meters.interval import IntervalEnergy, Quality

FORWARD, REVERSE = 1, 19
"""FlowDirection: to the customer, and from the customer into the grid."""
QUALITY = {
    Quality.MEASURED: 17,  # validated
    Quality.INTERPOLATED: 9,
    Quality.MANUAL: 7,
    Quality.ESTIMATED: 8,
    Quality.SUBSTITUTED: 8,
    Quality.PROVISIONAL: 10,  # questionable
}
"""QualityOfReading of ESPI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One interval: Wh in one direction, and its ESPI quality."""

    start_s: int
    duration_s: int
    value_wh: int
    quality: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """All readings of one connection in one direction, by local day."""

    id: str
    title: str
    flow_direction: int
    interval_s: int
    days: tuple[tuple[Reading, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePoint:
    """A connection with what was drawn and what was fed in."""

    id: str
    title: str
    meter_readings: tuple[MeterReading, ...]


def usage_points(energies: Iterable[IntervalEnergy], zone: ZoneInfo) -> tuple[UsagePoint, ...]:
    """The resources of a feed, by connection; energies in any order, missing intervals stay missing."""
    ordered = sorted(energies, key=lambda each: (each.metering_point, each.interval.start_s))
    return tuple(
        UsagePoint(
            id=_id(point),
            title=point,
            meter_readings=tuple(_meter_readings(point, list(own), zone)),
        )
        for point, own in groupby(ordered, key=lambda each: each.metering_point)
    )


def _meter_readings(point: str, energies: Sequence[IntervalEnergy], zone: ZoneInfo) -> Iterator[MeterReading]:
    interval_s = energies[0].interval.minutes * 60
    for title, direction in (("Drawn from the grid", FORWARD), ("Fed into the grid", REVERSE)):
        readings = [
            Reading(
                start_s=each.interval.start_s,
                duration_s=interval_s,
                value_wh=each.import_wh if direction == FORWARD else each.export_wh,
                quality=QUALITY[each.quality],
            )
            for each in energies
        ]
        days = groupby(readings, key=lambda each: local_date(each.start_s, zone))
        yield MeterReading(
            id=_id(f"{point}/{direction}"),
            title=title,
            flow_direction=direction,
            interval_s=interval_s,
            days=tuple(tuple(day) for _, day in days),
        )


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"urn:commonwatt:espi:{name}"))
