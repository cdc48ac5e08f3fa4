"""The engine of this project, without a network: quantities, prices, amounts, certificate, invariants checked."""

from typing import Any

import numpy as np
from adapter import Book, Program, main

from matching.book import FLEXIBLE, NO_BUS, OrderBook
from matching.clearing import Clearing, MarketRules, clear


def prepared(book: Book) -> OrderBook:
    count = len(book.order_ids)
    return OrderBook.from_arrays(
        order_ids=book.order_ids,
        participants=book.order_ids,
        metering_points=book.order_ids,
        is_sell=book.is_sell,
        firmness_codes=np.full(count, FLEXIBLE, dtype=np.int8),
        quantity_wh=book.quantity_wh,
        limit_micro_per_kwh=book.limit_micro_per_kwh,
        bus=np.full(count, NO_BUS),
    )


def accepted(result: Clearing, _: int) -> Any:
    return result.accepted_wh


main(
    Program(
        distributions=("commonwatt", "numpy"),
        prepare=prepared,
        clear=lambda book: clear(book, interval_minutes=15, rules=MarketRules(tie_seed="comparison")),
        accepted=accepted,
    )
)
