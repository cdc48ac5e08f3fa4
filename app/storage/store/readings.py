"""Accepted readings, the energy derived from them, and the alarms of what was refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, Select, select

from app.storage import tables
from app.storage.store.bulk import insert_new
from app.storage.store.findings import QUALITY
from app.storage.tables import core_table
from meters.interval import DeliveryInterval, IntervalEnergy, Quality
from meters.signing import ReadingBatch, RegisterReading

BATCHES = core_table(tables.ReadingBatchRow)
READINGS = core_table(tables.ReadingRow)
ENERGY = core_table(tables.IntervalEnergyRow)
ALARMS = core_table(tables.IngestAlarm)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestAlarm:
    """Refused or conflicting input. kind is the refusal's code, evidence the input as JSON."""

    at_s: int
    kind: str
    device_id: str
    message: str
    evidence: str


def energies_at(connection: Connection, interval: DeliveryInterval) -> dict[str, IntervalEnergy]:
    """Complete metered energy of one interval by metering point; a point still missing is not in it."""
    query = _complete(interval.minutes).where(ENERGY.c.start_s == interval.start_s)
    rows = connection.execute(query).mappings()
    return {str(row["metering_point_id"]): _energy(row, interval.minutes) for row in rows}


def energies_of_points(
    connection: Connection, points: Sequence[str], *, start_s: int, end_s: int, minutes: int
) -> tuple[IntervalEnergy, ...]:
    """Complete energies of some points for intervals that start in [start_s, end_s), by interval and point."""
    query = (
        _complete(minutes)
        .where(ENERGY.c.metering_point_id.in_(points), ENERGY.c.start_s >= start_s, ENERGY.c.start_s < end_s)
        .order_by(ENERGY.c.start_s, ENERGY.c.metering_point_id)
    )
    return tuple(_energy(row, minutes) for row in connection.execute(query).mappings())


def energy_history(
    connection: Connection, *, start_s: int, minutes: int, received_after_s: int, received_by_s: int
) -> list[tuple[str, int, int, int]]:
    """(metering point, interval start, import Wh, export Wh) of all points, received in (after, by].

    Bare tuples by point and time: this feeds forecasts, with hundreds of thousands of rows.
    """
    columns = (ENERGY.c.metering_point_id, ENERGY.c.start_s, ENERGY.c.import_wh, ENERGY.c.export_wh)
    query = (
        select(*columns)
        .where(
            ENERGY.c.start_s >= start_s,
            ENERGY.c.received_s > received_after_s,
            ENERGY.c.received_s <= received_by_s,
            ENERGY.c.covered_s >= minutes * 60,
        )
        .order_by(ENERGY.c.metering_point_id, ENERGY.c.start_s)
    )
    return [(point, start, imported, exported) for point, start, imported, exported in connection.execute(query)]


def save_substitutes(connection: Connection, energies: Iterable[IntervalEnergy], *, received_s: int) -> None:
    """Fill intervals that have no row yet, labelled by their quality; a reading that arrives later replaces them."""
    insert_new(
        connection,
        ENERGY,
        (
            {
                "metering_point_id": energy.metering_point,
                "start_s": energy.interval.start_s,
                "import_wh": energy.import_wh,
                "export_wh": energy.export_wh,
                "quality": energy.quality.value,
                "received_s": received_s,
                "covered_s": energy.interval.minutes * 60,
            }
            for energy in energies
        ),
    )


def readings_of_device(
    connection: Connection, device_id: str, *, start_s: int, end_s: int
) -> tuple[RegisterReading, ...]:
    """A device's readings whose interval starts in [start_s, end_s), by epoch and sequence."""
    query = (
        select(READINGS)
        .where(READINGS.c.device_id == device_id, READINGS.c.start_s >= start_s, READINGS.c.start_s < end_s)
        .order_by(READINGS.c.epoch, READINGS.c.seq)
    )
    return tuple(_reading(row) for row in connection.execute(query).mappings())


def batches_of_device(connection: Connection, device_id: str, *, start_s: int, end_s: int) -> tuple[ReadingBatch, ...]:
    """The signed batches, whole and as accepted, that hold any reading of [start_s, end_s), oldest first."""
    touched = (
        select(READINGS.c.epoch, READINGS.c.batch_first_seq)
        .where(READINGS.c.device_id == device_id, READINGS.c.start_s >= start_s, READINGS.c.start_s < end_s)
        .distinct()
    )
    batches = []
    for epoch, first_seq in sorted(tuple(row) for row in connection.execute(touched)):
        query = select(BATCHES).where(
            BATCHES.c.device_id == device_id, BATCHES.c.epoch == epoch, BATCHES.c.first_seq == first_seq
        )
        batches.append(_batch(connection, connection.execute(query).mappings().one()))
    return tuple(batches)


def alarms(connection: Connection, *, since_s: int, limit: int = 200) -> tuple[IngestAlarm, ...]:
    """The newest alarms since an instant, newest first."""
    query = select(ALARMS).where(ALARMS.c.at_s >= since_s).order_by(ALARMS.c.id.desc()).limit(limit)
    return tuple(
        IngestAlarm(**{name: row[name] for name in IngestAlarm.__dataclass_fields__})
        for row in connection.execute(query).mappings()
    )


def _complete(minutes: int) -> Select[tuple[object, ...]]:
    columns = [column for column in ENERGY.c if column.name != "quality"]
    return select(*columns, QUALITY).where(ENERGY.c.covered_s >= minutes * 60)


def _energy(row: RowMapping, minutes: int) -> IntervalEnergy:
    return IntervalEnergy(
        metering_point=row["metering_point_id"],
        interval=DeliveryInterval.at(row["start_s"], minutes),
        import_wh=row["import_wh"],
        export_wh=row["export_wh"],
        quality=Quality(row["quality"]),
    )


def _reading(row: RowMapping) -> RegisterReading:
    return RegisterReading(
        device=row["device_id"],
        **{name: row[name] for name in RegisterReading.__dataclass_fields__ if name != "device"},
    )


def _batch(connection: Connection, row: RowMapping) -> ReadingBatch:
    query = (
        select(READINGS)
        .where(
            READINGS.c.device_id == row["device_id"],
            READINGS.c.epoch == row["epoch"],
            READINGS.c.batch_first_seq == row["first_seq"],
        )
        .order_by(READINGS.c.seq)
    )
    return ReadingBatch(
        device=row["device_id"],
        epoch=row["epoch"],
        readings=tuple(_reading(reading) for reading in connection.execute(query).mappings()),
        previous_hash=row["previous_hash"],
        signature=row["signature"],
    )
