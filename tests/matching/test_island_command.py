"""`commonwatt clear --islanded` from file to file, and `--check` of what it wrote."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from feeder_cases import two_homes

from app.cli import main
from app.cli._proof_files import claims_digest

BOOK = """order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness
battery,oak,mp-b,busbar,sell,1000,300000,flexible
oak,oak,mp-o,oak,buy,700,250000,firm
elm,elm,mp-e,elm,buy,500,250000,firm
car,elm,mp-c,elm,buy,400,280000,flexible
roof,elm,mp-r,elm,sell,100,120000,curtailable
"""
ISLAND = ("--islanded", "--lost-load", "5000000", "--grid-forming", "busbar")


@pytest.fixture
def feeder(tmp_path: Path) -> Path:
    """Two homes, "oak" and "elm", behind a transformer; its lower side is "busbar"."""
    return two_homes(tmp_path / "feeder.json")


def run(tmp_path: Path, *options: str, orders: str = BOOK) -> Result:
    path = tmp_path / "orders.csv"
    path.write_text(orders)
    return CliRunner().invoke(main, ["clear", str(path), "--out", str(tmp_path / "out"), *options])


def document(tmp_path: Path) -> dict[str, object]:
    return json.loads((tmp_path / "out" / "clearing.json").read_text())


def check(tmp_path: Path) -> Result:
    return CliRunner().invoke(main, ["clear", "--check", str(tmp_path / "out")])


def test_an_island_that_is_short_is_red_and_passes_every_check(tmp_path: Path, feeder: Path) -> None:
    result = run(tmp_path, "--network", str(feeder), *ISLAND)
    assert result.exit_code == 3, result.output
    written = document(tmp_path)
    island = written["island"]
    assert isinstance(island, dict)
    with (tmp_path / "out" / "trades.csv").open(newline="") as stream:
        accepted = {row["order_id"]: int(row["accepted_wh"]) for row in csv.DictReader(stream)}
    assert accepted["battery"] == island["grid_forming_wh"] == 1000
    assert accepted["car"] == 0
    assert accepted["oak"] + accepted["elm"] + written["loss_wh"] == 1100
    assert island["shed_wh"] == 1200 - accepted["oak"] - accepted["elm"]
    assert f"red: {island['shed_wh'] / 1000:.3f} kWh of firm demand are not served; see island" in result.output
    told = check(tmp_path)
    assert told.exit_code == 0, told.output
    assert "ok      grid-forming unit" in told.output


def test_an_island_without_a_network_is_cleared_and_checked_too(tmp_path: Path) -> None:
    enough = BOOK.replace("sell,1000", "sell,2000")
    result = run(tmp_path, "--islanded", "--lost-load", "5000000", orders=enough)
    assert result.exit_code == 0, result.output
    assert "green: 1.200 kWh traded at 0.3000 per kWh" in result.output
    assert check(tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("key", "value", "check_that_fails"),
    [
        ("shed_wh", 0, "island totals"),
        ("spilled_wh", 7, "island totals"),
        ("loss_cost_nano", 0, "island totals"),
        ("grid_forming_wh", 999, "island totals"),
        ("grid_forming_bus", 2, "island totals"),
        ("is_dark", True, "island light"),
        ("lost_load_micro_per_kwh", 4_000_000, "welfare"),
        ("lost_load_micro_per_kwh", 270_000, "island ranking"),
    ],
)
def test_a_claim_about_the_island_that_is_not_true_is_found(
    tmp_path: Path, feeder: Path, key: str, value: object, check_that_fails: str
) -> None:
    run(tmp_path, "--network", str(feeder), *ISLAND)
    written = document(tmp_path)
    assert isinstance(written["island"], dict)
    written["island"][key] = value
    (tmp_path / "out" / "clearing.json").write_text(json.dumps(written))
    told = check(tmp_path)
    assert told.exit_code == 1
    assert f"FAILED  {check_that_fails}" in told.output


def test_a_supplier_that_is_claimed_to_bid_is_found(tmp_path: Path, feeder: Path) -> None:
    run(tmp_path, "--network", str(feeder), *ISLAND)
    written = document(tmp_path)
    assert isinstance(written["rules"], dict)
    written["rules"]["supplier_bids"] = True
    written.pop("claims_digest")
    written["claims_digest"] = claims_digest(written)
    (tmp_path / "out" / "clearing.json").write_text(json.dumps(written))
    assert "island ranking: there is a supplier on an island" in check(tmp_path).output


def test_a_light_that_hides_shedding_is_found(tmp_path: Path, feeder: Path) -> None:
    run(tmp_path, "--network", str(feeder), *ISLAND)
    (tmp_path / "out" / "clearing.json").write_text(json.dumps({**document(tmp_path), "status": "amber"}))
    assert "FAILED  island light" in check(tmp_path).output


def test_energy_moved_from_one_home_to_another_is_found(tmp_path: Path, feeder: Path) -> None:
    run(tmp_path, "--network", str(feeder), *ISLAND)
    path = tmp_path / "out" / "trades.csv"
    rows = list(csv.reader(path.open(newline="")))
    for name, more in (("oak", 10), ("elm", -10)):
        row = next(row for row in rows if row[0] == name)
        row[1:3] = [str(int(row[1]) + more), str(int(row[2]) - more)]
        row[4] = str(int(row[1]) * int(row[3]))
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
    assert "FAILED  sharing" in check(tmp_path).output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--islanded",), "--islanded needs --lost-load"),
        (("--lost-load", "5000000"), "--lost-load and --grid-forming are for islands"),
        (
            ("--islanded", "--lost-load", "5000000", "--grid-forming", "busbar"),
            "--grid-forming is a bus: give --network",
        ),
        (("--islanded", "--lost-load", "0"), "the lost-load price 0 must be above zero"),
        (("--islanded", "--lost-load", "5000000", "--supplier-price", "300000"), "an island has no supplier"),
        (("--islanded", "--lost-load", "280000"), "orders.csv line 2: limit_micro_per_kwh asks 300000, above"),
    ],
)
def test_options_that_do_not_make_an_island_are_refused(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    result = run(tmp_path, *options)
    assert result.exit_code == 2
    assert says in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--islanded", "--lost-load", "5000000"), "on a network needs --grid-forming"),
        ((*ISLAND[:-1], "nowhere"), "the network has no bus named 'nowhere'"),
        ((*ISLAND, "--losses", "grid"), "let the market buy losses"),
    ],
)
def test_a_unit_or_losses_that_do_not_fit_the_network_are_refused(
    tmp_path: Path, feeder: Path, options: tuple[str, ...], says: str
) -> None:
    result = run(tmp_path, "--network", str(feeder), *options)
    assert result.exit_code == 2, result.output
    assert says in result.output


def test_an_order_behind_the_open_transformer_is_refused(tmp_path: Path, feeder: Path) -> None:
    result = run(tmp_path, "--network", str(feeder), *ISLAND, orders=BOOK.replace("mp-e,elm,", "mp-e,above,"))
    assert result.exit_code == 2
    assert "orders.csv line 4: the network has no bus named 'above'" in result.output
