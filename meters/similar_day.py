"""The shape of a long silence: the same hours of an earlier day, scaled to what the counters grew by.

A straight line is good for two hours; over a longer gap it puts the evening's cooking into the night. The counters on
both sides of a gap are true, so only the shape is borrowed: the sum is what the meter counted, to the milliwatt-hour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

from meters.reading import CounterRead
from meters.signing import FLAG_ESTIMATED, RegisterReading
from meters.vee import most_mwh

DAYS_BACK = (7, 14, 21, 28, 1, 2, 3)
"""Which earlier day is similar: the same weekday before any other. Counted in UTC: across a change to or from summer
time the shape is an hour off."""
DAY_S = 86_400

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarDay:
    """What was metered in the hours of a gap, some days before: (import, export) mWh of consecutive intervals.

    start_s  start of the first interval, moved to the gap
    """

    start_s: int
    interval_s: int
    energies_mwh: Sequence[tuple[int, int]]

    def registers_at(
        self, boundaries_s: Sequence[int], before: CounterRead, after: CounterRead
    ) -> list[tuple[int, int]]:
        """Import and export registers at ascending boundaries between two reads, growing as they grew then.

        A direction in which nothing was metered then grows evenly.
        """
        origin = datetime.fromtimestamp(self.start_s, UTC)
        ends = [(read.at - origin) // _MICROSECOND for read in (before, after)]
        instants = [(boundary_s - self.start_s) * 1_000_000 for boundary_s in boundaries_s]
        registers = []
        for direction, opening, closing in (
            (0, before.import_mwh, after.import_mwh),
            (1, before.export_mwh, after.export_mwh),
        ):
            then = _Curve([energies[direction] for energies in self.energies_mwh], self.interval_s * 1_000_000)
            first, last = (then.at(end) for end in ends)
            is_even = last == first
            low, high = ends if is_even else (first, last)
            parts = instants if is_even else [then.at(instant) for instant in instants]
            registers.append([opening + (closing - opening) * (part - low) // (high - low) for part in parts])
        return list(zip(*registers, strict=True))


class _Curve:
    """What was metered since the start of the first of some intervals, in mWh times microseconds of an interval."""

    def __init__(self, energies_mwh: Sequence[int], length: int) -> None:
        self._energies = [*energies_mwh, 0]
        self._sums = list(accumulate(energies_mwh, initial=0))
        self._length = length

    def at(self, microseconds: int) -> int:
        number, rest = divmod(microseconds, self._length)
        return self._sums[number] * self._length + self._energies[number] * rest


def energies_of(readings: Sequence[RegisterReading], interval_s: int) -> dict[int, tuple[int, int]]:
    """Import and export in mWh by start of whole intervals between readings of one chain that were not estimated."""
    return {
        after.start_s: (after.import_mwh - before.import_mwh, after.export_mwh - before.export_mwh)
        for before, after in pairwise(readings)
        if after.seq == before.seq + 1
        and after.duration_s == interval_s
        and not (before.flags | after.flags) & FLAG_ESTIMATED
    }


def similar_day(
    known: Mapping[int, tuple[int, int]],
    before: CounterRead,
    after: CounterRead,
    *,
    interval_s: int,
    connection_w: float,
) -> SimilarDay | None:
    """The day whose shape fits the gap between two reads, None if none does.

    It is known from end to end, lies before the gap, and scaled to the counters it stays within what the connection
    carries.
    """
    first_s = int(before.at.timestamp()) // interval_s * interval_s
    starts = range(first_s, -(-int(after.at.timestamp()) // interval_s) * interval_s, interval_s)
    for days in DAYS_BACK:
        back_s = days * DAY_S
        energies = [known[start_s - back_s] for start_s in starts if start_s - back_s in known]
        if len(energies) == len(starts) and back_s >= len(starts) * interval_s:
            found = SimilarDay(start_s=first_s, interval_s=interval_s, energies_mwh=energies)
            if _is_carriable(found, starts, before, after, connection_w):
                return found
    return None


def _is_carriable(
    found: SimilarDay, starts: Sequence[int], before: CounterRead, after: CounterRead, connection_w: float
) -> bool:
    inner = found.registers_at(starts[1:], before, after)
    registers = [(before.import_mwh, before.export_mwh), *inner, (after.import_mwh, after.export_mwh)]
    most = most_mwh(connection_w, timedelta(seconds=found.interval_s))
    return all(max(later[0] - earlier[0], later[1] - earlier[1]) <= most for earlier, later in pairwise(registers))
