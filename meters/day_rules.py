"""What the rules say of a metering point's local day, taken together.

Two kinds of findings: what cannot be (`CANNOT_BE`) makes the day's energy provisional until somebody looks, for nobody
should pay for it unseen; what is only unusual is a reason to look. No finding changes a value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from meters.interval import IntervalEnergy
from meters.plausibility import (
    above_rating,
    frozen,
    large_both_ways,
    night_export,
    ratio_changed,
    sum_against_register,
    zero_use,
)
from meters.vee import Finding, Rule, missing

CANNOT_BE = frozenset({Rule.ABOVE_RATING, Rule.BOTH_WAYS, Rule.SUM_AGAINST_REGISTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredDay:
    """One metering point on one day.

    energies         complete intervals, in order of time
    interval_count   intervals of the whole day: 92, 96 or 100 quarter-hours
    expected_count   intervals that should be there; None while some may still come, or where no meter reported yet
    connection_w     rating of the connection, both directions
    usual_import_wh  what a day usually draws, None where too few days are known
    register_deltas_mwh  growth of both registers from midnight to midnight, None where nobody read them then
    """

    metering_point: str
    energies: Sequence[IntervalEnergy]
    minutes: int
    connection_w: int
    has_battery: bool
    interval_count: int
    expected_count: int | None = None
    usual_import_wh: float | None = None
    register_deltas_mwh: tuple[int, int] | None = None

    @property
    def is_complete(self) -> bool:
        return len(self.energies) == self.interval_count


def findings_of_day(day: MeteredDay, *, is_night: Callable[[datetime], bool]) -> list[Finding]:
    """Everything the rules find; what needs a whole day is asked of a complete one only."""
    energies = day.energies
    found = [
        *above_rating(energies, connection_w=day.connection_w, minutes=day.minutes),
        *large_both_ways(energies, connection_w=day.connection_w, minutes=day.minutes),
        *frozen(energies),
        *night_export(energies, is_night=is_night, has_battery=day.has_battery),
    ]
    if day.expected_count is not None:
        found += missing(day.metering_point, day.expected_count, len(energies))
    if day.is_complete:
        found += zero_use(energies)
        if day.usual_import_wh is not None:
            found += ratio_changed(day.usual_import_wh, sum(energy.import_wh for energy in energies))
        if day.register_deltas_mwh is not None:
            imported_mwh, exported_mwh = day.register_deltas_mwh
            found += sum_against_register(energies, import_delta_mwh=imported_mwh, export_delta_mwh=exported_mwh)
    return found
