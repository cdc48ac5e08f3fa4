"""The meter side: no wrong value under faults, 500 meters a second, other programs, a serial bus, a backlog.

`COMMONWATT_COUNTS=full` (as `make bench` sets it) runs the full counts; otherwise a small part of each.
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from pymodbus.client import AsyncModbusTcpClient  # noqa: E402  the path above must come first

from meters.address import BusAddress  # noqa: E402  as above
from meters.api import MeterApi  # noqa: E402  as above
from meters.bus import Bus  # noqa: E402  as above
from meters.clock import system_clock  # noqa: E402  as above
from meters.credentials import Credentials  # noqa: E402  as above
from meters.delivery import deliver  # noqa: E402  as above
from meters.energy import BoundaryReading  # noqa: E402  as above
from meters.gateway import Gateway  # noqa: E402  as above
from meters.gateway_config import GatewayConfig, MeterConfig  # noqa: E402  as above
from meters.outbox import Outbox  # noqa: E402  as above
from meters.planner import plan  # noqa: E402  as above
from meters.profile import load_profile  # noqa: E402  as above
from meters.signing import sign_batch  # noqa: E402  as above
from meters.simulator import SimulatedMeter  # noqa: E402  as above
from tests.app.neighbourhood import DOMAIN, GATEWAY_KEY, NOON_S  # noqa: E402  as above
from tests.benchmarks.faulty_reads import reads_under_faults  # noqa: E402  as above
from tests.benchmarks.gateway_process import measured  # noqa: E402  as above
from tests.benchmarks.meter_devices import PROFILE, libmodbus, slow_line  # noqa: E402  as above

FULL = os.environ.get("COMMONWATT_COUNTS") == "full"
FAULTY_READS, FAULT_SHARE, UNANSWERED_MOST = (1_000_000 if FULL else 20_000), 0.03, 0.01
LINES = 20
METERS, SECONDS = 500, (60 if FULL else 8)
READS_PER_ROUND, ROUNDS = 300, (25 if FULL else 9)
SERIAL_METERS, BAUD = 32, 9600
BACKLOG_METERS, BACKLOG_DAYS = 200, (30 if FULL else 1)


def faults() -> dict[str, float]:
    """Reads of random registers from failing devices; every value that came back is compared."""
    started = time.perf_counter()
    outcomes = asyncio.run(reads_under_faults(FAULTY_READS, lines=LINES, share=FAULT_SHARE))
    sys.stdout.writelines(f"{wrong}\n" for wrong in outcomes.wrong)
    return {
        "reads under faults": outcomes.reads,
        "  silently wrong": len(outcomes.wrong),
        "  without an answer after two attempts": outcomes.none,
        "  seconds": round(time.perf_counter() - started, 1),
    }


@contextmanager
def program(name: str, *arguments: str) -> Iterator[str]:
    """A helper program of this folder beside this one; what it said first."""
    command = [sys.executable, str(Path(__file__).with_name(name)), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def credentials() -> Credentials:
    return Credentials(key=GATEWAY_KEY, gateway="g1", token="none", domain=DOMAIN)


async def seconds_of(read: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    for _ in range(READS_PER_ROUND):
        await read()
    return time.perf_counter() - started


async def throughput(port: int) -> dict[str, float]:
    """Reads of one connection, one after the other, in turns; the best of each."""
    profile = load_profile(PROFILE)
    block = plan(profile.energy_registers, max_registers=profile.max_registers, max_gap=profile.max_gap)[0]
    address, count = block.address, block.count
    bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{port}"), clock=system_clock)
    bare = AsyncModbusTcpClient("127.0.0.1", port=port)
    await bare.connect()
    best = dict.fromkeys(("ours", "bare pymodbus", "libmodbus"), float("inf"))
    with libmodbus(port) as library:

        async def in_c() -> object:
            return library.read(address, count)

        reads: dict[str, Callable[[], Awaitable[object]]] = {
            "ours": lambda: bus.read(1, 3, address, count),
            "bare pymodbus": lambda: bare.read_holding_registers(address, count=count, device_id=1),
            "libmodbus": in_c,
        }
        for _ in range(ROUNDS):
            for name, read in reads.items():
                best[name] = min(best[name], await seconds_of(read))
    bare.close()
    await bus.close()
    measures: dict[str, float] = {
        f"reads a second, {name}": round(READS_PER_ROUND / seconds) for name, seconds in best.items()
    }
    return measures | {
        "  ours / bare pymodbus": round(best["bare pymodbus"] / best["ours"], 2),
        "  ours / libmodbus": round(best["libmodbus"] / best["ours"], 2),
    }


async def serial_bus(folder: Path) -> dict[str, float]:
    """One sweep of 32 meters on one line at 9600 baud, beside the time that the bytes alone take."""
    values = {"energy_import_wh": 1_234_567.0, "energy_export_wh": 7_654.0}
    units = {unit: SimulatedMeter("eastron_sdm630", unit, lambda: values) for unit in range(1, SERIAL_METERS + 1)}
    async with slow_line(units, baud=BAUD) as (address, taken), MeterApi("http://127.0.0.1:9") as api:
        meters = tuple(
            MeterConfig(device=f"S{unit:02}", profile="eastron_sdm630", address=address, device_id=unit)
            for unit in units
        )
        config = GatewayConfig(name="bench", state_dir=folder, timeout_s=1.0, meters=meters)
        gateway = Gateway(config, clock=system_clock, api=api, credentials=credentials())
        await gateway.open()
        taken[0], started = 0.0, time.perf_counter()
        failed = len(await gateway.poll())
        seconds = time.perf_counter() - started
        await gateway.close()
    return {
        f"{SERIAL_METERS} meters at {BAUD} baud: seconds a sweep": round(seconds, 2),
        "  of which bytes and the meters' thinking": round(taken[0], 2),
        "  failed reads on the line": failed,
    }


def fill(outbox: Outbox) -> int:
    """A backlog: so many meters, days and quarters of an hour."""
    start_s, quarters = NOON_S, 96 * BACKLOG_DAYS
    for first in range(0, quarters, 96):
        entries = [
            (f"B{number:03}", 0, _reading(start_s, quarter))
            for number in range(BACKLOG_METERS)
            for quarter in range(first, first + 96)
        ]
        outbox.record(entries, {})
    return BACKLOG_METERS * quarters


def _reading(start_s: int, quarter: int) -> BoundaryReading:
    return BoundaryReading(
        start_s=start_s + 900 * quarter,
        duration_s=900,
        import_mwh=100_000 * quarter,
        export_mwh=0,
        flags=0,
    )


async def backlog(url: str, folder: Path) -> dict[str, float]:
    """Everything that waited is signed, posted, verified and stored by the real application."""
    with Outbox(folder / "outbox.sqlite") as outbox:
        count = fill(outbox)
        started = time.perf_counter()
        async with MeterApi(url) as api:
            report = await deliver(
                outbox,
                api,
                lambda parcel: sign_batch(GATEWAY_KEY, DOMAIN, parcel.readings, parcel.previous_hash),
                now_s=int(datetime.now(UTC).timestamp()),
            )
        seconds = time.perf_counter() - started
    with sqlite3.connect(folder / "community.sqlite") as database:
        (stored,) = database.execute("SELECT count(*) FROM reading").fetchone()
    if (report.accepted, report.pending, stored) != (count, 0, count):
        raise AssertionError(f"of {count} readings {stored} are stored, {report.pending} wait: {report}")
    return {
        "readings of a backlog, all stored": count,
        "  seconds to drain": round(seconds, 1),
        "  readings a second": round(count / seconds),
    }


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    measures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, program("meter_devices.py", str(METERS)) as ports:
        path = Path(folder)
        measures |= measured(path / "many", credentials(), PROFILE, json.loads(ports), SECONDS)
        measures |= asyncio.run(throughput(json.loads(ports)[0]))
        measures |= asyncio.run(serial_bus(path / "serial"))
        with program("meter_platform.py", folder, str(BACKLOG_METERS)) as url:
            measures |= asyncio.run(backlog(url, path))
    measures |= faults()
    sys.stdout.write(json.dumps(measures) + "\n")
    unanswered = measures["  without an answer after two attempts"] / measures["reads under faults"]
    if measures["  silently wrong"] or unanswered > UNANSWERED_MOST:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
