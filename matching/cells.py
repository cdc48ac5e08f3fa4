"""The book as the optimisation sees it: orders that no limit of the network can tell apart become one cell.

A firm order flows in any case, so accepting it moves nothing; accepting a flexible order moves every active row by the
sensitivity of its bus; a curtailable order moves rows only by what is curtailed of it, which is counted per group of
equally effective buses and limited by what the group's orders leave uncleared.
"""

from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray
from matching.book import CURTAILABLE, FIRM, FIRMNESSES, BoolArray, IntArray, OrderBook, blocks
from matching.orders import PRICE_TICK_MICRO_PER_KWH

NO_GROUP = -1
COUNTED_TIMES = 16  # so many places for each value are counted faster than the values are sorted
INERT = 0  # the class of buses at which nothing moves any row


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkRows:
    """Active limits, linear in the market's energy.

    effect_per_wh  [n_row, n_bus] change of each row per Wh injected at each bus in the interval
    room           [n_row] how far each row may still move from where all firm and curtailable orders flow and no
                   flexible one does; negative where that already passes the limit
    """

    effect_per_wh: FloatArray
    room: FloatArray

    @property
    def count(self) -> int:
        return int(self.room.size)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """The book before any row is known: the orders of one side, firmness, bus, price and match class are one part.

    is_sell, firmness_codes, bus_position, price_micro_per_kwh, capacity_wh, match_class  [n_part]; firm orders have no
    bus here
    of_order  [n_order] the part of each order
    """

    is_sell: BoolArray
    firmness_codes: IntArray
    bus_position: IntArray
    price_micro_per_kwh: IntArray
    capacity_wh: IntArray
    match_class: IntArray
    of_order: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """What the optimisation decides on.

    is_sell, capacity_wh  [n_column]
    price_micro_per_kwh   [n_column]; an average where cells are lumped (`matching.reduction`)
    class_effect   [n_row, n_class] change of each row per Wh injected at a bus of each class of equally effective
                   buses; class INERT moves nothing
    moved_class    [n_column] the class at which accepting a column injects or draws: INERT for firm and curtailable
                   orders
    group          [n_column] number of the column's curtailment group, NO_GROUP for firm and flexible orders
    group_class, group_is_sell, group_capacity_wh  [n_group]
    """

    is_sell: BoolArray
    price_micro_per_kwh: IntArray | FloatArray
    capacity_wh: IntArray
    class_effect: FloatArray
    moved_class: IntArray
    group: IntArray
    group_class: IntArray
    group_is_sell: BoolArray
    group_capacity_wh: IntArray

    @property
    def effect(self) -> FloatArray:
        """[n_row, n_column] change of each row per accepted Wh."""
        signed: FloatArray = self.class_effect[:, self.moved_class] * np.where(self.is_sell, 1.0, -1.0)
        return signed

    @property
    def relief(self) -> FloatArray:
        """[n_row, n_group] change of each row per curtailed Wh."""
        signed: FloatArray = self.class_effect[:, self.group_class] * np.where(self.group_is_sell, -1.0, 1.0)
        return signed

    @property
    def largest_effect(self) -> FloatArray:
        """[n_row] largest change of each row by a Wh that can move; one where nothing can."""
        movable = np.zeros(self.class_effect.shape[1], dtype=np.bool_)
        movable[self.moved_class[self.capacity_wh > 0]] = True
        movable[self.group_class[self.group_capacity_wh > 0]] = True
        largest = np.abs(self.class_effect[:, movable]).max(axis=1, initial=0.0)
        return np.where(largest > 0.0, largest, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells(Columns):
    """One column for every price, in an order that depends on the contents alone: prices ascend within a ladder.

    A ladder is what differs in price alone: one side, class of buses, curtailment group and match class.

    ladder         [n_cell] number of the cell's ladder, ascending
    class_bus      [n_class] position of the first bus of each class
    match_class    [n_cell] number of the cell's class among its side's (`matching.preferences`); zero without any
    of_part        [n_part] the cell of each part
    """

    price_micro_per_kwh: IntArray
    ladder: IntArray
    class_bus: IntArray
    match_class: IntArray
    of_part: IntArray
    parts: Parts

    @property
    def of_order(self) -> IntArray:
        """[n_order] the cell of each order."""
        return self.of_part[self.parts.of_order]


def aggregate(
    book: OrderBook,
    quantity_wh: IntArray,
    bus_position: IntArray,
    rows: NetworkRows,
    match_class: IntArray | None = None,
) -> Cells:
    """Cells of a book. `bus_position` [n_order] is the column of each order's bus in the rows.

    `match_class` [n_order] keeps apart what preferences or fees tell apart.
    """
    return cells_of(parts_of(book, quantity_wh, bus_position, match_class), rows)


def parts_of(
    book: OrderBook, quantity_wh: IntArray, bus_position: IntArray, match_class: IntArray | None = None
) -> Parts:
    """What stays the same of a book while the rows change; parameters as of `aggregate`."""
    bus_count, price_range = int(bus_position.max(initial=0)) + 1, _Range.of(book.limit_micro_per_kwh)
    apart_count = 1 if match_class is None else int(match_class.max(initial=0)) + 1
    key = np.empty(len(book), dtype=np.int64)
    for at in blocks(len(book)):
        firmness = book.firmness_codes[at]
        place = (book.is_sell[at] * np.int64(len(FIRMNESSES)) + firmness) * bus_count
        place += bus_position[at] * (firmness != FIRM)
        if match_class is not None:
            place = place * apart_count + match_class[at]
        key[at] = place * price_range.count + price_range.rank(book.limit_micro_per_kwh[at])
    keys, of_order = distinct(key)
    place, price = keys // price_range.count, price_range.value(keys % price_range.count)
    place, part_match_class = place // apart_count, place % apart_count
    side_and_firmness = place // bus_count
    return Parts(
        is_sell=side_and_firmness >= len(FIRMNESSES),
        firmness_codes=side_and_firmness % len(FIRMNESSES),
        bus_position=place % bus_count,
        price_micro_per_kwh=price,
        capacity_wh=sum_per(of_order, quantity_wh, keys.size),
        match_class=part_match_class,
        of_order=of_order,
    )


def cells_of(parts: Parts, rows: NetworkRows) -> Cells:
    """Cells of the parts of a book under these rows."""
    classes, first_bus, bus_class = _distinct_columns(rows.effect_per_wh)
    bus_class = np.where((classes != 0.0).any(axis=1), np.arange(1, len(classes) + 1), INERT)[bus_class]
    class_effect = np.vstack([np.zeros((1, rows.count)), classes]).T
    part_class = np.where(parts.firmness_codes == FIRM, INERT, bus_class[parts.bus_position])
    curtailable = (parts.firmness_codes == CURTAILABLE) & (part_class != INERT)
    kind = (parts.is_sell.astype(np.int64) * 2 + curtailable) * class_effect.shape[1] + part_class
    apart_count, price_range = int(parts.match_class.max(initial=0)) + 1, _Range.of(parts.price_micro_per_kwh)
    place = (kind * apart_count + parts.match_class) * price_range.count
    keys, of_part = distinct(place + price_range.rank(parts.price_micro_per_kwh))
    kind_apart, price = keys // price_range.count, price_range.value(keys % price_range.count)
    kind, cell_match_class = kind_apart // apart_count, kind_apart % apart_count
    side_and_kind, cell_class = kind // class_effect.shape[1], kind % class_effect.shape[1]
    is_sell, curtails = side_and_kind >= 2, side_and_kind % 2 == 1
    group_kind, group = np.unique(kind[curtails], return_inverse=True)
    capacity = sum_per(of_part, parts.capacity_wh, keys.size)
    cell_group = np.full(keys.size, NO_GROUP, dtype=np.int64)
    cell_group[curtails] = group
    return Cells(
        is_sell=is_sell,
        price_micro_per_kwh=price,
        capacity_wh=capacity,
        class_effect=class_effect,
        moved_class=np.where(curtails, INERT, cell_class),
        group=cell_group,
        group_class=group_kind % class_effect.shape[1],
        group_is_sell=group_kind // class_effect.shape[1] >= 2,
        group_capacity_wh=sum_per(group, capacity[curtails], group_kind.size),
        ladder=np.cumsum(np.diff(kind_apart, prepend=kind_apart[:1]) != 0),
        class_bus=np.append(0, first_bus),
        match_class=cell_match_class,
        of_part=of_part,
        parts=parts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """Prices on the tick, numbered from the lowest."""

    lowest: int
    count: int

    @classmethod
    def of(cls, prices: IntArray) -> "_Range":
        if not prices.size:
            return cls(lowest=0, count=1)
        lowest = int(prices.min())
        return cls(lowest=lowest, count=(int(prices.max()) - lowest) // PRICE_TICK_MICRO_PER_KWH + 1)

    def rank(self, prices: IntArray) -> IntArray:
        return (prices - self.lowest) // PRICE_TICK_MICRO_PER_KWH

    def value(self, ranks: IntArray) -> IntArray:
        return ranks * PRICE_TICK_MICRO_PER_KWH + self.lowest


def _distinct_columns(matrix: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Distinct columns of a matrix, as rows, where each occurs first, and the number of each column's."""
    if matrix.shape[0] == 0:
        return np.zeros((1, 0)), np.zeros(1, dtype=np.int64), np.zeros(matrix.shape[1], dtype=np.int64)
    # + 0.0 makes -0.0 equal 0.0
    classes, first, number = np.unique(matrix.T + 0.0, axis=0, return_index=True, return_inverse=True)
    return classes, first, number.reshape(-1)


def distinct(values: IntArray) -> tuple[IntArray, IntArray]:
    """Distinct values, ascending, and the number of each one's; counted, not sorted, where they lie close together."""
    lowest, highest = int(values.min(initial=0)), int(values.max(initial=0))
    if highest - lowest >= COUNTED_TIMES * values.size:
        distinct, number = np.unique(values, return_inverse=True)
        return distinct, number
    occurs, offset = np.zeros(highest - lowest + 1, dtype=np.bool_), values - lowest
    occurs[offset] = True
    return np.flatnonzero(occurs) + lowest, (np.cumsum(occurs) - 1)[offset]


def sum_per(number: IntArray, values: IntArray, count: int) -> IntArray:
    """Totals are exact in floats: those of a whole book are (see `auction.TOTAL_MAX_WH`)."""
    return np.bincount(number, weights=values, minlength=count).astype(np.int64)
