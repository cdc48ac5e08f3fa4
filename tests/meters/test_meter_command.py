"""`commonwatt meter ...` as people and programs use it: real processes, real sockets, one line for every mistake."""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.cli.meter import disagreements
from meters.decoding import Energy
from meters.interval import Quality
from meters.profile import profile_names
from meters.reading import MeterReading

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))


@contextmanager
def simulating(*arguments: str):
    """The address of `commonwatt meter simulate` on a free port."""
    command = [COMMONWATT, "meter", "simulate", "--listen", "127.0.0.1:0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        yield re.search(r"\S+://\S+", line)[0]
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")


def meter(*arguments: str):
    return CliRunner().invoke(main, ["meter", *arguments])


@pytest.mark.parametrize(
    ("profile", "import_wh", "export_wh"),
    [
        ("eastron_sdm630", 1_234_567, 89_012),
        ("abb_b23", 1_234_560, 89_010),
        ("carlo_gavazzi_em340", 1_234_500, 89_000),
        ("sunspec_203", 1_234_567, 89_012),
    ],
)
def test_a_simulated_meter_is_read_as_one_json_object(profile, import_wh, export_wh):
    options = ("--device-id", "3", "--import-wh", "1234567", "--export-wh", "89012")
    with simulating("--profile", profile, *options) as address:
        before = datetime.now(UTC)
        result = meter("read", "--profile", profile, "--device-id", "3", "--json", address)
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert list(document) == ["profile", "device_id", "read_at", "quality", "values"]
    assert (document["profile"], document["device_id"], document["quality"]) == (profile, 3, "measured")
    assert timedelta(0) <= datetime.fromisoformat(document["read_at"]) - before < timedelta(seconds=5)
    assert document["values"]["energy_import_wh"] == import_wh
    assert document["values"]["energy_export_wh"] == export_wh
    assert document["values"]["voltage_l1_v"] == 230


def test_the_registers_follow_the_power():
    with simulating("--profile", "schneider_iem3155", "--power-w", "-720000") as address:
        first = json.loads(meter("read", "--profile", "schneider_iem3155", "--json", address).stdout)["values"]
        time.sleep(0.2)
        second = json.loads(meter("read", "--profile", "schneider_iem3155", "--json", address).stdout)["values"]
    assert second["active_power_w"] == -720_000
    # 720 kW are 200 Wh a second.
    assert 40 <= second["energy_export_wh"] - first["energy_export_wh"] < 400
    assert second["energy_import_wh"] == 0


def test_registers_that_began_at_an_instant_go_on_through_a_restart():
    begun = (datetime.now(UTC) - timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    options = ("--profile", "schneider_iem3155", "--import-wh", "5000", "--power-w", "3600", "--since", begun)
    shown = []
    for _ in range(2):
        with simulating(*options) as address:
            shown.append(
                json.loads(meter("read", "--profile", "schneider_iem3155", "--json", address).stdout)["values"]
            )
    assert 0 <= shown[0]["energy_import_wh"] - 41_000 < 60
    assert 0 <= shown[1]["energy_import_wh"] - shown[0]["energy_import_wh"] < 60


def test_people_get_a_table():
    with simulating("--profile", "eastron_sdm630", "--import-wh", "1234567", "--power-w", "500") as address:
        result = meter("read", "--profile", "eastron_sdm630", address)
    assert result.exit_code == 0
    assert re.search(r"energy import +1 234 567 Wh", result.stdout)
    assert re.search(r"active power +500\.0 W", result.stdout)


def test_a_serial_converter_is_simulated_too():
    with simulating("--profile", "eastron_sdm120", "--import-wh", "5000", "--framing", "rtu") as address:
        assert address.startswith("rtutcp://")
        result = meter("read", "--profile", "eastron_sdm120", "--json", address)
    assert json.loads(result.stdout)["values"]["energy_import_wh"] == 5000


def test_a_scan_shows_the_models_and_the_profile_that_fits():
    with simulating("--profile", "sunspec_103", "--device-id", "2") as address:
        result = meter("scan", "--device-id", "2", "--json", address)
        table = meter("scan", "--device-id", "2", address)
    document = json.loads(result.stdout)
    assert [model["model"] for model in document["models"]] == [1, 103, 120, 121, 123, 124]
    assert document["profiles"] == ["sunspec_103"]
    assert "Commonwatt Simulated 103" in table.stdout


def test_a_device_without_a_sunspec_map_is_no_success():
    with simulating("--profile", "eastron_sdm630") as address:
        result = meter("scan", address)
    assert result.exit_code == 1
    assert result.stderr == "Error: no SunSpec map at 40000, 0, 50000\n"


@pytest.mark.parametrize("fault", ["silent", "exception:4", "drop", "wrong_unit", "truncate", "delay:0.8"])
@pytest.mark.parametrize("profile", ["abb_b23", "eastron_sdm630"])
def test_a_misbehaving_meter_ends_with_one_line_and_code_1(profile, fault):
    with simulating("--profile", profile, "--import-wh", "5000", "--fault", fault) as address:
        result = meter("read", "--profile", profile, "--timeout", "0.3", "--json", address)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("profile", ["abb_b23", "eastron_sdm630"])
def test_random_registers_are_never_taken_for_energy(profile):
    """One 16-bit register of noise may look like a frequency; counters of noise are out of any range."""
    with simulating("--profile", profile, "--import-wh", "5000", "--fault", "garbage") as address:
        result = meter("read", "--profile", profile, "--timeout", "0.3", "--json", address)
    if result.exit_code == 0:
        values = json.loads(result.stdout)["values"]
        assert values.get("energy_import_wh") is None
        assert values.get("energy_export_wh") is None
    else:
        assert (result.exit_code, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("fault", ["duplicate", "delay:0.1"])
def test_a_slow_or_stuttering_meter_is_read_all_the_same(fault):
    with simulating("--profile", "abb_b23", "--import-wh", "5000", "--fault", fault) as address:
        result = meter("read", "--profile", "abb_b23", "--json", address)
    assert json.loads(result.stdout)["values"]["energy_import_wh"] == 5000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["read", "--profile", "eastron", "tcp://127.0.0.1:1"], 2, "no meter profile 'eastron'"),
        (["read", "--profile", "abb_b23", "127.0.0.1:1"], 2, "no meter address"),
        (["read", "--profile", "abb_b23", "--timeout", "0.1", "tcp://127.0.0.1:1"], 1, "cannot connect"),
        (["read", "--profile", "abb_b23", "tls://127.0.0.1:1?ca=/nowhere"], 2, "certificate files"),
        (["scan", "ftp://127.0.0.1"], 2, "no meter address"),
        (["simulate", "--profile", "abb_b23", "--listen", "1502"], 2, "give HOST:PORT"),
        (["simulate", "--profile", "abb_b23", "--listen", "127.0.0.1:0", "--fault", "lazy"], 2, "unknown fault 'lazy'"),
        (["simulate", "--profile", "abb", "--listen", "127.0.0.1:0"], 2, "no meter profile 'abb'"),
        (["simulate", "--profile", "abb_b23", "--listen", "127.0.0.1:0", "--since", "2999-01-01"], 2, "in the future"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(arguments, code, message):
    result = meter(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_port_in_use_is_named():
    with simulating("--profile", "abb_b23") as address:
        taken = address.removeprefix("tcp://")
        result = meter("simulate", "--profile", "abb_b23", "--listen", taken)
    assert result.exit_code == 2
    assert f"cannot listen on {taken}" in result.stderr


def test_profiles_are_listed_with_their_status():
    rows = json.loads(meter("profiles", "--json").stdout)
    assert [row["name"] for row in rows] == list(profile_names())
    assert all(list(row) == ["name", "vendor", "model", "verified"] for row in rows)
    verified = {row["name"]: row["verified"] for row in rows}
    assert (verified["eastron_sdm630"], verified["chint_dtsu666"]) == (True, False)
    table = meter("profiles").stdout
    assert re.search(r"eastron_sdm630 +Eastron SDM630-M: verified\n", table)
    assert re.search(r"chint_dtsu666 +Chint DTSU666: not verified: energy_import_wh", table)


def test_a_profile_that_is_not_verified_is_read_with_a_word_on_standard_error():
    with simulating("--profile", "chint_dtsu666", "--import-wh", "5000") as address:
        result = meter("read", "--profile", "chint_dtsu666", "--json", address)
    assert json.loads(result.stdout)["values"]["energy_import_wh"] == 5000
    assert "not verified" in result.stderr


def reading(seconds: float, **values: float | None) -> MeterReading:
    energy = {
        name: Energy(mwh=int(value * 1000), step_mwh=1000)
        for name, value in values.items()
        if name.endswith("_wh") and value is not None
    }
    return MeterReading(
        profile="x", device_id=1, read_at=datetime(2026, 6, 1, tzinfo=UTC) + timedelta(seconds=seconds),
        uncertainty=timedelta(0), quality=Quality.MEASURED, values=values, energy=energy,
    )  # fmt: skip


def test_two_reads_of_one_meter_agree():
    first = reading(0, energy_import_wh=1000, voltage_l1_v=230, frequency_hz=50, active_power_w=-5000)
    assert (
        disagreements(first, reading(0.1, energy_import_wh=1001, voltage_l1_v=232, frequency_hz=50.1, active_power_w=9))
        == []
    )


@pytest.mark.parametrize(
    "second",
    [
        {"energy_import_wh": 990},
        {"energy_import_wh": 9113},
        {"energy_import_wh": None},
        {"voltage_l1_v": 12},
        {"frequency_hz": 60},
    ],
)
def test_two_reads_that_cannot_both_be_true_disagree(second):
    values = {"energy_import_wh": 1000, "voltage_l1_v": 230, "frequency_hz": 50}
    assert disagreements(reading(0, **values), reading(0.1, **{**values, **second})) == list(second)
