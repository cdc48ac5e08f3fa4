"""The gateway guide followed word by word in an environment of its own: from an unknown meter to an accepted reading.

The environment has what the guide installs and nothing else, so nothing of the market or the web can be imported.
"""

import asyncio
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meters.clock import SimulatedClock
from meters.simulated_load import SimulatedLoad
from meters.simulator import SimulatedMeter, start_meters

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
JUST_BEFORE = datetime(2026, 6, 1, 9, 59, 57, tzinfo=UTC)
OF_THE_PLATFORM = {"numpy", "pandas", "scipy", "pandapower", "pyomo", "flask", "web3", "sqlalchemy", "paho-mqtt"}


def ran(*command: str | Path, **options) -> str:
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment: the locked packages of a gateway, and this project without dependencies."""
    folder = tmp_path_factory.mktemp("opt")
    python = folder / "commonwatt/bin/python"
    ran(BIN / "uv", "venv", "--python", sys.executable, folder / "commonwatt")
    uv_pip = (BIN / "uv", "pip", "install", "--quiet", "--python", python)
    ran(*uv_pip, "--require-hashes", "-r", ROOT / "locked/gateway.txt")
    ran(BIN / "python", "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    ran(*uv_pip, "--no-deps", wheel)
    return python.parent


def five_commands() -> list[str]:
    """The numbered commands of the guide's section of five commands."""
    guide = (ROOT / "docs/gateway-guide.md").read_text(encoding="utf-8")
    section = guide.partition("## From an unknown meter to its first reading: five commands")[2]
    block = section.split("```")[1]
    return [line.partition("#")[0].strip() for line in block.splitlines() if re.search(r"# \d ", line)]


@contextmanager
def simulated(meter: SimulatedMeter):
    """Serve a meter on a thread of its own; gives its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def done(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    servers = done(start_meters({0: [meter]}))
    try:
        yield servers.ports[0]
    finally:
        done(servers.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def filled_in(config: Path, found: str) -> None:
    """What the guide says between commands 2 and 3: copy profile, address and device_id."""
    text = config.read_text()
    for key in ("profile", "address", "device_id"):
        value = re.search(rf"^ *{key} = ([^#\n]+)", found, flags=re.MULTILINE).group(1).strip()
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, count=1, flags=re.MULTILINE)
    config.write_text(text)


def test_five_commands_lead_from_an_unknown_meter_to_an_accepted_reading(installed, tmp_path, platform):
    platform.codes = {"K7QF-2MXA": ["D017"]}
    clock = SimulatedClock(tmp_path / "clock", start=JUST_BEFORE)
    platform.clock = clock
    load = SimulatedLoad(import_wh=1_234_500, export_wh=0, power_w=800, clock=clock)
    etc = tmp_path / "etc"
    etc.mkdir()
    environment = {"PATH": f"{installed}:/usr/bin:/bin", "COMMONWATT_CLOCK_FILE": str(tmp_path / "clock")}
    with simulated(SimulatedMeter("eastron_sdm630", 7, load.values)) as port:
        here = {
            "rtu:///dev/ttyUSB0": f"tcp://127.0.0.1:{port}",
            "https://energy.example.org": platform.url,
            "/var/lib/commonwatt": str(tmp_path / "lib"),
        }
        commands = [words_here(command, here) for command in five_commands()]
        assert len(commands) == 5
        detect, enroll, check, run, status = commands
        found = ran(*detect, "--device-ids", "1-9", cwd=etc, env=environment)
        assert "eastron_sdm630" in found
        ran(*enroll, cwd=etc, env=environment)
        filled_in(etc / "gateway.toml", found)
        assert "D017: eastron_sdm630, device 7" in ran(*check, cwd=etc, env=environment)
        approve(platform, installed, tmp_path / "lib")
        with subprocess.Popen(
            run, cwd=etc, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as gateway:
            try:
                first = accepted(platform, clock)
                assert "D017: read" in ran(*status, cwd=etc, env=environment)
            finally:
                gateway.terminate()
    seq, start_s, duration_s, import_mwh, *_ = first
    assert (seq, start_s, duration_s) == (0, int(datetime(2026, 6, 1, 10, tzinfo=UTC).timestamp()), 0)
    assert 1_234_500_000 <= import_mwh < 1_234_600_000


def words_here(command: str, here: dict[str, str]) -> list[str]:
    for there, instead in here.items():
        command = command.replace(there, instead)
    return command.split()


def approve(platform, installed: Path, state: Path) -> None:
    """What the operator does on the page Devices."""
    program = (
        "import sys, pathlib; from meters.credentials import load_credentials;"
        " print(load_credentials(pathlib.Path(sys.argv[1])).address)"
    )
    platform.approved.add(ran(installed / "python", "-c", program, state).strip())


def accepted(platform, clock: SimulatedClock) -> list[int]:
    """Let time pass until the platform has a reading."""
    deadline = time.monotonic() + 60
    while not platform.accepted("D017"):
        assert time.monotonic() < deadline, "no reading was accepted"
        time.sleep(0.2)
        clock.set(clock() + timedelta(milliseconds=200))
    return platform.accepted("D017")[0]


def test_that_environment_has_nothing_of_the_market_or_the_web(installed):
    listed = ran(BIN / "uv", "pip", "list", "--python", installed / "python")
    names = {line.split()[0].lower() for line in listed.splitlines()[2:]}
    assert "pymodbus" in names
    assert not names & OF_THE_PLATFORM


@pytest.mark.parametrize("words", [["up"], ["clear", "x.csv", "--out", "y"], ["demo"]])
def test_a_command_of_the_platform_names_the_extra_it_needs(installed, words):
    result = subprocess.run([installed / "commonwatt", *words], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pip install 'commonwatt[platform]'" in result.stderr
