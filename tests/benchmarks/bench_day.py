"""The default day of `commonwatt demo`: how long it takes, where the time goes, how much memory it needs at once."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

COMMONWATT = Path(sys.executable).parent / "commonwatt"
LOOK_S = 0.1


def family(process: psutil.Process) -> Iterator[psutil.Process]:
    """A process and everything it has started."""
    yield process
    with suppress(psutil.NoSuchProcess):
        yield from process.children(recursive=True)


def memory_mb(process: psutil.Process) -> float:
    """What the family holds now, pages that are shared counted once; looked at often, because peaks are short."""
    total = 0
    for each in family(process):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += each.memory_full_info().pss
    return total / 1e6


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "figures.json"
        started = time.perf_counter()
        with output.open("w") as out:
            day = subprocess.Popen(
                [str(COMMONWATT), "demo", "--state", str(Path(folder) / "state"), "--no-serve", "--json"], stdout=out
            )
        watched, peak_mb = psutil.Process(day.pid), 0.0
        while day.poll() is None:
            with suppress(psutil.NoSuchProcess):
                peak_mb = max(peak_mb, memory_mb(watched))
            time.sleep(LOOK_S)
        seconds = time.perf_counter() - started
        if day.returncode:
            raise SystemExit(day.returncode)
        figures = json.loads(output.read_text())
    measures = {
        f"{figures['households']} homes, {figures['intervals']} intervals, s": round(seconds, 1),
        "most memory at once, MB": round(peak_mb),
        **{f"of it {name}, s": spent for name, spent in figures["spent"].items()},
        "readings": figures["readings"],
        "trades": figures["trades"],
        "intervals bound by the network": figures["intervals_bound"],
    }
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
