"""What must be true of a meter before it settles anything: display, phases, sign of the power, registers.

A load of known power at one phase tells most. Its current must appear at that phase, or transformers are swapped; the
power must rise by it, or a transformer is the wrong way round: under a foreign voltage, 120 degrees off, it would
fall by half; and the register that grows must be the one of the power's sign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from meters.plausibility import VOLTAGE_SHARE, VOLTAGE_V, sum_of_phases
from meters.reading import MeterReading

POWER_SHARE = 0.2
"""How far the power seen may be from the power on the load's type plate: mains voltage alone makes 20 %."""
DISPLAY_SHARE, DISPLAY_WH = 0.0005, 1_000.0
"""How far display and registers may differ: somebody reads, types, and energy flows meanwhile."""
LOAD_LEAST_W = 400.0
"""A smaller load does not stand out from what a home does by itself."""
FACTORS = (10, 100, 1000, 10_000)


class Outcome(StrEnum):
    """What a check came to; OPEN if it could not be made."""

    PASSED = "passed"
    REFUSED = "refused"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check in words for the installer."""

    name: str
    outcome: Outcome
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a meter showed at one moment: power (+ import), amount of current by phase, counters in mWh."""

    power_w: float | None
    current_a: Mapping[int, float]
    energy_mwh: Mapping[str, int]

    @classmethod
    def at(cls, reading: MeterReading) -> "Look":
        """What matters of a reading here."""
        currents = {phase: reading.values.get(f"current_l{phase}_a") for phase in (1, 2, 3)}
        return cls(
            power_w=reading.values.get("active_power_w"),
            current_a={phase: abs(current) for phase, current in currents.items() if current is not None},
            energy_mwh={name: counter.mwh for name, counter in reading.energy.items()},
        )


def outcome_of(checks: Sequence[Check]) -> Outcome:
    """Refused if one check is, otherwise open if one could not be made or there is none."""
    outcomes = {check.outcome for check in checks}
    if Outcome.REFUSED in outcomes:
        return Outcome.REFUSED
    return Outcome.PASSED if outcomes == {Outcome.PASSED} else Outcome.OPEN


def display_checks(reading: MeterReading, shown_kwh: Mapping[str, float]) -> list[Check]:
    """Compare registers with the display; `shown_kwh` has what the installer read, by energy quantity."""
    registers = {name: counter.mwh / 1000 for name, counter in reading.energy.items()}
    shown = {name: shown_kwh[name] * 1000 for name in registers if name in shown_kwh}
    if len(shown) == 2 and not all(_alike(registers[name], wh) for name, wh in shown.items()):
        (first, second), (one, other) = shown, shown.values()
        if _alike(registers[first], other) and _alike(registers[second], one):
            what = "import on the display is export in the registers: the meter is connected the other way round"
            return [Check(name="display", outcome=Outcome.REFUSED, what=what)]
    checks = [_display(name, registers[name], wh) for name, wh in shown.items()]
    missing = ", ".join(_plain(name) for name in registers if name not in shown)
    if missing:
        checks.append(Check(name="display", outcome=Outcome.OPEN, what=f"{missing} was not compared"))
    return checks


def _display(name: str, register_wh: float, shown_wh: float) -> Check:
    said = f"{_plain(name)}: display {shown_wh / 1000:.3f} kWh, register {register_wh / 1000:.3f} kWh"
    if _alike(register_wh, shown_wh):
        return Check(name="display", outcome=Outcome.PASSED, what=said)
    for factor in FACTORS:
        if _near(register_wh, shown_wh * factor) or _near(register_wh * factor, shown_wh):
            remedy = f"they differ by a factor of {factor}: another profile, or a transformer ratio that is not set"
            return Check(name="display", outcome=Outcome.REFUSED, what=f"{said}; {remedy}")
    return Check(name="display", outcome=Outcome.REFUSED, what=f"{said}; is it this meter, and this profile?")


def _alike(register_wh: float, shown_wh: float) -> bool:
    return abs(register_wh - shown_wh) <= max(DISPLAY_WH, DISPLAY_SHARE * register_wh)


def _near(one_wh: float, other_wh: float) -> bool:
    return min(one_wh, other_wh) > 0 and abs(one_wh - other_wh) <= 0.01 * max(one_wh, other_wh)


def _plain(name: str) -> str:
    return name.removeprefix("energy_").removesuffix("_wh")


def voltage_checks(reading: MeterReading, phases: int) -> list[Check]:
    """Every phase has mains voltage."""
    voltages = {phase: reading.values.get(f"voltage_l{phase}_v") for phase in range(1, phases + 1)}
    if all(f"voltage_l{phase}_v" not in reading.values for phase in voltages):
        return []
    checks = []
    for phase, voltage_v in voltages.items():
        good = voltage_v is not None and abs(voltage_v - VOLTAGE_V) <= VOLTAGE_SHARE * VOLTAGE_V
        shown = "no certain value" if voltage_v is None else f"{voltage_v:.0f} V"
        what = f"L{phase}: {shown}" + ("" if good else ": is this phase connected?")
        checks.append(Check(name="voltage", outcome=Outcome.PASSED if good else Outcome.REFUSED, what=what))
    return checks


def phase_sum_checks(reading: MeterReading) -> list[Check]:
    """The phases' power adds up to the total; nothing where the meter does not show both."""
    return [Check(name="phases", outcome=Outcome.REFUSED, what=found.message) for found in sum_of_phases(reading)]


def has_changed(before: Look, now: Look, load_w: float) -> bool:
    """Whether something like half of a load of `load_w` has come or gone, at whatever phase and with whatever sign."""
    moved_w = [abs(now.power_w - before.power_w)] if now.power_w is not None and before.power_w is not None else []
    moved_w += [abs(now.current_a[phase] - amps) * VOLTAGE_V for phase, amps in before.current_a.items()]
    return max(moved_w, default=0.0) > 0.4 * load_w


def load_checks(phase: int, load_w: float, before: Look, during: Look) -> list[Check]:
    """What a load of `load_w` at `phase` did to currents and power."""
    if before.power_w is None or during.power_w is None:
        return [Check(name="sign", outcome=Outcome.OPEN, what=f"L{phase}: this meter shows no power")]
    rise_w = during.power_w - before.power_w
    said = f"L{phase}: {load_w:.0f} W switched on, power changed by {rise_w:+.0f} W"
    found = _current_check(phase, before, during)
    if found is not None and found.outcome is Outcome.REFUSED:
        return [found]
    checks = [found] if found is not None else []
    if abs(rise_w - load_w) <= POWER_SHARE * load_w:
        checks.append(Check(name="sign", outcome=Outcome.PASSED, what=said))
    elif abs(rise_w + load_w) <= POWER_SHARE * load_w:
        cause = f"the current transformer of L{phase} is the wrong way round, or import and export are swapped"
        checks.append(Check(name="sign", outcome=Outcome.REFUSED, what=f"{said}: {cause}"))
    elif abs(rise_w + load_w / 2) <= POWER_SHARE * load_w:
        cause = f"the current transformer of L{phase} is measured against another phase's voltage"
        checks.append(Check(name="sign", outcome=Outcome.REFUSED, what=f"{said}: {cause}"))
    else:
        cause = "ratio of the transformers, or another load that came or went? Try again"
        checks.append(Check(name="power", outcome=Outcome.REFUSED, what=f"{said}: {cause}"))
    return checks


def _current_check(phase: int, before: Look, during: Look) -> Check | None:
    """Whether the load's current is at its phase; None if the meter shows no currents by phase."""
    both = before.current_a.keys() & during.current_a.keys()
    moved_a = {number: abs(during.current_a[number] - before.current_a[number]) for number in both}
    if len(moved_a) < 2 or phase not in moved_a:
        return None
    found = max(moved_a, key=lambda number: moved_a[number])
    said = f"L{phase}: the load's current is at L{found}"
    if found == phase:
        return Check(name="phase", outcome=Outcome.PASSED, what=f"{said}, {moved_a[found]:.1f} A")
    what = f"{said}: the current transformers of L{phase} and L{found} are swapped, or the load is at L{found}"
    return Check(name="phase", outcome=Outcome.REFUSED, what=what)


def register_check(power_w: float, before: Look, after: Look) -> Check:
    """The register that grew is the one of the power's sign."""
    grown = {
        name: after.energy_mwh[name] - mwh
        for name, mwh in before.energy_mwh.items()
        if after.energy_mwh.get(name, mwh) > mwh
    }
    wanted = "energy_import_wh" if power_w > 0 else "energy_export_wh"
    if wanted not in before.energy_mwh:
        return Check(name="registers", outcome=Outcome.OPEN, what=f"this meter does not count {_plain(wanted)}")
    if not grown:
        what = "no register has grown yet: a larger load or more time (--within) shows which one does"
        return Check(name="registers", outcome=Outcome.OPEN, what=what)
    said = ", ".join(f"{_plain(name)} by {mwh / 1000:g} Wh" for name, mwh in grown.items())
    if wanted in grown and max(grown, key=lambda name: grown[name]) == wanted:
        return Check(name="registers", outcome=Outcome.PASSED, what=f"{power_w:+.0f} W: {said}")
    what = f"{power_w:+.0f} W, but what grew is {said}: import and export are swapped"
    return Check(name="registers", outcome=Outcome.REFUSED, what=what)
