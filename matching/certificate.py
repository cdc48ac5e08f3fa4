"""Proof that a result is the best possible: prices give an upper bound on the welfare that anyone can recompute.

For any uniform price p and shadow prices mu >= 0 no outcome within the rows has more welfare than

    D = sum_firm Q max(0, s) + sum_flexible Q max(0, s - mu.effect) + sum_curtailable Q max(0, s, -mu.relief - f)
        + sum_c mu_c room_c - p loss

with s = p - limit for sellers and limit - p for buyers, provided p lies between the supplier's two prices. Weak duality
of the linear programme in `welfare.py`; the gap D - W is zero exactly at an optimum.
"""

from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray
from matching.auction import Supplier
from matching.book import BoolArray, IntArray
from matching.cells import NO_GROUP, Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """dual_welfare_nano bounds every outcome's welfare from above; gap_relative = (bound - welfare) / welfare."""

    price_micro_per_kwh: float
    dual_welfare_nano: int
    gap_relative: float


def exact_sum(values: IntArray) -> int:
    """Sum of whole numbers, exact even where it is beyond 64 bits."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


def exact_sum_of_products(left: IntArray, right: IntArray) -> int:
    """Sum of products below 2^63 each, exact even where the sum is beyond 64 bits."""
    return exact_sum(left * right)


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
    worth = np.where(is_sell, -limit_micro_per_kwh, limit_micro_per_kwh)
    total = exact_sum_of_products(worth, accepted_wh)
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
    side = np.where(is_sell, np.int64(1), np.int64(-1))
    surplus = side * (price_micro_per_kwh - limit_micro_per_kwh)
    bound = exact_sum_of_products(np.maximum(surplus, 0), quantity_wh) - price_micro_per_kwh * loss_wh
    bound -= curtailment_cost_nano
    return Certificate(
        price_micro_per_kwh=price_micro_per_kwh, dual_welfare_nano=bound, gap_relative=_gap(bound, welfare)
    )


def network_certificate(
    *,
    cells: Cells,
    room: FloatArray,
    price_micro_per_kwh: float,
    shadow_price: FloatArray,
    curtailment_price_micro_per_kwh: int,
    loss_wh: int,
    welfare: int,
) -> Certificate:
    """Certificate of a result under network rows, linear at its operating point."""
    side = np.where(cells.is_sell, 1.0, -1.0)
    surplus = side * (price_micro_per_kwh - cells.price_micro_per_kwh) - shadow_price @ cells.effect
    worth = np.maximum(surplus, 0.0)
    grouped = cells.group != NO_GROUP
    relieved = -(shadow_price @ cells.relief) - curtailment_price_micro_per_kwh
    worth[grouped] = np.maximum(worth[grouped], relieved[cells.group[grouped]])
    bound = float(worth @ cells.capacity_wh) + float(shadow_price @ room) - price_micro_per_kwh * loss_wh
    whole = round(bound)
    return Certificate(
        price_micro_per_kwh=price_micro_per_kwh, dual_welfare_nano=whole, gap_relative=_gap(whole, welfare)
    )


def _gap(bound: int, welfare: int) -> float:
    return (bound - welfare) / max(1, abs(welfare))
