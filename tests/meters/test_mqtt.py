"""Readings reach a real broker as Home Assistant discovers them; a broker that is away or refuses costs nothing else.

The other side is Mosquitto: its broker, its subscriber, its passwords.
"""

import json
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
from meters.gateway_config import MeterConfig, MqttConfig
from meters.mqtt import discovery
from meters.outbox import Outbox
from meters.outbox_file import OutboxError

pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.needs("mosquitto_sub")]

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return line.getsockname()[1]


@contextmanager
def broker(folder: Path, port: int):
    """Mosquitto for a user `gateway` whose password is `reading`."""
    passwords, config = folder / "passwords", folder / "mosquitto.conf"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "gateway", "reading"], check=True, capture_output=True)
    user = "user root\n" if passwords.owner() == "root" else ""
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n{user}")
    with subprocess.Popen(["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            waited_for(lambda: connects(port) and process.poll() is None)
            yield process
        finally:
            process.terminate()


def connects(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def waited_for(true, seconds: float = 180.0):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return found


def heard(port: int, topic: str, count: int = 1) -> dict[str, str]:
    """What mosquitto_sub hears, topic to text; it is started again until it has heard so many messages."""
    who = ["mosquitto_sub", "-p", str(port), "-u", "gateway", "-P", "reading"]
    command = [*who, "-t", topic, "-v", "-C", str(count), "-W", "30"]

    def lines() -> list[str]:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        return said if len(said) >= count else []

    return dict(line.split(" ", 1) for line in waited_for(lines))


@contextmanager
def simulated():
    command = [COMMONWATT, "meter", "simulate", "--listen", "127.0.0.1:0", "--profile", "eastron_sdm630"]
    options = ["--import-wh", "1234500", "--power-w", "460"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@contextmanager
def running(config: Path):
    log = config.with_name("log")
    with (
        log.open("w") as out,
        subprocess.Popen([COMMONWATT, "gateway", "run", str(config)], stdout=out, stderr=out) as process,
    ):
        try:
            yield process, log
        finally:
            process.terminate()


def written(folder: Path, platform, port: int, meter: str, said: str = "reading") -> Path:
    (folder / "password").write_text(f"{said}\n")
    path = folder / "gateway.toml"
    path.write_text(
        f'[gateway]\nname = "mill-lane"\nserver = "{platform.url}"\nstate = "state"\npoll_s = 0.3\n'
        f'[mqtt]\nbroker = "mqtt://127.0.0.1:{port}"\nuser = "gateway"\npassword_file = "{folder / "password"}"\n'
        f'[[meter]]\ndevice = "D001"\nprofile = "eastron_sdm630"\naddress = "{meter}"\n'
    )
    platform.codes.setdefault("K7QF", ["D001"])
    result = CliRunner().invoke(main, ["gateway", "enroll", "--code", "K7QF", str(path)])
    assert result.exit_code == 0, result.output
    return path


def test_home_assistant_finds_every_sensor_its_values_and_whether_the_gateway_lives(tmp_path, platform):
    port = free_port()
    with broker(tmp_path, port), simulated() as meter:
        config = written(tmp_path, platform, port, meter)
        with running(config) as (process, _log):
            sensors = heard(port, "homeassistant/sensor/+/+/config", 10)
            state = json.loads(heard(port, "commonwatt/mill-lane/D001")["commonwatt/mill-lane/D001"])
            assert heard(port, "commonwatt/mill-lane/status") == {"commonwatt/mill-lane/status": "online"}
            # As a power cut ends it: the broker says so in its place.
            process.kill()
            waited_for(
                lambda: heard(port, "commonwatt/mill-lane/status").get("commonwatt/mill-lane/status") == "offline"
            )
    assert len(sensors) == 10
    energy = json.loads(sensors["homeassistant/sensor/commonwatt_mill_lane_D001/energy_import_wh/config"])
    assert (energy["device_class"], energy["state_class"], energy["unit_of_measurement"]) == (
        "energy", "total_increasing", "Wh",
    )  # fmt: skip
    assert energy["state_topic"] == "commonwatt/mill-lane/D001"
    assert energy["availability_topic"] == "commonwatt/mill-lane/status"
    assert energy["value_template"] == "{{ value_json.energy_import_wh }}"
    assert len({json.loads(text)["unique_id"] for text in sensors.values()}) == 10
    assert 1_234_500 <= state["energy_import_wh"] < 1_234_600
    assert (state["active_power_w"], state["voltage_l1_v"], state["quality"]) == (460, 230, "measured")


def test_a_broker_that_comes_late_or_again_hears_the_gateway_and_readings_never_wait_for_it(tmp_path, platform):
    port = free_port()
    with simulated() as meter:
        config = written(tmp_path, platform, port, meter)
        with running(config) as (process, _log):
            outbox = tmp_path / "state/outbox.sqlite"
            waited_for(lambda: "D001" in states(outbox))
            for _ in range(2):
                with broker(tmp_path, port):
                    assert heard(port, "commonwatt/mill-lane/D001").keys() == {"commonwatt/mill-lane/D001"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(180) == 0


def states(outbox: Path) -> set[str]:
    try:
        with Outbox(outbox, read_only=True) as file:
            return set(file.states())
    except OutboxError:  # not made yet
        return set()


def test_a_wrong_password_is_said_and_meters_are_read_all_the_same(tmp_path, platform):
    port = free_port()
    with broker(tmp_path, port), simulated() as meter:
        config = written(tmp_path, platform, port, meter, said="guess")
        with running(config) as (_process, log):
            waited_for(lambda: "refuses this gateway: Not authorized" in log.read_text())
            waited_for(lambda: "D001" in states(tmp_path / "state/outbox.sqlite"))


def test_names_that_topics_cannot_hold_are_changed_and_stay_different_from_their_values():
    meter = MeterConfig(device="D/1 +", profile="eastron_sdm120", address="tcp://h")
    topics = discovery(meter, MqttConfig(broker="mqtt://h"), "mill-lane")
    assert {topic.split("/")[2] for topic in topics} == {"commonwatt_mill_lane_D_1__"}
    assert {document["state_topic"] for document in topics.values()} == {"commonwatt/mill-lane/D_1__"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('broker = "192.168.1.5"', "broker = '192.168.1.5' should be like mqtt://192.168.1.5:1883"),
        ("", "mqtt: broker is missing"),
        ('broker = "mqtt://h"\nprefix = "a/#"', "prefix = 'a/#' should be one word of a topic"),
        ('broker = "mqtt://h"\nhost = "h"', "mqtt: unknown key 'host'"),
        ('broker = "mqtt://h:x"', "broker = 'mqtt://h:x' should be like"),
    ],
)
def test_a_wrong_table_is_explained(tmp_path, table, message):
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\nname = "g"\nstate = "s"\n[mqtt]\n{table}\n')
    result = CliRunner().invoke(main, ["gateway", "check", str(path)])
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_a_gateway_without_the_package_says_what_to_install_and_one_without_a_broker_does_not_need_it(tmp_path):
    path = tmp_path / "gateway.toml"
    program = (
        "import sys; sys.modules['paho'] = None; from app.cli import main; main(['gateway', 'check', sys.argv[1]])"
    )
    for table, code in (('[mqtt]\nbroker = "mqtt://h"\n', 2), ("", 0)):
        path.write_text(f'[gateway]\nname = "g"\nstate = "s"\n{table}')
        command = [sys.executable, "-c", program, str(path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stderr
        assert ("pip install 'commonwatt[mqtt]'" in result.stderr) == bool(table)
