"""The meter process seen from the demonstration: found alive, or started; and the history the meters had before."""

import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from app.demo.founding import device_of
from app.demo.island_site import site_of
from app.demo.meter_process import SERVED_ALREADY, free_ports, mark_of_this_process
from app.demo.neighbourhood import SLOT_S, FloatArray, Neighbourhood
from app.demo.sites import SimulatedSite, SiteJournal
from app.demo.state import DemoState, write_whole
from app.errors import InputError
from meters.clock import Clock
from meters.signing import FLAG_IMPORTED, RegisterReading

START_PATIENCE_S, END_PATIENCE_S = 30.0, 10.0
LOOK_S = 0.05
MWH_PER_KWH = 1_000_000


class MeterProcess:
    """The process that serves the simulated meters of one state folder."""

    def __init__(self, state: DemoState) -> None:
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None

    def ensure(self, world: Neighbourhood) -> dict[str, int]:
        """Make sure that the meters answer; the port of each home. A process that outlived a crash is used again."""
        write_whole(self._state.owner, mark_of_this_process())
        if not self._state.ports.exists():
            self._choose_ports(world)
        if self.process_id() is None:
            try:
                self._start()
            except InputError:
                # Somebody else may have taken a port since the last time: nothing but the address depends on it.
                self._choose_ports(world)
                self._start()
        ports_of: dict[str, int] = json.loads(self._state.ports.read_text())
        return ports_of

    def process_id(self) -> int | None:
        """The process that serves the meters now, None if there is none."""
        if not self._state.meters_ready.exists():
            return None
        with self._state.meters_ready.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # Whoever has just taken the lock has not written its id yet.
                written = file.read()
                return int(written) if written else None
        return None

    def close(self) -> None:
        """End the process, also one that an earlier demonstration had started."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=END_PATIENCE_S)
        deadline = time.monotonic() + END_PATIENCE_S
        while (serving := self.process_id()) is not None and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(serving, signal.SIGTERM)
            time.sleep(LOOK_S)

    def _choose_ports(self, world: Neighbourhood) -> None:
        ports = free_ports(len(world.homes))
        numbered = {home.home_id: port for home, port in zip(world.homes, ports, strict=True)}
        write_whole(self._state.ports, json.dumps(numbered))

    def _start(self) -> None:
        with self._state.meters_log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 our own module, no shell
                [sys.executable, "-m", "app.demo.meter_process", str(self._state.folder)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._process = process
        deadline = time.monotonic() + START_PATIENCE_S
        while self.process_id() is None:
            ended = process.poll()
            # A process that an earlier demonstration started may be about to answer.
            if ended not in {None, SERVED_ALREADY} or time.monotonic() > deadline:
                raise InputError(f"the simulated meters did not start: see {self._state.meters_log}")
            time.sleep(LOOK_S)


class _HandClock:
    """A present that the caller sets."""

    now_s = 0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)


def history(world: Neighbourhood, *, until_s: int, scratch: Path) -> Iterator[tuple[str, list[RegisterReading]]]:
    """Readings of every meter from the beginning of the data to `until_s`, as the meter would have shown them."""
    clock = _HandClock()
    journal = SiteJournal(scratch)
    starts = range(world.first_start_s, until_s + 1, SLOT_S)
    for column, home in enumerate(world.homes):
        site = SimulatedSite(home, column, world, clock, journal)
        readings = []
        for seq, moment in enumerate(starts):
            clock.now_s = moment
            import_mwh, export_mwh = (as_shown(register) for register in site.registers_mwh())
            readings.append(
                RegisterReading(
                    device=device_of(home),
                    epoch=0,
                    seq=seq,
                    start_s=moment - SLOT_S if seq else moment,
                    duration_s=SLOT_S if seq else 0,
                    import_mwh=import_mwh,
                    export_mwh=export_mwh,
                    flags=FLAG_IMPORTED,
                )
            )
        yield device_of(home), readings
    journal.close()


def as_shown(register_mwh: int) -> int:
    """A register as the meter's 32-bit float of kWh shows it, in mWh."""
    (shown,) = struct.unpack(">f", struct.pack(">f", register_mwh / MWH_PER_KWH))
    return round(float(shown) * MWH_PER_KWH)


def batteries_at(world: Neighbourhood, clock: Clock, state: DemoState) -> FloatArray:
    """Energy in every home's battery at the clock's present, Wh, from what the meter process has written down."""
    journal = SiteJournal(state.sites)
    stored = [
        site_of(home, column, world, clock, journal, state).stored_wh() if home.battery_wh else 0.0
        for column, home in enumerate(world.homes)
    ]
    journal.close()
    return np.array(stored)
