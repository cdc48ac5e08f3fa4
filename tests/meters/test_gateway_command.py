"""`commonwatt gateway ...`: mistakes explained, a key made once, readings delivered by a real process."""

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from meters.credentials import CredentialsError, load_credentials
from meters.gateway_config import ConfigError, GatewayConfig

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))
EXAMPLE = Path(__file__).parents[2] / "docs/examples/gateway.toml"
GOOD = """
[gateway]
name = "mill-lane"
server = "http://127.0.0.1:1"
state = "state"
interval_minutes = 5
[[meter]]
device = "D001"
profile = "eastron_sdm630"
address = "tcp://127.0.0.1:1"
"""


def gateway(*arguments: str):
    return CliRunner().invoke(main, ["gateway", *arguments])


def written(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def test_the_example_in_the_documentation_is_right():
    result = gateway("check", str(EXAMPLE))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "D017: eastron_sdm630, device 1 at tcp://192.168.1.20:502, controls device 1" in result.stdout


def test_a_configuration_is_read_as_it_is_written(tmp_path):
    config = GatewayConfig.load(written(tmp_path, GOOD))
    assert (config.name, config.state_dir, config.interval_minutes) == ("mill-lane", tmp_path / "state", 5)
    assert (config.meters[0].device, config.meters[0].device_id, config.meters[0].control) == ("D001", 1, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('name = "mill-lane"', ""), "gateway: name is missing"),
        (("interval_minutes = 5", "interval_minutes = 7"), "interval_minutes = 7 is none of 5, 15, 30, 60"),
        (("interval_minutes = 5", 'interval_minutes = "5"'), "interval_minutes = '5' should be a whole number"),
        (("interval_minutes = 5", "poll_s = 0"), "poll_s = 0 should be above 0"),
        (("interval_minutes = 5", "intervall = 5"), "unknown key 'intervall'; known are"),
        (("http://127", "127"), "should start with https://"),
        (("eastron_sdm630", "eastron_sdm631"), "meter 1: there is no meter profile 'eastron_sdm631'"),
        (("eastron_sdm630", "chint_dtsu666"), "is not verified"),
        (("tcp://127.0.0.1:1", "127.0.0.1:1"), "meter 1: '127.0.0.1:1' is no meter address"),
        (('device = "D001"', 'device = "D001"\ndevice_id = 300'), "device_id = 300 is not in 0..255"),
        (('device = "D001"', 'device = "D001"\ncontrol = { address = "x" }'), "meter 1: control: 'x' is no meter"),
        (('device = "D001"', 'device = "D001"\ncontrol = { id = 2 }'), "meter 1, control: unknown key 'id'"),
        (('device = "D001"', 'device = "D001"\nconnection_w = -1'), "connection_w = -1 should be above 0"),
        (("[[meter]]", '[[meter]]\ndevice = "D001"\nprofile = "abb_b23"\naddress = "tcp://h"\n[[meter]]'),
         "two meters are D001"),
        (("[[meter]]", '[[meter]]\ndevice = "D2"\nprofile = "abb_b23"\naddress = "tcp://127.0.0.1:1"\n[[meter]]'),
         "two meters are tcp://127.0.0.1:1 device_id 1"),
        (("[gateway]", "[gateway"), "gateway.toml: "),
        (("[[meter]]", "[meter]"), "one [[meter]] or [[imported]] table for each meter"),
    ],
)  # fmt: skip
def test_check_explains_a_mistake_with_its_place(tmp_path, change, message):
    result = gateway("check", str(written(tmp_path, GOOD.replace(*change))))
    assert result.exit_code == 2
    assert message in result.stderr
    assert str(tmp_path / "gateway.toml") in result.stderr


def test_check_names_every_mistake_at_once(tmp_path):
    text = GOOD.replace("eastron_sdm630", "x").replace('name = "mill-lane"', "nam = 1").replace("tcp:", "tpc:")
    result = gateway("check", str(written(tmp_path, text)))
    assert len(result.stderr.splitlines()) == 4


def test_a_file_that_is_not_there_is_named(tmp_path):
    result = gateway("check", str(tmp_path / "none.toml"))
    assert (result.exit_code, "No such file" in result.stderr) == (2, True)
    with pytest.raises(ConfigError, match=r"none\.toml"):
        GatewayConfig.load(tmp_path / "none.toml")


def test_check_can_read_every_meter_and_says_who_is_silent(tmp_path):
    result = gateway("check", "--connect", str(written(tmp_path, GOOD)))
    assert result.exit_code == 1
    assert "D001" in result.stdout
    assert "cannot connect" in result.stdout


def test_enrolment_makes_a_key_only_this_user_can_read_and_a_first_configuration(tmp_path, platform):
    config = tmp_path / "gateway.toml"
    result = gateway("enroll", "--server", platform.url, "--code", "K7QF", str(config))
    assert result.exit_code == 0, result.output
    credentials = load_credentials(tmp_path / "gateway-state")
    assert credentials.address in result.stdout
    assert (credentials.token, credentials.domain.chain_id) == ("secret", 20260)
    file = tmp_path / "gateway-state" / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert credentials.key.hex() not in result.output
    assert credentials.key.hex() not in repr(credentials)
    assert 'device = "D002"' in config.read_text()


def test_a_second_enrolment_keeps_the_key(tmp_path, platform):
    platform.codes["SECOND"] = ["D001"]
    config = written(tmp_path, GOOD)
    first = gateway("enroll", "--server", platform.url, "--code", "K7QF", str(config))
    key = load_credentials(tmp_path / "state").key
    second = gateway("enroll", "--server", platform.url, "--code", "SECOND", str(config))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert load_credentials(tmp_path / "state").key == key


def test_enrolment_tells_how_long_intervals_are_here(tmp_path, platform):
    platform.interval_minutes = 5
    platform.codes["SECOND"] = ["D001"]
    fresh = tmp_path / "fresh.toml"
    gateway("enroll", "--server", platform.url, "--code", "K7QF", str(fresh))
    assert "interval_minutes = 5" in fresh.read_text()
    platform.interval_minutes = 15
    result = gateway("enroll", "--server", platform.url, "--code", "SECOND", str(written(tmp_path, GOOD)))
    assert "change interval_minutes to 15, as the community has it" in result.stdout


def test_a_code_that_was_used_is_refused_in_one_line(tmp_path, platform):
    platform.codes.clear()
    result = gateway("enroll", "--server", platform.url, "--code", "K7QF", str(tmp_path / "gateway.toml"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "unknown or was used" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD, "gateway enroll"),
        (GOOD.replace('server = "http://127.0.0.1:1"', ""), "server is missing"),
        (GOOD.partition("[[meter]]")[0], "nothing to read"),
        (GOOD.replace("eastron_sdm630", "x"), "no meter profile"),
    ],
)
def test_run_refuses_what_cannot_work(tmp_path, text, message):
    result = gateway("run", str(written(tmp_path, text)))
    assert result.exit_code == 2
    assert message in result.stderr


def test_damaged_credentials_are_named(tmp_path):
    (tmp_path / "credentials.json").write_text(json.dumps({"key": "zz"}))
    with pytest.raises(CredentialsError, match="damaged"):
        load_credentials(tmp_path)


def test_a_running_gateway_ends_cleanly_when_it_is_told_to(tmp_path, platform):
    config = written(tmp_path, GOOD.replace("http://127.0.0.1:1", platform.url))
    assert gateway("enroll", "--code", "K7QF", str(config)).exit_code == 0
    process = subprocess.Popen([COMMONWATT, "gateway", "run", str(config)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == f"mill-lane reads 1 meters and delivers to {platform.url}\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_gateway_needs_none_of_the_platforms_packages():
    forbidden = ("numpy", "pandas", "pandapower", "pyomo", "flask", "web3", "sqlalchemy", "sqlmodel", "scipy")
    program = (
        "import sys, meters.gateway, meters.simulator, app.cli.gateway, app.cli.meter\n"
        f"found = [name for name in {forbidden!r} if name in sys.modules]\n"
        "sys.exit(', '.join(found) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
