"""Days, months and years of the calendar in which people look back; a day may have 23 or 25 hours."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.local_time import LocalMonth, local_date, midnight_s

HOUR_S = 3600


class PeriodKind(StrEnum):
    """How long a period is."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A local day, month or year. `first` is its first day."""

    kind: PeriodKind
    first: date
    zone: ZoneInfo

    @classmethod
    def parse(cls, key: str, zone: ZoneInfo) -> "Period":
        """From YYYY, YYYY-MM or YYYY-MM-DD. Raises ValueError for anything else."""
        kind = {4: PeriodKind.YEAR, 7: PeriodKind.MONTH, 10: PeriodKind.DAY}.get(len(key))
        if kind is None or not key.isascii():
            raise ValueError(f"{key!r} is no period: write YYYY, YYYY-MM or YYYY-MM-DD")
        first = date.fromisoformat(key + "-01-01"[: 10 - len(key)]) if kind is not PeriodKind.MONTH else None
        return cls(kind=kind, first=first or LocalMonth.parse(key, zone).first, zone=zone)

    @classmethod
    def containing(cls, kind: PeriodKind, day: date, zone: ZoneInfo) -> "Period":
        """The period of a kind in which `day` lies."""
        first = {
            PeriodKind.DAY: day,
            PeriodKind.MONTH: day.replace(day=1),
            PeriodKind.YEAR: day.replace(month=1, day=1),
        }[kind]
        return cls(kind=kind, first=first, zone=zone)

    @property
    def key(self) -> str:
        """YYYY, YYYY-MM or YYYY-MM-DD."""
        return self.first.isoformat()[: {PeriodKind.YEAR: 4, PeriodKind.MONTH: 7, PeriodKind.DAY: 10}[self.kind]]

    @property
    def start_s(self) -> int:
        return midnight_s(self.first, self.zone)

    @property
    def end_s(self) -> int:
        return midnight_s(self.next().first, self.zone)

    @property
    def month_start_s(self) -> int:
        """Start of the month in which the period begins."""
        return midnight_s(self.first.replace(day=1), self.zone)

    def next(self) -> "Period":
        """The period after."""
        days = {PeriodKind.DAY: 1, PeriodKind.MONTH: 31, PeriodKind.YEAR: 366}[self.kind]
        return Period.containing(self.kind, self.first + timedelta(days=days), self.zone)

    def previous(self) -> "Period":
        """The period before."""
        return Period.containing(self.kind, self.first - timedelta(days=1), self.zone)

    def of_kind(self, kind: PeriodKind, *, now_s: int) -> "Period":
        """The period of another kind at the same place, not later than the present."""
        last = min(local_date(self.end_s - 1, self.zone), local_date(now_s - 1, self.zone))
        return Period.containing(kind, max(self.first, last), self.zone)

    def edges_s(self) -> tuple[int, ...]:
        """Instants between which the period's parts lie: hours of a day, days of a month, months of a year."""
        if self.kind is PeriodKind.DAY:
            return (*range(self.start_s, self.end_s, HOUR_S), self.end_s)
        part = replace(self, kind=PeriodKind.DAY if self.kind is PeriodKind.MONTH else PeriodKind.MONTH)
        edges = []
        while part.start_s < self.end_s:
            edges.append(part.start_s)
            part = part.next()
        return (*edges, self.end_s)

    def parts(self) -> tuple["Period", ...]:
        """The days of a month, the months of a year; none of a day, whose parts are hours."""
        kind = {PeriodKind.MONTH: PeriodKind.DAY, PeriodKind.YEAR: PeriodKind.MONTH}.get(self.kind)
        if kind is None:
            return ()
        return tuple(
            Period.containing(kind, local_date(start_s, self.zone), self.zone) for start_s in self.edges_s()[:-1]
        )
