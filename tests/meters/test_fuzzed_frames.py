"""Whatever bytes come back: a reader ends with an error meant for people or with certain values, never otherwise."""

import asyncio
import random

import pytest

from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import system_clock
from meters.device_errors import DeviceErrors
from meters.profile import load_profile
from meters.reader import MeterReader
from meters.simulator import SimulatedMeter, start_meters

VALUES = {"energy_import_wh": 1_234_567, "energy_export_wh": 89_012, "active_power_w": 250.0}
ROUNDS = 120


def spoilt(answer: bytes, chance: random.Random) -> bytes:
    """The answer with flipped bits, missing, doubled or foreign bytes, or nothing of it at all."""
    data = bytearray(answer)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(6):
            case 0 if data:
                data[at] ^= 1 << chance.randrange(8)
            case 1 if data:
                del data[at : at + chance.randrange(1, 9)]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 12))
            case 3 if data:
                data[at:] = data[at:] * 2
            case 4 if data:
                # What a decoder could trust: lengths, function codes, zeros and ones.
                data[at] = chance.choice([0, 1, 3, 4, 0x7F, 0x80, 0x83, 0xFF])
            case _:
                data = bytearray(chance.randbytes(chance.randrange(300)))
    return bytes(data)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
@pytest.mark.parametrize("profile", ["schneider_iem3155", "sunspec_203"])
def test_a_reader_survives_whatever_comes_and_reads_again_afterwards(framing, profile):
    chance = random.Random(f"{framing} {profile}")  # noqa: S311  a seeded test

    async def between(upstream: int, healthy: asyncio.Event):
        """A line that spoils what the meter answers, until it is healthy."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            back, forth = await asyncio.open_connection("127.0.0.1", upstream)
            try:
                while question := await reader.read(300):
                    forth.write(question)
                    answer = await back.read(600)
                    writer.write(answer if healthy.is_set() else spoilt(answer, chance))
            except (ConnectionError, asyncio.CancelledError):
                pass
            finally:
                forth.close()
                writer.close()

        return await asyncio.start_server(serve, "127.0.0.1", 0)

    async def scenario() -> int:
        healthy = asyncio.Event()
        servers = await start_meters({0: [SimulatedMeter(profile, 1, lambda: VALUES)]}, framing=framing)
        line = await between(servers.ports[0], healthy)
        scheme = {"tcp": "tcp", "rtu": "rtutcp"}[framing]
        address = f"{scheme}://127.0.0.1:{line.sockets[0].getsockname()[1]}"
        errors = 0
        for _ in range(ROUNDS if framing == "tcp" else ROUNDS // 6):
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.02, attempts=1)
            try:
                await MeterReader(load_profile(profile), bus, 1).read(insist=True)
            except DeviceErrors:
                errors += 1
            await bus.close()
        healthy.set()
        bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=30)
        reading = await MeterReader(load_profile(profile), bus, 1).read(insist=True)
        assert reading.values["energy_import_wh"] == VALUES["energy_import_wh"]
        await bus.close()
        line.close()
        await servers.close()
        return errors

    assert asyncio.run(scenario()) > 0
