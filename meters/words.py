"""Sixteen-bit words and the values in them: types, word order, and what means "not implemented"."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Order = Literal["big", "little"]
"""Which word of a value comes first: the most significant ("big") or the least. Bytes are always big-endian."""

SMALLEST_FLOAT = 1e-30
"""A float closer to zero than this, but not zero, is two swapped words or noise, never a measurement."""


class LayoutError(ValueError):
    """A SunSpec layout that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordType:
    """How a value is kept in registers. `code` is that of `struct`; `absent` are raw values that mean "no value"."""

    name: str
    code: str
    registers: int
    absent: tuple[int, ...] = ()

    @property
    def is_float(self) -> bool:
        return self.code in "fd"


def _types() -> dict[str, WordType]:
    types = [WordType(name="f32", code="f", registers=2), WordType(name="f64", code="d", registers=4)]
    for bits, signed, unsigned in ((16, "h", "H"), (32, "i", "I"), (64, "q", "Q")):
        top = 1 << (bits - 1)
        types.append(WordType(name=f"s{bits}", code=signed, registers=bits // 16, absent=(-top, top - 1)))
        types.append(WordType(name=f"u{bits}", code=unsigned, registers=bits // 16, absent=(2 * top - 1,)))
        # An accumulator has no sentinel: SunSpec says 0 means not accumulated, which a new meter also shows.
        types.append(WordType(name=f"acc{bits}", code=unsigned, registers=bits // 16))
        types.append(WordType(name=f"e{bits}", code=unsigned, registers=bits // 16, absent=(2 * top - 1,)))
        types.append(WordType(name=f"b{bits}", code=unsigned, registers=bits // 16, absent=(2 * top - 1,)))
    types.append(WordType(name="sf", code="h", registers=1, absent=(-(1 << 15),)))
    types.append(WordType(name="pad", code="H", registers=1, absent=(1 << 15,)))
    return {kind.name: kind for kind in types}


WORD_TYPES: Mapping[str, WordType] = _types()


def raw_value(kind: WordType, words: Sequence[int], order: Order) -> int | float | None:
    """The number in `words` (as many as the type has), or None if they say that there is none."""
    ordered = words if order == "big" else tuple(reversed(words))
    value: int | float = struct.unpack(f">{kind.code}", struct.pack(f">{kind.registers}H", *ordered))[0]
    if isinstance(value, float):
        plausible = math.isfinite(value) and (value == 0 or abs(value) >= SMALLEST_FLOAT)
        return value if plausible else None
    return None if value in kind.absent else value


def words_of(kind: WordType, value: float | None, order: Order) -> list[int]:
    """The words that show `value`; None and what does not fit shows as "not implemented"."""
    packed = absent_bytes(kind)
    if value is not None:
        try:
            packed = struct.pack(f">{kind.code}", float(value) if kind.is_float else int(value))
        except (struct.error, OverflowError):
            packed = absent_bytes(kind)
    words = list(struct.unpack(f">{kind.registers}H", packed))
    return words if order == "big" else words[::-1]


def absent_bytes(kind: WordType) -> bytes:
    """What a device shows where it has no value: NaN, the type's sentinel, or zero for accumulators."""
    absent: float = math.nan if kind.is_float else (kind.absent[0] if kind.absent else 0)
    return struct.pack(f">{kind.code}", absent)


def float32_step(value: float) -> float:
    """Distance from |value| to the next larger float32: the finest difference a counter of that size can show."""
    bits: int = struct.unpack(">I", struct.pack(">f", abs(value)))[0]
    here, above = struct.unpack(">2f", struct.pack(">2I", bits, bits + 1))
    return float(above - here)


@dataclass(frozen=True, slots=True)
class Layout:
    """The points of a SunSpec model after its ID and length, in order, e.g. `s16*4 sf acc32*2 str16`."""

    points: tuple[WordType, ...]

    @classmethod
    def parse(cls, text: str) -> "Layout":
        """Read `TYPE` and `TYPE*COUNT` separated by blanks. Raises LayoutError naming what is unknown."""
        points: list[WordType] = []
        for item in text.split():
            name, _, count = item.partition("*")
            points += [_point(name)] * int(count or 1)
        return cls(tuple(points))

    @property
    def length(self) -> int:
        return sum(point.registers for point in self.points)

    def absent_words(self) -> list[int]:
        """Every point as "not implemented"."""
        words: list[int] = []
        for point in self.points:
            packed = absent_bytes(point) if point.code != "s" else bytes(2 * point.registers)
            words += struct.unpack(f">{point.registers}H", packed)
        return words


def _point(name: str) -> WordType:
    if name.startswith("str") and name[3:].isdigit():
        return WordType(name=name, code="s", registers=int(name[3:]))
    if name not in WORD_TYPES:
        raise LayoutError(f"unknown type {name!r} in a layout")
    return WORD_TYPES[name]
