"""Finding meters nobody knows yet: the line's speed and parity, the device ids that answer, and what answers there.

A silent id costs one timeout, so the search is bounded by time and says what it did not ask. On a serial line the ids
that meters leave the factory with are asked at every speed first; the speed at which somebody answers is the line's.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from meters.address import BusAddress
from meters.answer import DeviceRefusedError, DeviceSilentError, DeviceUnreachableError
from meters.bus import Bus
from meters.clock import Clock
from meters.recognition import Certainty, Recognition, recognise

LINE_SETTINGS = (
    (9600, "N"), (19200, "E"), (9600, "E"), (19200, "N"), (38400, "N"), (115200, "N"), (2400, "N"), (4800, "N"),
    (57600, "N"), (38400, "E"), (115200, "E"), (2400, "E"), (4800, "E"), (57600, "E"), (9600, "O"), (19200, "O"),
)  # fmt: skip
"""Speed and parity, the usual ones first; 19200 E is the default of Modbus over Serial Line V1.02, 2.5.1."""
FACTORY_IDS = (1, 2, 3, 247)
"""Device ids that meters are delivered with, most of them 1."""
DECOY_IDS = (11, 91, 173, 246)
"""All of them answer only where the device id means nothing."""
RECOGNISE_S = 20.0
"""How long a device may be looked at."""

Report = Callable[[str], None]
"""Takes a line about what is being done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """A device that answered. `address` has the options of its line, as gateway.toml wants it."""

    address: str
    device_id: int
    recognition: Recognition


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What a search found, and how far it came.

    asked     questions "is anybody there?" that were asked
    complete  every id was asked before the time was over
    any_id    the device answers to every id, so only the first one is listed
    """

    found: tuple[FoundDevice, ...]
    asked: int
    complete: bool
    any_id: bool
    seconds: float


def line_addresses(address: str) -> tuple[str, ...]:
    """The address itself, or, for a serial line without speed or parity, one address for each usual setting.

    Raises AddressError.
    """
    parsed = BusAddress.parse(address)
    given = dict(parse_qsl(urlsplit(address).query))
    if parsed.scheme != "rtu" or {"baud", "parity"} <= set(given):
        return (address,)
    others = "".join(f"&{name}={value}" for name, value in given.items() if name not in {"baud", "parity"})
    settings = [
        (str(baud), parity)
        for baud, parity in LINE_SETTINGS
        if given.get("baud", str(baud)) == str(baud) and given.get("parity", parity) == parity
    ] or [(given.get("baud", "9600"), given.get("parity", parity)) for parity in "NEO"]
    return tuple(f"rtu://{parsed.target}?baud={baud}&parity={parity}{others}" for baud, parity in settings)


async def detect(
    address: str, *, device_ids: Sequence[int], clock: Clock, timeout_s: float, within_s: float, report: Report
) -> Detection:
    """Search `address` for `device_ids` until `within_s` seconds have passed, then look at what was found.

    Raises AddressError, and DeviceUnreachableError if there is no way to the bus at all.
    """
    search = _Search(clock=clock, timeout_s=timeout_s, deadline=time.monotonic() + within_s, report=report)
    began = time.monotonic()
    lines = line_addresses(address)
    line, found, any_id = lines[0], list[int](), False
    if len(lines) == 1 and not BusAddress.parse(line).is_rtu_framed:
        any_id = len(await search.answering(line, DECOY_IDS, until_silence=True)) == len(DECOY_IDS)
        found = [device_ids[0]] if any_id else []
    first = [number for number in device_ids if number in FACTORY_IDS] if len(lines) > 1 else []
    rest = [number for number in device_ids if number not in first]
    for ids in (first, rest):
        for line in lines if ids and not any_id else ():
            if answering := await search.answering(line, ids):
                # Speed and parity are those of the line: nobody else answers at others.
                lines, found = (line,), found + answering
                break
    devices = [await search.look_at(lines[0], number) for number in sorted(found)]
    return Detection(
        found=tuple(devices),
        asked=search.asked,
        complete=search.complete,
        any_id=any_id,
        seconds=time.monotonic() - began,
    )


class _Search:
    """Asks until the time is over."""

    def __init__(self, *, clock: Clock, timeout_s: float, deadline: float, report: Report) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._deadline = deadline
        self._report = report
        self._connected = False
        self.asked = 0
        self.complete = True

    async def answering(self, line: str, ids: Iterable[int], *, until_silence: bool = False) -> list[int]:
        """Which of `ids` answer on `line`; with `until_silence` only up to the first that does not."""
        found = list[int]()
        if not BusAddress.parse(line).takes_settings():
            return found
        bus = self._bus(line)
        try:
            for number in ids:
                if time.monotonic() >= self._deadline:
                    self.complete = False
                    break
                self._report(f"{line} device {number}")
                if await self._answers(bus, number):
                    found.append(number)
                elif until_silence:
                    break
        finally:
            await bus.close()
        return found

    async def _answers(self, bus: Bus, number: int) -> bool:
        """Whether anybody reacts to a read of one register; a refusal is as good as a value."""
        self.asked += 1
        try:
            await bus.read(number, 3, 0, 1, insist=True)
        except DeviceUnreachableError:
            # A converter may refuse a connection for a moment after one was closed; one that never was is not there.
            if not self._connected:
                raise
            return False
        except DeviceSilentError:
            self._connected = True
            return False
        except DeviceRefusedError:
            pass
        self._connected = True
        return True

    async def look_at(self, line: str, number: int) -> FoundDevice:
        self._report(f"{line} device {number}: what is it?")
        bus = self._bus(line)
        try:
            async with asyncio.timeout(RECOGNISE_S):
                recognition = await recognise(bus, number)
        except TimeoutError:
            recognition = Recognition(certainty=Certainty.UNKNOWN)
        finally:
            await bus.close()
        return FoundDevice(address=line, device_id=number, recognition=recognition)

    def _bus(self, line: str) -> Bus:
        return Bus(BusAddress.parse(line), clock=self._clock, timeout_s=self._timeout_s, attempts=1)
