"""The worked example of docs/grid.md: clear its book with and without the network, write the table and the picture.

.venv/bin/python tests/benchmarks/render_worked_example.py
"""

import contextlib
import csv
import json
import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from app.cli import main as commonwatt

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "full-cable"
PAGE, PICTURE = ROOT / "docs" / "grid.md", ROOT / "docs" / "images" / "full-cable.svg"
BEGIN, END = "<!-- figures: tests/benchmarks/render_worked_example.py -->\n", "<!-- end of figures -->\n"
W_PER_WH = 4


def run(*words: str) -> None:
    """One command of the program."""
    done = CliRunner().invoke(commonwatt, words)
    assert done.exit_code == 0, done.output


def cleared(folder: Path, *network: str) -> tuple[dict[str, dict[str, str]], dict]:
    """Trades by order, and the document of the clearing."""
    run("clear", str(EXAMPLE / "orders.csv"), *network, "--out", str(folder))
    with (folder / "trades.csv").open() as file:
        trades = {row["order_id"]: row for row in csv.DictReader(file)}
    return trades, json.loads((folder / "clearing.json").read_text())


def orders() -> list[dict[str, str]]:
    """The book of the example."""
    with (EXAMPLE / "orders.csv").open() as file:
        return list(csv.DictReader(file))


def write_injections(path: Path, trades: dict[str, dict[str, str]]) -> None:
    """What flows if these trades are delivered."""
    watts: dict[str, int] = {}
    for order in orders():
        sign = 1 if order["side"] == "sell" else -1
        flows = int(trades[order["order_id"]]["accepted_wh"])
        watts[order["bus"]] = watts.get(order["bus"], 0) + sign * W_PER_WH * flows
    path.write_text("bus,injection_w\n" + "".join(f"{bus},{watt}\n" for bus, watt in watts.items()))


def price(trade: dict[str, str]) -> str:
    """What an order pays or receives a kWh."""
    return f"{int(trade['price_micro_per_kwh']) / 1e6:.4f}" if trade["price_micro_per_kwh"] else "–"


def figures(plain: tuple[dict, dict], limited: tuple[dict, dict]) -> str:
    """The table of the page and the sentence below it."""
    lines = [
        "| order | at | wants | without the network | within its limits |",
        "|---|---|---|---|---|",
    ]
    for order in orders():
        before, after = (result[0][order["order_id"]] for result in (plain, limited))
        wants = f"{order['side']}s {int(order['quantity_wh']):,} Wh at {int(order['limit_micro_per_kwh']) / 1e6:.2f}"
        outcomes = [f"{int(trade['accepted_wh']):,} Wh at {price(trade)}" for trade in (before, after)]
        lines.append(f"| {order['order_id']} | {order['bus']} | {wants} | {outcomes[0]} | {outcomes[1]} |")
    document, (limit,) = limited[1], limited[1]["binding"]
    cost = (plain[1]["welfare_nano"] - document["welfare_nano"]) / 1e9
    worth, rent = limit["shadow_price"] / 1e9, document["congestion_rent_nano"] / 1e9
    lines += [
        "",
        f"- **Which line**: {limit['name']}, {limit['value']:.3f} of {limit['limit']:g} %.",
        f"- **What it cost**: {cost:.3f} of welfare in this quarter of an hour; {worth:.4f} less with 1 % more.",
        f"- **Where it went**: buyers paid {rent:.3f} more than sellers received, a rent that belongs to everybody.",
    ]
    return "\n".join(lines) + "\n"


def rendered(page: str, text: str) -> str:
    """The page with these figures."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + text + END + after


def worked_example(picture: Path) -> str:
    """The figures of the page; the picture is written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = cleared(folder / "plain", "--network", "none")
        limited = cleared(folder / "limited", "--network", str(EXAMPLE))
        for label, result in (("before", plain), ("after", limited)):
            write_injections(folder / f"{label}.csv", result[0])
        states = ("--before", str(folder / "before.csv"), "--after", str(folder / "after.csv"))
        with contextlib.chdir(ROOT):  # the title names the network as it is given
            run("grid", "plot", "--network", str(EXAMPLE.relative_to(ROOT)), *states, "--out", str(picture))
    return figures(plain, limited)


def main() -> None:
    """Renew the page and its picture."""
    PAGE.write_text(rendered(PAGE.read_text(), worked_example(PICTURE)))
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)} are written\n")


if __name__ == "__main__":
    main()
