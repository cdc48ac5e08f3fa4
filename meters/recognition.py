"""What kind of meter answers: what it says of itself (SunSpec), or which profiles show plausible voltages.

Registers that look right prove nothing: a meter recognised by them is "likely" and is to be compared with its type
plate and display. Nothing is ever written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from meters.answer import BusError
from meters.bus import Bus
from meters.decoding import Number
from meters.profile import Profile, load_profiles
from meters.reader import MeterReader
from meters.sunspec import FoundModel, SunSpecError, identity, walk

VOLTAGE_V = (80.0, 300.0)
"""Phase to neutral of every low-voltage network, 100 V to 277 V nominal, with some room."""
FREQUENCY_HZ = (45.0, 65.0)
"""Networks of 50 and 60 Hz, and generators running free."""


class Certainty(StrEnum):
    """How a profile was found: told by the device, concluded from its registers, or not at all."""

    CERTAIN = "certain"
    LIKELY = "likely"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What is known of one device.

    profiles  the profiles that fit best, alike in what can be told from here; () if none does
    also      profiles that show something plausible too, but less
    identity  what the device says it is; empty where it says nothing
    values    voltages and frequency as the first of `profiles` reads them
    """

    certainty: Certainty
    profiles: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    identity: str = ""
    values: Mapping[str, Number] = field(default_factory=dict)


async def recognise(bus: Bus, device_id: int) -> Recognition:
    """Look at the device `device_id` from every side. A device that says nothing useful is UNKNOWN, never an error."""

    async def registers(address: int, count: int) -> Sequence[int]:
        return (await bus.read(device_id, 3, address, count, insist=True)).words

    try:
        models = await walk(registers)
        who = str(await identity(registers, models) or "")
    except (SunSpecError, BusError, ValueError):
        return await _by_plausibility(bus, device_id)
    fitting = _profiles_of(models)
    certainty = Certainty.CERTAIN if fitting else Certainty.UNKNOWN
    return Recognition(certainty=certainty, profiles=fitting, identity=who)


def _profiles_of(models: Sequence[FoundModel]) -> tuple[str, ...]:
    """Profiles of the models a SunSpec device has, in its own order."""
    known = {kind.sunspec.model: kind.name for kind in load_profiles() if kind.sunspec is not None}
    return tuple(known[model.number] for model in models if model.number in known)


async def _by_plausibility(bus: Bus, device_id: int) -> Recognition:
    scores: dict[str, int] = {}
    shown: dict[str, Mapping[str, Number]] = {}
    for kind in load_profiles():
        values = await _evidence(kind, bus, device_id)
        score = plausibility(values)
        if score > 0:
            scores[kind.name] = score
            shown[kind.name] = {name: value for name, value in values.items() if value is not None}
    if not scores:
        return Recognition(certainty=Certainty.UNKNOWN)
    best = tuple(name for name, score in scores.items() if score == max(scores.values()))
    return Recognition(
        certainty=Certainty.LIKELY,
        profiles=best,
        also=tuple(name for name in scores if name not in best),
        values=shown[best[0]],
    )


async def _evidence(kind: Profile, bus: Bus, device_id: int) -> Mapping[str, Number | None]:
    """Voltages and frequency as `kind` reads them; {} if it has none or the device does not answer to it."""
    registers = tuple(row for row in kind.registers if _range(row.quantity) is not None)
    if kind.sunspec is not None or not registers:
        return {}
    try:
        reading = await MeterReader(replace(kind, registers=registers, derived={}), bus, device_id).read(insist=True)
    except BusError:
        return {}
    return reading.values


def plausibility(values: Mapping[str, Number | None]) -> int:
    """How many voltages and frequencies are plausible, less those that are not.

    0 without a plausible voltage of the first phase, and without a plausible frequency where there should be one: a
    phase may be unconnected, these two may not.
    """
    fits = {name: _fits(name, value) for name, value in values.items()}
    if not fits.get("voltage_l1_v", False) or not fits.get("frequency_hz", True):
        return 0
    return max(1, sum(1 if fit else -1 for fit in fits.values()))


def _fits(quantity: str, value: Number | None) -> bool:
    bounds = _range(quantity)
    return bounds is not None and value is not None and bounds[0] <= value <= bounds[1]


def _range(quantity: str) -> tuple[float, float] | None:
    if quantity.startswith("voltage_"):
        return VOLTAGE_V
    return FREQUENCY_HZ if quantity == "frequency_hz" else None
