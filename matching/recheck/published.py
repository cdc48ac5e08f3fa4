"""A result as a whole: the book, what trades.csv says was made of each order, and the claims of clearing.json."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching.book import CURTAILABLE, FLEXIBLE, BoolArray, IntArray, OrderBook
from matching.recheck.claims import Claims
from matching.recheck.fields import Unreadable

QUANTITY_MAX_WH = 10**8
PRICE_MAX_MICRO_PER_KWH = 10**10
ENERGY_MAX_WH = 9 * 10**8  # times the highest price it stays within 64 bits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trades:
    """trades.csv: all [n_line] in the order of its lines; `has_price` is false where the price is empty."""

    order_ids: NDArray[np.bytes_]
    accepted_wh: IntArray
    curtailed_wh: IntArray
    price_micro_per_kwh: IntArray
    has_price: BoolArray
    amount_nano: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """sources.csv [n_part] in the order of its lines; the class at the other end by its name."""

    order_ids: tuple[str, ...]
    is_sell: BoolArray
    counter_class: tuple[str, ...]
    wh: IntArray
    price: IntArray
    fee: IntArray
    premium: IntArray
    amount_nano: IntArray
    fee_nano: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Published:
    """A result as a whole. What trades.csv says stands [n_order] in the order of the book; zero where it is silent.

    listed_wrongly  orders that trades.csv leaves out, lists twice or does not know, each with what is wrong
    parts           what sources.csv says, where energy has premiums or fees
    own_limit       [n_order] limits as placed, where on an island the book that was cleared bids more
    """

    book: OrderBook
    accepted_wh: IntArray
    curtailed_wh: IntArray
    price: IntArray
    has_price: BoolArray
    amount_nano: IntArray
    claims: Claims
    listed_wrongly: tuple[str, ...]
    parts: Parts | None = None
    own_limit: IntArray | None = None

    @property
    def side(self) -> IntArray:
        """[n_order] +1 for those who sell, -1 for those who buy."""
        return np.where(self.book.is_sell, np.int64(1), np.int64(-1))

    @property
    def is_refused(self) -> bool:
        """Whether all flexible energy was kept out: in red, and in amber where the mechanism does not optimise."""
        if self.claims.preferences is not None and self.claims.preferences.flexible_left_out:
            return True
        if self.claims.mechanism.most_welfare or self.claims.status == "green":
            return self.claims.status == "red"
        return not self.accepted_wh[self.flexible].any()

    @property
    def is_limited_optimum(self) -> bool:
        """Whether this is the best of what the network left, without flexible and curtailed energy."""
        return self.claims.mechanism.most_welfare and self.is_refused

    @property
    def tradable_wh(self) -> IntArray:
        """[n_order] what could have been accepted: of an optimum as far as the network let it, else everything."""
        return self.left_by_network_wh if self.is_limited_optimum else self.book.quantity_wh

    @property
    def left_by_network_wh(self) -> IntArray:
        """[n_order] what may trade where the network refused: nothing flexible, and nothing that is curtailed."""
        left: IntArray = np.where(self.flexible, 0, self.book.quantity_wh) - self.curtailed_wh
        return left

    @property
    def flexible(self) -> BoolArray:
        return np.asarray(self.book.firmness_codes == FLEXIBLE)

    @property
    def curtailable(self) -> BoolArray:
        return np.asarray(self.book.firmness_codes == CURTAILABLE)


def published(book: OrderBook, trades: Trades, claims: Claims, parts: Parts | None = None) -> Published:
    """The result of these files. Raises Unreadable for figures beyond what an order or a trade can be."""
    _require_range("orders.csv", book.quantity_wh, 0, QUANTITY_MAX_WH)
    _require_range("orders.csv", book.limit_micro_per_kwh, -PRICE_MAX_MICRO_PER_KWH, PRICE_MAX_MICRO_PER_KWH)
    for energy in (trades.accepted_wh, trades.curtailed_wh):
        _require_range("trades.csv", energy, -ENERGY_MAX_WH, ENERGY_MAX_WH)
    _require_range("trades.csv", trades.price_micro_per_kwh, -PRICE_MAX_MICRO_PER_KWH, PRICE_MAX_MICRO_PER_KWH)
    line, wrong = _line_of_order(book, trades)
    known = line >= 0

    def by_order(column: IntArray) -> IntArray:
        values: IntArray = np.zeros(len(book), dtype=column.dtype)
        values[known] = column[line[known]]
        return values

    return Published(
        book=book,
        accepted_wh=by_order(trades.accepted_wh),
        curtailed_wh=by_order(trades.curtailed_wh),
        price=by_order(trades.price_micro_per_kwh),
        has_price=by_order(trades.has_price.astype(np.int64)).astype(np.bool_),
        amount_nano=by_order(trades.amount_nano),
        claims=claims,
        listed_wrongly=tuple(wrong),
        parts=parts,
    )


def _line_of_order(book: OrderBook, trades: Trades) -> tuple[IntArray, list[str]]:
    """[n_order] the line of each order in trades.csv, -1 where it has none; and what is wrong with the listing."""
    if book.order_ids.shape == trades.order_ids.shape and (book.order_ids == trades.order_ids).all():
        return np.arange(len(book)), []
    lines: dict[bytes, int] = {}
    wrong: list[str] = []
    known = set(book.order_ids.tolist())
    for number, order_id in enumerate(trades.order_ids.tolist()):
        if order_id not in known:
            wrong.append(f"trades.csv lists {order_id.decode()!r}, which is no order of the book")
        elif lines.setdefault(order_id, number) != number:
            wrong.append(f"trades.csv lists order {order_id.decode()!r} twice")
    missing = [order_id for order_id in book.order_ids.tolist() if order_id not in lines]
    wrong += [f"trades.csv leaves out order {order_id.decode()!r}" for order_id in missing]
    if not wrong:
        wrong.append("trades.csv lists the orders in another order than orders.csv")
    return np.array([lines.get(order_id, -1) for order_id in book.order_ids.tolist()], dtype=np.int64), wrong


def _require_range(file: str, values: IntArray, lowest: int, highest: int) -> None:
    outside = np.flatnonzero((values < lowest) | (values > highest))
    if outside.size:
        raise Unreadable(
            f"{file}: {values[outside[0]]} (row {outside[0] + 1}) is beyond what an order can be; nothing to check"
        )
