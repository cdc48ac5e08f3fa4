"""`commonwatt demo` as a process: started, watched, killed, and what it left on disk.

The homes of a network are built once for all tests of a session, because reading the data set takes longer than the
rest of a small day; everything else is made anew by each demonstration.
"""

import fcntl
import os
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psutil
import pytest

from app.demo.neighbourhood import DEFAULT_NETWORK, SLOT_S, SUNNY_DAY, local_midnight_s
from app.demo.runner import DAYS_BEFORE
from app.demo.stage import build_world
from app.demo.state import DemoPlan, DemoState

ROOT = Path(__file__).parents[2]
COMMONWATT = Path(sys.executable).parent / "commonwatt"
HOUSEHOLDS = 20
TEN_O_CLOCK_S = 10 * 3600
LOOK_S = 0.02
PATIENCE_S = 240.0
"""Longer than a small day takes on a machine that does other things, too."""


def small_day(*more: str) -> list[str]:
    """Options of a demonstration of few homes."""
    return ["--households", str(HOUSEHOLDS), *more]


def first_start_s(day: date = SUNNY_DAY) -> int:
    """When the first interval of a day that is played in part begins."""
    return local_midnight_s(day, "Europe/Berlin") + TEN_O_CLOCK_S


def world_of(factory: pytest.TempPathFactory, households: int | None) -> Path:
    """A state folder in which nothing but the homes is made; by one of the session's processes, the others wait."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"homes-{households}"
    folder.mkdir(exist_ok=True)
    plan = DemoPlan(
        network=DEFAULT_NETWORK,
        day=SUNNY_DAY.isoformat(),
        households=households,
        first_s=0,
        intervals=1,
        seed="commonwatt",
    )
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build_world(DemoState(folder), plan, days_before=DAYS_BEFORE)
    return DemoState(folder).world


def state_with(world: Path, folder: Path) -> Path:
    """A new state folder whose homes need not be built again."""
    folder.mkdir(parents=True)
    shutil.copy(world, DemoState(folder).world)
    return folder


def run_to_end(*options: str, seconds: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
    """Run a demonstration that ends by itself."""
    return subprocess.run(
        [str(COMMONWATT), "demo", *options], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )


class Demonstration:
    """A demonstration that is running. `end` leaves nothing of it, whatever it did."""

    def __init__(self, state: Path, *options: str) -> None:
        self.state = DemoState(state)
        self.out, self.err = state.with_name(state.name + ".out"), state.with_name(state.name + ".err")
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [str(COMMONWATT), "demo", "--state", str(state), *options],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def wait_until(self, what: str, holds: "Iterator[bool]") -> None:
        """Look again and again; fails with what the demonstration said."""
        deadline = time.monotonic() + PATIENCE_S
        for happened in holds:
            if happened:
                return
            assert self.process.poll() is None, f"ended with {self.process.returncode} before {what}: {self.said()}"
            assert time.monotonic() < deadline, f"no {what} after {PATIENCE_S} s: {self.said()}"
            time.sleep(LOOK_S)

    def wait_for_clock(self, moment_s: int) -> None:
        """Wait until the simulated clock has come this far."""
        self.wait_until(f"clock at {moment_s}", (clock_s(self.state) >= moment_s for _ in _ever()))

    def wait_for_url(self) -> str:
        """Where the web application answers, as told on standard output."""
        self.wait_until("address", (bool(self._url()) for _ in _ever()))
        return self._url()

    def wait_for_output(self) -> None:
        """Wait until the day is over and its figures are told."""
        self.wait_until("figures", (self.out.read_text().endswith("}\n") for _ in _ever()))

    def _url(self) -> str:
        told = re.search(r"^(http://127\.0\.0\.1:\d+)\n", self.out.read_text() + self.err.read_text(), re.MULTILINE)
        return told[1] if told else ""

    def said(self) -> str:
        return self.err.read_text()[-2000:]

    def meters(self) -> int:
        """Process id of the simulated meters that answer."""
        return int(self.state.meters_ready.read_text())

    def kill(self) -> None:
        """End the main process as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def end(self) -> None:
        """End whatever is left of it."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(30)
        for left in self.family():
            with suppress(psutil.NoSuchProcess):
                left.kill()

    def family(self) -> list[psutil.Process]:
        """Every process that works on this state folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if str(self.state.folder) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def _ever() -> Iterator[None]:
    while True:
        yield


def clock_s(state: DemoState) -> int:
    """The simulated present, 0 before there is a clock."""
    try:
        (microseconds,) = struct.unpack("<q", state.clock.read_bytes())
    except (FileNotFoundError, struct.error):
        return 0
    return int(microseconds) // 1_000_000


def rows(file: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """What a query finds in a database that nobody writes to now; nothing where it or its table is not there yet."""
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What must never change once it is there, each by its key."""

    blocks: dict[object, object]
    clearings: dict[object, object]
    readings: dict[object, object]
    transfers: dict[object, object]
    opening: str

    @classmethod
    def of(cls, state: DemoState) -> "Evidence":
        """What a demonstration that is not running now has left."""
        community = state.folder / "community.sqlite"
        return cls(
            blocks=_keyed(rows(state.chain, "SELECT number, hex(hash), timestamp_s FROM block"), 1),
            clearings=_keyed(
                rows(
                    community,
                    "SELECT start_s, clearing_hash, book_hash, closed_s, cleared_s, traded_wh, network_json"
                    " FROM market_round WHERE clearing_hash IS NOT NULL",
                ),
                1,
            ),
            readings=_keyed(
                rows(
                    community,
                    "SELECT device_id, epoch, seq, start_s, duration_s, import_mwh, export_mwh, flags FROM reading",
                ),
                3,
            ),
            transfers=_keyed(rows(community, "SELECT * FROM transfer"), 1),
            opening=state.opening.read_text() if state.opening.exists() else "",
        )

    def lost_or_changed_in(self, later: "Evidence") -> list[object]:
        """What was there and is not, or is not as it was."""
        kinds = ("blocks", "clearings", "readings", "transfers")
        changed: list[object] = [
            (kind, key)
            for kind in kinds
            for key, value in getattr(self, kind).items()
            if getattr(later, kind).get(key) != value
        ]
        return changed + [self.opening] * (self.opening not in {"", later.opening})


def _keyed(found: list[tuple[object, ...]], width: int) -> dict[object, object]:
    keyed: dict[object, object] = {row[:width]: row[width:] for row in found}
    assert len(keyed) == len(found)
    return keyed


def moments(seed: int, kills: int, *, first_s: int, slots: int) -> list[tuple[int, float]]:
    """Random moments: how far the simulated clock is (0: at the start of the program) and seconds more, in order.

    The first is while the community is founded, the last at the end of the day when it is settled.
    """
    draw = random.Random(seed)  # noqa: S311 (test data)
    between = sorted(draw.sample(range(-1, slots), kills - 2))
    at_clock = [(first_s + slot * SLOT_S, draw.uniform(0.0, 0.9)) for slot in between]
    return [(0, draw.uniform(0.5, 4.0)), *at_clock, (first_s + slots * SLOT_S, draw.uniform(0.0, 0.5))]
