"""The community's price, decided beforehand; what does not fit is rationed pro rata.

Who accepts the price takes part. The shorter side trades in full, the longer one in proportion to its orders: with
I Wh to buy and E Wh to sell, q_i = I_i min(1, E/I) and the same for sellers. No bid moves the price or, as long as it
accepts the price, the volume; who would gain at the price and says so gets the most there is to get.
"""

import numpy as np

from matching.book import IntArray
from matching.mechanisms.interface import Match, Payments, Properties, Tradable
from matching.rationing import pro_rata


class FixedPrice:
    """Pro rata at the community's price. Truthful: a limit decides whether to take part and nothing else."""

    properties = Properties(uniform_price=True, truthful=True, community_price=True, pools_leftovers=True)

    def match(self, tradable: Tradable) -> Match:
        """What is tradable at the community's price, which must be known."""
        price = tradable.price_micro_per_kwh
        assert price is not None
        accepted = shared_pro_rata(tradable, *tradable.accepting(price))
        return at_one_price(tradable, accepted, price)


def shared_pro_rata(tradable: Tradable, selling: IntArray, buying: IntArray) -> IntArray:
    """Accepted Wh [n_order] where these positions share what both sides have, each side pro rata to its orders."""
    quantity = tradable.quantity_wh
    shared_wh = min(int(quantity[selling].sum()), int(quantity[buying].sum()))
    accepted = np.zeros_like(quantity)
    for side in (selling, buying):
        accepted[side] = pro_rata(quantity[side], shared_wh, positions=side, tie_keys=tradable.tie_keys)
    return accepted


def at_one_price(tradable: Tradable, accepted_wh: IntArray, price_micro_per_kwh: int) -> Match:
    """The accepted energy [n_order], balanced among members, all at one price on the tick."""
    price = price_micro_per_kwh
    payments = Payments.by_side(
        tradable.book.is_sell, accepted_wh, buyers_pay=price, sellers_get=price, clearing_price=price
    )
    return Match(accepted_wh=accepted_wh, payments=payments)
