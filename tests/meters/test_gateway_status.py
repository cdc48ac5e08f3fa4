"""`commonwatt gateway status` beside a real gateway, and what that gateway tells systemd."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from meters.service_notice import notify

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))


def status(config: Path, *options: str):
    return CliRunner().invoke(main, ["gateway", "status", *options, str(config)])


@contextmanager
def simulated():
    command = [COMMONWATT, "meter", "simulate", "--listen", "127.0.0.1:0", "--profile", "eastron_sdm630"]
    with subprocess.Popen([*command, "--import-wh", "1234500"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture
def config(tmp_path, platform):
    text = f'[gateway]\nname = "mill-lane"\nserver = "{platform.url}"\nstate = "state"\npoll_s = 0.2\n'
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    result = CliRunner().invoke(main, ["gateway", "enroll", "--code", "K7QF", str(path)])
    assert result.exit_code == 0, result.output
    return path


def with_meters(config: Path, *meters: tuple[str, str]) -> None:
    tables = [f'[[meter]]\ndevice = "{name}"\nprofile = "eastron_sdm630"\naddress = "{at}"\n' for name, at in meters]
    config.write_text(config.read_text() + "".join(tables))


@contextmanager
def running(config: Path, folder: Path):
    """A gateway process, and the socket on which it tells how it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(folder / "notify"))
        heard.settimeout(20)
        with subprocess.Popen(
            [COMMONWATT, "gateway", "run", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"NOTIFY_SOCKET": str(folder / "notify"), "PATH": ""},
        ) as process:
            try:
                yield heard
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=20)


def eventually(config: Path, wanted: str):
    """The first status that matches, or the last one there was."""
    for _ in range(200):
        result = status(config)
        if re.search(wanted, result.stdout):
            break
        time.sleep(0.05)
    return result


def test_a_gateway_that_reads_its_meters_is_well_and_tells_systemd(config, tmp_path):
    with simulated() as address:
        with_meters(config, ("D001", address))
        with running(config, tmp_path) as heard:
            assert [heard.recv(64), heard.recv(64)] == [b"READY=1", b"WATCHDOG=1"]
            result = eventually(config, r"D001: read")
            document = json.loads(status(config, "--json").stdout)
    assert result.exit_code == 0, result.output
    assert "  mill-lane is running\n" in result.stdout
    assert re.search(r"  D001: read \d s ago, import 1234\.500 kWh, export 0\.000 kWh\n", result.stdout)
    assert "outbox: 0 readings wait" in result.stdout
    assert document["well"] is True


def test_a_meter_that_is_silent_is_named_and_the_code_is_1(config, tmp_path):
    with simulated() as address:
        with_meters(config, ("D001", address), ("D002", "tcp://127.0.0.1:1"))
        with running(config, tmp_path):
            result = eventually(config, r"D001: read.*\n! D002: never read, ")
    assert result.exit_code == 1
    assert "! D002: never read, tcp://127.0.0.1:1" in result.stdout
    assert "  mill-lane is running\n" in result.stdout


def test_a_gateway_that_ended_is_not_running_and_its_last_reading_is_still_told(config, tmp_path):
    with simulated() as address:
        with_meters(config, ("D001", address))
        with running(config, tmp_path):
            eventually(config, r"D001: read")
    result = status(config)
    assert result.exit_code == 1
    assert "! mill-lane is not running\n" in result.stdout
    assert "D001: read" in result.stdout


def test_a_gateway_that_never_ran_says_so(config):
    result = status(config)
    assert (result.exit_code, result.stdout.count("\n")) == (1, 1)
    assert "has never run" in result.stdout


def test_a_damaged_outbox_is_one_line(config, tmp_path):
    (tmp_path / "state/outbox.sqlite").write_bytes(b"no database" * 100)
    result = status(config)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert "outbox.sqlite cannot be read" in result.stderr


def test_without_anybody_to_hear_it_a_notice_is_no_error(tmp_path):
    notify("READY=1", {})
    notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "none")})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"\0commonwatt-{tmp_path}")
        notify("READY=1", {"NOTIFY_SOCKET": f"@commonwatt-{tmp_path}"})
        assert heard.recv(64) == b"READY=1"
