"""Readings from a file arrive signed, marked as imported, once however often the file is given, or not at all."""

import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from meters.imported_readings import following, read_rows
from meters.outbox import Outbox
from meters.signing import FLAG_IMPORTED

REGISTERS = "device,at,import_kwh,export_kwh\n"
INTERVALS = "device,start,import_kwh,export_kwh\n"
MONTHS = f"""{REGISTERS}D031,2026-04-01T00:00:00+02:00,12000.5,20
D031,2026-05-01T00:00:00+02:00,12250.75,31.4
D032,2026-05-01T10:15:00Z,7,0
"""
QUARTERS = f"""{INTERVALS}D031,2026-06-01T10:00:00Z,0.125,0
D031,2026-06-01T10:15:00Z,0,0.250001
D031,2026-06-01T10:30:00Z,1.5,0
"""


@pytest.fixture
def config(tmp_path: Path, platform) -> Path:
    path = tmp_path / "gateway.toml"
    tables = "".join(f'[[imported]]\ndevice = "{device}"\n' for device in ("D031", "D032"))
    path.write_text(f'[gateway]\nname = "mill-lane"\nserver = "{platform.url}"\nstate = "state"\n{tables}')
    assert CliRunner().invoke(main, ["gateway", "enroll", "--code", "K7QF", str(path)]).exit_code == 0
    from meters.credentials import load_credentials

    platform.approved.add(load_credentials(tmp_path / "state").address)
    return path


def imported(config: Path, text: str, *options: str):
    file = config.with_name("readings.csv")
    file.write_text(text)
    return CliRunner().invoke(main, ["readings", "import", str(file), "--config", str(config), *options])


def test_registers_of_months_arrive_signed_and_marked(config, platform):
    result = imported(config, MONTHS)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "3 readings imported, 0 were there already; 3 accepted" in result.stdout
    april = int(datetime(2026, 3, 31, 22, tzinfo=UTC).timestamp())
    may = int(datetime(2026, 4, 30, 22, tzinfo=UTC).timestamp())
    assert platform.accepted("D031") == [
        [0, april, 0, 12_000_500_000, 20_000_000, FLAG_IMPORTED],
        [1, april, may - april, 12_250_750_000, 31_400_000, FLAG_IMPORTED],
    ]
    assert len(platform.accepted("D032")) == 1


def test_energy_of_intervals_becomes_registers_that_begin_at_zero(config, platform):
    assert imported(config, QUARTERS).exit_code == 0
    ten = int(datetime(2026, 6, 1, 10, tzinfo=UTC).timestamp())
    assert platform.accepted("D031") == [
        [0, ten, 0, 0, 0, FLAG_IMPORTED],
        [1, ten, 900, 125_000, 0, FLAG_IMPORTED],
        [2, ten + 900, 900, 125_000, 250_001, FLAG_IMPORTED],
        [3, ten + 1800, 900, 1_625_000, 250_001, FLAG_IMPORTED],
    ]


@pytest.mark.parametrize("text", [MONTHS, QUARTERS])
def test_a_file_given_twice_and_then_longer_adds_only_what_is_new(config, platform, text):
    lines = text.splitlines(keepends=True)
    assert imported(config, "".join(lines[:-1])).exit_code == 0
    count = len(platform.accepted("D031"))
    assert "0 readings imported, 2 were there already; 0 accepted" in imported(config, "".join(lines[:-1])).stdout
    assert len(platform.accepted("D031")) == count
    assert "1 readings imported, 2 were there already; 1 accepted" in imported(config, text).stdout


def test_a_platform_that_is_away_gets_them_with_the_next_call(config, platform):
    platform.broken_answers = 100
    result = imported(config, QUARTERS)
    assert result.exit_code == 1
    assert "4 readings wait" in result.stderr
    platform.broken_answers = 0
    assert "0 readings imported, 3 were there already; 4 accepted" in imported(config, QUARTERS).stdout


def test_a_gateway_nobody_approved_yet_says_so_and_keeps_them(config, platform):
    platform.approved.clear()
    result = imported(config, QUARTERS)
    assert (result.exit_code, "D031 refused: refused unknown_key" in result.stderr) == (1, True)


def test_a_dry_run_imports_nothing(config, platform):
    result = imported(config, QUARTERS, "--dry-run")
    assert "4 readings would be imported" in result.stdout
    assert platform.posts == 0
    assert imported(config, QUARTERS).exit_code == 0


LINE = "D031,2026-06-01T10:00:00Z,0.125,0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the columns are none"),
        ("device;at;import_kwh;export_kwh\n", "separated by commas"),
        (INTERVALS + "D031,2026-06-01T10:00:00Z,0.125\n", "line 2: 3 cells where the header has 4"),
        (INTERVALS + "D033,2026-06-01T10:00:00Z,1,0\n", "line 2: device 'D033' has no [[imported]] table"),
        (INTERVALS + "D031,1.6.2026 10:00,1,0\n", "line 2, start: '1.6.2026 10:00' is no time like"),
        (INTERVALS + "D031,2026-06-01T10:00:00,1,0\n", "needs whole seconds and a zone"),
        (INTERVALS + "D031,2026-06-01T10:05:00Z,1,0\n", "is no start of an interval of 15 minutes"),
        (INTERVALS + 'D031,2026-06-01T10:00:00Z,"1,5",0\n', "line 2, import_kwh: '1,5' is no number; write 1234.5"),
        (INTERVALS + "D031,2026-06-01T10:00:00Z,-1,0\n", "'-1' is not between 0 and"),
        (INTERVALS + "D031,2026-06-01T10:00:00Z,NaN,0\n", "'NaN' is not between 0 and"),
        (INTERVALS + "D031,2026-06-01T10:00:00Z,1e999999,0\n", "is not between 0 and"),
        (INTERVALS + "D031,2026-06-01T10:00:00Z,0.0000001,0\n", "has more than six decimals"),
        (INTERVALS + "D031,2026-06-01T10:00:00Z,125,0\n", "125 kWh in 15 minutes is more than a connection of 43500 W"),
        (INTERVALS + "D031,2099-06-01T10:00:00Z,1,0\n", "lies in the future"),
        (INTERVALS + LINE + LINE, "line 3: D031 at 2026-06-01T10:15:00Z is there twice or out of order"),
        (INTERVALS + LINE + "D031,2026-06-01T10:30:00Z,0,0\n", "goes on at 2026-06-01T10:30:00Z, but ended at"),
        (REGISTERS + "D031,2026-06-01T10:00:00Z,10,0\nD031,2026-06-02T10:00:00Z,9.5,0\n",
         "line 3, import_kwh: the register of D031 falls from 10 to 9.5 kWh"),
        (INTERVALS + 'D031,"2026-06-01T10:00:00Z,1,0\n', "line 2: "),
        (INTERVALS + "D031,2026-06-01T10:00:00Z,\u0000,0\n", "line 2"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_and_nothing_of_the_file_is_imported(config, platform, text, message):
    result = imported(config, text)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.output
    assert message in result.stderr
    assert "readings.csv: line " in result.stderr
    with Outbox(config.parent / "state/imported.sqlite") as outbox:
        assert outbox.chains() == []


@pytest.mark.parametrize(
    "changed",
    [
        QUARTERS.replace("1.5,0", "1.6,0"),
        QUARTERS.replace("10:00:00Z,0.125", "09:45:00Z,1,0\nD031,2026-06-01T10:00:00Z,0.1"),
    ],
)
def test_what_contradicts_an_import_before_is_refused(config, platform, changed):
    assert imported(config, QUARTERS).exit_code == 0
    result = imported(config, changed)
    assert (result.exit_code, "what is signed stays; take this line out" in result.stderr) == (2, True)
    assert len(platform.accepted("D031")) == 4


def test_bytes_that_are_no_text_and_a_file_that_is_not_there_are_one_line(config):
    file = config.with_name("binary.csv")
    file.write_bytes(b"\xff\xfe\x00")
    for path in (file, config.with_name("none.csv")):
        result = CliRunner().invoke(main, ["readings", "import", str(path), "--config", str(config)])
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
        assert path.name in result.stderr


def test_a_device_cannot_be_read_and_imported(config):
    table = '[[meter]]\ndevice = "D031"\nprofile = "abb_b23"\naddress = "tcp://h"\n'
    config.write_text(config.read_text() + table)
    assert "two meters are D031" in imported(config, QUARTERS).stderr


def test_whatever_is_cut_into_files_the_sum_is_that_of_the_intervals():
    chance = random.Random(11)  # noqa: S311  a seeded test
    start_s = 1_780_000_200
    amounts = [Decimal(chance.randrange(2_000_000)) / 1_000_000 for _ in range(200)]
    lines = [
        f"D031,{datetime.fromtimestamp(start_s + 900 * number, UTC):%Y-%m-%dT%H:%M:%SZ},{amount},0"
        for number, amount in enumerate(amounts)
    ]
    rows = read_rows([INTERVALS, *lines], interval_s=900)
    cut = chance.randrange(1, 199)
    watts = {"D031": 43_500.0}
    whole = following(rows, {}, watts, now_s=2**40)
    assert whole[-1][1].import_mwh == int(sum(amounts) * 1_000_000)
    assert whole[: cut + 1] == following(rows[:cut], {}, watts, now_s=2**40)
