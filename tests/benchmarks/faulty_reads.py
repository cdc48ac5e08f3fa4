"""Reads of random registers from devices that fail at random; every value that comes back is compared."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from meters.address import BusAddress
from meters.answer import BusError
from meters.bus import Bus
from meters.clock import system_clock
from tests.benchmarks.meter_devices import faulty
from tests.meters.slow_device import serving

UNITS_PER_LINE = 10


@dataclass(slots=True)
class Outcomes:
    """How many reads brought the right registers, none in two attempts, or wrong ones; those are said in `wrong`."""

    right: int = 0
    none: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def reads(self) -> int:
        return self.right + self.none + len(self.wrong)


async def reads_under_faults(reads: int, *, lines: int, share: float, seed: int = 1) -> Outcomes:
    """Share `reads` out among `lines`, every other one with RTU framing; a `share` of all answers fails."""
    chance, outcomes = random.Random(seed), Outcomes()  # noqa: S311  seeded

    async def read_on(bus: Bus, unit: int, count: int) -> None:
        for _ in range(count):
            address, registers = chance.randrange(60_000), chance.randrange(1, 40)
            try:
                words = (await bus.read(unit, 3, address, registers, insist=True)).words
            except BusError:
                outcomes.none += 1
                continue
            if words == tuple(range(address + 1, address + 1 + registers)):
                outcomes.right += 1
            else:
                outcomes.wrong.append(f"{bus.address} unit {unit}: {registers} from {address} read as {words}")

    async with AsyncExitStack() as stack:
        buses = []
        for number in range(lines):
            device = faulty(rtu=number % 2 == 1, share=share, seed=number)
            address = await stack.enter_async_context(serving(device))
            buses.append(Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.2))
        each = reads // (lines * UNITS_PER_LINE)
        await asyncio.gather(*(read_on(bus, unit, each) for bus in buses for unit in range(1, UNITS_PER_LINE + 1)))
        await asyncio.gather(*(bus.close() for bus in buses))
    return outcomes
