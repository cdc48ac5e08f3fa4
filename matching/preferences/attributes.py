"""What an order says about its energy and what a buyer pays more for; a column of each for a whole book."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

PREMIUM_MAX_MICRO_PER_KWH = 10**10
PREMIUM_TICK_MICRO_PER_KWH = 100  # that of prices, so that attribute prices stay on the tick too
SAME_FEEDER = "same_feeder"
MEMBER = "member:"
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")

Premiums = tuple[tuple[str, int], ...]
Value = TypeVar("Value", str, Premiums)


class Source(StrEnum):
    """Where sold energy comes from."""

    SOLAR = "solar"
    STORAGE = "storage"
    OTHER = "other"


SOURCES = (Source.OTHER, Source.SOLAR, Source.STORAGE)
OTHER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAttributes:
    """What preferences and fees look at.

    source    of a sell order
    feeder    low-voltage feeder of the metering point; empty = not known, which is the same as nobody's
    zone      tariff zone; empty is a zone of its own
    premiums  of a buy order: attribute and micro-units per kWh it pays more for it, sorted, none of them zero
    """

    source: Source = Source.OTHER
    feeder: str = ""
    zone: str = ""
    premiums: Premiums = ()


NO_ATTRIBUTES = OrderAttributes()


def parse_premiums(text: str) -> Premiums:
    """`solar:20000;same_feeder:5000;member:anna:10000` as premiums. Raises ValueError saying what to write instead."""
    found: dict[str, int] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        attribute, _, amount = entry.rpartition(":")
        named_member = attribute.startswith(MEMBER) and attribute != MEMBER
        if not named_member and attribute not in (Source.SOLAR, Source.STORAGE, SAME_FEEDER):
            raise ValueError(
                f"premium {entry!r} names no attribute; write solar:N, storage:N, same_feeder:N or member:NAME:N"
            )
        if not _WHOLE_NUMBER.fullmatch(amount) or not 0 <= int(amount) <= PREMIUM_MAX_MICRO_PER_KWH:
            raise ValueError(
                f"premium {entry!r} must be 0 or more whole micro-units per kWh, at most {PREMIUM_MAX_MICRO_PER_KWH}"
            )
        if int(amount) % PREMIUM_TICK_MICRO_PER_KWH:
            raise ValueError(
                f"premium {entry!r} is off the price tick; give a multiple of {PREMIUM_TICK_MICRO_PER_KWH}"
            )
        if attribute in found:
            raise ValueError(f"premium for {attribute} is there twice; keep one")
        found[attribute] = int(amount)
    return tuple(sorted((attribute, amount) for attribute, amount in found.items() if amount))


def premiums_text(premiums: Premiums) -> str:
    """The premiums as `parse_premiums` reads them."""
    return ";".join(f"{attribute}:{amount}" for attribute, amount in premiums)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BookAttributes:
    """Attributes of all orders of a book, each distinct value once. Codes [n_order] point into the tuples."""

    source_codes: NDArray[np.int8]
    feeder_codes: NDArray[np.int32]
    feeders: tuple[str, ...]
    zone_codes: NDArray[np.int32]
    zones: tuple[str, ...]
    premium_codes: NDArray[np.int32]
    premiums: tuple[Premiums, ...]

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, np.ndarray):
                assert value.shape == self.source_codes.shape
                value.flags.writeable = False

    def __len__(self) -> int:
        return int(self.source_codes.size)

    @property
    def any_premium(self) -> bool:
        """Whether somebody names a premium."""
        return any(self.premiums[code] for code in np.unique(self.premium_codes).tolist())

    def of(self, position: int) -> OrderAttributes:
        """Attributes of one order."""
        return OrderAttributes(
            source=SOURCES[self.source_codes[position]],
            feeder=self.feeders[self.feeder_codes[position]],
            zone=self.zones[self.zone_codes[position]],
            premiums=self.premiums[self.premium_codes[position]],
        )

    def digest_columns(self, at: NDArray[np.int64]) -> tuple[NDArray[np.bytes_], ...]:
        """Source, feeder, zone and premiums of the orders at these positions, UTF-8."""
        each = (
            (SOURCES, self.source_codes),
            (self.feeders, self.feeder_codes),
            (self.zones, self.zone_codes),
            (tuple(map(premiums_text, self.premiums)), self.premium_codes),
        )
        return tuple(np.array([text.encode() for text in texts], dtype=np.bytes_)[codes[at]] for texts, codes in each)


def attributes_of(each: Sequence[OrderAttributes]) -> BookAttributes | None:
    """The attributes of orders one by one as columns; None where no order says anything."""
    if all(one == NO_ATTRIBUTES for one in each):
        return None
    feeder_codes, feeders = _coded([one.feeder for one in each])
    zone_codes, zones = _coded([one.zone for one in each])
    premium_codes, premiums = _coded([one.premiums for one in each])
    return BookAttributes(
        source_codes=np.array([SOURCES.index(one.source) for one in each], dtype=np.int8),
        feeder_codes=feeder_codes,
        feeders=feeders,
        zone_codes=zone_codes,
        zones=zones,
        premium_codes=premium_codes,
        premiums=premiums,
    )


def attributes_of_texts(
    *,
    source: NDArray[np.bytes_],
    feeder: NDArray[np.bytes_],
    zone: NDArray[np.bytes_],
    premiums: NDArray[np.bytes_],
) -> BookAttributes | None:
    """The attributes of a book from columns of text [n_order], UTF-8, each of which can be read; None if all are empty.

    An empty source is "other".
    """
    source_names, source_number = np.unique(source, return_inverse=True)
    feeder_names, feeder_codes = np.unique(feeder, return_inverse=True)
    zone_names, zone_codes = np.unique(zone, return_inverse=True)
    texts, text_number = np.unique(premiums, return_inverse=True)
    premium_codes, lists = _coded([parse_premiums(text.decode()) for text in texts.tolist()])
    source_codes = [SOURCES.index(Source(name.decode() or Source.OTHER)) for name in source_names.tolist()]
    if not (any(source_codes) or any(feeder_names) or any(zone_names) or any(lists)):
        return None
    return BookAttributes(
        source_codes=np.array(source_codes, dtype=np.int8)[source_number],
        feeder_codes=feeder_codes.astype(np.int32),
        feeders=tuple(name.decode() for name in feeder_names.tolist()),
        zone_codes=zone_codes.astype(np.int32),
        zones=tuple(name.decode() for name in zone_names.tolist()),
        premium_codes=premium_codes[text_number],
        premiums=lists,
    )


def _coded(values: Sequence[Value]) -> tuple[NDArray[np.int32], tuple[Value, ...]]:
    """Each value's number, and the values by number."""
    numbers: dict[Value, int] = {}
    codes = np.fromiter((numbers.setdefault(value, len(numbers)) for value in values), np.int32, count=len(values))
    return codes, tuple(numbers)
