"""What a mechanism is: it sees what may trade and says who trades how much, at which price.

The network, the judge, the certificate and the invariants are those of `matching.clearing` and `matching.publication`,
the same for every mechanism.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from matching.auction import PriceInterval, Supplier
from matching.book import IntArray, OrderBook
from matching.rationing import TieKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What a mechanism promises beside what holds for all (conservation, nobody beyond the own limit, no priorities).

    optimal           no outcome has more welfare; the network's limits are kept by optimising under them, not by
                      refusing
    average_prices    an order's price is a rounded average and its amount is what counts; else amount = price x energy
    leaves_rent       buyers may pay more than sellers receive; the difference goes to the congestion account
    truthful          nobody with a single unit gains by another limit than the true one
    needs_price       works at the community's price: a given one or the middle of the two outside prices
    takes_keys        shares by keys per participant
    pools_leftovers   settlement shares what deviated from the contracts once more, at the clearing price
    """

    optimal: bool = False
    average_prices: bool = False
    leaves_rent: bool = False
    truthful: bool = False
    needs_price: bool = False
    takes_keys: bool = False
    pools_leftovers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tradable:
    """What a mechanism sees of an interval. Prices in micro-units per kWh.

    quantity_wh      [n_order] what of each order of the book may be accepted: less than the order where the network
                     does not let it
    loss_wh          losses that the market buys; zero but for the double auction
    supplier         as it takes part
    community_price  the community's price, on the tick; None where it is not known
    thin_book_price  price of the double auction where the book is thin; None for no such rule
    k                where in the interval of supporting prices the double auction's price lies
    keys_ppm         share of generation by participant, parts per million; None for equal shares of those who buy
    """

    book: OrderBook
    quantity_wh: IntArray
    tie_keys: TieKeys
    loss_wh: int = 0
    supplier: Supplier = field(default_factory=Supplier)
    community_price_micro_per_kwh: int | None = None
    thin_book_price_micro_per_kwh: int | None = None
    k: float = 0.5
    keys_ppm: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Payments:
    """price_micro_per_kwh, amount_nano [n_order], both 0 where nothing was accepted; buyers pay, sellers receive.

    clearing_price_micro_per_kwh  the price of the interval, on the tick; None where nothing was accepted
    supplier_pays_nano            for what it takes, less what it receives for what it delivers
    """

    price_micro_per_kwh: IntArray
    amount_nano: IntArray
    clearing_price_micro_per_kwh: int | None
    supplier_pays_nano: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Match:
    """Who trades how much, and for how much; `prices` are those that support the result, where there are such."""

    accepted_wh: IntArray
    supplier_import_wh: int
    supplier_export_wh: int
    payments: Payments
    prices: PriceInterval | None = None


class Mechanism(Protocol):
    """A way to trade. Deterministic, and independent of the order of arrival."""

    @property
    def properties(self) -> Properties: ...

    def match(self, tradable: Tradable) -> Match:
        """The result of what may trade."""
