"""What it takes to settle: a database, a clock, and how time is cut into periods and months."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from app.settlement_calendar import DEFAULT_CALENDAR, RunCalendar
from meters.clock import Clock

SCHEDULE = "schedule"
"""Who runs what nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDesk:
    """What it takes to settle a month again.

    period_minutes  None for local days; a shorter period only in demonstrations and tests, counted from `anchor_s`
    calendar        when months are settled again
    """

    engine: Engine
    clock: Clock
    period_minutes: int | None = None
    anchor_s: int = 0
    calendar: RunCalendar = DEFAULT_CALENDAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Half-open [first_start_s, end_s)."""

    first_start_s: int
    end_s: int


def period_of(start_s: int, timezone: str, desk: RunDesk) -> Period:
    """The settlement period in which an interval lies: its local day, or the fixed slot."""
    if desk.period_minutes is not None:
        length_s = desk.period_minutes * 60
        first_s = start_s - (start_s - desk.anchor_s) % length_s
        return Period(first_start_s=first_s, end_s=first_s + length_s)
    local = datetime.fromtimestamp(start_s, ZoneInfo(timezone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    following = (midnight + timedelta(days=1)).replace(fold=0)
    return Period(first_start_s=int(midnight.timestamp()), end_s=int(following.timestamp()))
