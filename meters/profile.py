"""Meter profiles: a meter is a table. `profiles/NAME.toml` holds one register a line, with its sources.

A profile is verified when every energy register has at least two independent sources and no doubt; only verified
profiles may settle. Adding a meter is adding one file.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from meters.words import WORD_TYPES, Layout, LayoutError, Order, WordType

MODBUS_READ_MAX = 125
"""Most registers one read may ask for (Modbus Application Protocol V1.1b3, 6.3)."""

SOURCES_TO_VERIFY = 2

QUANTITIES: Mapping[str, tuple[float, float]] = {
    "energy_import_wh": (0, 1e11),
    "energy_export_wh": (0, 1e11),
    "energy_total_wh": (0, 1e11),
    "active_power_w": (-1e7, 1e7),
    "active_power_l1_w": (-1e7, 1e7),
    "active_power_l2_w": (-1e7, 1e7),
    "active_power_l3_w": (-1e7, 1e7),
    "power_import_w": (0, 1e7),
    "power_export_w": (0, 1e7),
    "voltage_l1_v": (0, 1000),
    "voltage_l2_v": (0, 1000),
    "voltage_l3_v": (0, 1000),
    "current_l1_a": (-10_000, 10_000),
    "current_l2_a": (-10_000, 10_000),
    "current_l3_a": (-10_000, 10_000),
    "frequency_hz": (40, 70),
}
"""Every quantity a register may hold and its plausible range in its unit; power is + for import from the grid.

A value outside is no value: it is rejected, never clamped. The ranges are wide enough for any low-voltage connection
and narrow enough to find a wrong word order, a wrong address and a sentinel nobody documented.
"""

ENERGY_QUANTITIES = ("energy_import_wh", "energy_export_wh", "energy_total_wh")


class ProfileError(ValueError):
    """A profile that does not exist or whose table is wrong; the message names file, register and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One value of a meter.

    address          on the wire, from 0; in a SunSpec profile counted from the model's ID register
    scale            quantity = raw * scale (energy in Wh, so 10 for counters in 0.01 kWh)
    scale_register   offset of a SunSpec scale factor: quantity = raw * scale * 10^factor; None where there is none
    counter_bits     width at which a counter is documented to roll over; None where that is not known
    absolute         the sign of the register means nothing
    doubt            why this register may not be trusted for settlement; empty when there is no doubt
    """

    quantity: str
    function_codes: tuple[int, ...]
    address: int
    word_type: WordType
    word_order: Order
    scale: int | float
    scale_register: int | None
    minimum: float
    maximum: float
    counter_bits: int | None
    absolute: bool
    sources: tuple[str, ...]
    doubt: str
    note: str

    @property
    def count(self) -> int:
        return self.word_type.registers

    @property
    def end(self) -> int:
        return self.address + self.count

    @property
    def is_energy(self) -> bool:
        return self.quantity in ENERGY_QUANTITIES

    @property
    def verified(self) -> bool:
        return len(set(self.sources)) >= SOURCES_TO_VERIFY and not self.doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSpecModel:
    """The model a SunSpec profile reads: number, length in registers after ID and length, type of every point."""

    model: int
    length: int
    layout: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How to read one kind of meter. `derived` gives quantities as signed sums of others."""

    name: str
    vendor: str
    model: str
    role: str
    phases: int
    registers: tuple[Register, ...]
    derived: Mapping[str, tuple[str, ...]]
    sunspec: SunSpecModel | None
    max_registers: int
    max_gap: int
    sources: Mapping[str, str]

    def register(self, quantity: str) -> Register | None:
        """The register that holds `quantity`, or None."""
        return next((register for register in self.registers if register.quantity == quantity), None)

    @property
    def energy_registers(self) -> tuple[Register, ...]:
        return tuple(register for register in self.registers if register.is_energy)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Everything a reading of this meter carries."""
        return (*(register.quantity for register in self.registers), *self.derived)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why this profile may not settle; empty for a verified one."""
        found = []
        directions = {register.quantity for register in self.energy_registers}
        wanted = {"energy_export_wh"} if self.role == "inverter" else {"energy_import_wh", "energy_export_wh"}
        found += [f"{name} is not measured" for name in sorted(wanted - directions)]
        for register in self.energy_registers:
            if register.doubt:
                found.append(f"{register.quantity}: {register.doubt}")
            elif not register.verified:
                found.append(f"{register.quantity}: only one source")
        return tuple(found)

    @property
    def verified(self) -> bool:
        return not self.problems


def profile_names() -> tuple[str, ...]:
    """Names of all profiles, sorted."""
    names = (file.name for file in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_profile(name: str) -> Profile:
    """The profile called `name`. Raises ProfileError if there is none or its table is wrong."""
    file = _folder() / f"{name}.toml"
    if name not in profile_names():
        raise ProfileError(f"there is no meter profile {name!r}: `commonwatt meter profiles` lists them")
    return parse_profile(name, file.read_text(encoding="utf-8"))


def load_profiles() -> tuple[Profile, ...]:
    """All profiles, by name."""
    return tuple(load_profile(name) for name in profile_names())


def _folder() -> Traversable:
    return resources.files("meters") / "profiles"


def parse_profile(name: str, text: str) -> Profile:
    """A profile from its TOML text. Raises ProfileError naming the file and the register."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"profiles/{name}.toml: {error}") from error
    try:
        return _profile(name, document)
    except KeyError as error:
        raise ProfileError(f"profiles/{name}.toml: {error.args[0]!r} is missing") from error
    except (TypeError, ValueError) as error:
        raise ProfileError(f"profiles/{name}.toml: {error}") from error


def _profile(name: str, document: dict[str, Any]) -> Profile:
    meter, sources = document["meter"], document["sources"]
    registers = tuple(_register(quantity, row, meter, sources) for quantity, row in document["registers"].items())
    known = {register.quantity for register in registers}
    derived = {quantity: tuple(terms) for quantity, terms in document.get("derived", {}).items()}
    for quantity, terms in derived.items():
        if unknown := {term[1:] for term in terms} - known:
            raise ValueError(f"{quantity} is derived from {', '.join(sorted(unknown))}, which no register holds")
    if not 1 <= meter["max_registers"] <= MODBUS_READ_MAX:
        raise ValueError(f"max_registers {meter['max_registers']} is not in 1..{MODBUS_READ_MAX}")
    return Profile(
        name=name,
        vendor=meter["vendor"],
        model=meter["model"],
        role=meter["role"],
        phases=meter["phases"],
        registers=registers,
        derived=derived,
        sunspec=_sunspec(document.get("sunspec")),
        max_registers=meter["max_registers"],
        max_gap=meter["max_gap"],
        sources=sources,
    )


def _register(quantity: str, row: dict[str, Any], meter: dict[str, Any], sources: dict[str, str]) -> Register:
    if quantity not in QUANTITIES:
        raise ValueError(f"unknown quantity {quantity!r}: one of {', '.join(QUANTITIES)}")
    if row["type"] not in WORD_TYPES:
        raise ValueError(f"{quantity}: unknown type {row['type']!r}: one of {', '.join(WORD_TYPES)}")
    if unknown := [source for source in row["sources"] if source not in sources]:
        raise ValueError(f"{quantity}: source {unknown[0]!r} is not in [sources]")
    if meter["word_order"] not in {"big", "little"}:
        raise ValueError(f"word_order {meter['word_order']!r} is neither 'big' nor 'little'")
    minimum, maximum = QUANTITIES[quantity]
    return Register(
        quantity=quantity,
        function_codes=tuple(row.get("function_codes", meter["function_codes"])),
        address=row["address"],
        word_type=WORD_TYPES[row["type"]],
        word_order=meter["word_order"],
        scale=row.get("scale", 1),
        scale_register=row.get("scale_register"),
        minimum=row.get("min", minimum),
        maximum=row.get("max", maximum),
        counter_bits=row.get("counter_bits"),
        absolute=row.get("absolute", False),
        sources=tuple(row["sources"]),
        doubt=row.get("doubt", ""),
        note=row.get("note", ""),
    )


def _sunspec(table: dict[str, Any] | None) -> SunSpecModel | None:
    if table is None:
        return None
    layout = Layout.parse(table["layout"])
    if layout.length != table["length"]:
        raise LayoutError(f"the layout has {layout.length} registers, the model {table['length']}")
    return SunSpecModel(model=table["model"], length=table["length"], layout=layout)
