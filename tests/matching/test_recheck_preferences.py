"""`commonwatt clear --check` of results with premiums and grid fees: alterations are named, honest results pass."""

import json
import random
import shutil
from pathlib import Path

import pytest
from feeder_cases import two_homes
from test_recheck_command import Alteration, both, claim, invoke, rows, text

PLAIN = "order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness"
HEADER = f"{PLAIN},source,feeder,zone,premiums\n"
ORDERS = (
    "sun,sue,m1,,sell,500,100000,firm,solar,f1,north,\n"
    "gas,gus,m2,,sell,1000,100000,firm,other,f2,south,\n"
    "green,gwen,m3,,buy,300,200000,firm,,f1,north,solar:20000;same_feeder:5000\n"
    "greenish,greg,m4,,buy,400,200000,firm,,f2,north,solar:10000\n"
    "grey,gil,m5,,buy,600,200000,firm,,f2,south,member:gus:1000\n"
)
FEES = "from_zone,to_zone,fee_micro_per_kwh\nnorth,north,0\nnorth,south,3000\nsouth,north,3000\nsouth,south,0\n"


def cleared(folder: Path, orders: str, *options: str, fees: str | None = FEES) -> Path:
    (folder / "book.csv").write_text(HEADER + orders)
    if fees is not None:
        (folder / "fees.csv").write_text(fees)
        options = (*options, "--grid-fees", str(folder / "fees.csv"))
    made = invoke(str(folder / "book.csv"), "--out", str(folder / "out"), *options)
    assert made.exit_code == 0, made.output
    return folder / "out"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cleared(tmp_path_factory.mktemp("example"), ORDERS)


def part(order_id: str, column: str, by: int) -> Alteration:
    """Another figure in the first part of an order."""

    def change(table: list[dict[str, str]]) -> list[dict[str, str]]:
        first = next(row for row in table if row["order_id"] == order_id)
        first[column] = str(int(first[column]) + by)
        return table

    return rows("sources.csv", change)


def paid(order_id: str, by: int) -> Alteration:
    """Another amount, in the trades and in the parts alike."""

    def change(table: list[dict[str, str]]) -> list[dict[str, str]]:
        first = next(row for row in table if row["order_id"] == order_id)
        first["amount_nano"] = str(int(first["amount_nano"]) + by)
        return table

    return both(rows("trades.csv", change), rows("sources.csv", change))


ALTERATIONS: dict[str, tuple[Alteration, str, str]] = {
    "the energy of a part": (part("green", "wh", 1), "parts", "order 'green': energy 300"),
    "the amount of a part": (part("grey", "amount_nano", 1), "parts", "order 'grey': amount_nano of a part"),
    "the fee of a part": (part("greenish", "fee_micro_per_kwh", 100), "premiums and fees", "order 'greenish': fee is"),
    "the premium of a part": (part("green", "premium_micro_per_kwh", 100), "premiums and fees", "'green': premium is"),
    "the price of a part": (part("sun", "price_micro_per_kwh", 100), "class prices", "order 'sun': price of a part"),
    "who is filled from where": (text("sources.csv", "buy,solar", "buy,lunar"), "parts", "is no class of the book"),
    "a part of somebody else": (text("sources.csv", "green,", "sun2,"), "parts", "'sun2' is no order"),
    "a part left out": (rows("sources.csv", lambda table: table[1:]), "parts", "order 'sun': energy 500"),
    "an amount in both tables": (paid("grey", 600), "budget", "congestion_rent_nano is said to be 0"),
    "an amount beyond limit and premiums": (paid("green", 10**9), "own limits", "order 'green'"),
    "what fees come to": (claim("preferences", "grid_fee_nano", to=1), "premiums and fees", "grid_fee_nano is said"),
    "what premiums come to": (
        claim("preferences", "premium_welfare_nano", to=1),
        "premiums and fees",
        "premium_welfare",
    ),
    "who has no order": (
        claim("preferences", "members_without_orders", to=["gus"]),
        "premiums and fees",
        "members_without_orders are said to be gus, the book gives",
    ),
    "a fee of the table": (
        claim("preferences", "grid_fees", 2, 2, to=2000),
        "premiums and fees",
        "fee is 3000, the book gives 2000",
    ),
    "a flow": (claim("preferences", "flows", 0, "wh", to=1), "flows", "listed otherwise"),
    "a class price": (
        claim("preferences", "seller_classes", 0, "price_micro_per_kwh", to=lambda price: price + 100),
        "class prices",
        "its class has",
    ),
    "a class worth": (
        claim("preferences", "buyer_classes", 0, "worth_micro_per_kwh", to=lambda worth: worth + 100),
        "optimality",
        "would rather buy from class",
    ),
    "a count of split orders": (claim("preferences", "split_buy_orders", to=7), "classes", "split_buy_orders is said"),
    "flexible orders left out": (claim("preferences", "flexible_left_out", to=True), "optimality", "no network"),
    "the welfare": (claim("welfare_nano", to=1), "welfare", "welfare_nano is said to be 1"),
    "the bound": (claim("certificate", "dual_welfare_nano", to=1), "optimality", "dual_welfare_nano is said to be 1"),
    "a premium of the book": (text("orders.csv", "solar:10000", "solar:10100"), "book", "book_digest"),
    "the feeder of an order": (text("orders.csv", "solar,f1", "solar,f2"), "book", "book_digest"),
}


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_an_alteration_of_preferences_is_caught_and_named(example: Path, tmp_path: Path, kind: str) -> None:
    alter, check, said = ALTERATIONS[kind]
    folder = shutil.copytree(example, tmp_path / "altered")
    alter(folder)
    assert_caught(folder, check, said)


def assert_caught(folder: Path, check: str, said: str) -> None:
    """The check fails and says what is wrong."""
    checked = invoke("--check", str(folder), "--json")
    assert checked.exit_code == 1, checked.output
    wrong = {one["check"]: one["wrong"] for one in json.loads(checked.output)["checks"] if one["holds"] is False}
    assert any(said in sentence for sentence in wrong.get(check, [])), wrong


def test_what_is_not_checked_is_not_called_right(example: Path) -> None:
    checked = invoke("--check", str(example), "--json")
    assert checked.exit_code == 0, checked.output
    unchecked = {one["check"] for one in json.loads(checked.output)["checks"] if one["holds"] is None}
    assert unchecked == {"splitting"}
    assert "1 thing is not checked" in invoke("--check", str(example)).output


@pytest.mark.parametrize("seed", range(26))
def test_a_random_book_as_it_was_cleared_holds(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (a book, no secret)
    lines = []
    for number in range(chance.randint(0, 9)):
        where = f"{chance.choice(('', 'f1', 'f2'))},{chance.choice(('north', 'south'))}"
        energy = f"{chance.choice((0, 1, 7, 400))},{100 * chance.randint(-1, 6)},{chance.choice(('firm', 'flexible'))}"
        lines.append(f"s{number},ann{number % 3},m,,sell,{energy},{chance.choice(('', 'solar', 'storage'))},{where},\n")
    for number in range(chance.randint(1, 9)):
        where = f"{chance.choice(('', 'f1', 'f2'))},{chance.choice(('north', 'south'))}"
        energy = f"{chance.choice((0, 2, 9, 300))},{100 * chance.randint(0, 8)},firm"
        wanted = chance.sample(("solar", "storage", "same_feeder", "member:b0"), chance.randint(0, 3))
        premiums = ";".join(f"{name}:{100 * chance.randint(0, 4)}" for name in wanted)
        lines.append(f"b{number},b{number},m,,buy,{energy},,{where},{premiums}\n")
    outside = ["--feed-in-price", "200", "--supplier-price", "500"] if chance.random() < 0.4 else []
    fees = FEES.replace("3000", "100").replace(",0\n", ",100\n") if seed % 2 else None
    checked = invoke("--check", str(cleared(tmp_path, "".join(lines), *outside, fees=fees)))
    assert checked.exit_code == 0, checked.output
    assert "FAILED" not in checked.output


def test_a_result_without_its_parts_is_refused(example: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(example, tmp_path / "altered")
    (folder / "sources.csv").unlink()
    checked = invoke("--check", str(folder))
    assert (checked.exit_code, "sources.csv is missing" in checked.output) == (2, True)


WITHIN_ROWS = (
    "sun,sue,m1,elm,sell,4000,80000,flexible,solar,,,\nbat,bob,m2,elm,sell,3000,90000,flexible,storage,,,\n"
    "roof,ron,m5,oak,sell,900,70000,curtailable,solar,,,\ngas,gus,m6,busbar,sell,9000,110000,firm,,,,\n"
    "green,gwen,m3,busbar,buy,3000,200000,firm,,,,solar:20000\n"
    "grey,gil,m4,busbar,buy,2500,180000,flexible,,,,storage:15000;solar:5000\n"
)


@pytest.fixture(scope="module")
def within_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sun and a battery behind a cable that carries only some of it; homes that pay more for either."""
    folder = tmp_path_factory.mktemp("rows")
    street = ("--network", str(two_homes(folder / "feeder.json")), "--v-max", "1.05")
    return cleared(folder, WITHIN_ROWS, *street, fees=None)


ROW = ("certificate", "rows", 0)
PRICES = ("certificate", "class_prices")
ALTERATIONS_WITHIN_ROWS: dict[str, tuple[Alteration, str, str]] = {
    "an amount": (paid("green", 700), "parts", "order 'green'"),
    "a certified price": (
        claim(*PRICES, "seller_nano_per_kwh", 0, to=lambda nano: nano - 1_000_000),
        "optimality",
        "would rather buy from class",
    ),
    "a certified worth": (
        claim(*PRICES, "buyer_nano_per_kwh", 0, to=lambda nano: nano - 200_000),
        "class prices",
        "the certificate's gives",
    ),
    "certified prices left out": (claim(*PRICES, to=None), "optimality", "not one price for each class"),
    "a class price": (
        claim("preferences", "seller_classes", 0, "price_micro_per_kwh", to=lambda price: price + 100),
        "class prices",
        "the certificate's gives",
    ),
    "a local price": (part("sun", "price_micro_per_kwh", 100), "locational prices", "order 'sun': price of a part"),
    "a shadow price": (claim(*ROW, "shadow_price", to=lambda mu: mu * 1.01), "optimality", "dual_welfare_nano is"),
    "a negative shadow price": (claim(*ROW, "shadow_price", to=-1.0), "optimality", "below zero"),
    "the bound": (claim("certificate", "dual_welfare_nano", to=1), "optimality", "dual_welfare_nano is 1"),
    "the gap": (claim("certificate", "gap_relative", to=0.5), "optimality", "gap_relative is 0.5"),
    "a room": (claim(*ROW, "room", to=lambda room: room * 1.1), "rows", "row voltage_high"),
}


@pytest.mark.parametrize("kind", ALTERATIONS_WITHIN_ROWS)
def test_an_alteration_within_the_limits_of_a_network_is_caught_and_named(
    within_rows: Path, tmp_path: Path, kind: str
) -> None:
    alter, check, said = ALTERATIONS_WITHIN_ROWS[kind]
    folder = shutil.copytree(within_rows, tmp_path / "altered")
    alter(folder)
    assert_caught(folder, check, said)


def test_within_the_limits_of_a_network_too_the_result_is_proved(within_rows: Path) -> None:
    assert json.loads((within_rows / "clearing.json").read_text())["certificate"]["rows"]
    checked = invoke("--check", str(within_rows), "--json")
    assert checked.exit_code == 0, checked.output
    unchecked = {one["check"] for one in json.loads(checked.output)["checks"] if one["holds"] is None}
    assert unchecked == {"price choice", "splitting"}


ON_A_FEEDER = "s,s,m1,elm,sell,500,100000,firm,\nb,b,m2,{bus},buy,500,200000,firm,same_feeder:5000\n"


@pytest.mark.parametrize(("bus", "premium_nano"), [("oak", 500 * 5000), ("busbar", 0)])
def test_feeders_that_only_the_network_tells_are_worked_out_from_it(
    tmp_path: Path, bus: str, premium_nano: int
) -> None:
    (tmp_path / "book.csv").write_text(f"{PLAIN},premiums\n" + ON_A_FEEDER.format(bus=bus))
    feeder, out = str(two_homes(tmp_path / "feeder.json")), tmp_path / "out"
    assert invoke(str(tmp_path / "book.csv"), "--out", str(out), "--network", feeder).exit_code == 0
    told = json.loads((out / "clearing.json").read_text())["preferences"]
    assert told["premium_welfare_nano"] == premium_nano
    checked = invoke("--check", str(out))
    assert (checked.exit_code, "FAILED" in checked.output) == (0, False), checked.output


def test_a_fee_that_cannot_be_one_is_refused(example: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(example, tmp_path / "altered")
    claim("preferences", "grid_fees", 2, 2, to=10**25)(folder)
    checked = invoke("--check", str(folder))
    assert (checked.exit_code, "beyond what a fee can be" in checked.output) == (2, True), checked.output


def test_who_has_more_than_the_share_of_an_equal_is_caught(tmp_path: Path) -> None:
    equal = "a,ann,m1,,sell,400,100000,firm,solar,,,\nc,cem,m2,,sell,400,100000,firm,solar,,,\n"
    folder = cleared(tmp_path, equal + "b,ben,m3,,buy,500,200000,firm,,,,solar:20000\n", fees=None)
    assert invoke("--check", str(folder)).exit_code == 0

    def moved(table: list[dict[str, str]]) -> list[dict[str, str]]:
        for row in table:
            energy = "wh" if "wh" in row else "accepted_wh"
            by = {"a": 50, "c": -50}.get(row["order_id"], 0)
            price = int(row["price_micro_per_kwh"])
            row[energy], row["amount_nano"] = str(int(row[energy]) + by), str(int(row["amount_nano"]) + by * price)
        return table

    both(rows("trades.csv", moved), rows("sources.csv", moved))(folder)
    checked = json.loads(invoke("--check", str(folder), "--json").output)["checks"]
    assert [one["check"] for one in checked if one["holds"] is False] == ["sharing"]
