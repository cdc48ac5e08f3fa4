"""Clocks: time is passed in, so that a simulated day and a real one run the same code."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

Clock = Callable[[], datetime]
"""Returns the present as an aware datetime in UTC."""

_MICROSECONDS = struct.Struct("<q")


def system_clock() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class SimulatedClock:
    """One simulated present for several processes, kept in a small file that survives all of them.

    Exactly one process calls `set`; it may only move forward. Every process that opens the same path sees it.
    """

    def __init__(self, path: Path, *, start: datetime | None = None) -> None:
        self._path = path
        if start is not None and not path.exists():
            self._write(start)
        self._file = path.open("rb", buffering=0)

    def __call__(self) -> datetime:
        self._file.seek(0)
        (microseconds,) = _MICROSECONDS.unpack(self._file.read(_MICROSECONDS.size))
        seconds, rest = divmod(microseconds, 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)

    def set(self, instant: datetime) -> None:
        """Advance to `instant` (aware). Raises ValueError if that lies in the past."""
        if instant < self():
            raise ValueError(f"the simulated clock cannot go back from {self().isoformat()} to {instant.isoformat()}")
        self._write(instant)

    def _write(self, instant: datetime) -> None:
        seconds = int(instant.timestamp())
        packed = _MICROSECONDS.pack(seconds * 1_000_000 + instant.microsecond)
        with self._path.open("r+b" if self._path.exists() else "wb", buffering=0) as file:
            file.write(packed)
