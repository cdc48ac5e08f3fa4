"""How long one interval takes to clear: by sorting alone, and under the limits of a SimBench network."""

import json
import statistics
import sys
import time

import numpy as np

from grid.limits import NetworkLimits
from grid.network import open_network
from matching.book import OrderBook
from matching.clearing import MarketRules, clear
from matching.orders import Firmness, Order, Side

NETWORK = "simbench:1-LV-rural3--2-sw"
REPEATS = 5
RULES = MarketRules(
    tie_seed="bench", supplier_price_micro_per_kwh=180_000, feed_in_price_micro_per_kwh=70_000, thin_book_price=True
)


def book_of(count: int, buses: tuple[int, ...] | None, *, buyer_w: int, seller_w: int) -> OrderBook:
    """`count` orders, half of them buying; energies of a quarter-hour of up to these powers."""
    random = np.random.default_rng(count)
    orders = []
    for number in range(count):
        is_buyer = number % 2 == 0
        firmness = Firmness.FIRM if is_buyer else Firmness.CURTAILABLE
        orders.append(
            Order(
                order_id=f"o{number}",
                participant=f"p{number}",
                metering_point=f"mp{number}",
                side=Side.BUY if is_buyer else Side.SELL,
                quantity_wh=int(random.integers(1, (buyer_w if is_buyer else seller_w) // 4)),
                limit_micro_per_kwh=100 * int(random.integers(900, 1_800) if is_buyer else random.integers(700, 1_500)),
                firmness=firmness,
                bus=None if buses is None else int(random.choice(buses)),
            )
        )
    return OrderBook.from_orders(orders)


def median_ms(book: OrderBook, limits: NetworkLimits | None) -> tuple[float, str]:
    """Median time of some clearings and the status of the result."""
    seconds, status = [], ""
    for _ in range(REPEATS):
        started = time.perf_counter()
        status = clear(book, interval_minutes=15, rules=RULES, limits=limits).document()["status"]
        seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds) * 1_000, 1), status


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    measures: dict[str, float | str] = {}
    for count in (1_000, 100_000):
        measures[f"{count} orders, no network, ms"], _ = median_ms(
            book_of(count, None, buyer_w=4_000, seller_w=4_000), None
        )
    network = open_network(NETWORK)
    for seller_w in (1_000, 10_000):
        book = book_of(240, network.buses[1:], buyer_w=1_000, seller_w=seller_w)
        elapsed, status = median_ms(book, network)
        measures[f"240 orders, solar up to {seller_w} W, {status}, ms"] = elapsed
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
