"""The order book of one delivery interval: one array per column, never changed after it is built.

Orders keep the order in which they arrived so that results can be handed back in it; nothing else depends on it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from matching.orders import Firmness, Order, Side

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NO_BUS = -1
FIRMNESSES = (Firmness.FIRM, Firmness.CURTAILABLE, Firmness.FLEXIBLE)
FIRM, CURTAILABLE, FLEXIBLE = range(3)
INT64_MAX = 2**63 - 1
ORDER_ID_BYTES_MAX = 128


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

    order_ids               UTF-8
    participant_codes       into `participants`; metering_point_codes into `metering_points`
    is_sell                 side
    firmness_codes          FIRM, CURTAILABLE or FLEXIBLE
    quantity_wh             >= 0
    limit_micro_per_kwh     buyers pay at most, sellers get at least
    bus                     index in the network's bus table, NO_BUS where there is no network
    """

    order_ids: NDArray[np.bytes_]
    participant_codes: NDArray[np.int32]
    participants: tuple[str, ...]
    metering_point_codes: NDArray[np.int32]
    metering_points: tuple[str, ...]
    is_sell: BoolArray
    firmness_codes: NDArray[np.int8]
    quantity_wh: IntArray
    limit_micro_per_kwh: IntArray
    bus: IntArray

    def __post_init__(self) -> None:
        for column in self._arrays():
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
    ) -> "OrderBook":
        """A book from columns of equal length. Raises BookError for numbers and identifiers that do not fit."""
        columns = {"quantity_wh": quantity_wh, "limit_micro_per_kwh": limit_micro_per_kwh, "bus": bus}
        names = {"participant": participants, "metering_point": metering_points}
        unfit = [*_unusable_ids(order_ids), *_unusable_names(names, order_ids), *_too_large(columns, order_ids)]
        if unfit:
            raise BookError(unfit)
        participant_codes, participant_names = _coded(participants)
        point_codes, point_names = _coded(metering_points)
        return cls(
            order_ids=np.array([order_id.encode() for order_id in order_ids], dtype=np.bytes_),
            participant_codes=participant_codes,
            participants=participant_names,
            metering_point_codes=point_codes,
            metering_points=point_names,
            is_sell=np.array(is_sell, dtype=np.bool_),
            firmness_codes=np.array(firmness_codes, dtype=np.int8),
            quantity_wh=np.array(quantity_wh, dtype=np.int64),
            limit_micro_per_kwh=np.array(limit_micro_per_kwh, dtype=np.int64),
            bus=np.array(bus, dtype=np.int64),
        )

    def order_id(self, position: int) -> str:
        """Identifier of one order."""
        return bytes(self.order_ids[position]).decode()

    def orders(self) -> Iterator[Order]:
        """The orders, in order of arrival."""
        columns = (
            self.order_ids.tolist(),
            self.participant_codes.tolist(),
            self.metering_point_codes.tolist(),
            self.is_sell.tolist(),
            self.firmness_codes.tolist(),
            self.quantity_wh.tolist(),
            self.limit_micro_per_kwh.tolist(),
            self.bus.tolist(),
        )
        for order_id, participant, point, is_sell, firmness, quantity, limit, bus in zip(*columns, strict=True):
            yield Order(
                order_id=order_id.decode(),
                participant=self.participants[participant],
                metering_point=self.metering_points[point],
                side=Side.SELL if is_sell else Side.BUY,
                quantity_wh=quantity,
                limit_micro_per_kwh=limit,
                firmness=FIRMNESSES[firmness],
                bus=None if bus == NO_BUS else bus,
            )

    def digest(self) -> str:
        """SHA-256 (hex) of the book, the same in whatever order its orders arrived.

        One line per order, sorted by the bytes of its id: id, participant, metering point, bus (empty without
        one), side, quantity, limit and firmness, separated by tabs, each line ended by a newline.
        """
        ranks = np.argsort(self.order_ids, kind="stable")
        columns = (
            self.order_ids[ranks].tolist(),
            self.participant_codes[ranks].tolist(),
            self.metering_point_codes[ranks].tolist(),
            self.bus[ranks].tolist(),
            self.is_sell[ranks].tolist(),
            self.quantity_wh[ranks].tolist(),
            self.limit_micro_per_kwh[ranks].tolist(),
            self.firmness_codes[ranks].tolist(),
        )
        people, points = self.participants, self.metering_points
        return hashlib.sha256(
            "".join(
                f"{order_id.decode()}\t{people[person]}\t{points[point]}\t{'' if bus == NO_BUS else bus}\t"
                f"{'sell' if is_sell else 'buy'}\t{quantity}\t{limit}\t{FIRMNESSES[firmness]}\n"
                for order_id, person, point, bus, is_sell, quantity, limit, firmness in zip(*columns, strict=True)
            ).encode()
        ).hexdigest()

    def _arrays(self) -> Iterator[NDArray[np.generic]]:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                yield value


def _unusable_ids(order_ids: Sequence[str]) -> Iterator[OrderError]:
    """Empty, too long, or with control characters, which separate the fields in the digest."""
    if all(order_ids) and max(map(len, order_ids), default=0) * 4 <= ORDER_ID_BYTES_MAX and _printable(order_ids):
        return
    for position, order_id in enumerate(order_ids):
        if not 0 < len(order_id.encode()) <= ORDER_ID_BYTES_MAX or not _printable(order_id):
            yield OrderError(
                position=position,
                order_id=order_id[:ORDER_ID_BYTES_MAX],
                field="order_id",
                message=f"order_id must be 1 to {ORDER_ID_BYTES_MAX} bytes without control characters",
            )


def _unusable_names(columns: Mapping[str, Sequence[str]], order_ids: Sequence[str]) -> Iterator[OrderError]:
    for field, names in columns.items():
        if _printable(names):
            continue
        for position, name in enumerate(names):
            if not _printable(name):
                message = f"{field} {name!r} has control characters; remove them"
                yield OrderError(position=position, order_id=order_ids[position], field=field, message=message)


def _printable(texts: Sequence[str]) -> bool:
    return min("".join(texts), default=" ") >= " "


def _too_large(columns: Mapping[str, Sequence[int]], order_ids: Sequence[str]) -> Iterator[OrderError]:
    for name, values in columns.items():
        if len(values) == 0 or -INT64_MAX <= min(values) <= max(values) <= INT64_MAX:
            continue
        for position, value in enumerate(values):
            if abs(value) > INT64_MAX:
                yield OrderError(
                    position=position,
                    order_id=order_ids[position],
                    field=name,
                    message=f"{name} {value} does not fit into 64 bits; check its unit",
                )


def _coded(names: Sequence[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Each name's number, and the names by number."""
    numbers: dict[str, int] = {}
    codes = np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), dtype=np.int32, count=len(names))
    return codes, tuple(numbers)
