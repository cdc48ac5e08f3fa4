"""What a community decides about its market."""

from collections.abc import Mapping
from dataclasses import dataclass

from matching.auction import Supplier
from matching.book import IntArray, OrderBook
from matching.island.rules import Island
from matching.mechanisms import MECHANISMS as MECHANISM_BY_NAME
from matching.mechanisms.interface import Mechanism, Properties, Tradable, whole_tick
from matching.mechanisms.static_key import WHOLE_PPM
from matching.orders import PRICE_TICK_MICRO_PER_KWH
from matching.preferences.auction import AttributeAuction
from matching.preferences.fees import GridFees, zones_of
from matching.rationing import TieKeys
from matching.validation import LIMIT_MAX_MICRO_PER_KWH

MECHANISMS = tuple(MECHANISM_BY_NAME)
LOSSES = ("grid", "market")
INTERVAL_MINUTES = (5, 15, 30, 60)


class RuleError(ValueError):
    """Rules or circumstances that contradict each other; the message says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRules:
    """Rules of one clearing. Prices in micro-units per kWh, on the tick. Raises RuleError for rules that contradict.

    k                 where in the interval of supporting prices the price lies: 0 favours buyers, 1 favours sellers
    supplier_price, feed_in_price  what members pay and get outside; the latter is what curtailing costs
    supplier_bids     the supplier joins the auction at these prices, without bound
    tie_seed          keys the hash that decides who gets an indivisible Wh
    thin_book_price   a thin book is priced in the middle of the two outside prices
    losses            "grid": the grid operator's; "market": bought in the auction
    community_price   of the mechanisms that work at one; the middle of the two outside prices if not given
    keys_ppm          of `static_key`: share of all generation by participant, parts per million
    grid_fees         what a kWh costs on its way between zones; None where it costs nothing
    island            of a feeder without a supplier; None where members have one
    """

    tie_seed: str
    mechanism: str = "k_double_auction"
    k: float = 0.5
    supplier_price_micro_per_kwh: int | None = None
    feed_in_price_micro_per_kwh: int | None = None
    supplier_bids: bool = False
    thin_book_price: bool = False
    losses: str = "grid"
    community_price_micro_per_kwh: int | None = None
    keys_ppm: Mapping[str, int] | None = None
    grid_fees: GridFees | None = None
    island: Island | None = None

    def __post_init__(self) -> None:
        if self.mechanism not in MECHANISMS:
            raise RuleError(f"mechanism {self.mechanism!r} does not exist; choose from {', '.join(MECHANISMS)}")
        if self.losses not in LOSSES:
            raise RuleError(f"losses must be one of {', '.join(LOSSES)}, not {self.losses!r}")
        if not 0.0 <= self.k <= 1.0:
            raise RuleError(f"k must lie between 0 and 1, not {self.k}")
        self._check_prices()
        self._check_keys()
        self._check_what_the_mechanism_needs()
        self._check_island()

    def _check_prices(self) -> None:
        supplier, feed_in = self.supplier_price_micro_per_kwh, self.feed_in_price_micro_per_kwh
        community = self.community_price_micro_per_kwh
        lost_load = None if self.island is None else self.island.lost_load_micro_per_kwh
        for name, price in (
            ("supplier", supplier),
            ("feed-in", feed_in),
            ("community", community),
            ("lost-load", lost_load),
        ):
            if price is not None and abs(price) > LIMIT_MAX_MICRO_PER_KWH:
                raise RuleError(
                    f"the {name} price {price} is out of range; at most {LIMIT_MAX_MICRO_PER_KWH} either way"
                )
            if price is not None and price % PRICE_TICK_MICRO_PER_KWH:
                raise RuleError(
                    f"the {name} price {price} is off the tick; give a multiple of {PRICE_TICK_MICRO_PER_KWH}"
                )
        if supplier is not None and feed_in is not None and feed_in > supplier:
            raise RuleError(f"the feed-in price {feed_in} must not be above the supplier price {supplier}")
        if self.thin_book_price and (supplier is None or feed_in is None):
            raise RuleError("the thin-book price needs a supplier price and a feed-in price")

    def _check_keys(self) -> None:
        keys = self.keys_ppm or {}
        for participant, share in keys.items():
            if share < 0:
                raise RuleError(f"the key of {participant!r} is {share}; give zero or more parts per million")
        if sum(keys.values()) > WHOLE_PPM:
            raise RuleError(f"the keys add up to {sum(keys.values())} parts per million; give {WHOLE_PPM} at most")

    def _check_what_the_mechanism_needs(self) -> None:
        properties, name = self._properties, self.mechanism
        if properties.outside_prices and self.middle_price_micro_per_kwh is None:
            raise RuleError(f"{name} needs a supplier price and a feed-in price")
        if properties.community_price and self.price_micro_per_kwh is None:
            raise RuleError(f"{name} needs a community price, or a supplier price and a feed-in price")
        if self.community_price_micro_per_kwh is not None and not properties.community_price:
            raise RuleError(f"{name} makes its own price; leave the community price out")
        if self.keys_ppm is not None and not properties.keys:
            raise RuleError(f"{name} takes no keys; leave them out or choose static_key")
        if self.losses == "market" and not properties.optimal:
            raise RuleError(f"{name} cannot buy losses; leave them to the grid or choose k_double_auction")

    def _check_island(self) -> None:
        if self.island is None:
            return
        if self.island.lost_load_micro_per_kwh <= 0:
            raise RuleError(f"the lost-load price {self.island.lost_load_micro_per_kwh} must be above zero")
        if self.supplier_bids:
            raise RuleError("an island has no supplier: leave supplier price and feed-in price out")
        if not self._properties.optimal:
            raise RuleError(f"{self.mechanism} knows no shedding; choose k_double_auction on an island")
        if self.grid_fees is not None:
            raise RuleError("on an island there are no grid fees; leave them out")

    @property
    def _properties(self) -> Properties:
        return MECHANISM_BY_NAME[self.mechanism].properties

    @property
    def supplier(self) -> Supplier:
        """The supplier as it takes part; in some mechanisms it never does."""
        if not self.supplier_bids or not self._properties.supplier_joins:
            return Supplier()
        return Supplier(
            sells_at_micro_per_kwh=self.supplier_price_micro_per_kwh,
            buys_at_micro_per_kwh=self.feed_in_price_micro_per_kwh,
        )

    @property
    def middle_price_micro_per_kwh(self) -> int | None:
        """Half-way between what members pay and get outside, floored to a whole unit; None where one is unknown."""
        supplier, feed_in = self.supplier_price_micro_per_kwh, self.feed_in_price_micro_per_kwh
        return None if supplier is None or feed_in is None else (supplier + feed_in) // 2

    @property
    def price_micro_per_kwh(self) -> int | None:
        """The community's price if given, else the middle of the outside prices, floored to the tick."""
        if self.community_price_micro_per_kwh is not None:
            return self.community_price_micro_per_kwh
        middle = self.middle_price_micro_per_kwh
        return None if middle is None else whole_tick(middle)

    @property
    def curtailment_price_micro_per_kwh(self) -> int:
        """Cost of curtailing in the objective: the feed-in price; never negative, so that only need curtails."""
        return max(0, self.feed_in_price_micro_per_kwh or 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """What one clearing is about: the book, the rules, the interval's length, and who gets an indivisible Wh.

    own_limit_micro_per_kwh  [n_order] of orders for which the book bids something else; None where it does not
    """

    book: OrderBook
    rules: MarketRules
    interval_minutes: int
    tie_keys: TieKeys
    own_limit_micro_per_kwh: IntArray | None = None

    @property
    def mechanism(self) -> Mechanism:
        """What the community has chosen; where energy has attributes or fees, the double auction over classes."""
        return AttributeAuction() if self.attributes_matter else MECHANISM_BY_NAME[self.rules.mechanism]

    @property
    def attributes_matter(self) -> bool:
        """Whether there are grid fees, or somebody names a premium."""
        attributes = self.book.attributes
        return self.rules.grid_fees is not None or (attributes is not None and attributes.any_premium)

    def tradable(self, quantity_wh: IntArray, *, loss_wh: int = 0) -> Tradable:
        """What a mechanism sees where `quantity_wh` [n_order] may be accepted."""
        return Tradable(
            book=self.book,
            quantity_wh=quantity_wh,
            tie_keys=self.tie_keys,
            tie_seed=self.rules.tie_seed,
            loss_wh=loss_wh,
            supplier=self.rules.supplier,
            price_micro_per_kwh=self.rules.price_micro_per_kwh,
            thin_book_price_micro_per_kwh=self.rules.middle_price_micro_per_kwh if self.rules.thin_book_price else None,
            k=self.rules.k,
            keys_ppm=self.rules.keys_ppm,
            grid_fees=self.rules.grid_fees,
            own_limit_micro_per_kwh=self.own_limit_micro_per_kwh,
        )


def require_attributes_tradable(terms: Terms) -> None:
    """Raise RuleError where premiums or fees meet rules that know none, or a fee is missing."""
    if not terms.attributes_matter:
        return
    rules = terms.rules
    if rules.mechanism != "k_double_auction":
        raise RuleError(
            f"mechanism {rules.mechanism!r} knows no premiums and no grid fees; use k_double_auction or leave them out"
        )
    if rules.island is not None:
        raise RuleError("on an island energy has no premiums; leave them out")
    if rules.losses == "market":
        raise RuleError("premiums and grid fees need losses to be the grid operator's; use --losses grid")
    if rules.grid_fees is not None:
        missing = rules.grid_fees.missing(zones_of(terms.book, selling=True), zones_of(terms.book, selling=False))
        if missing is not None:
            raise RuleError(f"no grid fee from zone {missing[0]!r} to zone {missing[1]!r}; add the pair to the fees")
