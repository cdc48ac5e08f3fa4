"""Books that every platform draws alike, from SHAKE-256, and the digest of what an auction makes of them.

Run as a program it prints the digests of the engine's results, for tests that start it in other processes.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

from market_cases import DirectCurrentTree

from matching.book import OrderBook
from matching.clearing import Clearing, MarketRules, clear
from matching.orders import Firmness, Order, Side
from matching.validation import LIMIT_MAX_MICRO_PER_KWH, QUANTITY_MAX_WH

BYTES_PER_ORDER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PortableBook:
    """`count` orders of up to `most_wh` on `prices` limits from `lowest` in steps of `step`."""

    count: int
    most_wh: int
    prices: int
    lowest_micro_per_kwh: int
    step_micro_per_kwh: int = 100
    outside: tuple[int, int] | None = None

    def orders(self) -> tuple[Order, ...]:
        """Order k is drawn from the eight bytes at 8 k: side, firmness, limit (two bytes), energy (four bytes)."""
        drawn = hashlib.shake_256(repr(self).encode()).digest(BYTES_PER_ORDER * self.count)
        return tuple(self._order(k, drawn[BYTES_PER_ORDER * k :]) for k in range(self.count))

    def _order(self, number: int, drawn: bytes) -> Order:
        step = int.from_bytes(drawn[2:4], "big") % self.prices
        return Order(
            order_id=f"order {number}",
            participant=f"home {number % 97}",
            metering_point=f"meter {number}",
            side=(Side.BUY, Side.SELL)[drawn[0] % 2],
            quantity_wh=int.from_bytes(drawn[4:8], "big") % (self.most_wh + 1),
            limit_micro_per_kwh=self.lowest_micro_per_kwh + step * self.step_micro_per_kwh,
            firmness=tuple(Firmness)[drawn[1] % 3],
        )

    def rules(self) -> MarketRules:
        """The double auction at k = 0.5; the supplier bids where there are outside prices."""
        feed_in, supplier = self.outside or (None, None)
        return MarketRules(
            tie_seed="everywhere",
            supplier_price_micro_per_kwh=supplier,
            feed_in_price_micro_per_kwh=feed_in,
            supplier_bids=self.outside is not None,
        )

    def cleared(self) -> Clearing:
        """What the engine makes of it."""
        return clear(OrderBook.from_orders(self.orders()), interval_minutes=15, rules=self.rules())


PORTABLE_BOOKS = {
    "empty": PortableBook(count=0, most_wh=1, prices=1, lowest_micro_per_kwh=0),
    "five prices": PortableBook(count=500, most_wh=9, prices=5, lowest_micro_per_kwh=-200),
    "one Wh at one price": PortableBook(count=400, most_wh=1, prices=1, lowest_micro_per_kwh=100_000),
    "wide": PortableBook(count=2_000, most_wh=5_000, prices=1_000, lowest_micro_per_kwh=80_000),
    "supplied": PortableBook(
        count=500,
        most_wh=900,
        prices=20,
        lowest_micro_per_kwh=70_000,
        step_micro_per_kwh=5_000,
        outside=(75_000, 100_000),
    ),
    "largest numbers": PortableBook(
        count=300,
        most_wh=QUANTITY_MAX_WH,
        prices=3,
        lowest_micro_per_kwh=-LIMIT_MAX_MICRO_PER_KWH,
        step_micro_per_kwh=LIMIT_MAX_MICRO_PER_KWH,
    ),
}


def digest(lines: Iterable[str]) -> str:
    """SHA-256 (hex) of the lines."""
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def trade_lines(result: Clearing) -> Iterable[str]:
    """One line an order, by the bytes of its id: id, accepted Wh, price, amount; tabs between, newline after."""
    for trade in sorted(result.trades(), key=lambda trade: trade.order_id.encode()):
        price = "" if trade.price_micro_per_kwh is None else trade.price_micro_per_kwh
        yield f"{trade.order_id}\t{trade.accepted_wh}\t{price}\t{trade.amount_nano}\n"


def bound_by_a_line() -> Clearing:
    """A book that a line holds back, so that the optimiser decides: sellers behind 2 kW of line, buyers before it."""
    book = PortableBook(count=60, most_wh=900, prices=30, lowest_micro_per_kwh=80_000)
    placed = [replace(order, bus=2 if order.side is Side.SELL else 1) for order in book.orders()]
    line = DirectCurrentTree(parents=(0, 1), limits_w=(1e6, 2_000.0))
    return clear(OrderBook.from_orders(placed), interval_minutes=15, rules=book.rules(), limits=line)


def digests() -> dict[str, str]:
    """What the engine publishes of each book, whole results and not only trades."""
    return {name: book.cleared().digest() for name, book in PORTABLE_BOOKS.items()} | {
        "bound by a line": bound_by_a_line().digest()
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digests()))
