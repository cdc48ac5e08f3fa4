"""The middle of the two outside prices, p = (R + F) / 2, for what neighbours share; the supplier's part is averaged in.

With I Wh bought and E Wh sold, all of it accepted (Long, Wu, Zhang, Thomas, Cheng and Jenkins, Peer-to-peer energy
trading in a community microgrid, IEEE PES General Meeting 2017; p floored to the tick):

  E = I   everybody p
  E > I   buyers p, sellers (I p + (E - I) F) / E: the surplus is fed in
  E < I   sellers p, buyers (E p + (I - E) R) / I: what is missing comes from the supplier

That is so where the supplier bids. Where it does not, min(E, I) is shared pro rata at p, and the rest is each member's
own supplier's.

Nobody trades beyond the own limit. Buyers never pay less than p and sellers never get more, so that who does not accept
p stays out. On the longer side the price depends on who takes part: while its least accepting price level does not
accept the average, that level leaves and the average is made again. Each pass takes at least one order out of finitely
many, so it ends; and it ends with everybody accepting. On one side this keeps as many levels as can be kept, since each
further level only worsens the average for its side.

Averages do not fall on whole units. The money of a side is exact, an order's part of it is floored and completed by
largest remainder, then keyed hash; its price is its amount per Wh, floored.
"""

from dataclasses import dataclass, replace

import numpy as np

from matching.book import IntArray
from matching.mechanisms.fixed_price import at_one_price, shared_pro_rata
from matching.mechanisms.interface import Match, Payments, Properties, Tradable
from matching.rationing import share_out


class MidMarketRate:
    """Budget exact, individually rational by exclusion; not optimal, since one price suits not everybody."""

    properties = Properties(average_prices=True, supplier_joins=True, outside_prices=True, pools_leftovers=True)

    def match(self, tradable: Tradable) -> Match:
        """All that accepts; the rates of the supplier are those at which it bids, on both sides."""
        price = tradable.price_micro_per_kwh
        assert price is not None
        selling, buying = tradable.accepting(price)
        supply_price, feed_in_price = tradable.supplier.sells_at_micro_per_kwh, tradable.supplier.buys_at_micro_per_kwh
        if supply_price is None or feed_in_price is None:
            return at_one_price(tradable, shared_pro_rata(tradable, selling, buying), price)
        sides = _Sides(
            tradable=tradable,
            price=price,
            supply_price=supply_price,
            feed_in_price=feed_in_price,
            selling=selling,
            buying=buying,
        )
        return sides.stable().match()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sides:
    """Who takes part: positions of sellers and buyers. Prices in micro-units per kWh."""

    tradable: Tradable
    price: int
    supply_price: int
    feed_in_price: int
    selling: IntArray
    buying: IntArray

    @property
    def sold_wh(self) -> int:
        return int(self.tradable.quantity_wh[self.selling].sum())

    @property
    def bought_wh(self) -> int:
        return int(self.tradable.quantity_wh[self.buying].sum())

    @property
    def received_nano(self) -> int:
        """What all sellers get together."""
        shared_wh = min(self.sold_wh, self.bought_wh)
        return shared_wh * self.price + (self.sold_wh - shared_wh) * self.feed_in_price

    @property
    def paid_nano(self) -> int:
        """What all buyers pay together."""
        shared_wh = min(self.sold_wh, self.bought_wh)
        return shared_wh * self.price + (self.bought_wh - shared_wh) * self.supply_price

    def stable(self) -> "_Sides":
        """Without those who do not accept their side's average: the least accepting level leaves first."""
        sides, limit = self, self.tradable.book.limit_micro_per_kwh
        while True:
            if sides.sold_wh > sides.bought_wh:
                own = limit[sides.selling]
                worst = int(own.max())
                if worst * sides.sold_wh <= sides.received_nano:
                    return sides
                sides = replace(sides, selling=sides.selling[own < worst])
            elif sides.bought_wh > sides.sold_wh:
                own = limit[sides.buying]
                worst = int(own.min())
                if worst * sides.bought_wh >= sides.paid_nano:
                    return sides
                sides = replace(sides, buying=sides.buying[own > worst])
            else:
                return sides

    def match(self) -> Match:
        """Everything that takes part, each side's money in proportion to energy."""
        accepted, amount = np.zeros_like(self.tradable.quantity_wh), np.zeros_like(self.tradable.quantity_wh)
        for side, total_nano in ((self.selling, self.received_nano), (self.buying, self.paid_nano)):
            accepted[side] = self.tradable.quantity_wh[side]
            if side.size:
                amount[side] = share_out(total_nano, accepted[side], positions=side, tie_keys=self.tradable.tie_keys)
        imported_wh = max(0, self.bought_wh - self.sold_wh)
        exported_wh = max(0, self.sold_wh - self.bought_wh)
        return Match(
            accepted_wh=accepted,
            supplier_import_wh=imported_wh,
            supplier_export_wh=exported_wh,
            payments=Payments.of_amounts(
                accepted,
                amount,
                clearing_price_micro_per_kwh=self.price if accepted.any() else None,
                supplier_pays_nano=exported_wh * self.feed_in_price - imported_wh * self.supply_price,
            ),
        )
