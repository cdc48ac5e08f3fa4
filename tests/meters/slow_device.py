"""A Modbus device in a few lines of its own: every register holds its address + 1, and answers come when told.

It knows no class of the project, so a mistake in framing cannot cancel itself out.
"""

import asyncio
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager

Delays = Callable[[int, int], float | None]
"""(number of the request, unit) -> seconds until the answer, None for none."""


def crc(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


class SlowDevice:
    """Serves TCP or RTU frames. Answers to one connection survive into the next, as behind a serial converter."""

    def __init__(self, delays: Delays, *, rtu: bool, change: Callable[[int, bytes], bytes] | None = None) -> None:
        self.delays = delays
        self.rtu = rtu
        self.change = change
        self.requests = 0
        self.connections = 0
        self.writer: asyncio.StreamWriter | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.connections += 1
        try:
            while True:
                frame = await reader.readexactly(8 if self.rtu else 12)
                unit, function, address, count = struct.unpack(">BBHH", frame[:6] if self.rtu else frame[6:])
                self.requests += 1
                delay = self.delays(self.requests, unit)
                body = struct.pack(">BBB", unit, function, 2 * count)
                body += struct.pack(f">{count}H", *range(address + 1, address + 1 + count))
                answer = body + crc(body) if self.rtu else frame[:4] + struct.pack(">H", len(body)) + body
                if self.change is not None:
                    answer = self.change(self.requests, answer)
                if delay is not None:
                    asyncio.get_running_loop().call_later(delay, self.send, answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def send(self, answer: bytes) -> None:
        if self.writer is not None and not self.writer.is_closing():
            self.writer.write(answer)


@asynccontextmanager
async def serving(device: SlowDevice):
    """The address of a running slow device."""
    server = await asyncio.start_server(device, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'rtutcp' if device.rtu else 'tcp'}://127.0.0.1:{port}"
    finally:
        server.close()
        if device.writer is not None:
            device.writer.close()
