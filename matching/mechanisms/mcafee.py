"""McAfee's trade reduction, for orders of many Wh: nobody who trades makes the own price.

McAfee, A dominant strategy double auction, Journal of Economic Theory 56, 1992: with buyers by falling and sellers by
rising limits, k the last pair with b_k >= s_k, and p = (b_{k+1} + s_{k+1}) / 2: if p lies in [s_k, b_k], all k pairs
trade at p; else the k-th does not, the others' buyers pay b_k and their sellers get s_k.

Orders of many Wh, after Huang, Scheller-Wolf and Sycara, Design of a multi-unit double auction e-market, Computational
Intelligence 18, 2002, who reduce by whole orders: with V Wh the double auction's volume, the marginal buyer K is the
order that holds the V-th Wh of demand and the marginal seller L the one that holds the V-th Wh of supply; equal limits
stand in the order of the keyed hash.

  1. Where K and L end exactly at V, both have a next order, and p = (b_{K+1} + s_{L+1}) / 2, floored to the tick, lies
     in [s_L, b_K]: buyers 1..K and sellers 1..L trade V at p.
  2. Else K and L are left out. Buyers 1..K-1 pay b_K, sellers 1..L-1 get s_L; the volume is what both sides have, the
     longer side is rationed pro rata. b_K >= s_L, so that what is left, V' (b_K - s_L), is never a deficit; it goes to
     the congestion account.

With orders of one size this is McAfee's rule. Then nobody gains by another limit than the true one, since who trades
does so at a price from orders that do not trade. V' >= V - max(Q_K, Q_L): at most one marginal order of either side is
lost. Orders of different sizes and participants with several orders are not promised truthfulness: quantities and the
choice between 1 and 2 can be worth misreporting.
"""

from dataclasses import dataclass

import numpy as np

from matching.auction import Supplier, sort_and_merge
from matching.book import IntArray
from matching.mechanisms.fixed_price import at_one_price, shared_pro_rata
from matching.mechanisms.interface import Budget, Match, Payments, Properties, Tradable, whole_tick


class McAfee:
    """Truthful for single-unit orders, never a deficit, at most one marginal trade short of optimal."""

    properties = Properties(budget=Budget.SURPLUS, truthful=True)

    def match(self, tradable: Tradable) -> Match:
        """The reduced trades among members; the supplier takes no part."""
        book, quantity = tradable.book, tradable.quantity_wh
        auction = sort_and_merge(
            is_sell=book.is_sell,
            quantity_wh=quantity,
            limit_micro_per_kwh=book.limit_micro_per_kwh,
            supplier=Supplier(),
            tie_keys=tradable.tie_keys,
        )
        volume_wh = int(auction.accepted_wh[book.is_sell].sum())
        if volume_wh == 0:
            return at_one_price(tradable, np.zeros_like(quantity), 0)
        sellers, buyers = _side(tradable, volume_wh, selling=True), _side(tradable, volume_wh, selling=False)
        price = _price_of_the_next(sellers, buyers)
        if price is not None:
            accepted = shared_pro_rata(tradable, sellers.first(sellers.marginal + 1), buyers.first(buyers.marginal + 1))
            return at_one_price(tradable, accepted, price)
        accepted = shared_pro_rata(tradable, sellers.first(sellers.marginal), buyers.first(buyers.marginal))
        buyers_pay, sellers_get = buyers.limits[buyers.marginal], sellers.limits[sellers.marginal]
        payments = Payments.by_side(
            book.is_sell,
            accepted,
            buyers_pay=buyers_pay,
            sellers_get=sellers_get,
            clearing_price=whole_tick((buyers_pay + sellers_get) // 2),
        )
        return Match(accepted_wh=accepted, payments=payments)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Side:
    """Orders of one side with something to trade, best first; `marginal` is the rank of the one that holds the V-th Wh.

    ends_there  whether that is its last Wh
    """

    positions: IntArray
    limits: tuple[int, ...]
    marginal: int
    ends_there: bool

    def first(self, count: int) -> IntArray:
        return self.positions[:count]

    @property
    def next_limit(self) -> int | None:
        """Limit of the best order that trades nothing; None where the marginal order has more, or is the last."""
        has_next = self.ends_there and self.marginal + 1 < len(self.limits)
        return self.limits[self.marginal + 1] if has_next else None


def _side(tradable: Tradable, volume_wh: int, *, selling: bool) -> _Side:
    book, quantity = tradable.book, tradable.quantity_wh
    at = np.flatnonzero((book.is_sell == selling) & (quantity > 0))
    worth = book.limit_micro_per_kwh[at] if selling else -book.limit_micro_per_kwh[at]
    ranked = at[np.lexsort((tradable.tie_keys(at), worth))]
    running_wh = np.cumsum(quantity[ranked])
    marginal = int(np.searchsorted(running_wh, volume_wh, side="left"))
    return _Side(
        positions=ranked,
        limits=tuple(book.limit_micro_per_kwh[ranked].tolist()),
        marginal=marginal,
        ends_there=int(running_wh[marginal]) == volume_wh,
    )


def _price_of_the_next(sellers: _Side, buyers: _Side) -> int | None:
    """The middle of the best limits that do not trade, where those who trade accept it."""
    asked, bid = sellers.next_limit, buyers.next_limit
    if asked is None or bid is None:
        return None
    price = whole_tick((asked + bid) // 2)
    return price if sellers.limits[sellers.marginal] <= price <= buyers.limits[buyers.marginal] else None
