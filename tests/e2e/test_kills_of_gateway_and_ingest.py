"""Gateway and ingest are killed at random moments: every reading arrives, and none twice."""

import os
import queue
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.storage.database import open_database
from meters.outbox import Outbox
from tests.app.neighbourhood import NOON_S, found_community
from tests.e2e.killed_processes import DEVICES, QUARTER_MWH, QUARTER_S

KILLS = 1000 if os.environ.get("COMMONWATT_COUNTS") == "full" else 50
PATIENCE_S = 120.0


class Processes:
    """A gateway and an ingest, started again after every kill, and what they tell."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("killed_processes.py")), str(folder)]
        self._parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.recorded = -1
        self._running: dict[str, int] = {}

    def _listen(self) -> None:
        assert self._parent.stdout is not None
        for line in self._parent.stdout:
            self._lines.put(line)

    def _told(self) -> str:
        word, _, number = self._lines.get(timeout=PATIENCE_S).strip().partition(" ")
        if word == "recorded":
            self.recorded = max(self.recorded, int(number))
        return word if word != "pid" else number

    def start(self, name: str) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{name}\n")
        self._parent.stdin.flush()
        while not (told := self._told()).isdigit():
            pass
        self._running[name] = int(told)

    def progress(self, word: str) -> None:
        """Wait until one of them has told `word` anew."""
        while not self._lines.empty():
            self._told()
        while self._told() != word:
            pass

    def kill(self, name: str) -> None:
        pid = self._running.pop(name)
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.001)

    def close(self) -> None:
        for name in list(self._running):
            self.kill(name)
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(PATIENCE_S)


@pytest.mark.timeout(300 + 4 * KILLS)
def test_whatever_is_killed_every_reading_arrives_once(tmp_path: Path) -> None:
    database, outbox_path = tmp_path / "community.sqlite", tmp_path / "outbox.sqlite"
    engine = open_database(f"sqlite:///{database}")
    found_community(engine)
    engine.dispose()
    chance = random.Random(7)  # noqa: S311  a seeded test
    processes = Processes(tmp_path)
    try:
        for name in ("ingest", "gateway"):
            processes.start(name)
        for _ in range(KILLS):
            victim = chance.choice(["gateway", "ingest"])
            processes.progress("recorded" if victim == "gateway" else "took")
            time.sleep(chance.uniform(0, 0.03))
            processes.kill(victim)
            processes.start(victim)
        # Both live: what was promised is delivered, and one more reading after it.
        last = processes.recorded
        deadline = time.monotonic() + PATIENCE_S
        while _stored(database) <= last + 1:
            assert time.monotonic() < deadline, "what waited was not delivered"
            processes.progress("took")
    finally:
        processes.close()
    with Outbox(outbox_path) as outbox:
        kept = {device: outbox.readings(device, 0, 0, 10**7) for device in DEVICES}
    assert processes.recorded >= KILLS // 2
    assert all(len(readings) > processes.recorded for readings in kept.values())
    with sqlite3.connect(database) as connection:
        for device, readings in kept.items():
            rows = connection.execute(
                "SELECT epoch, seq, start_s, import_mwh FROM reading WHERE device_id = ? ORDER BY seq", [device]
            ).fetchall()
            assert len(rows) > last
            assert rows == [(0, each.seq, each.start_s, each.import_mwh) for each in readings[: len(rows)]]
            point = f"mp-{device.removeprefix('d-')}"
            energies = connection.execute(
                "SELECT start_s, import_wh FROM interval_energy WHERE metering_point_id = ? ORDER BY start_s", [point]
            ).fetchall()
            quarters = range(len(rows) - 1)
            assert energies == [(NOON_S + QUARTER_S * number, QUARTER_MWH // 1000) for number in quarters]
        assert connection.execute("SELECT count(*) FROM ingest_alarm").fetchone() == (0,)


def _stored(database: Path) -> int:
    """How many readings the device with the fewest has."""
    with sqlite3.connect(database, timeout=PATIENCE_S) as connection:
        counts = dict(connection.execute("SELECT device_id, count(*) FROM reading GROUP BY device_id").fetchall())
    return min(counts.get(device, 0) for device in DEVICES)
