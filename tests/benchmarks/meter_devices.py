"""The other side of the meter benchmarks: devices that fail at random, a slow serial line, many meters, libmodbus.

As a program it serves so many meters, each at a port of its own, and prints the ports: `meter_devices.py COUNT`.
"""

import asyncio
import ctypes
import ctypes.util
import json
import random
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from meters.modbus_server import answer, crc16  # noqa: E402  the path above must come first
from meters.simulator import SimulatedMeter, start_meters  # noqa: E402  as above
from tests.meters.slow_device import SlowDevice  # noqa: E402  as above

PROFILE = "schneider_iem3155"
BITS_PER_BYTE = 10
TURNAROUND_S = 0.005
"""A quick meter's time to think."""


def faulty(*, rtu: bool, share: float, seed: int) -> SlowDevice:
    """A device whose registers hold their address + 1 and whose answers fail in `share` of all requests.

    Late by more than any timeout, absent, cut, doubled, in another unit's name; with a wrong transaction id, and cut
    and filled up by another frame where frames have no checksum, with a flipped bit where they have one.
    """
    chance = random.Random(seed)  # noqa: S311  a seeded benchmark
    kinds = ["cut", "doubled", "other unit", *(["flipped"] if rtu else ["other transaction", "filled"])]

    def delay(_number: int, _unit: int) -> float | None:
        if chance.random() >= share / 3:
            return 0.0
        return chance.choice([None, chance.uniform(0.2, 0.9)])

    def change(_number: int, frame: bytes) -> bytes:
        if chance.random() >= share * 2 / 3:
            return frame
        kind = chance.choice(kinds)
        if kind == "cut":
            return frame[: chance.randrange(1, len(frame))]
        if kind == "doubled":
            return frame * 2
        if kind == "filled":
            registers = chance.randrange(1, 8)
            filler = (
                frame[:4] + bytes([0, 3 + 2 * registers]) + frame[6:8] + bytes([2 * registers, *range(2 * registers)])
            )
            return frame[: max(1, len(frame) - len(filler))] + filler
        at = {"other unit": 0 if rtu else 6, "other transaction": 1, "flipped": chance.randrange(len(frame))}[kind]
        return frame[:at] + bytes([frame[at] ^ 1 << chance.randrange(8)]) + frame[at + 1 :]

    return SlowDevice(delay, rtu=rtu, change=change)


@asynccontextmanager
async def slow_line(meters: dict[int, SimulatedMeter], *, baud: int) -> AsyncIterator[tuple[str, list[float]]]:
    """RTU frames at the pace of a serial line: its address, and the seconds that the bytes alone have taken so far."""
    taken = [0.0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(frame := await reader.read(256)) == 8:
            body = frame[:1] + answer(meters[frame[0]], frame[1:6])
            reply = body + struct.pack("<H", crc16(body))
            seconds = (len(frame) + len(reply)) * BITS_PER_BYTE / baud + TURNAROUND_S
            taken[0] += seconds
            await asyncio.sleep(seconds)
            writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"rtutcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", taken
    finally:
        server.close()


@contextmanager
def libmodbus(port: int) -> Iterator[ctypes.CDLL]:
    """libmodbus connected to unit 1 at `port`; `read(address, count)` on it returns registers."""
    library = ctypes.CDLL(ctypes.util.find_library("modbus"))
    library.modbus_new_tcp.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", port))
    library.modbus_set_slave(context, 1)
    if library.modbus_connect(context):
        raise ConnectionError(f"libmodbus cannot connect to port {port}")

    def read(address: int, count: int) -> list[int]:
        words = (ctypes.c_uint16 * count)()
        if library.modbus_read_registers(context, address, count, words) != count:
            raise ConnectionError("libmodbus read nothing")
        return list(words)

    library.read = read
    try:
        yield library
    finally:
        library.modbus_close(context)
        library.modbus_free(context)


async def _serve(count: int) -> None:
    values = {"energy_import_wh": 1_234_567.0, "energy_export_wh": 7_654.0, "active_power_w": 460.0}
    meters = {-number: [SimulatedMeter(PROFILE, 1, lambda: values)] for number in range(count)}
    running = [await start_meters({0: devices}) for devices in meters.values()]
    sys.stdout.write(json.dumps([servers.ports[0] for servers in running]) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
