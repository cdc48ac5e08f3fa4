"""The book as the optimisation sees it: orders that no limit of the network can tell apart become one cell.

A firm order flows in any case, so accepting it moves nothing; accepting a flexible order moves every active row by the
sensitivity of its bus; a curtailable order moves rows only by what is curtailed of it, which is counted per group of
equally effective buses and limited by what the group's orders leave uncleared.
"""

from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray
from matching.book import CURTAILABLE, FIRM, BoolArray, IntArray, OrderBook

NO_GROUP = -1
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
class Cells:
    """Columns of the optimisation, in an order that depends on their contents alone.

    is_sell, price_micro_per_kwh, capacity_wh  [n_cell]
    class_effect   [n_row, n_class] change of each row per Wh injected at a bus of each class of equally effective
                   buses; class INERT moves nothing
    moved_class    [n_cell] the class at which accepting a cell injects or draws: INERT for firm and curtailable orders
    group          [n_cell] number of the cell's curtailment group, NO_GROUP for firm and flexible orders
    group_class, group_is_sell, group_capacity_wh  [n_group]
    of_order       [n_order] the cell of each order
    match_class    [n_cell] number of the cell's class among its side's (`matching.preferences`); zero without any
    """

    is_sell: BoolArray
    price_micro_per_kwh: IntArray
    capacity_wh: IntArray
    class_effect: FloatArray
    moved_class: IntArray
    group: IntArray
    group_class: IntArray
    group_is_sell: BoolArray
    group_capacity_wh: IntArray
    of_order: IntArray
    match_class: IntArray

    @property
    def effect(self) -> FloatArray:
        """[n_row, n_cell] change of each row per accepted Wh."""
        signed: FloatArray = self.class_effect[:, self.moved_class] * np.where(self.is_sell, 1.0, -1.0)
        return signed

    @property
    def relief(self) -> FloatArray:
        """[n_row, n_group] change of each row per curtailed Wh."""
        signed: FloatArray = self.class_effect[:, self.group_class] * np.where(self.group_is_sell, -1.0, 1.0)
        return signed


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
    classes, bus_class = _distinct_columns(rows.effect_per_wh)
    bus_class = np.where((classes != 0.0).any(axis=1), np.arange(1, len(classes) + 1), INERT)[bus_class]
    class_effect = np.vstack([np.zeros((1, rows.count)), classes]).T
    order_class = np.where(book.firmness_codes == FIRM, INERT, bus_class[bus_position])
    curtailable = (book.firmness_codes == CURTAILABLE) & (order_class != INERT)
    kind = (book.is_sell.astype(np.int64) * 2 + curtailable) * class_effect.shape[1] + order_class
    prices, price_rank = _distinct(book.limit_micro_per_kwh)
    apart = np.zeros(1, dtype=np.int64) if match_class is None else match_class
    apart_count = int(apart.max(initial=0)) + 1
    keys, of_order = _distinct((kind * apart_count + apart) * prices.size + price_rank)
    kind_apart, price = keys // prices.size, prices[keys % prices.size]
    kind, cell_match_class = kind_apart // apart_count, kind_apart % apart_count
    side_and_kind, cell_class = kind // class_effect.shape[1], kind % class_effect.shape[1]
    is_sell, curtails = side_and_kind >= 2, side_and_kind % 2 == 1
    group_kind, group = np.unique(kind[curtails], return_inverse=True)
    capacity = _sum_per(of_order, quantity_wh, keys.size)
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
        group_capacity_wh=_sum_per(group, capacity[curtails], group_kind.size),
        of_order=of_order,
        match_class=cell_match_class,
    )


def _distinct_columns(matrix: FloatArray) -> tuple[FloatArray, IntArray]:
    """Distinct columns of a matrix, as rows, and the number of each column's."""
    if matrix.shape[0] == 0:
        return np.zeros((1, 0)), np.zeros(matrix.shape[1], dtype=np.int64)
    classes, number = np.unique(matrix.T + 0.0, axis=0, return_inverse=True)  # + 0.0 makes -0.0 equal 0.0
    return classes, number.reshape(-1)


def _distinct(values: IntArray) -> tuple[IntArray, IntArray]:
    """Distinct values, ascending, and the number of each one's; counted, not sorted, where they lie close together."""
    lowest, highest = int(values.min(initial=0)), int(values.max(initial=0))
    if highest - lowest >= values.size:
        distinct, number = np.unique(values, return_inverse=True)
        return distinct, number
    occurs = np.zeros(highest - lowest + 1, dtype=np.bool_)
    occurs[values - lowest] = True
    return np.flatnonzero(occurs) + lowest, (np.cumsum(occurs) - 1)[values - lowest]


def _sum_per(number: IntArray, values: IntArray, count: int) -> IntArray:
    """Totals are exact in floats: those of a whole book are (see `auction.TOTAL_MAX_WH`)."""
    return np.bincount(number, weights=values, minlength=count).astype(np.int64)
