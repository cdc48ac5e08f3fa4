"""How long a million orders take from file to book and from result to file, beside Python's own csv module."""

import csv
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from app.cli._order_files import ORDER_COLUMNS, no_network, read_orders
from app.cli._result_files import read_trades, replaced, write_trades
from matching.clearing import MarketRules, clear

ORDERS = 1_000_000
REPEATS = 3


def write_orders(path: Path) -> None:
    """Two thirds of the orders share a member with another one."""
    chance = random.Random(ORDERS)  # noqa: S311 (a benchmark's data)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join(ORDER_COLUMNS) + "\n")
        for number in range(ORDERS):
            member, side = chance.randrange(ORDERS // 3), chance.choice(("buy", "sell"))
            limit, firmness = 100 * chance.randrange(700, 3_000), chance.choice(("firm", "flexible"))
            quantity = chance.randrange(5_000)
            stream.write(f"o-{number:07d},member-{member},mp-{member},,{side},{quantity},{limit},{firmness}\n")


def peak_mb() -> float:
    """The most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "orders.csv"
        write_orders(path)
        before = peak_mb()
        table = read_orders(path, no_network)
        peak_bytes = (peak_mb() - before) * 2**20
        book = table.book()
        kept_bytes = sum(column.nbytes for column in table.arrays.values())
        clearing = clear(book, interval_minutes=15, rules=MarketRules(tie_seed="bench"))
        seconds: dict[str, list[float]] = {"csv module": [], "read": [], "write": [], "read trades": []}
        for _ in range(REPEATS):
            started = time.perf_counter()
            with path.open(encoding="utf-8", newline="") as stream:
                rows = sum(1 for _ in csv.reader(stream))
            seconds["csv module"].append(time.perf_counter() - started)
            assert rows == ORDERS + 1
            started = time.perf_counter()
            read_orders(path, no_network)
            seconds["read"].append(time.perf_counter() - started)
            started = time.perf_counter()
            with replaced(folder) as open_file:
                write_trades(open_file("trades.csv"), clearing)
            seconds["write"].append(time.perf_counter() - started)
            started = time.perf_counter()
            read_trades(folder / "trades.csv")
            seconds["read trades"].append(time.perf_counter() - started)
    best = {what: min(times) for what, times in seconds.items()}
    measures = {f"{ORDERS} orders, {what}, s": round(best[what], 2) for what in ("read", "write", "read trades")}
    measures["read, times the csv module's splitting alone"] = round(best["read"] / best["csv module"], 2)
    measures["peak beyond the book while read, bytes an order"] = round((peak_bytes - kept_bytes) / ORDERS)
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
