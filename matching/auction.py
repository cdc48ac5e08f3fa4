"""Sort and merge: the uniform-price double auction when no network row binds, in O(n), or O(n log n) over many prices.

Demand D(p) counts the buy quantity with a limit of at least p, supply S(p) the sell quantity with a limit of at most
p. The largest volume that maximises welfare is max over p of min(D(p), S(p)). A supplier that sells without bound at
R and buys without bound at F joins it: it sells exactly when D(R) > S(R) and buys exactly when S(F) > D(F).

Orders of one price are alike until the last Wh is shared, so both sides are added up per price first. Prices lie on the
tick: unless they lie far apart every tick between them is counted, and nothing needs to be sorted.
"""

from dataclasses import dataclass

import numpy as np

from matching.book import BoolArray, IntArray, blocks
from matching.orders import PRICE_TICK_MICRO_PER_KWH
from matching.rationing import TieKeys, pro_rata

LEVELS_FEW = 2**16  # ticks that cost little to count even for a small book; more than there are orders cost too much
TOTAL_MAX_WH = 2**53  # what the floats in which numpy counts hold exactly; ten million largest orders are 10^15


class LossesNotCovered(Exception):  # noqa: N818 (says what happened; callers catch it by this name)
    """The offers do not suffice for the network's losses."""

    def __init__(self, *, loss_wh: int, offered_wh: int, message: str | None = None) -> None:
        super().__init__(
            message
            or f"the market must buy {loss_wh} Wh of network losses but only {offered_wh} Wh are offered; "
            "give a supplier price or leave losses to the grid operator"
        )
        self.loss_wh = loss_wh
        self.offered_wh = offered_wh


class LossesNotSettled(LossesNotCovered):
    """What is bought for losses never becomes what is lost: close to its collapse a network loses more than it gets."""

    def __init__(self, *, loss_wh: int, offered_wh: int) -> None:
        super().__init__(
            loss_wh=loss_wh,
            offered_wh=offered_wh,
            message=f"with {offered_wh} Wh bought for losses the network loses {loss_wh} Wh, with others again: "
            "these limits let it near its collapse; narrow them, or leave losses to the grid operator",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """The supplier as a bidder: sells without bound at the one price, buys without bound at the other; None = does not.

    Prices in micro-units per kWh, on the tick, feed-in <= supplier price.
    """

    sells_at_micro_per_kwh: int | None = None
    buys_at_micro_per_kwh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInterval:
    """All prices that support a result: nobody accepted beyond its limit, nobody left out who wanted in."""

    lower_micro_per_kwh: float
    upper_micro_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionResult:
    """accepted_wh [n]; the supplier's volumes; the supporting prices, None where nothing was accepted."""

    accepted_wh: IntArray
    supplier_import_wh: int
    supplier_export_wh: int
    prices: PriceInterval | None


class MeritOrder:
    """One side of the book by price, best first, with running totals. A price may have no quantity.

    `worth` [n_level] is the price for sellers and minus the price for buyers: smaller comes first for both sides.
    """

    def __init__(self, worth: IntArray, quantity_wh: IntArray) -> None:
        self.worth = worth
        self.running_wh = np.cumsum(quantity_wh)
        self.total_wh = int(quantity_wh.sum())

    def quantity_up_to(self, worth: int) -> int:
        """Quantity of all orders at least this good."""
        count = int(np.searchsorted(self.worth, worth, side="right"))
        return int(self.running_wh[count - 1]) if count else 0

    def worst_accepted(self, accepted_wh: int) -> int | None:
        """Worth of the order that holds the last accepted Wh."""
        if accepted_wh == 0:
            return None
        return int(self.worth[np.searchsorted(self.running_wh, accepted_wh, side="left")])

    def best_left(self, accepted_wh: int) -> int | None:
        """Worth of the order that holds the first Wh not accepted."""
        if accepted_wh == self.total_wh:
            return None
        return int(self.worth[np.searchsorted(self.running_wh, accepted_wh, side="right")])


def merit_orders(
    is_sell: BoolArray, quantity_wh: IntArray, limit_micro_per_kwh: IntArray
) -> tuple[MeritOrder, MeritOrder]:
    """Sellers and buyers, both over the same prices, which are on the tick."""
    prices, asked_wh, offered_wh = _by_price(is_sell, quantity_wh, limit_micro_per_kwh)
    return MeritOrder(prices, offered_wh), MeritOrder(-prices[::-1], asked_wh[::-1])


def _by_price(
    is_sell: BoolArray, quantity_wh: IntArray, limit_micro_per_kwh: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Ascending prices that comprise those of all orders, and what buyers and sellers have at each."""
    if not quantity_wh.size:
        return quantity_wh, quantity_wh, quantity_wh
    assert int(quantity_wh.sum()) <= TOTAL_MAX_WH
    lowest, highest, tick = int(limit_micro_per_kwh.min()), int(limit_micro_per_kwh.max()), PRICE_TICK_MICRO_PER_KWH
    count = (highest - lowest) // tick + 1
    if count > max(LEVELS_FEW, quantity_wh.size):
        ranked = np.argsort(limit_micro_per_kwh)
        prices, first = np.unique(limit_micro_per_kwh[ranked], return_index=True)
        asked_wh = np.add.reduceat(quantity_wh[ranked] * ~is_sell[ranked], first)
        return prices, asked_wh, np.add.reduceat(quantity_wh[ranked] * is_sell[ranked], first)
    total_wh = np.zeros(2 * count)
    for at in blocks(quantity_wh.size, at_least=count):
        place = (limit_micro_per_kwh[at] - lowest) // tick * 2 + is_sell[at]
        total_wh += np.bincount(place, weights=quantity_wh[at], minlength=2 * count)
    whole_wh = total_wh.astype(np.int64)
    return np.arange(lowest, highest + tick, tick, dtype=np.int64), whole_wh[::2], whole_wh[1::2]


def sort_and_merge(
    *,
    is_sell: BoolArray,
    quantity_wh: IntArray,
    limit_micro_per_kwh: IntArray,
    supplier: Supplier,
    tie_keys: TieKeys,
    loss_wh: int = 0,
) -> AuctionResult:
    """Welfare-maximal result of largest volume; `loss_wh` is bought at any price. Raises LossesNotCovered.

    Quantities are at least zero and limits on the tick.
    """
    sells, buys = merit_orders(is_sell, quantity_wh, limit_micro_per_kwh)
    sold_wh, bought_wh, import_wh, export_wh = _volumes(sells, buys, supplier, loss_wh)
    in_full, shared = np.zeros(quantity_wh.size, dtype=np.bool_), []
    for on_side, sign, merit, volume_wh in ((is_sell, 1, sells, sold_wh), (~is_sell, -1, buys, bought_wh)):
        marginal = merit.worst_accepted(volume_wh)
        if marginal is None:
            continue
        price = sign * marginal
        in_full |= on_side & (limit_micro_per_kwh < price if sign > 0 else limit_micro_per_kwh > price)
        tied = np.flatnonzero(on_side & (limit_micro_per_kwh == price))
        left_wh = volume_wh - merit.quantity_up_to(marginal - 1)
        shared.append((tied, pro_rata(quantity_wh[tied], left_wh, positions=tied, tie_keys=tie_keys)))
    accepted = quantity_wh * in_full
    for tied, share_wh in shared:
        accepted[tied] = share_wh
    assert sold_wh + import_wh == bought_wh + export_wh + loss_wh
    return AuctionResult(
        accepted_wh=accepted,
        supplier_import_wh=import_wh,
        supplier_export_wh=export_wh,
        prices=_supporting_prices(sells, buys, supplier, (sold_wh, bought_wh, import_wh, export_wh)),
    )


def _volumes(sells: MeritOrder, buys: MeritOrder, supplier: Supplier, loss_wh: int) -> tuple[int, int, int, int]:
    """Sold, bought, supplier's sale and supplier's purchase, Wh."""

    def supply(price: int) -> int:
        return sells.quantity_up_to(price)

    def demand(price: int) -> int:
        return buys.quantity_up_to(-price) + loss_wh

    price = supplier.sells_at_micro_per_kwh
    if price is not None and demand(price) > supply(price):
        return supply(price), demand(price) - loss_wh, demand(price) - supply(price), 0
    price = supplier.buys_at_micro_per_kwh
    if price is not None and supply(price) > demand(price):
        return supply(price), demand(price) - loss_wh, 0, supply(price) - demand(price)
    if sells.total_wh < loss_wh:
        raise LossesNotCovered(loss_wh=loss_wh, offered_wh=sells.total_wh)
    volume_wh = _largest_volume(sells, buys, loss_wh)
    return volume_wh, volume_wh - loss_wh, 0, 0


def _largest_volume(sells: MeritOrder, buys: MeritOrder, loss_wh: int) -> int:
    """Max over p of min(D(p), S(p)); between two prices neither is larger than at the upper one."""
    demand_wh = buys.running_wh[::-1] + loss_wh
    return int(np.minimum(sells.running_wh, demand_wh).max(initial=0))


def _supporting_prices(
    sells: MeritOrder, buys: MeritOrder, supplier: Supplier, volumes: tuple[int, int, int, int]
) -> PriceInterval | None:
    sold_wh, bought_wh, import_wh, export_wh = volumes
    if sold_wh == import_wh == 0:
        return None
    left_buy, bought = buys.best_left(bought_wh), buys.worst_accepted(bought_wh)
    lower = [
        sells.worst_accepted(sold_wh),
        None if left_buy is None else -left_buy,
        supplier.buys_at_micro_per_kwh,
        supplier.sells_at_micro_per_kwh if import_wh else None,
    ]
    upper = [
        None if bought is None else -bought,
        sells.best_left(sold_wh),
        supplier.sells_at_micro_per_kwh,
        supplier.buys_at_micro_per_kwh if export_wh else None,
    ]
    lowest = max(price for price in lower if price is not None)
    highest = min((price for price in upper if price is not None), default=lowest)
    assert lowest <= highest
    return PriceInterval(lower_micro_per_kwh=lowest, upper_micro_per_kwh=highest)
