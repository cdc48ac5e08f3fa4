"""What premiums, grid fees and network limits cost: the same book cleared plainly and with each of them.

Ratios compare with the plain clearing of the same orders, measured in turn in one run, best of several.
"""

import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grid.limits import NetworkLimits
from grid.network import open_network
from matching.book import CURTAILABLE, FLEXIBLE, OrderBook
from matching.clearing import Clearing, MarketRules, clear
from matching.preferences.attributes import attributes_of_texts
from matching.preferences.fees import GridFees

NETWORK = "simbench:1-LV-rural3--2-sw"
COUNTS = (10**3, 10**4, 10**5)
REPEATS = 3
SUN_WH, DEMAND_WH = 1_500_000, 750_000  # of the whole book: more than the network carries
ZONES = ("north", "south")
FEES = GridFees.of({(a, b): 0 if a == b else 10_000 for a in ZONES for b in ZONES})
PREMIUMS = (b"", b"solar:15000", b"storage:8000", b"solar:5000;storage:20000")

Measures = dict[str, float | int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What of the book counts."""

    name: str
    premiums: bool
    fees: bool
    bound: bool


VARIANTS = (
    Variant(name="plain", premiums=False, fees=False, bound=False),
    Variant(name="premiums", premiums=True, fees=False, bound=False),
    Variant(name="premiums and fees", premiums=True, fees=True, bound=False),
    Variant(name="plain, limits bind", premiums=False, fees=False, bound=True),
    Variant(name="premiums, limits bind", premiums=True, fees=False, bound=True),
    Variant(name="premiums and fees, limits bind", premiums=True, fees=True, bound=True),
)


def book_of(count: int, buses: tuple[int, ...], *, premiums: bool) -> OrderBook:
    """`count` orders, half of them buying: flexible buyers, flexible and curtailable sellers at random homes."""
    random = np.random.default_rng(count)
    numbers = np.arange(count)
    is_sell = numbers % 2 == 1
    most_wh = np.where(is_sell, SUN_WH, DEMAND_WH) * 4 // count
    ticks = np.where(is_sell, random.integers(700, 1_500, count), random.integers(900, 1_800, count))
    source = random.choice(np.array([b"solar", b"solar", b"storage", b"other"]), count)
    zone = random.choice(np.array([each.encode() for each in ZONES]), count)
    wanted = random.choice(np.array(PREMIUMS), count)
    return OrderBook.from_arrays(
        order_ids=np.strings.add(b"o", numbers.astype("S7")),
        participants=np.strings.add(b"p", (numbers // 4).astype("S7")),
        metering_points=np.strings.add(b"m", (numbers // 2).astype("S7")),
        is_sell=is_sell,
        firmness_codes=np.where(is_sell & (random.random(count) < 0.3), CURTAILABLE, FLEXIBLE).astype(np.int8),
        quantity_wh=random.integers(1, most_wh + 1),
        limit_micro_per_kwh=100 * ticks,
        bus=random.choice(np.array(buses), count),
        attributes=attributes_of_texts(
            source=np.where(is_sell, source, b""),
            feeder=np.full(count, b""),
            zone=zone,
            premiums=np.where(~is_sell & premiums, wanted, b""),
        ),
    )


def cleared(book: OrderBook, variant: Variant, network: NetworkLimits) -> Clearing:
    """The result of one variant."""
    rules = MarketRules(
        tie_seed="bench",
        supplier_price_micro_per_kwh=180_000,
        feed_in_price_micro_per_kwh=70_000,
        grid_fees=FEES if variant.fees else None,
    )
    return clear(book, interval_minutes=15, rules=rules, limits=network if variant.bound else None)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measured(count: int, network: NetworkLimits) -> Measures:
    """All variants of one size in turn."""
    books = {each: book_of(count, network.buses[1:], premiums=each) for each in (False, True)}
    best = dict.fromkeys((variant.name for variant in VARIANTS), float("inf"))
    for _ in range(REPEATS):
        for variant in VARIANTS:
            took = seconds(lambda variant=variant: cleared(books[variant.premiums], variant, network))
            best[variant.name] = min(best[variant.name], took)
    measures: Measures = {}
    for variant in VARIANTS:
        tracemalloc.start()
        result = cleared(books[variant.premiums], variant, network)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        what = f"{count} orders, {variant.name}"
        base = "plain, limits bind" if variant.bound else "plain"
        measures |= {
            f"{what}, ms": round(best[variant.name] * 1e3, 1),
            f"{what}, / {base}": round(best[variant.name] / best[base], 2),
            f"{what}, bytes an order": round(peak / count),
        }
        if variant.bound:
            measures[f"{what}, rounds"] = result.iterations
            measures[f"{what}, gap"] = result.certificate.gap_relative
    return measures


def main(counts: list[int]) -> int:
    """Measure every size; one JSON object as the last line."""
    network = open_network(NETWORK)
    measures: Measures = {}
    for count in counts or COUNTS:
        measures |= (found := measured(count, network))
        for name, value in found.items():
            sys.stdout.write(f"{name}: {value}\n")
        sys.stdout.flush()
    sys.stdout.write(json.dumps(measures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main([int(argument) for argument in sys.argv[1:]]))
