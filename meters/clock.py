"""Clocks: time is passed in, so that a simulated day and a real one run the same code."""

import os
import struct
from collections.abc import Callable, Mapping
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
            draft = path.with_name(path.name + ".new")
            draft.write_bytes(_packed(start))
            draft.replace(path)
        self._file = path.open("r+b", buffering=0)

    def __call__(self) -> datetime:
        # One positioned read: many threads share this clock.
        (microseconds,) = _MICROSECONDS.unpack(os.pread(self._file.fileno(), _MICROSECONDS.size, 0))
        seconds, rest = divmod(microseconds, 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)

    def set(self, instant: datetime) -> None:
        """Advance to `instant` (aware). Raises ValueError if that lies in the past."""
        if instant < self():
            raise ValueError(f"the simulated clock cannot go back from {self().isoformat()} to {instant.isoformat()}")
        os.pwrite(self._file.fileno(), _packed(instant), 0)


def _packed(instant: datetime) -> bytes:
    return _MICROSECONDS.pack(int(instant.timestamp()) * 1_000_000 + instant.microsecond)


def clock_from_environment(environment: Mapping[str, str]) -> Clock:
    """The system's clock, or the simulated one in the file that COMMONWATT_CLOCK_FILE names: for rehearsals."""
    path = environment.get("COMMONWATT_CLOCK_FILE")
    return SimulatedClock(Path(path)) if path else system_clock
