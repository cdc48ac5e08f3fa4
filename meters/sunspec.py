"""SunSpec devices: finding the models by walking, and who the device is.

Sources: SunSpec Device Information Model Specification V1.1 (discovery, end of map), and the SunSpec Alliance's model
definition of model 1 (sunspec/models: json/model_1).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from meters.answer import DeviceRefusedError
from meters.words import Layout

BASES = (40000, 0, 50000)
MARK = (0x5375, 0x6E53)
END_OF_MAP = 0xFFFF
HEADER = 2
MODELS_MAX = 64

COMMON = 1
COMMON_LAYOUT = Layout.parse("str16*2 str8*2 str16 u16 pad")

ReadRegisters = Callable[[int, int], Awaitable[Sequence[int]]]
"""Reads `count` holding registers from an address; raises BusError."""


class SunSpecError(Exception):
    """A device without a SunSpec map, or without the model that is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model on a device: its number, the address of its ID register, its length after ID and length."""

    number: int
    address: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a device says of itself in model 1."""

    manufacturer: str
    model: str
    serial: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.manufacturer, self.model, self.serial) if part)


async def walk(read: ReadRegisters) -> tuple[FoundModel, ...]:
    """All models of a device, in order.

    A wrong or missing end mark ends the walk, and a model of unusual length is kept with the length it says.
    Raises SunSpecError if none of the base addresses holds the mark.
    """
    for base in BASES:
        try:
            mark = tuple(await read(base, len(MARK)))
        except DeviceRefusedError:
            continue
        if mark == MARK:
            return await _models(read, base + len(MARK))
    raise SunSpecError(f"no SunSpec map at {', '.join(str(base) for base in BASES)}")


async def _models(read: ReadRegisters, address: int) -> tuple[FoundModel, ...]:
    found: list[FoundModel] = []
    while len(found) < MODELS_MAX:
        try:
            number, length = await read(address, HEADER)
        except DeviceRefusedError:
            break
        if number in {END_OF_MAP, 0}:
            break
        found.append(FoundModel(number=number, address=address, length=length))
        address += HEADER + length
    return tuple(found)


def find(models: Sequence[FoundModel], number: int) -> FoundModel | None:
    """The first model with that number, or None."""
    return next((model for model in models if model.number == number), None)


async def identity(read: ReadRegisters, models: Sequence[FoundModel]) -> Identity | None:
    """Manufacturer, model and serial number from model 1, or None if the device has none."""
    common = find(models, COMMON)
    if common is None:
        return None
    words = await read(common.address + HEADER, min(common.length, 64))
    return Identity(manufacturer=text(words[0:16]), model=text(words[16:32]), serial=text(words[48:64]))


def text(words: Sequence[int]) -> str:
    """A string point: bytes up to the first zero, without blanks around."""
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    return raw.partition(b"\x00")[0].decode("latin-1").strip()


def text_words(value: str, count: int) -> list[int]:
    """A string as `count` words, cut or filled with zeros."""
    raw = value.encode("latin-1", "replace")[: 2 * count].ljust(2 * count, b"\x00")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, 2 * count, 2)]


def signed(word: int) -> int:
    """A word as the signed number it holds."""
    return word - 0x10000 if word & 0x8000 else word
