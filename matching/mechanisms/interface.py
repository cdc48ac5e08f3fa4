"""What a mechanism is: it sees what may trade and says who trades how much, at which price.

The network, the judge, the certificate and the invariants are those of `matching.clearing` and `matching.publication`,
the same for every mechanism.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import numpy as np

from matching.auction import PriceInterval, Supplier
from matching.book import BoolArray, IntArray, OrderBook
from matching.orders import PRICE_TICK_MICRO_PER_KWH
from matching.preferences.fees import GridFees
from matching.preferences.outcome import AttributeOutcome
from matching.rationing import TieKeys


class Budget(Enum):
    """What is left between what buyers pay and what sellers receive, the supplier included on both sides.

    EXACT    nothing
    SURPLUS  nothing or more, for the congestion account
    ACCOUNT  whatever the network's prices leave; the congestion account takes it or pays it
    """

    EXACT = 0
    SURPLUS = 1
    ACCOUNT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What a mechanism promises beside what holds for all (conservation, nobody beyond the own limit, no priorities).

    optimal            no outcome has more welfare; the network's limits are kept by optimising under them, elsewhere
                       by refusing flexible energy and curtailing
    uniform_price      firm and curtailable orders all have the clearing price
    average_prices     an order's amount may lie up to one nano-unit per Wh above price x energy: the price is an
                       average, floored, and the amount is what counts
    truthful           nobody with a single unit gains by another limit than the true one
    supplier_joins     a supplier that bids takes part
    outside_prices     needs both the supplier's price and the feed-in price
    community_price    works at the community's price, which is given or the middle of the two outside prices
    keys               shares by keys per participant
    pools_leftovers    settlement shares what deviated from the contracts once more, at the clearing price
    """

    budget: Budget = Budget.EXACT
    optimal: bool = False
    uniform_price: bool = False
    average_prices: bool = False
    truthful: bool = False
    supplier_joins: bool = False
    outside_prices: bool = False
    community_price: bool = False
    keys: bool = False
    pools_leftovers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tradable:
    """What a mechanism sees of an interval. Prices in micro-units per kWh, on the tick but for the thin book's.

    quantity_wh      [n_order] what of each order of the book may be accepted: less than the order where the network
                     does not let it
    tie_keys, tie_seed  who gets an indivisible unit
    loss_wh          losses that the market buys; zero but for the double auction
    supplier         as it takes part
    price            the community's, or the middle of the outside prices; None where it is not known
    thin_book_price  price of the double auction where the book is thin; None for no such rule
    k                where in the interval of supporting prices the double auction's price lies
    grid_fees        by zones; None for none
    keys_ppm         share of generation by participant, parts per million; None for equal shares of those who buy
    own_limit_micro_per_kwh  [n_order] of buyers for whom the book bids more; None where it bids their own
    """

    book: OrderBook
    quantity_wh: IntArray
    tie_keys: TieKeys
    tie_seed: str
    loss_wh: int = 0
    supplier: Supplier = field(default_factory=Supplier)
    price_micro_per_kwh: int | None = None
    thin_book_price_micro_per_kwh: int | None = None
    k: float = 0.5
    grid_fees: GridFees | None = None
    keys_ppm: Mapping[str, int] | None = None
    own_limit_micro_per_kwh: IntArray | None = None

    def accepting(self, price_micro_per_kwh: int) -> tuple[IntArray, IntArray]:
        """Positions of the sell and of the buy orders with something to trade whose limits accept the price."""
        limit, open_orders = self.book.limit_micro_per_kwh, self.quantity_wh > 0
        selling = open_orders & self.book.is_sell & (limit <= price_micro_per_kwh)
        buying = open_orders & ~self.book.is_sell & (limit >= price_micro_per_kwh)
        return np.flatnonzero(selling), np.flatnonzero(buying)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Payments:
    """price_micro_per_kwh, amount_nano [n_order], both 0 where nothing was accepted; buyers pay, sellers receive.

    clearing_price_micro_per_kwh  the price of the interval, on the tick; None where nothing was accepted
    supplier_pays_nano            for what it takes, less what it receives for what it delivers
    grid_fee_nano                 the part of what buyers pay that goes to the grid
    """

    price_micro_per_kwh: IntArray
    amount_nano: IntArray
    clearing_price_micro_per_kwh: int | None
    supplier_pays_nano: int = 0
    grid_fee_nano: int = 0

    @classmethod
    def by_side(
        cls, is_sell: BoolArray, accepted_wh: IntArray, *, buyers_pay: int, sellers_get: int, clearing_price: int
    ) -> "Payments":
        """One price for all buyers and one for all sellers, who trade without a supplier."""
        price = np.where(is_sell, np.int64(sellers_get), np.int64(buyers_pay))
        price = np.where(accepted_wh > 0, price, np.int64(0))
        return cls(
            price_micro_per_kwh=price,
            amount_nano=accepted_wh * price,
            clearing_price_micro_per_kwh=clearing_price if accepted_wh.any() else None,
        )

    @classmethod
    def of_amounts(
        cls,
        accepted_wh: IntArray,
        amount_nano: IntArray,
        *,
        clearing_price_micro_per_kwh: int | None,
        supplier_pays_nano: int,
        grid_fee_nano: int = 0,
    ) -> "Payments":
        """Amounts [n_order] come first; each price is the floored average, so that it too keeps the order's limit."""
        return cls(
            price_micro_per_kwh=amount_nano // np.maximum(accepted_wh, 1),
            amount_nano=amount_nano,
            clearing_price_micro_per_kwh=clearing_price_micro_per_kwh,
            supplier_pays_nano=supplier_pays_nano,
            grid_fee_nano=grid_fee_nano,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """Who trades how much, and for how much.

    prices      those that support the result, where there are such
    attributes  who is filled from where, if energy has attributes or grid fees
    """

    accepted_wh: IntArray
    payments: Payments
    supplier_import_wh: int = 0
    supplier_export_wh: int = 0
    prices: PriceInterval | None = None
    attributes: AttributeOutcome | None = None


class Mechanism(Protocol):
    """A way to trade. Deterministic, and independent of the order of arrival."""

    @property
    def properties(self) -> Properties: ...

    def match(self, tradable: Tradable) -> Match:
        """The result of what may trade."""


def whole_tick(price_micro_per_kwh: int) -> int:
    """The highest tick not above a whole price."""
    return price_micro_per_kwh // PRICE_TICK_MICRO_PER_KWH * PRICE_TICK_MICRO_PER_KWH
