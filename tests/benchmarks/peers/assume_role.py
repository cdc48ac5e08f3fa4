"""ASSUME: the market role that its simulations call to clear one product; `simple` or `complex` (third argument)."""

import sys
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from adapter import Book, Program, main
from assume.common.market_objects import MarketConfig, MarketProduct
from assume.markets.clearing_algorithms.complex_clearing import ComplexClearingRole
from assume.markets.clearing_algorithms.simple import PayAsClearRole
from dateutil import rrule

ROLE = {"simple": PayAsClearRole, "complex": ComplexClearingRole}[sys.argv[3]]
START = datetime(2026, 6, 1, 12)  # noqa: DTZ001 (the program knows no time zones)
END = START + timedelta(minutes=15)


def prepared(book: Book) -> tuple[Any, list[dict[str, object]]]:
    """A role for one quarter-hour, and its order book: energy sold is positive, energy bought negative."""
    role = ROLE(
        MarketConfig(
            market_id="comparison",
            opening_hours=rrule.rrule(rrule.HOURLY, dtstart=START, until=END),
            opening_duration=timedelta(hours=1),
            market_mechanism="pay_as_clear",
            market_products=[MarketProduct(timedelta(minutes=15), 1, timedelta(0))],
        )
    )
    columns = (book.is_sell.tolist(), book.quantity_wh.tolist(), book.limit_micro_per_kwh.tolist())
    orders = [
        {
            "bid_id": str(number),
            "agent_addr": f"agent {number}",
            "start_time": START,
            "end_time": END,
            "only_hours": None,
            "volume": quantity if is_sell else -quantity,
            "price": limit,
            "bid_type": "SB",
            "node": "node0",
        }
        for number, (is_sell, quantity, limit) in enumerate(zip(*columns, strict=True))
    ]
    return role, orders


def accepted(result: Any, count: int) -> Any:
    total = np.zeros(count)
    for order in result[0]:
        total[int(order["bid_id"])] = abs(order["accepted_volume"])
    return total


main(
    Program(
        distributions=("assume-framework", "pyomo", "highspy"),
        prepare=prepared,
        clear=lambda own: own[0].clear(own[1], [(START, END, None)]),
        accepted=accepted,
    )
)
