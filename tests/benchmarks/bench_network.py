"""How long one interval takes to clear on SimBench networks, calm and stressed, against sorting the same prices.

The energy of a book does not depend on how many orders share it. Under stress most sellers are at the one half of the
buses and most buyers at the other. Measured in turn with `numpy.argsort` of the same prices in one run, best of
several: with the vector instructions that numpy found, and without them (`sorting.py`).

The least is what nothing can do without, in the plainest numpy: telling that no order id comes twice, adding up energy
by price and by bus, writing what is accepted, its price and its amount, and one power flow by pandapower.
"""

import json
import sys
import time

import numpy as np
from bench_clearing import NETWORK, RULES, Measures
from sorting import VECTOR_INSTRUCTIONS, Sorting

from grid.network import GridNetwork, open_network
from matching.book import CURTAILABLE, FIRM, FLEXIBLE, OrderBook
from matching.clearing import Clearing, clear

COUNTS = (10**2, 10**3, 10**4, 10**5, 10**6)
REPEATS = 5
CALM_WH, STRESSED_WH = 60_000, 2_000_000  # at least one Wh an order
ONE_SIDED = 0.6  # of the orders under stress
REGION = "simbench:1-MVLV-rural-all-0-sw"
REGION_CALM_WH, REGION_STRESSED_WH = 1_800_000, 30_000_000


def village(count: int, buses: tuple[int, ...], *, wh: int, apart: float = 0.0) -> OrderBook:
    """`count` orders in random order at some 1 100 prices: a tenth is firm, three tenths of the offers curtailable."""
    random = np.random.default_rng(count)
    half, numbers = len(buses) // 2, random.permutation(count)
    is_sell, draw = random.random(count) < 0.5, random.random(count)
    on_own_half = np.where(is_sell, 0, half) + random.integers(0, half, count)
    anywhere = random.integers(0, len(buses), count)
    mean_wh = max(1.5, wh / count)
    position = np.where(random.random(count) < apart, on_own_half, anywhere)
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


def least(book: OrderBook, network: GridNetwork) -> float:
    """Seconds of what nothing can do without; see above."""
    injection_w = np.zeros(len(network.buses))
    started = time.perf_counter()
    np.sort(book.order_ids.astype("S8").view(np.uint64))
    rank = book.limit_micro_per_kwh // 100
    np.bincount(rank * 2 + book.is_sell, weights=book.quantity_wh)
    np.bincount(book.bus, weights=book.quantity_wh)
    accepted = book.quantity_wh * (rank < 1_000)
    price = (accepted > 0) * np.int64(100_000)
    np.multiply(accepted, price)
    network.judge(injection_w, injection_w)
    return time.perf_counter() - started


def many_villages() -> Measures:
    """A medium-voltage network with all its villages: a million orders of which no row binds, and a congested book."""
    network = open_network(REGION)
    under_1_kv = network.arrays.bus_vn_kv < 1.0
    buses = tuple(np.array(network.buses)[under_1_kv].tolist())
    clear(village(200, buses, wh=REGION_CALM_WH), interval_minutes=15, rules=RULES, limits=network)  # loads the judge
    measures: Measures = {}
    for count, wh, stressed in ((10**6, REGION_CALM_WH, False), (10**4, REGION_STRESSED_WH, True)):
        book = village(count, buses, wh=wh, apart=ONE_SIDED * stressed)
        started = time.perf_counter()
        result = clear(book, interval_minutes=15, rules=RULES, limits=network)
        case = f"{len(network.buses)} buses, {count} orders {'stressed' if stressed else 'calm'}"
        measures |= {
            f"{case}, s": round(time.perf_counter() - started, 2),
            f"{case}, status, rounds": f"{result.status.value}, {result.iterations}",
            f"{case}, gap": result.certificate.gap_relative,
        }
    return measures


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    network = open_network(NETWORK)
    buses = network.buses[1:]
    stress = village(200, buses, wh=STRESSED_WH, apart=ONE_SIDED)
    clear(stress, interval_minutes=15, rules=RULES, limits=network)  # imports
    measures: Measures = {"vector instructions": " ".join(VECTOR_INSTRUCTIONS)}
    for count in COUNTS:
        for name, wh, apart in (("calm", CALM_WH, 0.0), ("stressed", STRESSED_WH, ONE_SIDED)):
            book = village(count, buses, wh=wh, apart=apart)
            floors, best, result = [float("inf")] * 3, float("inf"), None
            with Sorting(book.limit_micro_per_kwh) as sorting:
                for _ in range(REPEATS):
                    moments = [*sorting.seconds(), least(book, network)]
                    floors = [min(pair) for pair in zip(floors, moments, strict=True)]
                    started = time.perf_counter()
                    found: Clearing = clear(book, interval_minutes=15, rules=RULES, limits=network)
                    seconds = time.perf_counter() - started
                    if seconds < best:
                        best, result = seconds, found
            assert result is not None
            case = f"{count} orders {name}"
            measures |= {
                f"{case}, ms": round(best * 1e3, 1),
                f"{case}, argsort, ms": round(floors[0] * 1e3, 2),
                f"{case}, argsort without vector instructions, ms": round(floors[1] * 1e3, 2),
                f"{case}, / argsort": round(best / floors[0], 1),
                f"{case}, / argsort without vector instructions": round(best / floors[1], 1),
                f"{case}, / the least": round(best / floors[2], 1),
                f"{case}, status, rounds": f"{result.status.value}, {result.iterations}",
            }
            measures |= {f"{case}, {part}, ms": round(value * 1e3, 1) for part, value in result.seconds.items()}
    measures |= many_villages()
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
