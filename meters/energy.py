"""Cumulative registers at interval boundaries, from the reads that bracket them.

The register at a boundary is interpolated between the reads before and after it, in integers; energy is the
difference of two such registers, so what one interval gets too much the next gets too little, and the sum is exact.
Over hours of silence the register follows a similar day (`meters.similar_day`) where there is one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from meters.reading import CounterRead
from meters.signing import FLAG_ESTIMATED, FLAG_INTERPOLATED, FLAG_SUSPECT
from meters.similar_day import SimilarDay

CLOSE_S = 5
"""A read this close to a boundary measures it: 5 s of a home's full load are under 20 Wh, of its mean load 1 Wh."""
LINEAR_UP_TO_S = 2 * 3600
"""A straight line over a longer gap is a guess at the shape; its sum is still what the meter counted."""
BOUNDARIES_MAX = 3000
"""A longer gap (31 days of quarter-hours) becomes one reading: nobody settles guesses of that age."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundaryReading:
    """Registers in mWh at `start_s + duration_s`; `duration_s` is 0 for the opening reading of a chain."""

    start_s: int
    duration_s: int
    import_mwh: int
    export_mwh: int
    flags: int


def register_at(instant: datetime, before: CounterRead, after: CounterRead) -> tuple[int, int]:
    """Import and export registers at `instant`, before.at <= instant <= after.at, on the straight line between."""
    whole = (after.at - before.at) // _MICROSECOND
    if whole == 0:
        return after.import_mwh, after.export_mwh
    part = (instant - before.at) // _MICROSECOND
    assert 0 <= part <= whole, "a register is interpolated, never extrapolated"
    return (
        before.import_mwh + (after.import_mwh - before.import_mwh) * part // whole,
        before.export_mwh + (after.export_mwh - before.export_mwh) * part // whole,
    )


def boundary_readings(
    last_end_s: int | None,
    before: CounterRead | None,
    after: CounterRead,
    interval_s: int,
    similar: SimilarDay | None = None,
) -> tuple[BoundaryReading, ...]:
    """Readings for every boundary that the read `after` brought within reach.

    last_end_s  the boundary of the last reading of this epoch, None if there is none yet: then the first is an opening
    before      the accepted read before `after`; None for the first of an epoch, which can only open at a boundary it
                lies close to
    similar     the shape of the time between the two reads, None for a straight line
    """
    after_s = after.at.timestamp()
    if before is None:
        boundary = int(after_s // interval_s) * interval_s
        if after_s - boundary > CLOSE_S:
            return ()
        return (_at(boundary, 0, (after.import_mwh, after.export_mwh), 0),)
    first = int(-(-before.at.timestamp() // interval_s)) * interval_s
    if last_end_s is not None:
        first = max(first, last_end_s + interval_s)
    boundaries = range(first, int(after_s) + 1, interval_s)
    if len(boundaries) > BOUNDARIES_MAX:
        boundaries = range(boundaries[-1], boundaries[-1] + 1)
    crossed = len([boundary for boundary in boundaries if boundary > before.at.timestamp()])
    if similar is None:
        registers = [register_at(datetime.fromtimestamp(boundary, UTC), before, after) for boundary in boundaries]
    else:
        registers = similar.registers_at(boundaries, before, after)
    readings = []
    end_s = last_end_s
    for boundary, shown in zip(boundaries, registers, strict=True):
        duration_s = 0 if end_s is None else boundary - end_s
        flags = _flags(boundary, before, after, crossed, has_shape=similar is not None)
        readings.append(_at(boundary, duration_s, shown, flags))
        end_s = boundary
    return tuple(readings)


def _flags(boundary_s: int, before: CounterRead, after: CounterRead, crossed: int, *, has_shape: bool) -> int:
    gap_s = (after.at - before.at).total_seconds()
    if crossed > 1:
        return FLAG_ESTIMATED | (FLAG_SUSPECT if gap_s > LINEAR_UP_TO_S and not has_shape else 0)
    nearest_s = min(boundary_s - before.at.timestamp(), after.at.timestamp() - boundary_s)
    return FLAG_INTERPOLATED if nearest_s > CLOSE_S else 0


def _at(boundary_s: int, duration_s: int, registers: tuple[int, int], flags: int) -> BoundaryReading:
    return BoundaryReading(
        start_s=boundary_s - duration_s,
        duration_s=duration_s,
        import_mwh=registers[0],
        export_mwh=registers[1],
        flags=flags,
    )
