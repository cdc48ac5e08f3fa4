"""Validation of readings: one rule a function, each pure, each saying what it found and under which version.

A finding never changes a value. What happens with a doubtful one is decided in `meters.counters`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from meters.reading import CounterRead

RULES_VERSION = 1

RATING_MARGIN = 1.2
"""Fuses carry more than their rating for hours (IEC 60269-1): what exceeds this is no energy but an error."""
CLOCK_TOLERANCE_S = 5.0
MILLIWATT_HOURS_PER_WATT_SECOND = 1000 / 3600


class Rule(StrEnum):
    """The rules there are."""

    MISSING = "missing"
    NOT_CERTAIN = "not_certain"
    OUT_OF_ORDER = "out_of_order"
    DECREASE = "decrease"
    ZERO = "zero"
    ROLLOVER = "rollover"
    ABOVE_RATING = "above_rating"
    REPLACED = "replaced"
    CLOCK_UNSYNCED = "clock_unsynced"
    SUM_OF_PHASES = "sum_of_phases"
    VOLTAGE = "voltage"
    FREQUENCY = "frequency"
    ENERGY_AGAINST_POWER = "energy_against_power"
    BOTH_WAYS = "both_ways"
    FROZEN = "frozen"
    ZERO_USE = "zero_use"
    NIGHT_EXPORT = "night_export"
    SUM_AGAINST_REGISTER = "sum_against_register"
    RATIO = "ratio"
    PARENT_BALANCE = "parent_balance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found, in words for people."""

    rule: Rule
    message: str
    version: int = RULES_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterLimits:
    """What a connection and its meter can do.

    connection_w   rating of the connection, both directions
    import_rollover_mwh, export_rollover_mwh  where the counters start again from zero; None where nobody knows
    """

    connection_w: float
    import_rollover_mwh: int | None = None
    export_rollover_mwh: int | None = None


def missing(device: str, expected: int, received: int) -> list[Finding]:
    """Intervals of which no reading came."""
    if received >= expected:
        return []
    return [Finding(rule=Rule.MISSING, message=f"{device}: {expected - received} of {expected} intervals missing")]


def out_of_order(before: CounterRead, after: CounterRead) -> list[Finding]:
    """A reading older than the one before it: a clock went back."""
    if after.at >= before.at:
        return []
    return [Finding(rule=Rule.OUT_OF_ORDER, message=f"read at {after.at.isoformat()}, before {before.at.isoformat()}")]


def decrease(before: CounterRead, after: CounterRead) -> list[Finding]:
    """A cumulative register that fell by more than its own step; zero after non-zero is named apart."""
    found = []
    for name, old, new in _directions(before, after):
        if old - new > max(before.step_mwh, after.step_mwh):
            rule = Rule.ZERO if new == 0 else Rule.DECREASE
            found.append(Finding(rule=rule, message=f"{name} register fell from {old} to {new} mWh"))
    return found


def above_connection_rating(before: CounterRead, after: CounterRead, limits: CounterLimits) -> list[Finding]:
    """More energy than the connection can carry in the time between two reads."""
    found = []
    most = most_mwh(limits.connection_w, after.at - before.at) + 2 * max(before.step_mwh, after.step_mwh)
    for name, old, new in _directions(before, after):
        if new - old > most:
            found.append(
                Finding(
                    rule=Rule.ABOVE_RATING,
                    message=f"{name} register rose by {new - old} mWh, the connection carries {most} mWh in that time",
                )
            )
    return found


def clock_unsynced(error_s: float | None) -> list[Finding]:
    """A clock that is known to be wrong by more than the tolerance; an unknown error is no finding."""
    if error_s is None or abs(error_s) <= CLOCK_TOLERANCE_S:
        return []
    return [Finding(rule=Rule.CLOCK_UNSYNCED, message=f"this clock differs by {error_s:+.0f} s from the platform's")]


def most_mwh(connection_w: float, elapsed: timedelta) -> int:
    """Most energy a connection carries in `elapsed`, with the margin of its fuses."""
    return int(connection_w * RATING_MARGIN * elapsed.total_seconds() * MILLIWATT_HOURS_PER_WATT_SECOND)


def _directions(before: CounterRead, after: CounterRead) -> Sequence[tuple[str, int, int]]:
    return (
        ("import", before.import_mwh, after.import_mwh),
        ("export", before.export_mwh, after.export_mwh),
    )
