"""A serial line through a pseudo-terminal that is deaf at any other speed than its own, with meters behind it."""

import asyncio
import os
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SPEEDS = {9600: termios.B9600, 19200: termios.B19200, 38400: termios.B38400, 2400: termios.B2400}
OUTPUT_SPEED = 5


@asynccontextmanager
async def serial_line(port: int, *, baud: int) -> AsyncIterator[str]:
    """The path of a line at `baud` in front of the RTU frames served at `port`. Other speeds hear noise.

    Parity cannot be had: the kernel forces pseudo-terminals to none.
    """
    master, slave = os.openpty()
    tty.setraw(slave)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()

    def asked() -> None:
        frame = os.read(master, 1024)
        if termios.tcgetattr(master)[OUTPUT_SPEED] == SPEEDS[baud]:
            writer.write(frame)
        else:
            os.write(master, b"\x00\xf8\x80")

    async def answer() -> None:
        while data := await reader.read(1024):
            os.write(master, data)

    loop.add_reader(master, asked)
    answering = asyncio.create_task(answer())
    try:
        yield os.ttyname(slave)
    finally:
        loop.remove_reader(master)
        answering.cancel()
        writer.close()
        os.close(master)
        os.close(slave)
