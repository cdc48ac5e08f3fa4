"""When a month is settled again: the final run, and two that take in what came late. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.local_time import LocalMonth

SATURDAY = 5
UTC_ZONE = ZoneInfo("UTC")


class RunKind(StrEnum):
    """D1 the day after delivery; SF makes the invoice of a month; R1 and RF correct it, and RF closes it."""

    D1 = "D1"
    SF = "SF"
    R1 = "R1"
    RF = "RF"


MONTH_RUNS = (RunKind.SF, RunKind.R1, RunKind.RF)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCalendar:
    """sf_working_days and r1_days after the end of a month, rf_months later; working days are Monday to Friday."""

    sf_working_days: int = 5
    r1_days: int = 45
    rf_months: int = 4

    def due_s(self, kind: RunKind, month: LocalMonth) -> int:
        """The local midnight from which on a run of `month` is due."""
        following = month.next().first
        if kind is RunKind.SF:
            return _midnight_s(_after_working_days(following, self.sf_working_days), month)
        if kind is RunKind.R1:
            return _midnight_s(following + timedelta(days=self.r1_days), month)
        assert kind is RunKind.RF
        later = month
        for _ in range(self.rf_months + 1):
            later = later.next()
        return later.start_s

    def disorder(self) -> str | None:
        """What is wrong with it, if in some month a run would not come after the one before it; None if it fits."""
        for year in range(2024, 2028):  # with a leap year, and a month that begins on each day of the week
            for number in range(1, 13):
                month = LocalMonth.parse(f"{year}-{number:02d}", UTC_ZONE)
                final_s, first_s, last_s = (self.due_s(kind, month) for kind in MONTH_RUNS)
                if final_s >= first_s:
                    return f"R1 after {self.r1_days} days is not after SF, {self.sf_working_days} working days on"
                if first_s >= last_s:
                    return f"RF after {self.rf_months} months is not after R1, {self.r1_days} days on"
        return None


DEFAULT_CALENDAR = RunCalendar()


def _after_working_days(first: date, count: int) -> date:
    """The day after `count` working days, counted from `first` on."""
    day = first
    while count:
        count -= day.weekday() < SATURDAY
        day += timedelta(days=1)
    return day


def _midnight_s(day: date, month: LocalMonth) -> int:
    return int(datetime.combine(day, time(0), month.zone).timestamp())
