"""What a program's outcome is worth, computed here for all programs alike and independently of our engine."""

from dataclasses import dataclass

import numpy as np

WITHIN_WH = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """welfare_share of the best possible; imbalance_wh = sold less bought; orders_beyond their own quantity."""

    welfare_share: float
    traded_wh: float
    imbalance_wh: float
    orders_beyond: int


def best_welfare_nano(*, is_sell: np.ndarray, quantity_wh: np.ndarray, limit_micro_per_kwh: np.ndarray) -> int:
    """The most that a book is worth: walk down demand and up supply while a buyer pays what a seller asks."""
    buys, sells = (
        sorted(zip(limit_micro_per_kwh[side].tolist(), quantity_wh[side].tolist(), strict=True), reverse=best_is_high)
        for side, best_is_high in ((~is_sell, True), (is_sell, False))
    )
    best = buyer = seller = 0
    wanted, offered = (side[0][1] if side else 0 for side in (buys, sells))
    while buyer < len(buys) and seller < len(sells) and buys[buyer][0] >= sells[seller][0]:
        moved = min(wanted, offered)
        best += moved * (buys[buyer][0] - sells[seller][0])
        wanted, offered = wanted - moved, offered - moved
        if wanted == 0:
            buyer += 1
            wanted = buys[buyer][1] if buyer < len(buys) else 0
        if offered == 0:
            seller += 1
            offered = sells[seller][1] if seller < len(sells) else 0
    return best


def judged(
    accepted_wh: np.ndarray,
    *,
    is_sell: np.ndarray,
    quantity_wh: np.ndarray,
    limit_micro_per_kwh: np.ndarray,
    best_nano: int,
) -> Verdict:
    """Welfare by the orders' limits, volume and conservation of what a program accepted, whole Wh or not."""
    sold, bought = accepted_wh[is_sell].sum(), accepted_wh[~is_sell].sum()
    welfare = (np.where(is_sell, -1, 1) * limit_micro_per_kwh * accepted_wh).sum()
    beyond = (accepted_wh > quantity_wh + WITHIN_WH) | (accepted_wh < -WITHIN_WH)
    return Verdict(
        welfare_share=float(welfare) / best_nano if best_nano else 1.0,
        traded_wh=float(min(sold, bought)),
        imbalance_wh=float(sold - bought),
        orders_beyond=int(beyond.sum()),
    )
