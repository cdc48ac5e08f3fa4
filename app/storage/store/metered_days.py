"""What the rules of validation look at: energy of days, registers at their ends, and since when a meter reports."""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import Connection, and_, func, select

from app.storage.store.devices import DEVICES
from app.storage.store.readings import ENERGY, READINGS
from meters.interval import DeliveryInterval, IntervalEnergy, Quality

DAY_S = 86_400


def energies_between(connection: Connection, *, start_s: int, end_s: int, minutes: int) -> Iterator[IntervalEnergy]:
    """Complete energies of all points for intervals that start in [start_s, end_s), by point and interval."""
    query = (
        select(ENERGY)
        .where(ENERGY.c.start_s >= start_s, ENERGY.c.start_s < end_s, ENERGY.c.covered_s >= minutes * 60)
        .order_by(ENERGY.c.metering_point_id, ENERGY.c.start_s)
    )
    for row in connection.execute(query):
        yield IntervalEnergy(
            metering_point=row.metering_point_id,
            interval=DeliveryInterval.at(row.start_s, minutes),
            import_wh=row.import_wh,
            export_wh=row.export_wh,
            quality=Quality(row.quality),
        )


def import_of_days_before(connection: Connection, before_s: int, *, days: int, interval_s: int) -> dict[str, list[int]]:
    """Wh drawn in each of the complete spans of 24 hours before an instant, at most `days`, by metering point."""
    first_s = before_s - days * DAY_S
    number = ((ENERGY.c.start_s - first_s) // DAY_S).label("number")
    query = (
        select(ENERGY.c.metering_point_id, number, func.sum(ENERGY.c.import_wh), func.count())
        .where(ENERGY.c.start_s >= first_s, ENERGY.c.start_s < before_s, ENERGY.c.covered_s >= interval_s)
        .group_by(ENERGY.c.metering_point_id, number)
    )
    found: dict[str, list[int]] = defaultdict(list)
    for point, _, import_wh, count in connection.execute(query):
        if count * interval_s == DAY_S:
            found[point].append(int(import_wh))
    return found


def register_deltas(connection: Connection, *, start_s: int, end_s: int) -> dict[str, tuple[int, int]]:
    """By how many mWh the import and export registers grew from `start_s` to `end_s`, by metering point.

    Only where one meter in one epoch was read at both instants.
    """
    opening, closing = _registers_at(connection, start_s), _registers_at(connection, end_s)
    deltas = {}
    for (point, device, epoch), (import_mwh, export_mwh) in closing.items():
        if (before := opening.get((point, device, epoch))) is not None:
            deltas[point] = (import_mwh - before[0], export_mwh - before[1])
    return deltas


def _registers_at(connection: Connection, instant_s: int) -> dict[tuple[str, str, int], tuple[int, int]]:
    query = (
        select(
            DEVICES.c.metering_point_id, DEVICES.c.id, READINGS.c.epoch, READINGS.c.import_mwh, READINGS.c.export_mwh
        )
        .join(READINGS, READINGS.c.device_id == DEVICES.c.id)
        .where(
            # The index knows starts only, and no reading is longer than a day.
            READINGS.c.start_s >= instant_s - DAY_S,
            READINGS.c.start_s <= instant_s,
            READINGS.c.start_s + READINGS.c.duration_s == instant_s,
        )
    )
    return {
        (point, device, epoch): (import_mwh, export_mwh)
        for point, device, epoch, import_mwh, export_mwh in connection.execute(query)
    }


def first_readings(connection: Connection) -> list[tuple[str, str, int]]:
    """Every meter with a reading: id, metering point, and the instant of its first reading."""
    opening = and_(READINGS.c.device_id == DEVICES.c.id, READINGS.c.epoch == 0, READINGS.c.seq == 0)
    first_s = READINGS.c.start_s + READINGS.c.duration_s
    query = select(DEVICES.c.id, DEVICES.c.metering_point_id, first_s).join(READINGS, opening)
    return [(device, point, first) for device, point, first in connection.execute(query)]
