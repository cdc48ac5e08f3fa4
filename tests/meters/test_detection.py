"""Unknown meters are found on real sockets and lines: where, at which id, and what they are or may be."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from serial_line import serial_line

from app.cli import main
from meters.address import AddressError
from meters.clock import system_clock
from meters.detection import LINE_SETTINGS, detect, line_addresses
from meters.faults import Fault
from meters.recognition import Certainty, plausibility
from meters.simulator import SimulatedMeter, start_meters

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))
VALUES = {"energy_import_wh": 7_654_321, "energy_export_wh": 1_234_567, "active_power_w": 500}


def meter(profile: str, device_id: int, fault: str | None = None) -> SimulatedMeter:
    return SimulatedMeter(profile, device_id, lambda: VALUES, fault=Fault.parse(fault) if fault else None)


@asynccontextmanager
async def served(*meters: SimulatedMeter, framing="tcp"):
    servers = await start_meters({0: list(meters)}, framing=framing)
    try:
        yield servers.ports[0]
    finally:
        await servers.close()


def search(address: str, ids=range(1, 9), **options):
    wanted = {"timeout_s": 0.1, "within_s": 60.0, "report": lambda _: None, **options}
    return detect(address, device_ids=ids, clock=system_clock, **wanted)


@pytest.mark.parametrize(
    ("profile", "best"),
    [
        ("eastron_sdm630", "eastron_sdm630"),
        ("eastron_sdm120", "eastron_sdm120"),
        ("abb_b23", "abb_b23"),
        ("carlo_gavazzi_em24", "carlo_gavazzi_em24"),
        ("carlo_gavazzi_em340", "carlo_gavazzi_em340"),
        ("schneider_iem3155", "schneider_iem3155"),
        ("siemens_pac2200", "siemens_pac2200"),
        ("orno_we514", "orno_we514"),
        ("janitza_umg96rm", "janitza_umg96rm"),
        ("shelly_pro_3em", "shelly_pro_3em"),
    ],
)
def test_a_meter_that_says_nothing_of_itself_is_called_likely(profile, best):
    async def scenario():
        async with served(meter(profile, 3)) as port:
            return await search(f"tcp://127.0.0.1:{port}")

    detection = asyncio.run(scenario())
    (device,) = detection.found
    assert (device.device_id, device.recognition.certainty) == (3, Certainty.LIKELY)
    assert best in device.recognition.profiles
    assert device.recognition.values["voltage_l1_v"] == 230
    assert (detection.asked, detection.complete, detection.any_id) == (9, True, False)


def test_a_sunspec_device_says_what_it_is():
    async def scenario():
        async with served(meter("sunspec_203", 1)) as port:
            return await search(f"tcp://127.0.0.1:{port}")

    (device,) = asyncio.run(scenario()).found
    assert (device.recognition.certainty, device.recognition.profiles) == (Certainty.CERTAIN, ("sunspec_203",))
    assert device.recognition.identity == "Commonwatt Simulated 203 SIM-1"


def test_several_units_behind_a_converter_are_found_between_silent_ids():
    async def scenario():
        units = (meter("eastron_sdm630", 2), meter("abb_b23", 5), meter("eastron_sdm120", 4, "silent"))
        async with served(*units, framing="rtu") as port:
            return await search(f"rtutcp://127.0.0.1:{port}")

    found = {device.device_id: device.recognition.profiles[0] for device in asyncio.run(scenario()).found}
    assert found == {2: "eastron_sdm630", 5: "abb_b23"}


def test_the_speed_of_a_line_is_found_and_its_meters_with_it():
    async def scenario():
        async with (
            served(meter("eastron_sdm120", 2), meter("abb_b23", 6), framing="rtu") as port,
            serial_line(port, baud=38400) as path,
        ):
            return path, await search(f"rtu://{path}")

    path, detection = asyncio.run(scenario())
    assert {device.device_id for device in detection.found} == {2, 6}
    assert {device.address for device in detection.found} == {f"rtu://{path}?baud=38400&parity=N"}


def test_a_wrong_speed_that_is_insisted_on_finds_nobody():
    async def scenario():
        async with served(meter("eastron_sdm120", 1), framing="rtu") as port, serial_line(port, baud=9600) as path:
            wrong = await search(f"rtu://{path}?baud=19200&parity=N", range(1, 4))
            right = await search(f"rtu://{path}?baud=9600&parity=N", range(1, 4))
        return wrong, right

    wrong, right = asyncio.run(scenario())
    assert (wrong.found, wrong.asked, wrong.complete) == ((), 3, True)
    assert [device.device_id for device in right.found] == [1]


@pytest.mark.needs("socat")
def test_a_meter_on_a_line_of_socat_is_found(tmp_path):
    line = tmp_path / "ttyUSB0"

    async def scenario():
        async with served(meter("eastron_sdm630", 7), meter("orno_we516", 3, "silent"), framing="rtu") as port:
            command = ("socat", f"PTY,link={line},raw,echo=0", f"TCP:127.0.0.1:{port}")
            socat = await asyncio.create_subprocess_exec(*command)
            try:
                while not line.exists():  # noqa: ASYNC110  socat says nothing when it is ready
                    await asyncio.sleep(0.01)
                # A line that nobody holds open ends socat; a real one would not mind.
                held = os.open(line, os.O_RDWR | os.O_NOCTTY)
                try:
                    return await search(f"rtu://{line}?baud=9600")
                finally:
                    os.close(held)
            finally:
                socat.terminate()
                await socat.wait()

    (device,) = asyncio.run(scenario()).found
    assert (device.device_id, device.recognition.profiles) == (7, ("eastron_sdm630", "eastron_sdm72d_v2"))


def test_a_device_that_answers_to_every_id_is_listed_once():
    async def scenario():
        async with served(*(meter("schneider_iem3155", number) for number in range(1, 248))) as port:
            return await search(f"tcp://127.0.0.1:{port}", range(1, 248))

    detection = asyncio.run(scenario())
    assert (len(detection.found), detection.any_id, detection.asked) == (1, True, 4)


def test_the_search_ends_with_its_time_and_says_so():
    async def scenario():
        async with served(meter("eastron_sdm630", 200), framing="rtu") as port:
            return await search(f"rtutcp://127.0.0.1:{port}", range(1, 248), within_s=0.5)

    detection = asyncio.run(scenario())
    assert (detection.found, detection.complete) == ((), False)
    assert detection.asked < 20


def test_a_device_full_of_noise_or_refusals_is_found_but_not_recognised():
    async def scenario():
        async with served(meter("abb_b23", 1, "exception:4")) as port:
            return await search(f"tcp://127.0.0.1:{port}", range(1, 3))

    (device,) = asyncio.run(scenario()).found
    assert (device.recognition.certainty, device.recognition.profiles) == (Certainty.UNKNOWN, ())


@pytest.mark.parametrize(
    ("values", "score"),
    [
        ({"voltage_l1_v": 230, "voltage_l2_v": 231, "voltage_l3_v": 229, "frequency_hz": 50}, 4),
        ({"voltage_l1_v": 120, "frequency_hz": 60}, 2),
        ({"voltage_l1_v": 230, "voltage_l2_v": 0, "voltage_l3_v": None, "frequency_hz": 50}, 1),
        ({"voltage_l1_v": 230}, 1),
        ({"voltage_l1_v": 0, "voltage_l2_v": 230, "frequency_hz": 50}, 0),
        ({"voltage_l1_v": 230, "frequency_hz": None}, 0),
        ({"voltage_l1_v": 400, "frequency_hz": 50}, 0),
        ({}, 0),
    ],
)
def test_plausibility_counts_what_fits_less_what_does_not(values, score):
    assert plausibility(values) == score


def test_only_what_the_address_leaves_open_is_tried():
    assert line_addresses("tcp://h") == ("tcp://h",)
    assert line_addresses("rtu:///dev/x?baud=9600&parity=E") == ("rtu:///dev/x?baud=9600&parity=E",)
    assert len(line_addresses("rtu:///dev/x")) == len(LINE_SETTINGS)
    assert line_addresses("rtu:///dev/x?baud=9600&stop=2") == tuple(
        f"rtu:///dev/x?baud=9600&parity={parity}&stop=2" for parity in "NEO"
    )
    assert line_addresses("rtu:///dev/x?baud=1200")[0] == "rtu:///dev/x?baud=1200&parity=N"
    with pytest.raises(AddressError):
        line_addresses("dev/ttyUSB0")


def test_the_command_prints_one_json_object_or_a_table_to_copy():
    command = [COMMONWATT, "meter", "simulate", "--listen", "127.0.0.1:0", "--profile", "abb_b23", "--device-id", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().split()[-1]
        arguments = ["meter", "detect", "--device-ids", "1-4", address]
        try:
            document = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
            text = CliRunner().invoke(main, arguments).stdout
        finally:
            process.terminate()
    (device,) = document["devices"]
    assert (device["device_id"], device["profiles"], device["certainty"]) == (2, ["abb_b23"], "likely")
    assert document["complete"] is True
    assert f'  profile = "abb_b23"\n  address = "{address}"\n  device_id = 2\n' in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["rtu:///dev/no-such-line"], 1, "cannot connect"),
        (["tcp://127.0.0.1:1"], 1, "cannot connect"),
        (["ftp://127.0.0.1"], 2, "no meter address"),
        (["tcp://127.0.0.1:1", "--device-ids", "9-3"], 2, "give FIRST-LAST"),
        (["tcp://127.0.0.1:1", "--device-ids", "1-300"], 2, "give FIRST-LAST"),
        (["tcp://127.0.0.1:1", "--within", "0"], 2, "should be above 0"),
    ],
)
def test_a_search_that_cannot_begin_is_refused_in_one_line(arguments, code, message):
    result = CliRunner().invoke(main, ["meter", "detect", *arguments])
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (code, "", 1)
    assert message in result.stderr
