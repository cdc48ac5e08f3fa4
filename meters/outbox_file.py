"""The file behind a gateway's outbox: its tables, what is kept in them, and who may open it."""

import fcntl
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from meters.counters import CounterState
from meters.reading import CounterRead
from meters.signing import RegisterReading

SCHEMA = """
CREATE TABLE IF NOT EXISTS chain (
    device TEXT, epoch INTEGER, next_seq INTEGER NOT NULL, head BLOB NOT NULL, last_end_s INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0, blocked TEXT, PRIMARY KEY (device, epoch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reading (
    device TEXT, epoch INTEGER, seq INTEGER, start_s INTEGER NOT NULL, duration_s INTEGER NOT NULL,
    import_mwh INTEGER NOT NULL, export_mwh INTEGER NOT NULL, flags INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (device, epoch, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sealed (
    device TEXT, epoch INTEGER, first_seq INTEGER, count INTEGER NOT NULL, PRIMARY KEY (device, epoch, first_seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (device TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarm (
    device TEXT, epoch INTEGER, first_seq INTEGER, kind TEXT, at_s INTEGER NOT NULL, message TEXT NOT NULL,
    evidence TEXT NOT NULL, PRIMARY KEY (device, epoch, first_seq, kind)
) WITHOUT ROWID;
"""


class OutboxError(Exception):
    """An outbox that cannot be used: in use by another gateway, or damaged. The message names the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One device's readings since its counters last began anew.

    acknowledged  the platform has every reading below this sequence number
    blocked       why nothing more is sent of it; empty as long as things are well
    """

    device: str
    epoch: int
    next_seq: int
    acknowledged: int
    last_end_s: int
    blocked: str

    @property
    def pending(self) -> int:
        return self.next_seq - self.acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Consecutive readings of one chain, cut once and then always sent as they were cut."""

    device: str
    epoch: int
    readings: tuple[RegisterReading, ...]
    previous_hash: bytes

    @property
    def first_seq(self) -> int:
        return self.readings[0].seq


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that needs a person: kept with its evidence until somebody looks."""

    device: str
    epoch: int
    first_seq: int
    kind: str
    at_s: int
    message: str
    evidence: str = ""


def open_file(path: Path) -> tuple[sqlite3.Connection, TextIO]:
    """The database, created if need be, and the lock that keeps others out until it is closed.

    Raises OutboxError if another process has it or if the file is damaged.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _lock_of(path).open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not path.exists():
            path.touch(mode=0o600)  # what a home consumes is nobody else's business
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(SCHEMA)
    except BlockingIOError as error:
        lock.close()
        raise OutboxError(f"{path} is in use by another gateway: stop that one first") from error
    except sqlite3.DatabaseError as error:
        lock.close()
        remedy = "move it away and start again; what the platform has acknowledged is not lost"
        raise OutboxError(f"{path} is damaged ({error}): {remedy}") from error
    return connection, lock


def look_into(path: Path) -> tuple[sqlite3.Connection, TextIO]:
    """The database for reading only, beside the gateway that has it. Raises OutboxError if it cannot be read."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise OutboxError(f"{path} cannot be read: {error}") from error
    try:
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("SELECT count(*) FROM chain")
        return connection, _lock_of(path).open(encoding="utf-8")
    except (OSError, sqlite3.DatabaseError) as error:
        connection.close()
        raise OutboxError(f"{path} cannot be read: {error}") from error


def is_in_use(path: Path) -> bool:
    """Whether a gateway has the outbox at `path`."""
    try:
        with _lock_of(path).open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside is committed together, durably, or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def row_of(reading: RegisterReading) -> tuple[str | int, ...]:
    """A reading as its columns."""
    return (
        reading.device,
        reading.epoch,
        reading.seq,
        reading.start_s,
        reading.duration_s,
        reading.import_mwh,
        reading.export_mwh,
        reading.flags,
    )


def reading_of(row: Sequence[Any]) -> RegisterReading:
    """A reading from its columns."""
    return RegisterReading(
        device=row[0],
        epoch=row[1],
        seq=row[2],
        start_s=row[3],
        duration_s=row[4],
        import_mwh=row[5],
        export_mwh=row[6],
        flags=row[7],
    )


def state_to_text(state: CounterState) -> str:
    """A counter state as JSON, instants in microseconds since the Unix epoch."""
    return json.dumps(
        {
            "epoch": state.epoch,
            "offsets": [state.import_offset_mwh, state.export_offset_mwh],
            "last": _read_to_list(state.last),
            "suspect": _read_to_list(state.suspect),
        }
    )


def state_from_text(text: str) -> CounterState:
    """The inverse of `state_to_text`."""
    kept = json.loads(text)
    return CounterState(
        epoch=kept["epoch"],
        last=_read_from_list(kept["last"]),
        import_offset_mwh=kept["offsets"][0],
        export_offset_mwh=kept["offsets"][1],
        suspect=_read_from_list(kept["suspect"]),
    )


def _read_to_list(read: CounterRead | None) -> list[int] | None:
    if read is None:
        return None
    at_us = int(read.at.timestamp()) * 1_000_000 + read.at.microsecond
    return [at_us, read.import_mwh, read.export_mwh, read.step_mwh]


def _read_from_list(kept: list[int] | None) -> CounterRead | None:
    if kept is None:
        return None
    seconds, rest = divmod(kept[0], 1_000_000)
    at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return CounterRead(at=at, import_mwh=kept[1], export_mwh=kept[2], step_mwh=kept[3])
