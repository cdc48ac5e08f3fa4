"""Local days and months: people live in them, the rest of the program counts seconds in UTC."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDay:
    """A calendar day in the community's timezone: 23, 24 or 25 hours long."""

    date: date
    zone: ZoneInfo
    interval_s: int

    @property
    def start_s(self) -> int:
        return midnight_s(self.date, self.zone)

    @property
    def end_s(self) -> int:
        return midnight_s(self.date + timedelta(days=1), self.zone)

    @property
    def interval_count(self) -> int:
        return (self.end_s - self.start_s) // self.interval_s

    @property
    def month_key(self) -> str:
        """The day's month as YYYY-MM."""
        return f"{self.date:%Y-%m}"

    def shifted(self, days: int) -> "LocalDay":
        """The day `days` later."""
        return LocalDay(date=self.date + timedelta(days=days), zone=self.zone, interval_s=self.interval_s)

    def percent(self, instant_s: int) -> float:
        """How much of the day has passed at `instant_s`, in percent, within 0 to 100."""
        return min(100.0, max(0.0, 100 * (instant_s - self.start_s) / (self.end_s - self.start_s)))

    def middle_percent(self, start_s: int) -> float:
        """Where the middle of the interval that starts at `start_s` lies, in percent."""
        return self.percent(start_s + self.interval_s // 2)

    def hours(self) -> list[tuple[int, str]]:
        """(instant, label) of local midnight, six, noon, eighteen o'clock and the next midnight."""
        hours = [(hour, datetime.combine(self.date, time(hour), self.zone)) for hour in (0, 6, 12, 18)]
        return [*((int(at.timestamp()), f"{hour:02d}:00") for hour, at in hours), (self.end_s, "24:00")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMonth:
    """A calendar month in the community's timezone."""

    first: date
    zone: ZoneInfo

    @classmethod
    def parse(cls, key: str, zone: ZoneInfo) -> "LocalMonth":
        """From YYYY-MM. Raises ValueError for anything else."""
        year, _, month = key.partition("-")
        if len(year) != 4 or len(month) != 2 or not (year + month).isdecimal() or not (year + month).isascii():
            raise ValueError(f"{key!r} is not a month: write YYYY-MM")
        return cls(first=date(int(year), int(month), 1), zone=zone)

    @property
    def key(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def start_s(self) -> int:
        return midnight_s(self.first, self.zone)

    @property
    def end_s(self) -> int:
        return midnight_s(self.next().first, self.zone)

    def next(self) -> "LocalMonth":
        """The month after."""
        return LocalMonth(first=(self.first + timedelta(days=31)).replace(day=1), zone=self.zone)

    def previous(self) -> "LocalMonth":
        """The month before."""
        return LocalMonth(first=(self.first - timedelta(days=1)).replace(day=1), zone=self.zone)


def day_of(instant_s: int, zone: ZoneInfo, interval_s: int) -> LocalDay:
    """The local day in which `instant_s` lies."""
    return LocalDay(date=local_date(instant_s, zone), zone=zone, interval_s=interval_s)


def month_of(instant_s: int, zone: ZoneInfo) -> LocalMonth:
    """The local month in which `instant_s` lies."""
    return LocalMonth(first=local_date(instant_s, zone).replace(day=1), zone=zone)


def local_date(instant_s: int, zone: ZoneInfo) -> date:
    """The local calendar date at `instant_s`."""
    return datetime.fromtimestamp(instant_s, UTC).astimezone(zone).date()


def midnight_s(day: date, zone: ZoneInfo) -> int:
    """The instant at which a local day begins."""
    return int(datetime.combine(day, time(0), zone).timestamp())
