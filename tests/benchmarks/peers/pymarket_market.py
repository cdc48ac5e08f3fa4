"""pymarket: one of its three mechanisms (third argument) on its own `Market`, each order a bid of a user of its own.

Buyers' limits are raised by half a price tick: pymarket looks for the point where demand passes from above supply to
below it, and trades nothing at all where the two curves meet at equal prices, which on a tick they nearly always do.
Half a tick makes no pair tradable that was not, and no order's place in the merit order changes.
"""

import sys
import warnings
from typing import Any

import numpy as np
import pymarket
from adapter import Book, Program, main

HALF_A_TICK_MICRO_PER_KWH = 50
MECHANISM = sys.argv[3]


def prepared(book: Book) -> pymarket.Market:
    market = pymarket.Market()
    columns = (book.is_sell.tolist(), book.quantity_wh.tolist(), book.limit_micro_per_kwh.tolist())
    for user, (is_sell, quantity, limit) in enumerate(zip(*columns, strict=True)):
        market.accept_bid(quantity, limit if is_sell else limit + HALF_A_TICK_MICRO_PER_KWH, user, not is_sell)
    return market


def cleared(market: pymarket.Market) -> Any:
    drawn = {} if MECHANISM == "huang" else {"r": np.random.RandomState(1)}
    transactions, _ = market.run(MECHANISM, **drawn)
    return transactions


def accepted(transactions: Any, count: int) -> Any:
    table = transactions.get_df()
    total = np.zeros(count)
    np.add.at(total, table.bid.to_numpy(dtype=np.int64), table.quantity.to_numpy(dtype=np.float64))
    return total


warnings.simplefilter("ignore")
main(Program(distributions=("pymarket",), prepare=prepared, clear=cleared, accepted=accepted))
