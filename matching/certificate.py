"""Proof that a result is the best possible: prices give an upper bound on the welfare that anyone can recompute.

For any uniform price p and shadow prices mu >= 0 no outcome within the rows has more welfare than

    D = sum_firm Q max(0, s) + sum_flexible Q max(0, s - mu.effect) + sum_curtailable Q max(0, s, -mu.relief - f)
        + sum_c mu_c room_c - p loss

with s = p - limit for sellers and limit - p for buyers, provided p lies between the supplier's two prices. Weak duality
of the linear programme in `welfare.py`; the gap D - W is zero exactly at an optimum.

Figures are rounded before anything is computed from them, and a row gets as much more room as rounding its effects
could cost: what is published is a bound in itself, not the rounding of one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grid.limits import FloatArray, LimitKind, Violation
from matching.auction import Supplier
from matching.book import BoolArray, IntArray, blocks
from matching.cells import NO_GROUP, Cells, NetworkRows

SIGNIFICANT_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedRow:
    """A limit of the network as the result sees it: effect . moved <= room.

    shadow_price   nano-units of welfare per p.u. or per percent of more room
    room           p.u. or percent left where all firm and curtailable orders flow and no flexible one does
    effect_per_wh  by bus, what a Wh injected there in the interval moves; buses that move nothing are left out
    tells_apart    whether orders of one price that move it differently did not share with each other
    """

    kind: LimitKind
    element: int
    shadow_price: float
    room: float
    effect_per_wh: Mapping[int, float]
    tells_apart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedPrices:
    """Before they are floored to the tick: the price of each class of sellers, the worth to each class of buyers."""

    seller_nano_per_kwh: tuple[int, ...]
    buyer_nano_per_kwh: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """dual_welfare_nano bounds every outcome's welfare from above; gap_relative = (bound - welfare) / welfare.

    rows          those with a shadow price, and those that told orders apart
    class_prices  what the bound is made of where energy has premiums or fees and rows limit
    """

    price_micro_per_kwh: float
    dual_welfare_nano: int
    gap_relative: float
    rows: tuple[CertifiedRow, ...] = ()
    class_prices: CertifiedPrices | None = None


def rounded(value: float) -> float:
    """Ten significant digits: what differs between machines is beyond them."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def each_rounded(values: FloatArray) -> FloatArray:
    """As `rounded`, for every element; a zero has no sign."""
    rounded_values = [rounded(value) + 0.0 for value in values.ravel().tolist()]
    return np.array(rounded_values, dtype=np.float64).reshape(values.shape)


def exact_sum(values: IntArray) -> int:
    """Sum of whole numbers, exact even where it is beyond 64 bits."""
    return _summed(values, is_short=_is_short(values))


def _is_short(values: IntArray) -> bool:
    """Whether no sum of any of them is beyond 64 bits."""
    return max(int(values.max(initial=0)), -int(values.min(initial=0))) * values.size < 2**63


def _summed(values: IntArray, *, is_short: bool) -> int:
    if is_short:
        return int(values.sum())
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def bought_and_sold(values: IntArray, is_sell: BoolArray) -> tuple[int, int]:
    """Exact sums over the buyers and over the sellers."""
    total = sold = 0
    for at in blocks(values.size):
        block = values[at]
        is_short = _is_short(block)
        total += _summed(block, is_short=is_short)
        sold += _summed(block * is_sell[at], is_short=is_short)
    return total - sold, sold


def welfare_nano(
    *,
    is_sell: BoolArray,
    limit_micro_per_kwh: IntArray,
    accepted_wh: IntArray,
    curtailed_wh: IntArray,
    supplier: Supplier,
    supplier_import_wh: int,
    supplier_export_wh: int,
    curtailment_price_micro_per_kwh: int,
) -> int:
    """Worth to buyers less cost of sellers, supplier and curtailment, by the orders' limits; exact."""
    total = 0
    for at in blocks(accepted_wh.size):
        worth, cost = bought_and_sold(limit_micro_per_kwh[at] * accepted_wh[at], is_sell[at])
        total += worth - cost
    total -= (supplier.sells_at_micro_per_kwh or 0) * supplier_import_wh
    total += (supplier.buys_at_micro_per_kwh or 0) * supplier_export_wh
    return total - curtailment_price_micro_per_kwh * int(curtailed_wh.sum())


def plain_certificate(
    *,
    is_sell: BoolArray,
    limit_micro_per_kwh: IntArray,
    quantity_wh: IntArray,
    price_micro_per_kwh: int,
    loss_wh: int,
    curtailment_cost_nano: int,
    welfare: int,
) -> Certificate:
    """Certificate of a result that no row binds, in integers throughout; what was curtailed is taken as given."""
    bound = -price_micro_per_kwh * loss_wh - curtailment_cost_nano
    for at in blocks(quantity_wh.size):
        limit = limit_micro_per_kwh[at]
        gains = is_sell[at] == (limit < price_micro_per_kwh)
        bound += exact_sum(np.abs(limit - price_micro_per_kwh) * quantity_wh[at] * gains)
    return Certificate(
        price_micro_per_kwh=price_micro_per_kwh, dual_welfare_nano=bound, gap_relative=gap_relative(bound, welfare)
    )


def network_certificate(
    *,
    cells: Cells,
    rows: tuple[CertifiedRow, ...],
    class_adder: FloatArray,
    price_micro_per_kwh: float,
    curtailment_price_micro_per_kwh: int,
    loss_wh: int,
    welfare: int,
) -> Certificate:
    """Certificate of a result under network rows, linear at its operating point.

    `class_adder` [n_class] is mu.effect of each class of buses; like price and rows in published figures.
    """
    bound = network_bound(
        cells,
        rows=rows,
        class_adder=class_adder,
        price_micro_per_kwh=price_micro_per_kwh,
        curtailment_price_micro_per_kwh=curtailment_price_micro_per_kwh,
    )
    whole = round(bound - price_micro_per_kwh * loss_wh)
    return Certificate(
        price_micro_per_kwh=price_micro_per_kwh,
        dual_welfare_nano=whole,
        gap_relative=gap_relative(whole, welfare),
        rows=rows,
    )


def network_bound(
    cells: Cells,
    *,
    rows: tuple[CertifiedRow, ...],
    class_adder: FloatArray,
    price_micro_per_kwh: float | FloatArray,
    curtailment_price_micro_per_kwh: int,
) -> float:
    """D of this file's head without the losses; `price_micro_per_kwh` may be one price for each cell [n_cell]."""
    side, group_side = np.where(cells.is_sell, 1.0, -1.0), np.where(cells.group_is_sell, 1.0, -1.0)
    surplus = side * (price_micro_per_kwh - cells.price_micro_per_kwh - class_adder[cells.moved_class])
    worth = np.maximum(surplus, 0.0)
    grouped = cells.group != NO_GROUP
    relieved = group_side * class_adder[cells.group_class] - curtailment_price_micro_per_kwh
    worth[grouped] = np.maximum(worth[grouped], relieved[cells.group[grouped]])
    return float(worth @ cells.capacity_wh) + sum(row.shadow_price * row.room for row in rows)


def certified_rows(
    rows: NetworkRows,
    owners: Sequence[Violation],
    *,
    shadow_price: FloatArray,
    apart: BoolArray,
    buses: Sequence[int],
    movable_wh: FloatArray,
) -> tuple[CertifiedRow, ...]:
    """The rows that prices or sharing rest on, in rounded figures, with room for what rounding could cost.

    Each distinct row once: what an old cut says again adds to its shadow price, and a row without one is left out where
    it tells no buses apart that others do not. `movable_wh` [n_bus] is the most that flexible and curtailable orders
    can move at each bus.
    """
    shown = each_rounded(rows.effect_per_wh)
    kept = _telling(shown[:, movable_wh > 0.0], shadow_price > 0.0, apart)
    effect = shown[kept]
    room = rows.room[kept] + np.abs(effect - rows.effect_per_wh[kept]) @ movable_wh
    found: dict[tuple[object, ...], CertifiedRow] = {}
    for number, at in enumerate(kept):
        row = CertifiedRow(
            kind=owners[at].kind,
            element=owners[at].element,
            shadow_price=float(shadow_price[at]),
            room=_rounded_up(float(room[number])),
            effect_per_wh={bus: value for bus, value in zip(buses, effect[number].tolist(), strict=True) if value},
            tells_apart=bool(apart[at]),
        )
        key = (row.kind, row.element, row.room, *row.effect_per_wh.items())
        same = found.get(key)
        found[key] = row if same is None else _together(same, row)
    return tuple(found.values())


def _telling(effect: FloatArray, priced: BoolArray, apart: BoolArray) -> list[int]:
    """Rows with a price, and of the others that tell buses apart one after the other those that tell more apart.

    What flows in any case moves no row: it counts as one more bus.
    """
    kept = set(np.flatnonzero(priced).tolist())
    effect = np.hstack([effect, np.zeros((len(effect), 1))])
    classes, count = np.zeros(effect.shape[1], dtype=np.int64), 1
    for at in sorted(np.flatnonzero(apart).tolist(), key=lambda row: row not in kept):
        _, rank = np.unique(effect[at], return_inverse=True)
        finer, number = np.unique(classes * (int(rank.max(initial=0)) + 1) + rank, return_inverse=True)
        if finer.size > count:
            kept.add(at)
            classes, count = number, finer.size
    return sorted(kept)


def _together(row: CertifiedRow, same: CertifiedRow) -> CertifiedRow:
    return replace(
        row,
        shadow_price=row.shadow_price + same.shadow_price,
        tells_apart=row.tells_apart or same.tells_apart,
    )


def _rounded_up(value: float) -> float:
    """The nearest figure of ten significant digits that is not below."""
    near = rounded(value)
    if near >= value:
        return near
    return rounded(near + 10.0 ** (math.floor(math.log10(abs(near))) - SIGNIFICANT_DIGITS + 1))


def gap_relative(bound: int, welfare: int) -> float:
    """How far a bound is above the welfare, relative to it."""
    return (bound - welfare) / max(1, abs(welfare))
