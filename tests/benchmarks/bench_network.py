"""How long one interval takes to clear on a SimBench network, calm and stressed, against sorting the same prices.

The energy of a book does not depend on how many orders share it. Under stress most sellers are at the one half of the
buses and most buyers at the other. Measured in turn with `numpy.argsort` in one run, best of several.
"""

import json
import sys
import time

import numpy as np
from bench_clearing import NETWORK, RULES, Measures

from grid.network import open_network
from matching.book import CURTAILABLE, FIRM, FLEXIBLE, OrderBook
from matching.clearing import Clearing, clear

COUNTS = (10**2, 10**3, 10**4, 10**5, 10**6)
REPEATS = 3
CALM_WH, STRESSED_WH = 60_000, 2_000_000  # at least one Wh an order
ONE_SIDED = 0.6  # of the orders under stress


def village(count: int, buses: tuple[int, ...], *, stressed: bool) -> OrderBook:
    """`count` orders in random order at some 1 100 prices: a tenth is firm, three tenths of the offers curtailable."""
    random = np.random.default_rng(count)
    half, numbers = len(buses) // 2, random.permutation(count)
    is_sell, draw = random.random(count) < 0.5, random.random(count)
    apart = np.where(is_sell, 0, half) + random.integers(0, half, count)
    anywhere = random.integers(0, len(buses), count)
    mean_wh = max(1.5, (STRESSED_WH if stressed else CALM_WH) / count)
    position = np.where(random.random(count) < ONE_SIDED * stressed, apart, anywhere)
    ticks = np.where(is_sell, random.integers(700, 1_500, count), random.integers(900, 1_800, count))
    curtailable = is_sell & (draw < 0.4)
    return OrderBook.from_arrays(
        order_ids=np.strings.add(b"o", numbers.astype("S7")),
        participants=np.strings.add(b"p", (numbers // 4).astype("S7")),
        metering_points=np.strings.add(b"m", (numbers // 2).astype("S7")),
        is_sell=is_sell,
        firmness_codes=np.where(draw < 0.1, FIRM, np.where(curtailable, CURTAILABLE, FLEXIBLE)).astype(np.int8),
        quantity_wh=random.integers(1, round(2 * mean_wh), count),
        limit_micro_per_kwh=100 * ticks,
        bus=np.array(buses)[position],
    )


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    network = open_network(NETWORK)
    buses = network.buses[1:]
    clear(village(200, buses, stressed=True), interval_minutes=15, rules=RULES, limits=network)  # imports
    measures: Measures = {}
    for count in COUNTS:
        for name, stressed in (("calm", False), ("stressed", True)):
            book = village(count, buses, stressed=stressed)
            floor, best, result = float("inf"), float("inf"), None
            for _ in range(REPEATS):
                moments = [time.perf_counter()]
                np.argsort(book.limit_micro_per_kwh)
                moments.append(time.perf_counter())
                found: Clearing = clear(book, interval_minutes=15, rules=RULES, limits=network)
                moments.append(time.perf_counter())
                floor = min(floor, moments[1] - moments[0])
                if moments[2] - moments[1] < best:
                    best, result = moments[2] - moments[1], found
            assert result is not None
            case = f"{count} orders {name}"
            measures |= {
                f"{case}, ms": round(best * 1e3, 1),
                f"{case}, / argsort": round(best / floor, 1),
                f"{case}, status, rounds": f"{result.status.value}, {result.iterations}",
            }
            measures |= {f"{case}, {part}, ms": round(value * 1e3, 1) for part, value in result.seconds.items()}
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
