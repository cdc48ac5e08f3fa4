"""A gateway as it is run, in a process of its own: `commonwatt gateway run`, and what that process takes.

The devices are other processes, so nothing of theirs is counted. Memory is read from the kernel: resident, and
proportional (what is shared with other processes counted in part).
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from meters.credentials import Credentials, save_credentials

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
LOOK_S = 0.05
STARTED_WITHIN_S = 120.0


def measured(
    folder: Path, credentials: Credentials, profile: str, ports: list[int], seconds: float
) -> dict[str, float]:
    """Run a gateway that reads the meters at `ports` once a second, and measure it for so many seconds."""
    folder.mkdir(parents=True)
    save_credentials(folder / "state", credentials)
    config = folder / "gateway.toml"
    config.write_text(_config(profile, ports))
    status = folder / "state/status.json"
    command = [Path(sys.executable).with_name("commonwatt"), "gateway", "run", str(config)]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _until_polled(process, status)
            polls, failed, began, used_s = set(), 0, time.monotonic(), _cpu_s(process.pid)
            while time.monotonic() < began + seconds:
                known = json.loads(status.read_text())
                if known["written_at"] not in polls:
                    polls.add(known["written_at"])
                    failed += len(known["failures"])
                time.sleep(LOOK_S)
            elapsed_s, used_s = time.monotonic() - began, _cpu_s(process.pid) - used_s
            memory_mb = _memory_mb(process.pid)
        finally:
            process.terminate()
    return {
        f"{len(ports)} meters in a gateway's own process: polls a second": round(len(polls) / elapsed_s, 3),
        "  failed reads": failed,
        "  share of a core, percent": round(100 * used_s / elapsed_s, 1),
        "  memory resident, MB": memory_mb["Rss"],
        "  memory proportional, MB": memory_mb["Pss"],
    }


def _config(profile: str, ports: list[int]) -> str:
    # Nobody listens there: readings wait, as they do while a platform is away.
    lines = ['[gateway]\nname = "bench"\nserver = "http://127.0.0.1:9"\nstate = "state"\npoll_s = 1.0\ntimeout_s = 2.0']
    lines += [
        f'[[meter]]\ndevice = "B{number:03}"\nprofile = "{profile}"\naddress = "tcp://127.0.0.1:{port}"'
        for number, port in enumerate(ports)
    ]
    return "\n".join(lines) + "\n"


def _until_polled(process: subprocess.Popen[bytes], status: Path) -> None:
    deadline = time.monotonic() + STARTED_WITHIN_S
    seen = set()
    while len(seen) < 3:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(
                f"the gateway ended or never polled: {(status.parents[1] / 'log').read_text()[-2000:]}"
            )
        if status.exists():
            seen.add(json.loads(status.read_text())["written_at"])
        time.sleep(LOOK_S)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _memory_mb(pid: int) -> dict[str, float]:
    rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return {row[0].rstrip(":"): round(int(row[1]) / 1024, 1) for row in rows}
