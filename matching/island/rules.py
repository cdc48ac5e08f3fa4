"""What is decided about an island, and the book it makes of the one that was placed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from matching.book import FIRM, FLEXIBLE, BookError, BoolArray, IntArray, OrderBook, OrderError


@dataclass(frozen=True, slots=True, kw_only=True)
class Island:
    """A feeder without a supplier.

    lost_load_micro_per_kwh  what a kWh of firm demand is worth that is not served: above every limit, on the tick
    grid_forming_bus         where the unit is that holds voltage and balance; None without a network
    """

    lost_load_micro_per_kwh: int
    grid_forming_bus: int | None = None


def is_firm_demand(book: OrderBook) -> BoolArray:
    """[n_order] demand that is served before all other and shed last."""
    firm: BoolArray = ~book.is_sell & (book.firmness_codes == FIRM)
    return firm


def as_cleared(book: OrderBook, island: Island) -> OrderBook:
    """The book that is cleared: every order flows only as far as it is accepted, firm demand bids the lost load.

    Raises BookError for orders that would come before firm demand, or never be asked.
    """
    firm = is_firm_demand(book)
    lost = island.lost_load_micro_per_kwh
    errors = _errors(
        book,
        ~firm & ~book.is_sell & (book.limit_micro_per_kwh >= lost),
        lambda limit: f"would pay {limit}, not below the value of lost load {lost}: firm demand comes first; bid less",
    )
    errors += _errors(
        book,
        book.is_sell & (book.limit_micro_per_kwh > lost),
        lambda limit: f"asks {limit}, above the value of lost load {lost}, which nobody pays; ask less",
    )
    if errors:
        raise BookError(sorted(errors, key=lambda error: error.position))
    limit: IntArray = np.where(firm, np.int64(lost), book.limit_micro_per_kwh)
    return replace(book, firmness_codes=np.full_like(book.firmness_codes, FLEXIBLE), limit_micro_per_kwh=limit)


def _errors(book: OrderBook, wrong: BoolArray, message: Callable[[int], str]) -> list[OrderError]:
    return [
        OrderError(
            position=at,
            order_id=book.order_id(at),
            field="limit_micro_per_kwh",
            message=f"limit_micro_per_kwh {message(int(book.limit_micro_per_kwh[at]))}",
        )
        for at in np.flatnonzero(wrong).tolist()
    ]
