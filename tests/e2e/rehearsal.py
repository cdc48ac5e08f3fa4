"""A rehearsal of a community: its processes started as a person would start them, on a clock that a test moves."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from meters.clock import SimulatedClock

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))
Found = TypeVar("Found")
STEP, STEP_TAKES_S = timedelta(seconds=20), 0.01


@dataclass
class Rehearsal:
    """Processes below one folder, all with the same clock, which stands until it is moved."""

    folder: Path
    clock: SimulatedClock
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("COMMONWATT_")}
        return own | {"COMMONWATT_CLOCK_FILE": str(self.folder / "clock"), "PYTHONUNBUFFERED": "1"}

    def move_to(self, instant: datetime) -> None:
        """Let the time pass in steps, so that what looks at the clock sees it move."""
        while self.clock() < instant:
            self.clock.set(min(self.clock() + STEP, instant))
            time.sleep(STEP_TAKES_S)

    def start(self, name: str, *arguments: str, until: str) -> str:
        """Start a command and wait for a line of its output that matches `until`; what its first group matched."""
        out, err = self.folder / f"{name}.out", self.folder / f"{name}.err"
        out.unlink(missing_ok=True)
        with out.open("wb") as output, err.open("ab") as errors:
            self.processes[name] = subprocess.Popen(
                [COMMONWATT, *arguments], cwd=self.folder, env=self.environment, stdout=output, stderr=errors
            )
        found = wait_for(lambda: re.search(until, out.read_text()), process=self.processes[name], log=err)
        return str(found[1])

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [COMMONWATT, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def kill(self, name: str) -> None:
        """End a process without giving it a chance to tidy up."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> int:
        """End a process as an operator does; its exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=30)

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)


def rehearsal(folder: Path, *, start: datetime) -> Rehearsal:
    """A rehearsal that begins at `start`."""
    return Rehearsal(folder=folder, clock=SimulatedClock(folder / "clock", start=start.astimezone(UTC)))


def wait_for(
    look: Callable[[], Found | None], *, process: subprocess.Popen[bytes], log: Path, seconds: float = 120
) -> Found:
    """What `look` finds, asked again until it is something; the process's log if it ends or time runs out."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{process.args}: exit code {process.poll()}\n{log.read_text()[-3000:]}")
