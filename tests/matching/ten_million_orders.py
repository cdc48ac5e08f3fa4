"""Clear ten million orders of the largest numbers within 4 GiB, and print what came out; a program of its own, so that
its memory is counted alone and given back.

Everybody sells or buys 100 MWh at the limit of what an order may say. Buyers ask one Wh less in total than what is
offered, so that the largest sums, products and remainders all occur: five million equal shares, one Wh to leave out.
"""

import json
import resource
import sys

import numpy as np

from matching.book import FLEXIBLE, NO_BUS, OrderBook
from matching.clearing import MarketRules, clear
from matching.validation import LIMIT_MAX_MICRO_PER_KWH, QUANTITY_MAX_WH

COUNT = 10**7
MEMORY_MAX_BYTES = 4 * 2**30


def largest_book() -> OrderBook:
    """Half sell at the lowest limit there is, half buy at the highest; the last buyer wants one Wh less."""
    is_sell = np.arange(COUNT) % 2 == 0
    quantity = np.full(COUNT, QUANTITY_MAX_WH)
    quantity[-1] -= 1
    names = np.char.mod(b"%08d", np.arange(COUNT))
    return OrderBook.from_arrays(
        order_ids=names,
        participants=names,
        metering_points=names,
        is_sell=is_sell,
        firmness_codes=np.full(COUNT, FLEXIBLE, dtype=np.int8),
        quantity_wh=quantity,
        limit_micro_per_kwh=np.where(is_sell, -LIMIT_MAX_MICRO_PER_KWH, LIMIT_MAX_MICRO_PER_KWH),
        bus=np.full(COUNT, NO_BUS),
    )


def main() -> None:
    """Clear and print the figures that have to be right."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    book = largest_book()
    result = clear(book, interval_minutes=15, rules=MarketRules(tie_seed="ten million"))
    sold, bought = result.accepted_wh[book.is_sell], result.accepted_wh[~book.is_sell]
    figures = {
        "sold_wh": int(sold.sum()),
        "bought_wh": int(bought.sum()),
        "sellers_left_short": int((sold == QUANTITY_MAX_WH - 1).sum()),
        "price": result.clearing_price_micro_per_kwh,
        "welfare_nano": result.welfare_nano,
        "bound_nano": result.certificate.dual_welfare_nano,
    }
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()
