"""More rules of validation: of one reading, of the time between two, of a day's intervals, of meters behind a meter.

As in `meters.vee` each rule is pure, says what it found, and changes no value. They look at what no single counter can
show, so what they find is a reason to look, not to refuse energy.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise

from meters.interval import IntervalEnergy
from meters.reading import CounterRead, MeterReading
from meters.vee import MILLIWATT_HOURS_PER_WATT_SECOND, RATING_MARGIN, Finding, Rule

PHASE_SUM_SHARE, PHASE_SUM_W = 0.05, 50.0
VOLTAGE_V, VOLTAGE_SHARE = 230.0, 0.15
"""Nominal voltage (EN 50160 allows 10 % for most of the time) and how far from it a phase may be at one moment."""
FREQUENCY_HZ, FREQUENCY_DRIFT_HZ = 50.0, 2.0
POWER_SHARE, POWER_W = 0.25, 200.0
"""How far a counter's growth may be from the power shown: loads change between two looks."""
BOTH_WAYS_SHARE = 0.25
FROZEN_INTERVALS = 8
RATIOS = (10, 20, 40, 50, 60, 100, 1000)
"""Usual ratios of current transformers, and slips of a decimal point."""
RATIO_SHARE = 0.05
PARENT_SHARE, PARENT_WH = 0.03, 20
"""Losses and class 1 meters."""


def sum_of_phases(reading: MeterReading) -> list[Finding]:
    """The power of the phases adds up to the power of all."""
    total = reading.values.get("active_power_w")
    phases = [reading.values.get(f"active_power_l{phase}_w") for phase in (1, 2, 3)]
    known = [power for power in phases if power is not None]
    if total is None or len(known) < 3:
        return []
    if abs(sum(known) - total) <= max(PHASE_SUM_W, PHASE_SUM_SHARE * max(abs(power) for power in known)):
        return []
    message = f"the phases' power adds up to {sum(known):.0f} W, the total is {total:.0f} W"
    return [Finding(rule=Rule.SUM_OF_PHASES, message=message)]


def voltage_and_frequency(reading: MeterReading) -> list[Finding]:
    """Mains voltage at every phase that shows one, and mains frequency."""
    found = []
    for phase in (1, 2, 3):
        voltage_v = reading.values.get(f"voltage_l{phase}_v")
        if voltage_v is not None and abs(voltage_v - VOLTAGE_V) > VOLTAGE_SHARE * VOLTAGE_V:
            found.append(Finding(rule=Rule.VOLTAGE, message=f"L{phase} has {voltage_v:.0f} V"))
    frequency_hz = reading.values.get("frequency_hz")
    if frequency_hz is not None and abs(frequency_hz - FREQUENCY_HZ) > FREQUENCY_DRIFT_HZ:
        found.append(Finding(rule=Rule.FREQUENCY, message=f"the frequency is {frequency_hz:.1f} Hz"))
    return found


def energy_against_power(before: CounterRead, after: CounterRead, mean_power_w: float) -> list[Finding]:
    """The counters grew by what the mean power between two reads (+ import) comes to."""
    seconds = (after.at - before.at).total_seconds()
    if seconds <= 0:
        return []
    grown_mwh = (after.import_mwh - before.import_mwh) - (after.export_mwh - before.export_mwh)
    counted_w = grown_mwh / MILLIWATT_HOURS_PER_WATT_SECOND / seconds
    step_w = 2 * max(before.step_mwh, after.step_mwh) / MILLIWATT_HOURS_PER_WATT_SECOND / seconds
    if abs(counted_w - mean_power_w) <= max(POWER_W, POWER_SHARE * abs(mean_power_w)) + step_w:
        return []
    message = f"the counters grew with {counted_w:.0f} W, the power shown was {mean_power_w:.0f} W"
    return [Finding(rule=Rule.ENERGY_AGAINST_POWER, message=message)]


def large_both_ways(energies: Sequence[IntervalEnergy], *, connection_w: float, minutes: int) -> list[Finding]:
    """No interval has much import and much export at once: phases counted one by one, or inputs swapped."""
    much_wh = BOTH_WAYS_SHARE * connection_w * minutes / 60
    count = sum(min(energy.import_wh, energy.export_wh) > much_wh for energy in energies)
    if not count:
        return []
    return [Finding(rule=Rule.BOTH_WAYS, message=f"much import and much export at once in {count} intervals")]


def above_rating(energies: Sequence[IntervalEnergy], *, connection_w: float, minutes: int) -> list[Finding]:
    """No interval has more energy than the connection carries, with the margin of its fuses."""
    most_wh = RATING_MARGIN * connection_w * minutes / 60
    count = sum(max(energy.import_wh, energy.export_wh) > most_wh for energy in energies)
    if not count:
        return []
    message = f"more than the {most_wh:.0f} Wh that the connection carries in {count} intervals"
    return [Finding(rule=Rule.ABOVE_RATING, message=message)]


def frozen(energies: Sequence[IntervalEnergy]) -> list[Finding]:
    """Intervals in a row that are not zero and alike to the Wh: a gateway or a meter repeats itself."""
    longest, run = 1, 1
    for before, after in pairwise(energies):
        alike = (before.import_wh, before.export_wh) == (after.import_wh, after.export_wh) != (0, 0)
        run = run + 1 if alike else 1
        longest = max(longest, run)
    if longest < FROZEN_INTERVALS:
        return []
    return [Finding(rule=Rule.FROZEN, message=f"{longest} intervals in a row are alike and not zero")]


def zero_use(energies: Sequence[IntervalEnergy]) -> list[Finding]:
    """Somewhere in a day (all of it is given) something is drawn or fed in."""
    if not energies or any(energy.import_wh or energy.export_wh for energy in energies):
        return []
    return [Finding(rule=Rule.ZERO_USE, message=f"nothing was drawn or fed in over {len(energies)} intervals")]


def night_export(
    energies: Sequence[IntervalEnergy], *, is_night: Callable[[datetime], bool], has_battery: bool
) -> list[Finding]:
    """Without a battery nothing is fed in at night."""
    count = sum(energy.export_wh > 0 and is_night(energy.interval.start) for energy in energies)
    if has_battery or not count:
        return []
    return [Finding(rule=Rule.NIGHT_EXPORT, message=f"energy was fed in at night in {count} intervals")]


def sum_against_register(
    energies: Sequence[IntervalEnergy], *, import_delta_mwh: int, export_delta_mwh: int
) -> list[Finding]:
    """Intervals add up to what the registers grew by, to the Wh that flooring leaves over."""
    found = []
    for name, delta_mwh in (("import", import_delta_mwh), ("export", export_delta_mwh)):
        total_wh = sum(getattr(energy, f"{name}_wh") for energy in energies)
        if abs(1000 * total_wh - delta_mwh) >= 1000:
            message = f"{name} of the intervals is {total_wh} Wh, the register grew by {delta_mwh / 1000:g} Wh"
            found.append(Finding(rule=Rule.SUM_AGAINST_REGISTER, message=message))
    return found


def ratio_changed(usual_day_wh: float, day_wh: float) -> list[Finding]:
    """A day is not a usual transformer ratio away from what days are."""
    if min(usual_day_wh, day_wh) <= 0:
        return []
    ratio = max(usual_day_wh, day_wh) / min(usual_day_wh, day_wh)
    if all(abs(ratio / each - 1) > RATIO_SHARE for each in RATIOS):
        return []
    return [Finding(rule=Rule.RATIO, message=f"the day is another than usual by a factor of {ratio:.0f}")]


def children_against_parent(parent: IntervalEnergy, children: Sequence[IntervalEnergy]) -> list[Finding]:
    """What meters behind a meter draw and feed in adds up to what that one does, but for losses."""
    parent_wh = parent.import_wh - parent.export_wh
    children_wh = sum(child.import_wh - child.export_wh for child in children)
    flows_wh = sum(child.import_wh + child.export_wh for child in children)
    if abs(parent_wh - children_wh) <= max(PARENT_WH, PARENT_SHARE * flows_wh):
        return []
    message = f"the meters behind it add up to {children_wh} Wh, it counted {parent_wh} Wh"
    return [Finding(rule=Rule.PARENT_BALANCE, message=message)]
