"""What makes an order acceptable to the engine. One rule a function; each returns what it found wrong.

The bounds keep every amount below 10^18 nano-units and every sum over ten million orders within 64 bits.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from matching.book import NO_BUS, BookError, BoolArray, OrderBook, OrderError
from matching.orders import PRICE_TICK_MICRO_PER_KWH

QUANTITY_MAX_WH = 10**8
LIMIT_MAX_MICRO_PER_KWH = 10**10

Rule = Callable[[OrderBook], list[OrderError]]


def quantity_is_in_range(book: OrderBook) -> list[OrderError]:
    """Whole Wh, zero or more, at most 100 MWh."""
    wrong = (book.quantity_wh < 0) | (book.quantity_wh > QUANTITY_MAX_WH)
    return _errors(
        book,
        wrong,
        "quantity_wh",
        lambda at: f"quantity_wh is {book.quantity_wh[at]}; give 0 to {QUANTITY_MAX_WH} whole Wh",
    )


def limit_is_in_range(book: OrderBook) -> list[OrderError]:
    """At most 10 000 currency units per kWh either way."""
    wrong = np.abs(book.limit_micro_per_kwh) > LIMIT_MAX_MICRO_PER_KWH
    return _errors(
        book,
        wrong,
        "limit_micro_per_kwh",
        lambda at: (
            f"limit_micro_per_kwh is {book.limit_micro_per_kwh[at]}; "
            f"give millionths of a currency unit per kWh, at most {LIMIT_MAX_MICRO_PER_KWH}"
        ),
    )


def limit_is_on_the_tick(book: OrderBook) -> list[OrderError]:
    """A whole number of price ticks."""
    wrong = book.limit_micro_per_kwh % PRICE_TICK_MICRO_PER_KWH != 0
    return _errors(
        book,
        wrong,
        "limit_micro_per_kwh",
        lambda at: (
            f"limit_micro_per_kwh {book.limit_micro_per_kwh[at]} is off the price tick; "
            f"give a multiple of {PRICE_TICK_MICRO_PER_KWH}"
        ),
    )


def order_id_is_unique(book: OrderBook) -> list[OrderError]:
    """No identifier twice; the later orders are named."""
    names = book.order_ids.tolist()
    if len(set(names)) == len(names):
        return []
    left = Counter(names)
    first: dict[bytes, int] = {}
    errors = []
    for position, name in enumerate(names):
        if left[name] > 1 and first.setdefault(name, position) != position:
            errors.append(
                OrderError(
                    position=position,
                    order_id=name.decode(),
                    field="order_id",
                    message=f"order_id {name.decode()!r} is used twice; give each order its own",
                )
            )
    return errors


def bus_is_known(book: OrderBook, buses: Sequence[int]) -> list[OrderError]:
    """Every order sits at a bus of the network."""
    wrong = ~np.isin(book.bus, np.asarray(buses, dtype=np.int64))
    return _errors(
        book,
        wrong,
        "bus",
        lambda at: (
            "bus is missing; name the network's bus the order is connected to"
            if book.bus[at] == NO_BUS
            else f"bus {book.bus[at]} is not in the network (or out of service); give one of its buses"
        ),
    )


RULES: tuple[Rule, ...] = (
    order_id_is_unique,
    quantity_is_in_range,
    limit_is_in_range,
    limit_is_on_the_tick,
)


def book_errors(book: OrderBook, buses: Sequence[int] | None) -> list[OrderError]:
    """Everything wrong with a book, in order of arrival. Without `buses` there is no network: none is asked for."""
    errors = [error for rule in RULES for error in rule(book)]
    if buses is not None:
        errors += bus_is_known(book, buses)
    return sorted(errors, key=lambda error: error.position)


def require_valid(book: OrderBook, buses: Sequence[int] | None) -> None:
    """Raise BookError unless the book can be cleared."""
    errors = book_errors(book, buses)
    if errors:
        raise BookError(errors)


def _errors(book: OrderBook, wrong: BoolArray, field: str, message: Callable[[int], str]) -> list[OrderError]:
    return [
        OrderError(position=at, order_id=book.order_id(at), field=field, message=message(at))
        for at in np.flatnonzero(wrong).tolist()
    ]
