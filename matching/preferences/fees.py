"""What the grid operator charges for a kWh on its way from one tariff zone to another."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matching.book import IntArray, OrderBook
from matching.orders import PRICE_TICK_MICRO_PER_KWH

FEE_MAX_MICRO_PER_KWH = 10**10


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFees:
    """Micro-units per kWh by the seller's zone and the buyer's zone, sorted; on the price tick, never negative.

    The supplier's prices are delivered prices: they contain its fee already, so none is added to them.
    """

    by_zones: tuple[tuple[str, str, int], ...]

    @classmethod
    def of(cls, by_zones: Mapping[tuple[str, str], int]) -> "GridFees":
        """Fees by pairs of zones."""
        return cls(by_zones=tuple(sorted((*pair, fee) for pair, fee in by_zones.items())))

    def between(self, sellers: Sequence[str], buyers: Sequence[str]) -> IntArray:
        """[n_seller, n_buyer] fee between these zones; each pair must be known."""
        known = {(start, end): fee for start, end, fee in self.by_zones}
        fees = np.array([known[start, end] for start in sellers for end in buyers], dtype=np.int64)
        return fees.reshape(len(sellers), len(buyers))

    def missing(self, sellers: Iterable[str], buyers: Iterable[str]) -> tuple[str, str] | None:
        """The first pair of zones without a fee."""
        known = {(start, end) for start, end, _ in self.by_zones}
        ends = sorted(set(buyers))
        return next(((start, end) for start in sorted(set(sellers)) for end in ends if (start, end) not in known), None)


def zones_of(book: OrderBook, *, selling: bool) -> tuple[str, ...]:
    """The zones in which somebody sells (or buys)."""
    if book.attributes is None:
        return ("",) if (book.is_sell == selling).any() else ()
    codes = np.unique(book.attributes.zone_codes[book.is_sell == selling])
    return tuple(book.attributes.zones[code] for code in codes.tolist())


def fee_problem(fee_micro_per_kwh: int) -> str | None:
    """What is wrong with a fee, if anything."""
    if not 0 <= fee_micro_per_kwh <= FEE_MAX_MICRO_PER_KWH:
        return f"the fee must be 0 or more micro-units per kWh, at most {FEE_MAX_MICRO_PER_KWH}"
    if fee_micro_per_kwh % PRICE_TICK_MICRO_PER_KWH:
        return f"the fee is off the price tick; give a multiple of {PRICE_TICK_MICRO_PER_KWH}"
    return None
