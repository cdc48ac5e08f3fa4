"""Every mechanism against cases worked out by hand from the literature, through the command: tests/cases/mechanisms."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from matching.mechanisms import MECHANISMS

CASES = Path(__file__).parent.parent / "cases" / "mechanisms"
FOLDERS = sorted(path for path in CASES.iterdir() if path.is_dir())


def arguments(case: Path, orders: Path, out: Path) -> list[str]:
    keys = ["--keys", str(case / "keys.csv")] if (case / "keys.csv").exists() else []
    return ["clear", str(orders), "--out", str(out), *(case / "options.txt").read_text().split(), *keys]


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.name)
def test_the_command_gives_what_was_worked_out_by_hand(case: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, arguments(case, case / "orders.csv", tmp_path))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "trades.csv").read_text() == (case / "trades.csv").read_text()
    expected = json.loads((case / "expected.json").read_text())
    document = json.loads((tmp_path / "clearing.json").read_text())
    assert {key: document[key] for key in expected} == expected
    assert document["certificate"]["dual_welfare_nano"] >= document["welfare_nano"]
    checked = CliRunner().invoke(main, ["clear", "--check", str(tmp_path)])
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.name)
def test_the_order_of_arrival_changes_nothing(case: Path, tmp_path: Path) -> None:
    header, *rows = (case / "orders.csv").read_text().splitlines(keepends=True)
    turned = tmp_path / "orders.csv"
    turned.write_text("".join([header, *reversed(rows)]))
    assert CliRunner().invoke(main, arguments(case, turned, tmp_path)).exit_code == 0
    assert sorted((tmp_path / "trades.csv").read_text().splitlines()) == sorted(
        (case / "trades.csv").read_text().splitlines()
    )


def test_every_mechanism_has_a_case_that_names_its_source() -> None:
    assert {case.name.partition("-")[0] for case in FOLDERS} == set(MECHANISMS)
    assert all("Rule: " in (case / "README.md").read_text() for case in FOLDERS)
