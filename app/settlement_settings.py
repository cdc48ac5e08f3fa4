"""When a community settles: its periods, how long they wait for readings, and when months are run again."""

from dataclasses import dataclass

from app.settlement_calendar import DEFAULT_CALENDAR, RunCalendar
from contracts.fields import FieldError, Fields

LIMITS = {"sf_working_days": (1, 20), "r1_days": (2, 366), "rf_months": (1, 24)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementSettings:
    """What is settled together: the local day, or in rehearsals `period_minutes`.

    grace_minutes is how long a period waits for missing readings before it is settled without them (the run D1);
    calendar says when SF, R1 and RF are due.
    """

    period_minutes: int | None = None
    grace_minutes: int = 24 * 60
    calendar: RunCalendar = DEFAULT_CALENDAR


def settlement_from(fields: Fields, *, interval_minutes: int) -> SettlementSettings:
    """Read the section [settlement]. Raises FieldError naming the key."""
    period = fields.integer("period_minutes", least=5, most=24 * 60) if fields.has("period_minutes") else None
    grace = fields.integer("grace_minutes", least=0, most=31 * 24 * 60) if fields.has("grace_minutes") else 24 * 60
    given = {
        key: fields.integer(key, least=least, most=most) for key, (least, most) in LIMITS.items() if fields.has(key)
    }
    fields.close()
    if period is not None and period % interval_minutes:
        problem = f"is {period}: use a multiple of the interval, {interval_minutes} minutes"
        raise FieldError(fields.at("period_minutes"), problem)
    calendar = RunCalendar(**given)
    if (disorder := calendar.disorder()) is not None:
        raise FieldError(fields.path, disorder)
    return SettlementSettings(period_minutes=period, grace_minutes=grace, calendar=calendar)
