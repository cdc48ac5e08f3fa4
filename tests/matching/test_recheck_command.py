"""`commonwatt clear --check`: every kind of alteration of a result's folder is caught and named."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from feeder_cases import two_homes

from app.cli import main

HEADER = "order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness\n"
# Three equal sellers share 500 Wh: 166 each, and two by the keys of their names 167.
TIED = HEADER + "".join(f"s{n},p{n},m{n},,sell,400,120000,firm\n" for n in (1, 2, 3)) + "b,b,mb,,buy,500,260000,firm\n"
# Sun that the cable cannot carry and a battery that would sell: curtailed, refused, with a shadow price.
AMBER = (
    HEADER
    + "sun,s,m1,elm,sell,4000,120000,curtailable\nsun2,s,m1,elm,sell,5000,120000,curtailable\n"
    + "bat,t,m2,oak,sell,3000,90000,flexible\nbat2,t,m2,elm,buy,700,200000,flexible\nb,b,m3,oak,buy,500,260000,firm\n"
)
RED = (
    HEADER
    + "s,s,m1,elm,sell,9000,120000,firm\nf,f,m2,oak,sell,100,90000,flexible\nc,c,m3,oak,sell,200,90000,curtailable\n"
    + "b,b,m4,oak,buy,500,260000,firm\n"
)

Alteration = Callable[[Path], None]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["clear", *arguments])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A plain, an amber and a red result, each in its folder, as the command wrote it."""
    folder = tmp_path_factory.mktemp("results")
    feeder = two_homes(folder / "feeder.json")
    (folder / "baseline.csv").write_text("bus,injection_w\noak,-300\n")
    narrow = ["--network", str(feeder), "--v-max", "1.05", "--feed-in-price", "80000", "--supplier-price", "320000"]
    options = {"plain": [], "amber": [*narrow, "--baseline", str(folder / "baseline.csv")], "red": narrow}
    for name, orders in (("plain", TIED), ("amber", AMBER), ("red", RED)):
        (folder / f"{name}.csv").write_text(orders)
        made = invoke(str(folder / f"{name}.csv"), "--out", str(folder / name), *options[name])
        assert made.exit_code == (3 if name == "red" else 0), made.output
    return {name: folder / name for name in options}


def claim(*path: str | int, to: object) -> Alteration:
    """Another value in clearing.json; `to` may be a function of the value that is there."""

    def alter(folder: Path) -> None:
        file = folder / "clearing.json"
        document = json.loads(file.read_text())
        *way, last = path
        at = document
        for step in way:
            at = at[step]
        at[last] = to(at[last]) if callable(to) else to
        file.write_text(json.dumps(document))

    return alter


def trade(order_id: str, column: str, change: Callable[[int], int]) -> Alteration:
    """Another value in trades.csv."""
    return rows("trades.csv", lambda table: [_changed(row, order_id, column, change) for row in table])


def _changed(row: dict[str, str], order_id: str, column: str, change: Callable[[int], int]) -> dict[str, str]:
    return {**row, column: str(change(int(row[column])))} if row["order_id"] == order_id else row


def rows(file: str, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Alteration:
    """Other rows in a table."""

    def alter(folder: Path) -> None:
        with (folder / file).open(newline="") as stream:
            table = list(csv.DictReader(stream))
        altered = change(table)
        with (folder / file).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, altered[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(altered)

    return alter


def text(file: str, old: str, new: str) -> Alteration:
    """Other text in a file."""

    def alter(folder: Path) -> None:
        content = (folder / file).read_text()
        assert old in content
        (folder / file).write_text(content.replace(old, new, 1))

    return alter


def made(file: str) -> Alteration:
    """A file more."""
    return lambda folder: (folder / file).write_text("order_id\n") and None


def both(*alterations: Alteration) -> Alteration:
    def alter(folder: Path) -> None:
        for one in alterations:
            one(folder)

    return alter


def flipped_tie(table: list[dict[str, str]]) -> list[dict[str, str]]:
    """One who got 167 Wh and the one who got 166 Wh change places."""
    luckier = next(row for row in table if row["accepted_wh"] == "167")
    unlucky = next(row for row in table if row["accepted_wh"] == "166")
    for name in ("accepted_wh", "amount_nano"):
        luckier[name], unlucky[name] = unlucky[name], luckier[name]
    return table


def other_effect(effects: dict[str, float]) -> dict[str, float]:
    """Three percent more at the bus that matters most: half as much again as what is tolerated."""
    largest = max(effects, key=lambda bus: abs(effects[bus]))
    return {**effects, largest: effects[largest] * 1.03}


ROW = ("certificate", "rows", 0)
ALTERATIONS: dict[str, tuple[str, Alteration, str, str]] = {
    "price of an order": ("plain", trade("s1", "price_micro_per_kwh", lambda p: p + 100), "money", "order 's1'"),
    "price and amount": (
        "plain",
        both(
            trade("s1", "price_micro_per_kwh", lambda p: p + 100),
            trade("s1", "amount_nano", lambda a: a // 120_000 * 120_100),
        ),
        "uniform price",
        "order 's1': price 120100",
    ),
    "an order beyond its limit": ("plain", trade("b", "amount_nano", lambda a: a * 3), "own limits", "order 'b'"),
    "accepted energy": ("plain", trade("s2", "accepted_wh", lambda wh: wh + 1), "energy", "501 Wh go in and 500"),
    "accepted beyond the quantity": ("plain", trade("b", "accepted_wh", lambda _: 501), "quantities", "order 'b'"),
    "a negative quantity": ("plain", trade("s3", "accepted_wh", lambda _: -1), "quantities", "accepted_wh is -1"),
    "curtailed, which may not be": ("plain", trade("s1", "curtailed_wh", lambda _: 5), "quantities", "order 's1'"),
    "an amount": ("plain", trade("s1", "amount_nano", lambda a: a + 1), "money", "order 's1': amount_nano is"),
    "a flipped tie": ("plain", rows("trades.csv", flipped_tie), "sharing", "its share is"),
    "another seed": ("plain", claim("rules", "tie_seed", to="mine"), "sharing", "its share is"),
    "a removed line": ("plain", rows("trades.csv", lambda table: table[1:]), "listing", "leaves out order 's1'"),
    "a line twice": ("plain", rows("trades.csv", lambda table: [*table, table[0]]), "listing", "order 's1' twice"),
    "an unknown order": ("plain", text("trades.csv", "s1,", "s9,"), "listing", "'s9', which is no order"),
    "swapped lines": ("plain", rows("trades.csv", lambda table: table[::-1]), "listing", "another order"),
    "orders.csv": ("plain", text("orders.csv", "400", "401"), "book", "book_digest"),
    "who ordered": ("plain", text("orders.csv", "p1", "p2"), "book", "book_digest"),
    "traded_wh": ("plain", claim("traded_wh", to=501), "energy", "traded_wh is said to be 501, the trades give 500"),
    "supplier_import_wh": ("plain", claim("supplier_import_wh", to=1), "energy", "supplier_import_wh is 1"),
    "loss_wh": ("plain", claim("loss_wh", to=1), "energy", "loss_wh is 1"),
    "congestion_rent_nano": ("plain", claim("congestion_rent_nano", to=7), "money", "said to be 7, the trades give 0"),
    "welfare_nano": ("plain", claim("welfare_nano", to=1), "welfare", "welfare_nano is said to be 1"),
    "dual_welfare_nano": (
        "plain",
        claim("certificate", "dual_welfare_nano", to=1),
        "dual welfare",
        "dual_welfare_nano",
    ),
    "gap_relative": ("plain", claim("certificate", "gap_relative", to=0.1), "dual welfare", "gap_relative is 0.1"),
    "the certificate's price": (
        "plain",
        claim("certificate", "price_micro_per_kwh", to=120_001.0),
        "optimality",
        "0 are",
    ),
    "the clearing price": ("plain", claim("clearing_price_micro_per_kwh", to=120_100), "uniform price", "120100"),
    "the supporting prices": (
        "plain",
        claim("supporting_prices_micro_per_kwh", 1, to=130_000.0),
        "uniform price",
        "the orders give [120000, 120000]",
    ),
    "the number of orders": ("plain", claim("orders", to=5), "book", "the number of orders is said to be 5"),
    "the length of the interval": ("plain", claim("interval_minutes", to=30), "claims", "claims_digest is"),
    "who solved it": ("plain", claim("solver", to="my own"), "claims", "claims_digest is"),
    "the claims' fingerprint": ("plain", claim("claims_digest", to=""), "claims", "claims_digest is ,"),
    "parts of a result without preferences": ("plain", made("sources.csv"), "files", "sources.csv is there"),
    "a baseline that nobody used": ("plain", made("baseline.csv"), "files", "baseline.csv is there"),
    "a network that nobody used": ("plain", made("network.json"), "files", "network.json is there"),
    "status without a network": ("plain", claim("status", to="amber"), "no network", "amber"),
    "status amber": ("amber", claim("status", to="green"), "status", "green, but"),
    "status red": ("amber", claim("status", to="red"), "status", "red, but no limit is passed"),
    "a shadow price": ("amber", claim(*ROW, "shadow_price", to=lambda mu: mu * 1.01), "dual welfare", "dual_welfare"),
    "a negative shadow price": ("amber", claim(*ROW, "shadow_price", to=-1.0), "shadow prices", "below zero"),
    "a room": ("amber", claim(*ROW, "room", to=lambda room: room * 1.1), "rows", "row voltage_high"),
    "a sensitivity": ("amber", claim(*ROW, "effect_per_wh", to=other_effect), "sensitivities", "row voltage_high"),
    "a row that tells orders apart and is none": (
        "amber",
        claim(
            "certificate",
            "rows",
            to=lambda rows: [*rows, {**rows[0], "shadow_price": 0.0, "effect_per_wh": {"2": 1e-5}}],
        ),
        "sensitivities",
        "row voltage_high",
    ),
    "an element": ("amber", claim(*ROW, "element", to=99), "rows", "no such element"),
    "what binds": ("amber", claim("binding", to=[]), "binding limits", "is missing"),
    "a binding value": ("amber", claim("binding", 0, "value", to=1.04), "binding limits", "value 1.04"),
    "a voltage": ("amber", claim("ac", "max_vm_pu", to=1.049), "power flow", "max_vm_pu is said to be 1.049"),
    "a limit": ("amber", claim("inputs", "network", "v_max_pu", to=1.04), "status", "the limit is 1.04"),
    "curtailed energy": (
        "amber",
        trade("sun", "curtailed_wh", lambda wh: wh - 50),
        "quantities",
        "curtailed_wh is said",
    ),
    "who is curtailed": (
        "amber",
        both(
            trade("sun", "curtailed_wh", lambda wh: wh - 50),
            trade("sun2", "curtailed_wh", lambda wh: wh + 50),
        ),
        "curtailment",
        "equally good",
    ),
    "a locational price": (
        "amber",
        trade("bat2", "price_micro_per_kwh", lambda price: price + 100),
        "locational prices",
        "order 'bat2'",
    ),
    "another network": ("amber", text("network.json", "NAYY 4x50", "NAYY 9x50"), "network", "digest"),
    "another baseline": ("amber", text("baseline.csv", "-300", "-301"), "baseline", "baseline_sha256"),
    "the feed-in price": ("amber", claim("rules", "feed_in_price_micro_per_kwh", to=70_000), "welfare", "welfare_nano"),
    "red made amber": ("red", claim("status", to="amber"), "status", "where the limit is 1.05"),
    "red with flexible energy": ("red", trade("f", "accepted_wh", lambda _: 10), "status", "flexible orders"),
    "red with less curtailed": ("red", trade("c", "curtailed_wh", lambda _: 0), "power flow", "max_vm_pu"),
    "a limit passed in red": ("red", claim("binding", to=lambda all_: all_[1:]), "binding limits", "is missing"),
}


@pytest.mark.parametrize("name", ["plain", "amber", "red"])
def test_a_result_as_it_was_written_holds(results: dict[str, Path], name: str) -> None:
    checked = invoke("--check", str(results[name]))
    assert checked.exit_code == 0, checked.output
    assert "FAILED" not in checked.output


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_an_alteration_is_caught_and_named(results: dict[str, Path], tmp_path: Path, kind: str) -> None:
    name, alter, check, said = ALTERATIONS[kind]
    folder = shutil.copytree(results[name], tmp_path / "altered")
    alter(folder)
    checked = invoke("--check", str(folder), "--json")
    assert checked.exit_code == 1, checked.output
    wrong = {one["check"]: one["wrong"] for one in json.loads(checked.output)["checks"] if not one["holds"]}
    assert any(said in sentence for sentence in wrong.get(check, [])), wrong


@pytest.mark.parametrize(
    ("alter", "place"),
    [
        (lambda folder: (folder / "trades.csv").unlink(), "trades.csv is missing"),
        (lambda folder: (folder / "clearing.json").unlink(), "clearing.json is missing"),
        (lambda folder: (folder / "orders.csv").unlink(), "orders.csv is missing"),
        (lambda folder: (folder / "network.json").unlink(), "network.json is missing"),
        (lambda folder: (folder / "baseline.csv").unlink(), "baseline.csv is missing"),
        (lambda folder: (folder / "clearing.json").write_text("{"), "clearing.json is not JSON"),
        (text("clearing.json", '"status":', '"status": "green", "status":'), "the key 'status' is there twice"),
        (claim("bonus_nano", to=1), "'bonus_nano', which this version cannot check"),
        (claim("rules", "bonus", to=1), "'bonus', which this version cannot check"),
        (claim("mechanism", to="lottery"), "'mechanism' is not one of"),
        (claim("traded_wh", to="500"), "'traded_wh' is not a whole number"),
        (claim(*ROW, "effect_per_wh", to={"oak": 1.0}), "'effect_per_wh' is not"),
        (text("trades.csv", "sun,", "sun,x"), "trades.csv line 2"),
        (rows("trades.csv", lambda table: [{**row, "bonus_nano": "7"} for row in table]), "column 'bonus_nano' has no"),
        (claim("claims_digest", to=None), "has no 'claims_digest'"),
        (text("network.json", "pandas.core.frame", "subprocess"), "no plain network, not opened"),
        (lambda folder: (folder / "network.json").write_text("{}"), "network.json is no network"),
        (lambda folder: (folder / "network.json").write_text("null"), "network.json is no network"),
        (text("network.json", '"motor": ', '"motor": null, "more": '), "network.json is no network (table motor)"),
        (claim("certificate", "price_micro_per_kwh", to=10**30), "'price_micro_per_kwh' is not a number"),
    ],
)
def test_files_that_cannot_be_used_are_named_in_one_line(
    results: dict[str, Path], tmp_path: Path, alter: Alteration, place: str
) -> None:
    folder = shutil.copytree(results["amber"], tmp_path / "altered")
    alter(folder)
    checked = invoke("--check", str(folder))
    assert checked.exit_code == 2, checked.output
    assert place in checked.output
    assert checked.output.count("\n") == 1


def test_a_check_takes_no_orders(results: dict[str, Path]) -> None:
    folder = str(results["plain"])
    assert invoke(f"{folder}/orders.csv", "--check", folder).exit_code == 2
    assert "leave out --network" in invoke("--check", folder, "--network", "none").output
    assert invoke("--check", folder, "--out", folder).exit_code == 2
