"""The order book of one delivery interval: one array per column, never changed after it is built.

Orders keep the order in which they arrived so that results can be handed back in it; nothing else depends on it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from matching.lines import decimals, lines, ranked, texts
from matching.orders import Firmness, Order, Side
from matching.preferences.attributes import NO_ATTRIBUTES, BookAttributes, attributes_of

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NO_BUS = -1
FIRMNESSES = (Firmness.FIRM, Firmness.CURTAILABLE, Firmness.FLEXIBLE)
FIRM, CURTAILABLE, FLEXIBLE = range(3)
FIRMNESS_NAMES = np.array([firmness.value.encode() for firmness in FIRMNESSES])
SIDE_NAMES = np.array([side.value.encode() for side in (Side.BUY, Side.SELL)])
INT64_MAX = 2**63 - 1
NAME_BYTES_MAX = 128
BLOCK_ORDERS = 2**16  # what is computed on the way to a sum or a check of so many stays in the processor's cache
SPACE = ord(" ")  # control characters come before it


def blocks(count: int, *, at_least: int = 0) -> Iterator[slice]:
    """Consecutive parts of `count` orders, so that intermediate results need no memory of the book's size."""
    step = max(BLOCK_ORDERS, at_least)
    return (slice(start, start + step) for start in range(0, count, step))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderError:
    """What is wrong with one order: its position in the book, the field, and what to do about it."""

    position: int
    order_id: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"order {self.order_id!r}: {self.message}"


class BookError(Exception):
    """A book that cannot be cleared, with everything found wrong with it; the first is the message."""

    def __init__(self, errors: Sequence[OrderError]) -> None:
        self.errors = tuple(errors)
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        super().__init__(f"{self.errors[0]}{more}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrderBook:
    """All arrays [n_orders] in order of arrival.

    order_ids, participants, metering_points  UTF-8, at most NAME_BYTES_MAX bytes, without control characters
    is_sell                 side
    firmness_codes          FIRM, CURTAILABLE or FLEXIBLE
    quantity_wh             >= 0
    limit_micro_per_kwh     buyers pay at most, sellers get at least
    bus                     index in the network's bus table, NO_BUS where there is no network
    attributes              what preferences and grid fees look at; None where no order says anything
    """

    order_ids: NDArray[np.bytes_]
    participants: NDArray[np.bytes_]
    metering_points: NDArray[np.bytes_]
    is_sell: BoolArray
    firmness_codes: NDArray[np.int8]
    quantity_wh: IntArray
    limit_micro_per_kwh: IntArray
    bus: IntArray
    attributes: BookAttributes | None = None

    def __post_init__(self) -> None:
        for column in (getattr(self, field.name) for field in fields(self) if field.name != "attributes"):
            assert column.shape == self.quantity_wh.shape
            column.flags.writeable = False

    def __len__(self) -> int:
        return int(self.quantity_wh.size)

    @classmethod
    def from_orders(cls, orders: Sequence[Order]) -> "OrderBook":
        """A book of these orders. Raises BookError for numbers that do not fit."""
        return cls.from_columns(
            order_ids=[order.order_id for order in orders],
            participants=[order.participant for order in orders],
            metering_points=[order.metering_point for order in orders],
            is_sell=[order.side is Side.SELL for order in orders],
            firmness_codes=[FIRMNESSES.index(order.firmness) for order in orders],
            quantity_wh=[order.quantity_wh for order in orders],
            limit_micro_per_kwh=[order.limit_micro_per_kwh for order in orders],
            bus=[NO_BUS if order.bus is None else order.bus for order in orders],
            attributes=attributes_of([order.attributes for order in orders]),
        )

    @classmethod
    def from_columns(
        cls,
        *,
        order_ids: Sequence[str],
        participants: Sequence[str],
        metering_points: Sequence[str],
        is_sell: Sequence[bool],
        firmness_codes: Sequence[int],
        quantity_wh: Sequence[int],
        limit_micro_per_kwh: Sequence[int],
        bus: Sequence[int],
        attributes: BookAttributes | None = None,
    ) -> "OrderBook":
        """A book from columns of equal length. Raises BookError for numbers and identifiers that do not fit."""
        ids = _encoded(order_ids)
        return cls.from_arrays(
            order_ids=ids,
            participants=_encoded(participants),
            metering_points=_encoded(metering_points),
            is_sell=np.array(is_sell, dtype=np.bool_),
            firmness_codes=np.array(firmness_codes, dtype=np.int8),
            quantity_wh=_fitting("quantity_wh", quantity_wh, ids),
            limit_micro_per_kwh=_fitting("limit_micro_per_kwh", limit_micro_per_kwh, ids),
            bus=_fitting("bus", bus, ids),
            attributes=attributes,
        )

    @classmethod
    def from_arrays(
        cls,
        *,
        order_ids: NDArray[np.bytes_],
        participants: NDArray[np.bytes_],
        metering_points: NDArray[np.bytes_],
        is_sell: BoolArray,
        firmness_codes: NDArray[np.int8],
        quantity_wh: IntArray,
        limit_micro_per_kwh: IntArray,
        bus: IntArray,
        attributes: BookAttributes | None = None,
    ) -> "OrderBook":
        """A book that takes these arrays [n_orders] over: they are not copied and cannot be written any more.

        Texts are UTF-8 in fixed width, as numpy keeps them. Raises BookError for texts that do not fit; whether the
        numbers make sense is for `validation` to say.
        """
        texts = {"order_id": order_ids, "participant": participants, "metering_point": metering_points}
        unfit = [error for field, column in texts.items() for error in _unusable(field, column, order_ids)]
        if unfit:
            raise BookError(unfit)
        return cls(
            order_ids=order_ids,
            participants=participants,
            metering_points=metering_points,
            is_sell=is_sell,
            firmness_codes=firmness_codes,
            quantity_wh=quantity_wh,
            limit_micro_per_kwh=limit_micro_per_kwh,
            bus=bus,
            attributes=attributes,
        )

    def order_id(self, position: int) -> str:
        """Identifier of one order."""
        return bytes(self.order_ids[position]).decode()

    def coded_participants(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64]]:
        """The participants by number, in the order of their names, and the number of each order's [n_orders]."""
        names, numbers = np.unique(self.participants, return_inverse=True)
        return names, numbers

    def orders(self) -> Iterator[Order]:
        """The orders, in order of arrival."""
        columns = (
            self.order_ids.tolist(),
            self.participants.tolist(),
            self.metering_points.tolist(),
            self.is_sell.tolist(),
            self.firmness_codes.tolist(),
            self.quantity_wh.tolist(),
            self.limit_micro_per_kwh.tolist(),
            self.bus.tolist(),
        )
        said = repeat(NO_ATTRIBUTES) if self.attributes is None else map(self.attributes.of, range(len(self)))
        for order_id, participant, point, is_sell, firmness, quantity, limit, bus in zip(*columns, strict=True):
            yield Order(
                order_id=order_id.decode(),
                participant=participant.decode(),
                metering_point=point.decode(),
                side=Side.SELL if is_sell else Side.BUY,
                quantity_wh=quantity,
                limit_micro_per_kwh=limit,
                firmness=FIRMNESSES[firmness],
                bus=None if bus == NO_BUS else bus,
                attributes=next(said),
            )

    def digest(self) -> str:
        """SHA-256 (hex) of the book, the same in whatever order its orders arrived.

        One line per order, sorted by the bytes of its id: id, participant, metering point, bus (empty without
        one), side, quantity, limit and firmness; in a book with attributes also source, feeder, zone and premiums;
        separated by tabs, each line ended by a newline.
        """
        hasher, ranks = hashlib.sha256(), ranked(self.order_ids)
        for part in blocks(len(self)):
            at = ranks[part]
            bus, is_sell = self.bus[at], self.is_sell[at].astype(np.int8)
            columns = (
                texts(self.order_ids[at]),
                texts(self.participants[at]),
                texts(self.metering_points[at]),
                decimals(bus, shown=bus != NO_BUS),
                texts(SIDE_NAMES[is_sell]),
                decimals(self.quantity_wh[at]),
                decimals(self.limit_micro_per_kwh[at]),
                texts(FIRMNESS_NAMES[self.firmness_codes[at]]),
            )
            said = () if self.attributes is None else self.attributes.digest_columns(at)
            hasher.update(lines(*columns, *map(texts, said)))
        return hasher.hexdigest()


def _encoded(texts: Sequence[str]) -> NDArray[np.bytes_]:
    """Texts as numpy keeps them, so that what does not fit can still be seen: one byte too many of what is too long,
    and another control character for the zero byte, which numpy drops at the end.
    """
    encoded = [text.encode().replace(b"\0", b"\1") for text in texts]
    width = min(max(map(len, encoded), default=1), NAME_BYTES_MAX + 1)
    return np.array(encoded, dtype=f"S{max(1, width)}")


def _fitting(field: str, values: Sequence[int], order_ids: NDArray[np.bytes_]) -> IntArray:
    """Numbers as an array. Raises BookError for those beyond 64 bits."""
    wrong = [at for at, value in enumerate(values) if abs(value) > INT64_MAX]
    if wrong:
        raise BookError(
            [
                OrderError(
                    position=at,
                    order_id=_shown(order_ids[at]),
                    field=field,
                    message=f"{field} {values[at]} does not fit into 64 bits; check its unit",
                )
                for at in wrong
            ]
        )
    return np.array(values, dtype=np.int64)


def _unusable(field: str, texts: NDArray[np.bytes_], order_ids: NDArray[np.bytes_]) -> list[OrderError]:
    """Not UTF-8, too long, or with control characters, which separate the fields in the digest; ids also if empty."""
    shortest = 1 if field == "order_id" else 0
    if all(_are_usable(texts[at], shortest) for at in blocks(texts.size)):
        return []
    return [
        OrderError(
            position=at,
            order_id=_shown(order_ids[at]),
            field=field,
            message=f"{field} {_shown(text)!r} must be {shortest} to {NAME_BYTES_MAX} bytes of UTF-8 without control "
            "characters; rename it",
        )
        for at, text in enumerate(texts.tolist())
        if not (shortest <= len(text) <= NAME_BYTES_MAX and _is_utf8(text) and min(text, default=SPACE) >= SPACE)
    ]


def _are_usable(texts: NDArray[np.bytes_], shortest: int) -> bool:
    """The same for all texts at once. Behind a zero byte only another text may begin."""
    width = texts.dtype.itemsize
    letters = np.ascontiguousarray(texts).view(np.uint8)
    is_zero = letters == 0
    first, last = is_zero[::width], is_zero[width - 1 :: width]
    return (
        not (shortest and first.any())
        and not letters.reshape(-1, width)[:, NAME_BYTES_MAX:].any()
        and np.count_nonzero(is_zero[:-1] > is_zero[1:]) == np.count_nonzero(last[:-1] > first[1:])
        and np.count_nonzero(letters < SPACE) == np.count_nonzero(is_zero)
        # A zero byte behind each text keeps one from completing the letters of another.
        and (letters.max(initial=0) < 128 or _is_utf8(texts.astype(f"S{width + 1}").tobytes()))
    )


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(text: bytes) -> str:
    return text[:NAME_BYTES_MAX].decode(errors="replace")
