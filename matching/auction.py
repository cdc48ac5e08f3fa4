"""Sort and merge: the uniform-price double auction when no network row binds, in O(n log n).

Demand D(p) counts the buy quantity with a limit of at least p, supply S(p) the sell quantity with a limit of at most
p. The largest volume that maximises welfare is max over p of min(D(p), S(p)). A supplier that sells without bound at
R and buys without bound at F joins it: it sells exactly when D(R) > S(R) and buys exactly when S(F) > D(F).
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from matching.book import BoolArray, IntArray
from matching.rationing import TieKeys, pro_rata


class LossesNotCovered(Exception):  # noqa: N818 (says what happened; callers catch it by this name)
    """The offers do not suffice for the network's losses."""

    def __init__(self, *, loss_wh: int, offered_wh: int) -> None:
        super().__init__(
            f"the market must buy {loss_wh} Wh of network losses but only {offered_wh} Wh are offered; "
            "give a supplier price or leave losses to the grid operator"
        )
        self.loss_wh = loss_wh
        self.offered_wh = offered_wh


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
    """One side of the book, best price first, with running totals.

    `worth` is the price for sellers and minus the price for buyers, so that for both sides smaller comes first.
    """

    def __init__(self, quantity_wh: IntArray, worth: IntArray) -> None:
        self.ranked = np.argsort(worth, kind="stable")
        self._quantity_wh = quantity_wh
        self.worth = worth[self.ranked]
        self.running_wh = np.cumsum(quantity_wh[self.ranked])
        self.total_wh = int(self.running_wh[-1]) if quantity_wh.size else 0

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

    def fill(self, accepted_wh: int, *, positions: IntArray, tie_keys: TieKeys) -> IntArray:
        """Accepted Wh of each order: better prices in full, the marginal price pro rata."""
        accepted = np.zeros_like(self._quantity_wh)
        marginal = self.worst_accepted(accepted_wh)
        if marginal is None:
            return accepted
        first = int(np.searchsorted(self.worth, marginal, side="left"))
        last = int(np.searchsorted(self.worth, marginal, side="right"))
        better, tied = self.ranked[:first], self.ranked[first:last]
        accepted[better] = self._quantity_wh[better]
        left_wh = accepted_wh - (int(self.running_wh[first - 1]) if first else 0)
        accepted[tied] = pro_rata(self._quantity_wh[tied], left_wh, positions=positions[tied], tie_keys=tie_keys)
        return accepted


def sort_and_merge(
    *,
    is_sell: BoolArray,
    quantity_wh: IntArray,
    limit_micro_per_kwh: IntArray,
    supplier: Supplier,
    tie_keys: TieKeys,
    loss_wh: int = 0,
) -> AuctionResult:
    """Welfare-maximal result of largest volume; `loss_wh` is bought at any price. Raises LossesNotCovered."""
    selling, buying = np.flatnonzero(is_sell), np.flatnonzero(~is_sell)
    sells = MeritOrder(quantity_wh[selling], limit_micro_per_kwh[selling])
    buys = MeritOrder(quantity_wh[buying], -limit_micro_per_kwh[buying])
    sold_wh, bought_wh, import_wh, export_wh = _volumes(sells, buys, supplier, loss_wh)
    accepted = np.zeros_like(quantity_wh)
    accepted[selling] = sells.fill(sold_wh, positions=selling, tie_keys=tie_keys)
    accepted[buying] = buys.fill(bought_wh, positions=buying, tie_keys=tie_keys)
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
    """Max over p of min(D(p), S(p)): S - D never falls as p rises, so both sides of its zero are found by bisection."""

    def excess_wh(price: int) -> int:
        return sells.quantity_up_to(price) - buys.quantity_up_to(-price) - loss_wh

    above: list[int] = []
    below: list[int] = []
    for worths in (sells.worth, -buys.worth[::-1]):
        prices = worths.tolist()
        first = bisect_left(prices, 0, key=excess_wh)
        above += prices[first : first + 1]
        below += prices[first - 1 : first] if first else []
    volumes = [sells.quantity_up_to(max(below))] if below else []
    volumes += [buys.quantity_up_to(-min(above)) + loss_wh] if above else []
    return max(volumes, default=0)


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
