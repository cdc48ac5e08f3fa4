"""What makes an order acceptable to the engine. One rule a function; each returns what it found wrong.

The bounds keep every amount below 10^18 nano-units and every sum over ten million orders within 64 bits.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from matching.book import NO_BUS, BookError, BoolArray, IntArray, OrderBook, OrderError, blocks
from matching.orders import PRICE_TICK_MICRO_PER_KWH

QUANTITY_MAX_WH = 10**8
LIMIT_MAX_MICRO_PER_KWH = 10**10
WORD_BYTES = 8
SCATTERING = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits without a pattern: 2^64 over the golden ratio

Rule = Callable[[OrderBook], list[OrderError]]


def quantity_is_in_range(book: OrderBook) -> list[OrderError]:
    """Whole Wh, zero or more, at most 100 MWh."""
    if _lies_within(book.quantity_wh, 0, QUANTITY_MAX_WH):
        return []
    wrong = (book.quantity_wh < 0) | (book.quantity_wh > QUANTITY_MAX_WH)
    return _errors(
        book,
        wrong,
        "quantity_wh",
        lambda at: f"quantity_wh is {book.quantity_wh[at]}; give 0 to {QUANTITY_MAX_WH} whole Wh",
    )


def limit_is_in_range(book: OrderBook) -> list[OrderError]:
    """At most 10 000 currency units per kWh either way."""
    if _lies_within(book.limit_micro_per_kwh, -LIMIT_MAX_MICRO_PER_KWH, LIMIT_MAX_MICRO_PER_KWH):
        return []
    wrong = (book.limit_micro_per_kwh < -LIMIT_MAX_MICRO_PER_KWH) | (book.limit_micro_per_kwh > LIMIT_MAX_MICRO_PER_KWH)
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
    limit, tick = book.limit_micro_per_kwh, PRICE_TICK_MICRO_PER_KWH
    if all((limit[at] // tick * tick == limit[at]).all() for at in blocks(len(book))):
        return []
    wrong = limit % tick != 0
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
    if _surely_distinct(book.order_ids):
        return []
    names = book.order_ids.tolist()
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


def _lies_within(values: IntArray, lowest: int, highest: int) -> bool:
    return lowest <= int(values.min(initial=highest)) and int(values.max(initial=lowest)) <= highest


def _surely_distinct(texts: NDArray[np.bytes_]) -> bool:
    """Whether one 64-bit word for each text proves them distinct; texts of up to eight bytes are their word."""
    count = -(-texts.dtype.itemsize // WORD_BYTES)
    words = texts.astype(f"S{count * WORD_BYTES}").view(np.uint64).reshape(texts.size, count)
    word = np.ascontiguousarray(words[:, 0])
    for at in range(1, count):
        word *= SCATTERING
        word ^= word >> np.uint64(32)
        word += words[:, at]
    word.sort()
    return not (word[1:] == word[:-1]).any()


def bus_is_known(book: OrderBook, buses: Sequence[int]) -> list[OrderError]:
    """Every order sits at a bus of the network."""
    if _are_all_known(book.bus, np.asarray(buses, dtype=np.int64)):
        return []
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


def _are_all_known(bus: IntArray, known: IntArray) -> bool:
    lowest, highest = int(known.min(initial=0)), int(known.max(initial=0))
    if not _lies_within(bus, lowest, highest):
        return False
    is_known = np.zeros(highest - lowest + 1, dtype=np.bool_)
    is_known[known - lowest] = True
    return all(is_known[bus[at] - lowest].all() for at in blocks(bus.size))


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
