"""The uniform-price double auction: the most welfare, and of that the most energy, at one price that supports it.

The price lies at the share k of the interval of supporting prices, floored to the tick (Rustichini, Satterthwaite and
Williams, Econometrica 62, 1994, show what misreporting can gain when many trade). A thin book is priced as near to the
middle of the outside prices as the interval allows: where few trade, one of them could move the price.
"""

import numpy as np

from matching.auction import sort_and_merge
from matching.book import IntArray, OrderBook
from matching.mechanisms.interface import Budget, Match, Payments, Properties, Tradable
from matching.price_rule import PriceRule, floor_to_tick

THIN_BELOW = 3  # buyers or sellers


class KDoubleAuction:
    """Sort and merge; under network limits `matching.congestion` finds the optimum and the same rule prices it."""

    properties = Properties(
        budget=Budget.ACCOUNT, optimal=True, uniform_price=True, supplier_joins=True, pools_leftovers=True
    )

    def match(self, tradable: Tradable) -> Match:
        """Raises LossesNotCovered where the losses to buy are more than what is offered."""
        auction = sort_and_merge(
            is_sell=tradable.book.is_sell,
            quantity_wh=tradable.quantity_wh,
            limit_micro_per_kwh=tradable.book.limit_micro_per_kwh,
            supplier=tradable.supplier,
            tie_keys=tradable.tie_keys,
            loss_wh=tradable.loss_wh,
        )
        price = None
        if auction.prices is not None:
            price = floor_to_tick(price_rule(tradable, auction.accepted_wh).choose(auction.prices))
        paid = (auction.accepted_wh > 0) * np.int64(price or 0)
        return Match(
            accepted_wh=auction.accepted_wh,
            supplier_import_wh=auction.supplier_import_wh,
            supplier_export_wh=auction.supplier_export_wh,
            payments=Payments(
                price_micro_per_kwh=paid,
                amount_nano=auction.accepted_wh * paid,
                clearing_price_micro_per_kwh=price,
                supplier_pays_nano=(price or 0) * (auction.supplier_export_wh - auction.supplier_import_wh),
            ),
            prices=auction.prices,
        )


def price_rule(tradable: Tradable, accepted_wh: IntArray) -> PriceRule:
    """Which of the supporting prices of an accepted volume [n_order] is taken."""
    target = tradable.thin_book_price_micro_per_kwh
    if target is not None and not is_thin(tradable.book, accepted_wh):
        target = None
    own, wanted = tradable.own_limit_micro_per_kwh, ~tradable.book.is_sell & (accepted_wh > 0)
    at_most = None if own is None or not wanted.any() else int(own[wanted].min())
    return PriceRule(k=tradable.k, target_micro_per_kwh=target, at_most_micro_per_kwh=at_most)


def is_thin(book: OrderBook, accepted_wh: IntArray) -> bool:
    """Fewer than three buyers or sellers, or one seller with more than half of the volume."""
    names, code = book.coded_participants()
    has_order = book.quantity_wh > 0
    for side in (book.is_sell, ~book.is_sell):
        if np.unique(code[side & has_order]).size < THIN_BELOW:
            return True
    sold = np.zeros(names.size, dtype=np.int64)
    np.add.at(sold, code[book.is_sell], accepted_wh[book.is_sell])
    return int(sold.max(initial=0)) * 2 > int(sold.sum())
