"""Commissioning finds a meter that is wired wrongly: transformers and voltages are simulated, not the checks."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from switchboard import Electrician, Switchboard

from app.cli import main
from meters import commissioning_run
from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import system_clock
from meters.commissioning import Outcome
from meters.commissioning_run import Commissioning, commission
from meters.gateway_config import MeterConfig
from meters.profile import load_profile
from meters.reader import MeterReader
from meters.simulator import SimulatedMeter, start_meters

COMMONWATT = str(Path(sys.executable).with_name("commonwatt"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commissioning_run, "PAUSE_S", 0.01)


def commissioned(board: Switchboard, *, profile="schneider_iem3155", within_s=2.0, **options) -> Commissioning:
    async def scenario() -> Commissioning:
        servers = await start_meters({0: [SimulatedMeter(profile, 1, board.values)]})
        meter = MeterConfig(device="D001", profile=profile, address=f"tcp://127.0.0.1:{servers.ports[0]}")
        bus = Bus(BusAddress.parse(meter.address), clock=system_clock)
        try:
            reader = MeterReader(load_profile(profile), bus, 1)
            electrician = Electrician(board, **options)
            return await commission(meter, reader, electrician, clock=system_clock, within_s=within_s)
        finally:
            await bus.close()
            await servers.close()

    return asyncio.run(scenario())


def refusals(report: Commissioning) -> str:
    return "; ".join(check.what for check in report.checks if check.outcome is Outcome.REFUSED)


@pytest.mark.parametrize("solar_w", [0.0, 9000.0])
def test_a_meter_that_is_wired_rightly_passes_every_check_with_and_without_solar(solar_w):
    report = commissioned(Switchboard(solar_w=solar_w))
    assert report.outcome is Outcome.PASSED, report.text()
    names = [check.name for check in report.checks]
    assert {name: names.count(name) for name in names} == {
        "display": 2, "voltage": 3, "phase": 3, "sign": 3, "registers": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wiring", "message"),
    [
        ({1: (2, 1), 2: (1, 1), 3: (3, 1)}, "current transformers of L1 and L2 are swapped"),
        ({1: (2, 1), 2: (3, 1), 3: (1, 1)}, "current transformers of L3 and L2 are swapped"),
        ({1: (1, -1), 2: (2, 1), 3: (3, 1)}, "transformer of L1 is the wrong way round"),
        ({1: (1, 1), 2: (2, 1), 3: (3, -1)}, "transformer of L3 is the wrong way round"),
        ({1: (1, -1), 2: (2, -1), 3: (3, -1)}, "transformer of L2 is the wrong way round"),
    ],
)
def test_a_current_transformer_at_the_wrong_place_is_refused_and_named(wiring, message):
    report = commissioned(Switchboard(wiring))
    assert report.outcome is Outcome.REFUSED
    assert message in refusals(report)


def test_a_meter_without_phase_currents_still_finds_a_foreign_voltage():
    report = commissioned(Switchboard({1: (2, 1), 2: (1, 1), 3: (3, 1)}), profile="sma_home_manager_2")
    assert "L1 is measured against another phase's voltage" in refusals(report)
    assert "L3" not in refusals(report)


def test_a_meter_that_counts_import_as_export_is_refused():
    """Power has the right sign, the registers the wrong one: a profile with the two addresses exchanged."""

    class Exchanged(Switchboard):
        def values(self):
            values = super().values()
            imported, exported = values["energy_import_wh"], values["energy_export_wh"]
            return values | {"energy_import_wh": exported, "energy_export_wh": imported}

    report = commissioned(Exchanged())
    assert "import on the display is export in the registers" in refusals(report)
    assert "+2450 W, but what grew is export" in refusals(report)


@pytest.mark.parametrize(
    ("display", "message"),
    [
        ({"energy_import_wh": 1.2345}, "differ by a factor of 1000"),
        ({"energy_import_wh": 12_345.0}, "differ by a factor of 10"),
        ({"energy_import_wh": 987.0}, "is it this meter"),
    ],
)
def test_a_display_that_shows_something_else_is_refused(display, message):
    assert message in refusals(commissioned(Switchboard(), display=display))


def test_what_nobody_compared_or_switched_on_stays_open_and_a_load_that_never_comes_is_refused():
    report = commissioned(Switchboard(), load_w=None, lazy=True, display={"energy_export_wh": None})
    assert report.outcome is Outcome.OPEN
    assert [check.what for check in report.checks if check.outcome is Outcome.OPEN] == [
        "export was not compared", *(f"L{phase}: no load was switched on" for phase in (1, 2, 3)),
    ]  # fmt: skip
    report = commissioned(Switchboard(), lazy=True, within_s=0.1)
    assert refusals(report).count("no load was seen") == 3


def test_a_load_of_another_size_than_was_said_is_refused_and_a_single_phase_meter_needs_one_load():
    assert commissioned(Switchboard(), profile="eastron_sdm120").outcome is Outcome.PASSED
    report = commissioned(Switchboard(), profile="eastron_sdm120", really=0.6)
    assert "2000 W switched on, power changed by +1200 W: ratio of the transformers" in refusals(report)


ANSWERS = """[D001]
import_kwh = 1234.5
export_kwh = 50.0
loads = { L1 = 2000, L2 = 1500, L3 = 1000 }
"""


def config_of(folder: Path, port: int) -> Path:
    path = folder / "gateway.toml"
    table = f'[[meter]]\ndevice = "D001"\nprofile = "schneider_iem3155"\naddress = "tcp://127.0.0.1:{port}"\n'
    path.write_text(f'[gateway]\nname = "mill-lane"\nstate = "state"\n{table}')
    (folder / "answers.toml").write_text(ANSWERS)
    return path


async def commissioned_by_command(folder: Path, board: Switchboard) -> tuple[int, str]:
    """Run the program; the loads are switched as it asks on its standard output."""
    servers = await start_meters({0: [SimulatedMeter("schneider_iem3155", 1, board.values)]})
    config = config_of(folder, servers.ports[0])
    command = [COMMONWATT, "gateway", "commission", str(config), "--answers", str(folder / "answers.toml")]
    process = await asyncio.create_subprocess_exec(*command, "--within", "10", stdout=subprocess.PIPE)
    said, on = "", (0, 0.0)
    while line := (await process.stdout.readline()).decode():
        said += line
        if " W on at L" in line:
            on = int(line.rstrip()[-1]), float(line.split("switch ")[1].split()[0])
            board.switch(*on)
        elif "switch it off" in line:
            board.switch(on[0], -on[1])
    code = await process.wait()
    await servers.close()
    return code, said


def test_the_command_follows_a_file_of_answers_and_leaves_its_report(tmp_path):
    code, said = asyncio.run(commissioned_by_command(tmp_path, Switchboard(speed=1.0)))
    assert code == 0, said
    text = (tmp_path / "state/commissioning-D001.txt").read_text()
    assert text.startswith("D001: passed, ")
    assert said.endswith(text)
    document = json.loads((tmp_path / "state/commissioning-D001.json").read_text())
    assert (document["device"], document["outcome"], len(document["checks"])) == ("D001", "passed", 12)
    assert datetime.fromisoformat(document["at"]).tzinfo == UTC


def test_the_command_refuses_swapped_transformers_with_exit_code_1(tmp_path):
    code, said = asyncio.run(
        commissioned_by_command(tmp_path, Switchboard({1: (2, 1), 2: (1, 1), 3: (3, 1)}, speed=1.0))
    )
    assert code == 1
    assert "REFUSED phase     L1: the load's current is at L2" in said
    assert json.loads((tmp_path / "state/commissioning-D001.json").read_text())["outcome"] == "refused"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ("[D002]\n", "has no table [D001]"),
        ("[D001]\nimport = 3\n", "D001: unknown key 'import'; known are export_kwh, import_kwh, loads"),
        ('[D001]\nimport_kwh = "3"\n', "import_kwh = '3' should be a number"),
        ("[D001]\nloads = { L4 = 2000 }\n", "write loads as { L1 = 2000"),
        ("[D001]\nloads = { L1 = 60 }\n", "L1 = 60 should be at least 400 W"),
        ("D001 = 1\n", "D001: is no table"),
        ("[D001\n", "answers.toml: "),
    ],
)
def test_wrong_answers_are_refused_in_one_line(tmp_path, answers, message):
    async def scenario():
        servers = await start_meters({0: [SimulatedMeter("schneider_iem3155", 1, Switchboard().values)]})
        config = config_of(tmp_path, servers.ports[0])
        (tmp_path / "answers.toml").write_text(answers)
        arguments = ["gateway", "commission", str(config), "--answers", str(tmp_path / "answers.toml")]
        result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
        await servers.close()
        return result

    result = asyncio.run(scenario())
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert message in result.stderr


def test_somebody_at_the_keyboard_is_asked_and_empty_answers_leave_checks_open(tmp_path):
    async def scenario():
        board = Switchboard(speed=1.0)
        servers = await start_meters({0: [SimulatedMeter("eastron_sdm120", 1, board.values)]})
        config = config_of(tmp_path, servers.ports[0])
        config.write_text(config.read_text().replace("schneider_iem3155", "eastron_sdm120"))
        result = await asyncio.to_thread(
            CliRunner().invoke, main, ["gateway", "commission", str(config)], input="1234,5\n50\n60\n\n"
        )
        await servers.close()
        return result

    result = asyncio.run(scenario())
    assert (result.exit_code, "give at least 400 W" in result.stdout) == (1, True)
    assert "ok      display   import: display 1234.500 kWh" in result.stdout
    assert "open    sign      L1: no load was switched on" in result.stdout
