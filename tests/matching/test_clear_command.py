"""`commonwatt clear` from file to file: what it writes, what it refuses, and that it never writes half."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from feeder_cases import two_homes

from app.cli import main

HEADER = "order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness\n"
SELL = "a-1,anna,mp-1,{bus},sell,800,120000,{firmness}\n"
BUY = "b-1,ben,mp-2,{bus},buy,500,260000,firm\n"
TWO = HEADER + SELL.format(bus="", firmness="curtailable") + BUY.format(bus="")


@pytest.fixture
def feeder(tmp_path: Path) -> Path:
    """Two homes, "oak" and "elm", on one 1.5 km cable behind a 100 kVA transformer, as a pandapower file."""
    return two_homes(tmp_path / "feeder.json")


def run(tmp_path: Path, orders: str | bytes, *options: str) -> Result:
    path = tmp_path / "orders.csv"
    path.write_bytes(orders if isinstance(orders, bytes) else orders.encode())
    return CliRunner().invoke(main, ["clear", str(path), "--out", str(tmp_path / "out"), *options])


def trades(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "out" / "trades.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def document(tmp_path: Path) -> dict[str, object]:
    return json.loads((tmp_path / "out" / "clearing.json").read_text())


def test_a_book_without_a_network(tmp_path: Path) -> None:
    result = run(tmp_path, TWO)
    assert result.exit_code == 0, result.output
    assert "green: 0.500 kWh traded at 0.1200 per kWh, 2 orders" in result.output
    assert (tmp_path / "out" / "trades.csv").read_text() == (
        "order_id,accepted_wh,curtailed_wh,price_micro_per_kwh,amount_nano\n"
        "a-1,500,0,120000,60000000\n"
        "b-1,500,0,120000,60000000\n"
    )
    written = document(tmp_path)
    expected = {
        "mechanism": "k_double_auction",
        "status": "green",
        "clearing_price_micro_per_kwh": 120_000,
        "traded_wh": 500,
        "supplier_import_wh": 0,
        "supplier_export_wh": 0,
        "loss_wh": 0,
        "welfare_nano": 500 * 140_000,
        "congestion_rent_nano": 0,
        "binding": [],
        "ac": None,
        "checked_by": None,
    }
    assert {key: written[key] for key in expected} == expected
    assert written["certificate"]["dual_welfare_nano"] == written["welfare_nano"]
    assert {"read", "book", "power_flow", "solve", "write", "total"} <= set(written["seconds"])


def test_orders_that_are_not_accepted_are_listed_without_a_price(tmp_path: Path) -> None:
    assert run(tmp_path, HEADER + SELL.format(bus="", firmness="firm")).exit_code == 0
    assert trades(tmp_path) == [
        {"order_id": "a-1", "accepted_wh": "0", "curtailed_wh": "0", "price_micro_per_kwh": "", "amount_nano": "0"}
    ]


def test_the_suppliers_prices_make_it_a_bidder(tmp_path: Path) -> None:
    result = run(tmp_path, TWO, "--supplier-price", "320000", "--feed-in-price", "80000")
    assert result.exit_code == 0
    assert document(tmp_path)["supplier_export_wh"] == 0
    only_buyer = HEADER + "b-1,ben,mp-2,,buy,500,320000,firm\n"
    assert run(tmp_path, only_buyer, "--supplier-price", "320000").exit_code == 0
    assert document(tmp_path)["supplier_import_wh"] == 500


def test_a_network_is_named_by_bus_name_or_index_and_judged_by_pandapower(tmp_path: Path, feeder: Path) -> None:
    orders = HEADER + SELL.format(bus="elm", firmness="curtailable") + BUY.format(bus="2")
    result = run(tmp_path, orders, "--network", str(feeder), "--json")
    assert result.exit_code == 0, result.output
    written = json.loads(result.output)
    assert written == document(tmp_path)
    assert written["status"] == "green"
    assert written["checked_by"].startswith("pandapower.runpp")
    assert set(written["ac"]) == {
        "min_vm_pu",
        "max_vm_pu",
        "max_line_loading_percent",
        "max_trafo_loading_percent",
        "iterations",
    }


def test_sun_beyond_the_voltage_is_curtailed_and_the_binding_limit_named(tmp_path: Path, feeder: Path) -> None:
    orders = HEADER + "s,s,m,elm,sell,9000,120000,curtailable\n" + BUY.format(bus="oak")
    result = run(tmp_path, orders, "--network", str(feeder), "--feed-in-price", "80000", "--v-max", "1.05")
    assert result.exit_code == 0, result.output
    written, (sun, _) = document(tmp_path), trades(tmp_path)
    assert written["status"] == "amber"
    assert int(sun["curtailed_wh"]) > 0
    assert int(sun["accepted_wh"]) + int(sun["curtailed_wh"]) <= 9000
    assert [(one["kind"], one["name"], one["limit"]) for one in written["binding"]] == [("voltage_high", "elm", 1.05)]
    assert 1.05 - 1e-4 < written["ac"]["max_vm_pu"] <= 1.05


def test_red_is_written_and_ends_with_3(tmp_path: Path, feeder: Path) -> None:
    result = run(tmp_path, HEADER + "s,s,m,elm,sell,9000,120000,firm\n", "--network", str(feeder), "--v-max", "1.05")
    assert result.exit_code == 3
    assert "limits cannot be kept" in result.output
    assert document(tmp_path)["status"] == "red"
    assert len(trades(tmp_path)) == 1


def test_a_baseline_is_part_of_what_flows(tmp_path: Path, feeder: Path) -> None:
    baseline = tmp_path / "baseline.csv"
    baseline.write_text("bus,injection_w,injection_var\nelm,20000,-100\noak,0,0\n")
    with_sun = ["--network", str(feeder), "--baseline", str(baseline), "--v-max", "1.05"]
    assert run(tmp_path, HEADER, *with_sun).exit_code == 3
    baseline.write_text("bus,injection_w\nelm,-1e12\n")
    assert "no power flow has a solution" in run(tmp_path, HEADER, *with_sun).output
    baseline.write_text("bus,injection_w\nelm,500\n")
    assert run(tmp_path, HEADER, *with_sun).exit_code == 0


def test_losses_can_be_bought_in_the_market(tmp_path: Path, feeder: Path) -> None:
    orders = HEADER + "s,s,m,busbar,sell,9000,120000,flexible\nb,b,n,elm,buy,2000,260000,firm\n"
    assert run(tmp_path, orders, "--network", str(feeder), "--losses", "market").exit_code == 0
    written, (seller, _) = document(tmp_path), trades(tmp_path)
    assert written["loss_wh"] > 0
    assert int(seller["accepted_wh"]) == 2000 + written["loss_wh"]


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_and_line_endings_do_not_matter(tmp_path: Path, ending: str, mark: bytes) -> None:
    assert run(tmp_path, mark + TWO.replace("\n", ending).encode()).exit_code == 0
    assert len(trades(tmp_path)) == 2


def test_columns_may_come_in_any_order_with_others_between_and_empty_lines(tmp_path: Path) -> None:
    rows = "side,note,firmness,quantity_wh,order_id,bus,limit_micro_per_kwh,metering_point,participant\n\n"
    rows += 'sell,"a, b",firm,5,x,,100000,m,p\n\nbuy,,firm,5,y,,100000,n,q\n'
    assert run(tmp_path, rows).exit_code == 0
    assert [trade["accepted_wh"] for trade in trades(tmp_path)] == ["5", "5"]


@pytest.mark.parametrize(
    ("bus", "message"),
    [("", "bus is empty"), ("birch", "birch"), ("77", "77")],
)
def test_an_unknown_bus_is_refused_with_its_line(tmp_path: Path, feeder: Path, bus: str, message: str) -> None:
    orders = HEADER + SELL.format(bus="elm", firmness="firm") + BUY.format(bus=bus)
    result = run(tmp_path, orders, "--network", str(feeder))
    assert (result.exit_code, "orders.csv line 3: " in result.output) == (2, True)
    assert message in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--mechanism", "lottery"),
            "mechanism 'lottery' does not exist; choose from k_double_auction, mid_market_rate",
        ),
        (("--losses", "market"), "leave losses to the grid"),
        (("--losses", "nobody"), "losses must be one of grid, market"),
        (("--minutes", "7"), "an interval lasts 5, 15, 30, 60 minutes"),
        (("--supplier-price", "80000", "--feed-in-price", "90000"), "must not be above the supplier price"),
        (("--network", "simbench:no-such-code"), "no-such-code"),
        (("--network", "nowhere.json"), "nowhere.json"),
    ],
)
def test_options_that_contradict_are_refused(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    result = run(tmp_path, TWO, *options)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options", [("--baseline", "baseline.csv"), ("--v-min", "0.9"), ("--v-max", "1.05"), ("--max-loading", "100")]
)
def test_what_is_said_of_a_network_is_refused_without_one(tmp_path: Path, options: tuple[str, str]) -> None:
    result = run(tmp_path, TWO, *options)
    told = f"nothing is made of {options[0]} without a network: give --network or leave out {options[0]}"
    assert (result.exit_code, told in " ".join(result.output.split())) == (2, True), result.output


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("", "line 1: the header must be bus,injection_w"),
        ("bus,injection_w\nelm,1_000\n", "line 2: injection_w '1_000' is no number; give W"),
        ("bus,injection_w\n\nelm,nan\n", "line 3: injection_w 'nan' is no number; give W"),
        ("bus,injection_w\nelm\u2028,5\nbirch,5\n", "line 3: the network has no bus named 'birch'"),
        ('bus,injection_w\n"elm,5\n', "line 2: its quotes do not match"),
        ("bus,injection_w\n" + "9" * 70_000, "line 2: longer than 65536 bytes"),
        ("bus,injection_w\n" + "9" * 5_000 + ",5\n", "line 2: the network has no bus 999"),
    ],
)
def test_a_bad_baseline_is_refused_with_its_line(tmp_path: Path, feeder: Path, baseline: str, message: str) -> None:
    path = tmp_path / "baseline.csv"
    path.write_text(baseline, encoding="utf-8")
    result = run(tmp_path, TWO.replace(",,", ",elm,"), "--network", str(feeder), "--baseline", str(path))
    assert (result.exit_code, len(result.output.splitlines())) == (2, 1)
    assert f"baseline.csv {message}" in result.output
    assert not (tmp_path / "out").exists()


def test_voltage_limits_in_the_wrong_order_are_refused(tmp_path: Path, feeder: Path) -> None:
    result = run(tmp_path, TWO, "--network", str(feeder), "--v-min", "1.2")
    assert (result.exit_code, "lowest < highest" in result.output) == (2, True)


def test_bad_input_leaves_an_earlier_result_as_it_was(tmp_path: Path) -> None:
    assert run(tmp_path, TWO).exit_code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(before) == {"trades.csv", "clearing.json", "orders.csv"}
    assert run(tmp_path, TWO + "c,ben").exit_code == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_the_result_is_the_same_in_every_process(tmp_path: Path, feeder: Path) -> None:
    rows = [f"s{k},s{k},m{k},elm,sell,3001,120000,curtailable" for k in range(3)]
    rows += [f"b{k},b{k},n{k},oak,buy,{700 + k},260000,flexible" for k in range(5)]
    results = []
    for seed, ordered in (("1", rows), ("2", rows[::-1])):
        path, out = tmp_path / f"orders{seed}.csv", tmp_path / seed
        path.write_text(HEADER + "\n".join(ordered))
        program = [sys.executable, "-c", "from app.cli import main; main()", "clear", str(path), "--out", str(out)]
        subprocess.run(
            [*program, "--network", str(feeder), "--v-max", "1.05"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        written = json.loads((out / "clearing.json").read_text())
        assert written["binding"]
        del written["seconds"]
        results.append((written, sorted((out / "trades.csv").read_text().splitlines())))
    assert results[0] == results[1]
