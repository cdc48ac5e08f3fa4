"""The tariff of a community: what is added to the energy price of a shared kilowatt-hour, and to a supplied one.

Every number is configuration. The defaults describe a local community of the Austrian type and must be checked by the
operator against the ordinances in force.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from contracts.fields import FieldError, Fields
from meters.interval import DeliveryInterval


class TariffError(ValueError):
    """A tariff that cannot be used; the message names the component and what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalityFact:
    """A discount on grid fees for locally shared energy as a country grants it; to be confirmed by the operator."""

    country: str
    scheme: str
    discount_percent: int
    source: str


LOCALITY_FACTS = (
    LocalityFact(country="AT", scheme="local", discount_percent=57, source="to be confirmed by the operator"),
    LocalityFact(country="AT", scheme="regional", discount_percent=28, source="to be confirmed by the operator"),
    LocalityFact(
        country="CH",
        scheme="one transformer station",
        discount_percent=40,
        source="https://www.elektra.ch/energiedienstleistungen/leg; to be confirmed by the operator",
    ),
    LocalityFact(
        country="CH",
        scheme="several transformer stations",
        discount_percent=20,
        source="https://www.elektra.ch/energiedienstleistungen/leg; to be confirmed by the operator",
    ),
    LocalityFact(
        country="DE",
        scheme="energy sharing",
        discount_percent=0,
        source="https://recht-energisch.de/2026/01/16/nun-aber-energy-sharing-ab-juni-2026; "
        "to be confirmed by the operator",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VatClass:
    """Value-added tax of one class of member in permille.

    buying_permille   on everything the member pays for shared or supplied energy
    selling_permille  on what the member is paid for energy; 0 for a small producer who is exempt
    """

    name: str
    buying_permille: int
    selling_permille: int


DEFAULT_VAT_CLASSES = (
    VatClass(name="business", buying_permille=200, selling_permille=200),
    VatClass(name="exempt", buying_permille=0, selling_permille=0),
    VatClass(name="private", buying_permille=200, selling_permille=0),
)
_RATES = ("platform_fee_micro_per_kwh", "grid_fee_micro_per_kwh", "levies_micro_per_kwh")
_PERCENTS = ("grid_fee_locality_discount_percent", "levies_locality_discount_percent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """One version of the tariff, all rates net of VAT.

    platform_fee_micro_per_kwh           paid by the buyer on shared energy
    grid_fee_micro_per_kwh               full rate, as it is paid on supplied energy
    grid_fee_locality_discount_percent   taken off the grid fee of shared energy (see LOCALITY_FACTS)
    levies_micro_per_kwh                 full rate; its own discount works like the grid fee's
    deviation_permille                   price of a flexible order's deviation, in permille of R - F, at most 1000
    """

    version: str
    currency: str = "EUR"
    platform_fee_micro_per_kwh: int = 5_000
    grid_fee_micro_per_kwh: int = 75_000
    grid_fee_locality_discount_percent: int = 57
    levies_micro_per_kwh: int = 15_000
    levies_locality_discount_percent: int = 0
    vat_classes: tuple[VatClass, ...] = DEFAULT_VAT_CLASSES
    deviation_permille: int = 1_000

    def __post_init__(self) -> None:
        if len({each.name for each in self.vat_classes}) != len(self.vat_classes):
            raise TariffError("tariff.vat: a class is named twice")
        object.__setattr__(self, "vat_classes", tuple(sorted(self.vat_classes, key=lambda each: each.name)))
        _validated(Fields(self.to_json(), "tariff"))

    @property
    def shared_grid_fee_micro_per_kwh(self) -> int:
        """Grid fee of a shared kilowatt-hour, floored to a micro-unit, so that the money of it is exact."""
        return self.grid_fee_micro_per_kwh * (100 - self.grid_fee_locality_discount_percent) // 100

    @property
    def shared_levies_micro_per_kwh(self) -> int:
        """Levies of a shared kilowatt-hour, floored to a micro-unit."""
        return self.levies_micro_per_kwh * (100 - self.levies_locality_discount_percent) // 100

    @property
    def grid_fee_discount_micro_per_kwh(self) -> int:
        """What a shared kilowatt-hour saves in grid fees."""
        return self.grid_fee_micro_per_kwh - self.shared_grid_fee_micro_per_kwh

    @property
    def levies_discount_micro_per_kwh(self) -> int:
        """What a shared kilowatt-hour saves in levies."""
        return self.levies_micro_per_kwh - self.shared_levies_micro_per_kwh

    @property
    def shared_charges_micro_per_kwh(self) -> int:
        """All a buyer pays on a shared kilowatt-hour besides its price, before VAT."""
        return self.platform_fee_micro_per_kwh + self.shared_grid_fee_micro_per_kwh + self.shared_levies_micro_per_kwh

    @property
    def supplied_charges_micro_per_kwh(self) -> int:
        """All a buyer pays on a supplied kilowatt-hour besides its price, before VAT."""
        return self.grid_fee_micro_per_kwh + self.levies_micro_per_kwh

    def vat(self, name: str) -> VatClass:
        """The VAT class of that name. Raises TariffError if the tariff has none."""
        for each in self.vat_classes:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.vat_classes)
        raise TariffError(f"tariff {self.version} has no VAT class {name!r}: use one of {known}")

    def to_json(self) -> dict[str, Any]:
        """The tariff as JSON values; `from_json` is the inverse."""
        return {
            "version": self.version,
            "currency": self.currency,
            "platform_fee_micro_per_kwh": self.platform_fee_micro_per_kwh,
            "grid_fee_micro_per_kwh": self.grid_fee_micro_per_kwh,
            "grid_fee_locality_discount_percent": self.grid_fee_locality_discount_percent,
            "levies_micro_per_kwh": self.levies_micro_per_kwh,
            "levies_locality_discount_percent": self.levies_locality_discount_percent,
            "vat": {
                each.name: {"buying_permille": each.buying_permille, "selling_permille": each.selling_permille}
                for each in self.vat_classes
            },
            "deviation_permille": self.deviation_permille,
        }

    @classmethod
    def from_json(cls, document: str | Mapping[str, Any]) -> "Tariff":
        """Read a tariff from JSON text or values. Raises TariffError naming the component that is wrong."""
        try:
            values = json.loads(document) if isinstance(document, str) else document
            fields = Fields(values, "tariff")
        except ValueError as error:
            raise TariffError(f"the tariff is not a JSON object: {error}") from error
        return cls(**_validated(fields))

    def digest(self) -> bytes:
        """keccak-256 of the tariff's canonical JSON; what batches anchor."""
        return bytes(keccak(json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode()))


def _validated(fields: Fields) -> dict[str, Any]:
    """Constructor arguments from the fields of `Tariff.to_json`. Raises TariffError."""
    try:
        values: dict[str, Any] = {"version": fields.text("version"), "currency": fields.text("currency")}
        for name in _RATES:
            values[name] = fields.integer(name, least=0, most=10_000_000)
        for name in _PERCENTS:
            values[name] = fields.integer(name, least=0, most=100)
        values["deviation_permille"] = fields.integer("deviation_permille", least=0, most=1_000)
        values["vat_classes"] = _vat_classes(fields.fields("vat"))
        fields.close()
    except FieldError as error:
        raise TariffError(str(error)) from error
    if not values["version"]:
        raise TariffError("tariff.version: is empty: name the version")
    if len(values["currency"]) != 3 or not values["currency"].isalpha() or not values["currency"].isupper():
        raise TariffError(f"tariff.currency: is {values['currency']!r}: use a three-letter code such as EUR")
    if not values["vat_classes"]:
        raise TariffError("tariff.vat: has no class: give at least one")
    return values


def _vat_classes(fields: Fields) -> tuple[VatClass, ...]:
    classes = []
    for name in sorted(fields.names()):
        rates = fields.fields(name)
        classes.append(
            VatClass(
                name=name,
                buying_permille=rates.integer("buying_permille", least=0, most=1_000),
                selling_permille=rates.integer("selling_permille", least=0, most=1_000),
            )
        )
        rates.close()
    return tuple(classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffSchedule:
    """Tariff versions with the instants (Unix seconds) from which they hold, ascending and distinct."""

    versions: tuple[tuple[int, Tariff], ...]

    def __post_init__(self) -> None:
        starts = [start_s for start_s, _ in self.versions]
        if not starts or starts != sorted(set(starts)):
            raise TariffError("a tariff schedule needs at least one version, each from a later instant than the last")

    def at(self, interval: DeliveryInterval) -> Tariff:
        """The tariff in force when `interval` starts. Raises TariffError before the first version."""
        found: Tariff | None = None
        for start_s, tariff in self.versions:
            if start_s <= interval.start_s:
                found = tariff
        if found is None:
            raise TariffError(f"no tariff is in force at {interval.start.isoformat()}: add a version valid by then")
        return found
