"""How long one interval takes to clear, and how much memory, against the least that reading the prices in order costs.

Ratios compare with `numpy.argsort` of the same prices with and without vector instructions (`sorting.py`), measured in
turn with the clearing in one run, best of several.
Memory is that of a process of its own: what numpy and Python allocate, and the peak of resident memory over a process
that has only imported the engine and loaded nothing.
"""

import gc
import json
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sorting import VECTOR_INSTRUCTIONS, Sorting

from grid.limits import NetworkLimits
from grid.network import open_network
from matching.book import CURTAILABLE, FIRM, FIRMNESS_NAMES, NO_BUS, SIDE_NAMES, OrderBook
from matching.clearing import MarketRules, clear

NETWORK = "simbench:1-LV-rural3--2-sw"
COUNTS = (10**2, 10**3, 10**4, 10**5, 10**6)
REPEATS = 7
RULES = MarketRules(tie_seed="bench", supplier_price_micro_per_kwh=180_000, feed_in_price_micro_per_kwh=70_000)

Columns = dict[str, NDArray[Any]]
Measures = dict[str, float | str]


def columns_of(count: int, buses: tuple[int, ...] | None, *, buyer_w: int, seller_w: int) -> Columns:
    """`count` orders in random order, half of them buying; energies of a quarter-hour of up to these powers.

    Four orders a participant and two a metering point; prices on some 1 100 ticks.
    """
    random = np.random.default_rng(count)
    numbers = random.permutation(count)
    is_sell = numbers % 2 == 1
    quantity_wh = random.integers(1, np.where(is_sell, seller_w, buyer_w) // 4)
    ticks = np.where(is_sell, random.integers(700, 1_500, count), random.integers(900, 1_800, count))
    return {
        "order_ids": np.strings.add(b"o", numbers.astype("S7")),
        "participants": np.strings.add(b"p", (numbers // 4).astype("S7")),
        "metering_points": np.strings.add(b"m", (numbers // 2).astype("S7")),
        "is_sell": is_sell,
        "firmness_codes": np.where(is_sell, CURTAILABLE, FIRM).astype(np.int8),
        "quantity_wh": quantity_wh,
        "limit_micro_per_kwh": 100 * ticks,
        "bus": np.full(count, NO_BUS) if buses is None else random.choice(np.array(buses), count),
    }


def timed(columns: Columns, limits: NetworkLimits | None) -> tuple[list[float], str]:
    """Best seconds of sorting with and without vector instructions, of arrays to book, and of clearing; its status."""
    best, status = [float("inf")] * 4, ""
    with Sorting(columns["limit_micro_per_kwh"]) as sorting:
        for _ in range(REPEATS):
            floors, moments = sorting.seconds(), [time.perf_counter()]
            book = OrderBook.from_arrays(**columns)
            moments.append(time.perf_counter())
            status = clear(book, interval_minutes=15, rules=RULES, limits=limits).status.value
            moments.append(time.perf_counter())
            best = [min(pair) for pair in zip(best, [*floors, *np.diff(moments).tolist()], strict=True)]
    return best, status


def curve() -> Measures:
    """Seconds over the number of orders without a network."""
    measures: Measures = {"vector instructions": " ".join(VECTOR_INSTRUCTIONS)}
    for count in COUNTS:
        (floor, plain_floor, book, solve), _ = timed(columns_of(count, None, buyer_w=4_000, seller_w=4_000), None)
        measures |= {
            f"{count} orders, argsort, ms": round(floor * 1e3, 3),
            f"{count} orders, argsort without vector instructions, ms": round(plain_floor * 1e3, 3),
            f"{count} orders, book, ms": round(book * 1e3, 3),
            f"{count} orders, solve, ms": round(solve * 1e3, 3),
            f"{count} orders, (book + solve) / argsort": round((book + solve) / floor, 2),
            f"{count} orders, (book + solve) / argsort without vector instructions": round(
                (book + solve) / plain_floor, 2
            ),
            f"{count} orders, ns an order": round((book + solve) * 1e9 / count),
        }
    return measures


def within_network() -> Measures:
    """Calm and stressed on a SimBench network."""
    measures: Measures = {}
    network = open_network(NETWORK)
    for count, seller_w in ((240, 1_000), (240, 10_000)):
        columns = columns_of(count, network.buses[1:], buyer_w=1_000, seller_w=seller_w)
        (*_, book, solve), status = timed(columns, network)
        measures[f"{count} orders, solar up to {seller_w} W, {status}, ms"] = round((book + solve) * 1e3, 1)
    return measures


def peak_resident_bytes(process: int | str = "self") -> int:
    """Highest resident memory of a process so far, 0 once it has ended; rusage would count its parent's as well."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def measure_memory(stored: Path) -> None:
    """In a process of its own: bytes an order of loading arrays, making the book and clearing it."""

    def load_and_clear(count: int | None = None) -> int:
        with np.load(stored) as arrays:
            columns = {name: arrays[name][:count].copy() for name in arrays.files}
        clear(OrderBook.from_arrays(**columns), interval_minutes=15, rules=RULES)
        return columns["bus"].size

    load_and_clear(0)  # imports everything
    before = peak_resident_bytes()
    orders = load_and_clear()
    resident = peak_resident_bytes() - before
    gc.collect()
    tracemalloc.start()
    load_and_clear()
    allocated = tracemalloc.get_traced_memory()[1]
    sys.stdout.write(json.dumps({"allocated": allocated / orders, "resident": resident / orders}) + "\n")


def memory(folder: Path) -> Measures:
    """Bytes an order for book and clearing."""
    measures: Measures = {}
    for count in COUNTS[2:]:
        stored = folder / f"{count}.npz"
        np.savez(stored, **columns_of(count, None, buyer_w=4_000, seller_w=4_000))
        command = [sys.executable, __file__, str(stored)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        measures[f"{count} orders, allocated, bytes an order"] = round(found["allocated"])
        measures[f"{count} orders, resident, bytes an order"] = round(found["resident"])
    return measures


def whole_command(folder: Path) -> Measures:
    """Seconds and peak memory of `commonwatt clear` on a million rows, and where the seconds go."""
    count, orders = COUNTS[-1], folder / "orders.csv"
    columns = columns_of(count, None, buyer_w=4_000, seller_w=4_000)
    texts = [columns[name].astype(str) for name in ("order_ids", "participants", "metering_points")]
    sides = SIDE_NAMES[columns["is_sell"].astype(np.int8)].astype(str)
    numbers = [columns[name].tolist() for name in ("quantity_wh", "limit_micro_per_kwh")]
    firmness = FIRMNESS_NAMES[columns["firmness_codes"]].astype(str)
    with orders.open("w", encoding="utf-8") as stream:
        stream.write("order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness\n")
        rows = zip(*(column.tolist() for column in (*texts, sides)), *numbers, firmness.tolist(), strict=True)
        stream.writelines(f"{o},{p},{m},,{side},{wh},{limit},{firm}\n" for o, p, m, side, wh, limit, firm in rows)
    program = Path(sys.executable).with_name("commonwatt")
    started = time.perf_counter()
    peak = 0
    with subprocess.Popen([program, "clear", orders, "--out", folder / "out"], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, peak_resident_bytes(process.pid))
            time.sleep(0.01)
    elapsed = time.perf_counter() - started
    assert process.returncode == 0, "commonwatt clear failed"
    seconds = json.loads((folder / "out" / "clearing.json").read_text(encoding="utf-8"))["seconds"]
    parts: Measures = {f"commonwatt clear, {count} rows, {name}, s": round(value, 3) for name, value in seconds.items()}
    return parts | {
        f"commonwatt clear, {count} rows, wall, s": round(elapsed, 2),
        f"commonwatt clear, {count} rows, peak, MB": round(peak / 2**20),
    }


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    with tempfile.TemporaryDirectory() as folder:
        measures = curve() | memory(Path(folder)) | whole_command(Path(folder)) | within_network()
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_memory(Path(sys.argv[1]))
    else:
        main()
