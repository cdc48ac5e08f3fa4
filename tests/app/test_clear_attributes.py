"""`commonwatt clear` with premiums and grid fees: what it writes and refuses, and that others see no difference."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import main

PLAIN = "order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness"
HEADER = f"{PLAIN},source,feeder,zone,premiums\n"
ORDERS = (
    "s-1,anna,m1,,sell,500,100000,firm,solar,f1,north,\n"
    "s-2,bert,m2,,sell,1000,100000,firm,,f2,south,\n"
    "b-1,cleo,m3,,buy,300,200000,firm,,f1,north,solar:20000;same_feeder:5000\n"
    "b-2,dirk,m4,,buy,400,200000,firm,,f2,north,solar:10000\n"
    "b-3,emma,m5,,buy,600,200000,firm,,f2,south,member:bert:1000\n"
)
FEES = "from_zone,to_zone,fee_micro_per_kwh\nnorth,north,0\nnorth,south,3000\nsouth,north,3000\nsouth,south,0\n"


def run(tmp_path: Path, orders: str, *options: str, fees: str | None = None) -> Result:
    path = tmp_path / "orders.csv"
    path.write_text(orders, encoding="utf-8")
    if fees is not None:
        (tmp_path / "fees.csv").write_text(fees, encoding="utf-8")
        options = (*options, "--grid-fees", str(tmp_path / "fees.csv"))
    return CliRunner().invoke(main, ["clear", str(path), "--out", str(tmp_path / "out"), *options])


def rows(tmp_path: Path, name: str) -> list[dict[str, str]]:
    with (tmp_path / "out" / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def document(tmp_path: Path) -> dict[str, object]:
    found = json.loads((tmp_path / "out" / "clearing.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_the_parts_of_all_orders_add_up_to_trades_money_and_fees(tmp_path: Path) -> None:
    result = run(tmp_path, HEADER + ORDERS, fees=FEES)
    assert result.exit_code == 0, result.output
    trades, parts = rows(tmp_path, "trades.csv"), rows(tmp_path, "sources.csv")
    for trade in trades:
        mine = [part for part in parts if part["order_id"] == trade["order_id"]]
        assert sum(int(part["wh"]) for part in mine) == int(trade["accepted_wh"])
        assert sum(int(part["amount_nano"]) for part in mine) == int(trade["amount_nano"])
        assert [part["side"] for part in mine] == ["sell" if trade["order_id"].startswith("s") else "buy"] * len(mine)
    fees = sum(int(part["fee_nano"]) for part in parts)
    paid = sum(int(part["amount_nano"]) * (1 if part["side"] == "buy" else -1) for part in parts)
    preferences = document(tmp_path)["preferences"]
    assert isinstance(preferences, dict)
    assert paid == fees == preferences["grid_fee_nano"] == 200 * 3000
    assert preferences["premium_welfare_nano"] == 300 * 25_000 + 200 * 10_000 + 600 * 1000


def test_columns_without_content_give_byte_for_byte_the_plain_result(tmp_path: Path) -> None:
    plain = "\n".join([PLAIN, *(",".join(line.split(",")[:8]) for line in ORDERS.splitlines())]) + "\n"
    empty = "\n".join([HEADER.strip(), *(f"{line},,,," for line in plain.splitlines()[1:])]) + "\n"
    written = []
    for orders in (plain, empty):
        assert run(tmp_path, orders).exit_code == 0
        found = document(tmp_path)
        del found["seconds"]
        written.append(((tmp_path / "out" / "trades.csv").read_bytes(), json.dumps(found)))
        assert not (tmp_path / "out" / "sources.csv").exists()
        assert "preferences" not in found
    assert written[0] == written[1]


def test_a_plain_clearing_removes_the_parts_of_an_earlier_one(tmp_path: Path) -> None:
    assert run(tmp_path, HEADER + ORDERS).exit_code == 0
    assert (tmp_path / "out" / "sources.csv").exists()
    assert run(tmp_path, f"{PLAIN}\ns-1,anna,m1,,sell,500,100000,firm\n").exit_code == 0
    assert not (tmp_path / "out" / "sources.csv").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b,ben,m,,buy,1,200,firm,,,,wind:100", "premium 'wind:100' names no attribute"),
        ("b,ben,m,,buy,1,200,firm,,,,solar", "premium 'solar' names no attribute"),
        ("b,ben,m,,buy,1,200,firm,,,,solar:-100", "must be 0 or more whole micro-units per kWh"),
        ("b,ben,m,,buy,1,200,firm,,,,solar:1.5", "must be 0 or more whole micro-units per kWh"),
        ("b,ben,m,,buy,1,200,firm,,,,solar:150", "off the price tick"),
        ("b,ben,m,,buy,1,200,firm,,,,solar:100;solar:200", "premium for solar is there twice"),
        ("s,sue,m,,sell,1,200,firm,,,,solar:100", "on a sell order; only buyers name them"),
        ("b,ben,m,,buy,1,200,firm,solar,,,", "source is 'solar' on a buy order"),
        ("s,sue,m,,sell,1,200,firm,wind,,,", "source is 'wind'; write solar, storage, other"),
    ],
)
def test_what_an_order_cannot_say_is_refused_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    result = run(tmp_path, HEADER + ORDERS + line + "\n")
    assert (result.exit_code, message in result.output) == (2, True), result.output
    assert "orders.csv line 7: " in result.output
    assert not (tmp_path / "out").exists()


def test_a_premium_for_somebody_who_is_not_there_applies_to_nothing_and_is_noted(tmp_path: Path) -> None:
    with_it = ORDERS + "ben,ben,m,,buy,1,200,firm,,,,member:nobody:100\n"
    result = run(tmp_path, HEADER + with_it)
    assert result.exit_code == 0, result.output
    assert result.stderr == "note: member 'nobody' has no order: premiums for that name apply to nothing\n"
    told = json.loads((tmp_path / "out" / "clearing.json").read_text())["preferences"]
    assert told["members_without_orders"] == ["nobody"]
    assert not any("nobody" in each["class"] for each in (*told["seller_classes"], *told["buyer_classes"]))
    assert CliRunner().invoke(main, ["clear", "--check", str(tmp_path / "out")]).exit_code == 0


def test_a_premium_for_the_own_feeder_is_noted_where_no_feeder_is_known(tmp_path: Path) -> None:
    unknown = ORDERS.replace(",f1,", ",,").replace(",f2,", ",,")
    told = run(tmp_path, HEADER + unknown).stderr
    assert told.startswith(
        "note: no seller's feeder is known: premiums for same_feeder apply to nothing; give --network"
    )
    assert len(told.splitlines()) == 1
    assert "feeder" not in run(tmp_path, HEADER + ORDERS).stderr


@pytest.mark.parametrize(
    ("fees", "message"),
    [
        ("from,to,fee\n", "fees.csv line 1: the first line must be from_zone,to_zone,fee_micro_per_kwh"),
        (FEES + "north,south,100\n", "fees.csv line 6: the fee from zone 'north' to zone 'south' is there twice"),
        (FEES + "a,b,-100\n", "fees.csv line 6: the fee must be 0 or more"),
        (FEES + "a,b,150\n", "fees.csv line 6: the fee is off the price tick"),
        (FEES + "a,b,much\n", "fees.csv line 6: fee_micro_per_kwh is 'much'"),
        (FEES + "a,b\n", "fees.csv line 6: 2 cells"),
        (FEES.replace("south,north,3000\n", ""), "no grid fee from zone 'south' to zone 'north'"),
    ],
)
def test_fees_that_cannot_be_charged_are_refused(tmp_path: Path, fees: str, message: str) -> None:
    result = run(tmp_path, HEADER + ORDERS, fees=fees)
    assert (result.exit_code, message in " ".join(result.output.split())) == (2, True), result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [("--mechanism", "pay_as_bid"), ("--mechanism", "mcafee")])
def test_other_mechanisms_refuse_premiums(tmp_path: Path, options: tuple[str, ...]) -> None:
    result = run(tmp_path, HEADER + ORDERS, *options)
    assert (result.exit_code, "knows no premiums and no grid fees" in " ".join(result.output.split())) == (2, True)


def test_feeders_come_from_the_network_where_the_file_names_none(tmp_path: Path) -> None:
    """The neighbour on the same line is preferred to one behind another cable of the transformer."""
    from grid.network import open_network

    network = open_network("simbench:1-LV-rural3--2-sw")
    feeders = dict(zip(network.buses, network.feeders(network.arrays.bus_ids).tolist(), strict=True))
    one = next(bus for bus in network.buses if feeders[bus])
    far = next(bus for bus in network.buses if feeders[bus] not in (b"", feeders[one]))
    near = next(bus for bus in network.buses if feeders[bus] == feeders[one] and bus != one)
    orders = (
        f"{PLAIN},premiums\n"
        f"near,ann,m1,{near},sell,100,100000,firm,\nfar,bob,m2,{far},sell,100,100000,firm,\n"
        f"b,cleo,m3,{one},buy,100,200000,firm,same_feeder:5000\n"
    )
    result = run(tmp_path, orders, "--network", "simbench:1-LV-rural3--2-sw")
    assert result.exit_code == 0, result.output
    assert {row["order_id"]: row["accepted_wh"] for row in rows(tmp_path, "trades.csv")} == {
        "near": "100",
        "far": "0",
        "b": "100",
    }
