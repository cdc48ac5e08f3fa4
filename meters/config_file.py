"""A gateway's configuration file while the gateway runs: noticed when it changes, or when somebody asks."""

import asyncio
from pathlib import Path

LOOK_S = 2.0
"""How often the file is looked at."""

Stamp = tuple[int, int, int]


class ConfigFile:
    """Waits for the next version of a file.

    A change counts once the file looked the same twice, so that an editor may take its time to write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taken = self._stamp()
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the file read again now, changed or not (SIGHUP)."""
        self._asked.set()

    async def next_version(self) -> None:
        """Return when there is something to read."""
        before = self._taken
        while True:
            if await self._was_asked():
                self._taken = self._stamp()
                return
            now = self._stamp()
            if now is not None and now == before != self._taken:
                self._taken = now
                return
            before = now

    async def _was_asked(self) -> bool:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    def _stamp(self) -> Stamp | None:
        """What changes with every version of the file; None while there is none."""
        try:
            state = self.path.stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_ino, state.st_size
