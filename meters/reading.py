"""A snapshot of a meter's registers, and the counters in it that settlement needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from meters.decoding import Energy, Number
from meters.interval import Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """What one meter showed at one moment.

    values       quantity (`energy_import_wh`, `active_power_w` with + for import ...) to number, None where the meter
                 has a register for it but no certain value came of it; energy with the counter's resolution
    energy       the same counters in exact milliwatt-hours with their step; absent where not certain
    read_at      midpoint between asking and receiving the energy registers, UTC
    uncertainty  half the time between the two
    findings     why `quality` is not MEASURED, in words for people
    identity     what the device says it is; empty where it says nothing
    identity_changed  it says something else than it said at first
    """

    profile: str
    device_id: int
    read_at: datetime
    uncertainty: timedelta
    quality: Quality
    values: Mapping[str, Number | None]
    energy: Mapping[str, Energy]
    findings: tuple[str, ...] = ()
    identity: str = ""
    identity_changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterRead:
    """Both cumulative registers of a meter at one moment, in exact milliwatt-hours.

    step_mwh  the coarser step of the two counters; a decrease within it is the counter's precision, not a change
    """

    at: datetime
    import_mwh: int
    export_mwh: int
    step_mwh: int


def counter_read(reading: MeterReading, *, has_import: bool, has_export: bool) -> CounterRead | None:
    """The counters of a reading; a direction the meter does not count is 0. None if one of them is not certain."""
    imported, exported = reading.energy.get("energy_import_wh"), reading.energy.get("energy_export_wh")
    if (has_import and imported is None) or (has_export and exported is None):
        return None
    return CounterRead(
        at=reading.read_at,
        import_mwh=imported.mwh if imported else 0,
        export_mwh=exported.mwh if exported else 0,
        step_mwh=max(counter.step_mwh for counter in (imported, exported) if counter),
    )
