"""What `commonwatt clear --out` may replace, and what it leaves alone."""

import json
from pathlib import Path

import pytest
from feeder_cases import two_homes
from test_recheck_command import AMBER, HEADER, TIED, invoke


def test_a_file_that_is_no_part_of_a_result_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("mine")
    (tmp_path / "today.csv").write_text(TIED)
    refused = invoke(str(tmp_path / "today.csv"), "--out", str(tmp_path))
    assert refused.exit_code == 2
    assert "choose another --out" in refused.output
    assert (tmp_path / "orders.csv").read_text() == "mine"


@pytest.mark.parametrize("name", ["network.json", "baseline.csv", "sources.csv"])
def test_a_file_that_would_be_taken_for_a_part_of_the_result_is_in_the_way(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / "today.csv").write_text(TIED)
    refused = invoke(str(tmp_path / "today.csv"), "--out", str(tmp_path))
    assert refused.exit_code == 2
    assert "would be taken for a part of this one: choose another --out" in refused.output
    assert {path.name for path in tmp_path.iterdir()} == {name, "today.csv"}


@pytest.mark.parametrize("orders", [HEADER, TIED.replace("500", "501")])
def test_a_result_of_another_book_is_not_replaced_in_silence(tmp_path: Path, orders: str) -> None:
    (tmp_path / "yesterday.csv").write_text(TIED)
    (tmp_path / "today.csv").write_text(orders)
    folder = tmp_path / "out"
    assert invoke(str(tmp_path / "yesterday.csv"), "--out", str(folder)).stderr == ""
    replacing = invoke(str(tmp_path / "today.csv"), "--out", str(folder), "--json")
    assert replacing.exit_code == 0
    assert replacing.stderr == f"note: {folder} held the result of another book (4 orders, green), which is replaced\n"
    assert json.loads(replacing.stdout)["orders"] == orders.count("\n") - 1
    again = invoke(str(tmp_path / "today.csv"), "--out", str(folder))
    assert (again.exit_code, again.stderr) == (0, "")
    assert invoke("--check", str(folder)).exit_code == 0


def test_a_new_result_in_the_same_folder_leaves_nothing_of_the_old_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "yesterday.csv").write_text(AMBER)
    (tmp_path / "today.csv").write_text(TIED)
    (tmp_path / "baseline.csv").write_text("bus,injection_w\noak,-300\n")
    folder = tmp_path / "again"
    street = ("--network", str(two_homes(tmp_path / "feeder.json")), "--baseline", str(tmp_path / "baseline.csv"))
    assert invoke(str(tmp_path / "yesterday.csv"), "--out", str(folder), *street).exit_code == 0
    assert (folder / "network.json").exists()
    assert (folder / "baseline.csv").exists()
    assert invoke(str(tmp_path / "today.csv"), "--out", str(folder)).exit_code == 0
    assert {path.name for path in folder.iterdir()} == {"clearing.json", "orders.csv", "trades.csv"}
    assert invoke("--check", str(folder)).exit_code == 0
