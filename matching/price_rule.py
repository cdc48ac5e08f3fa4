"""Prices on the tick, and which one is taken where several support a result."""

import math
from dataclasses import dataclass

from matching.auction import PriceInterval
from matching.orders import PRICE_TICK_MICRO_PER_KWH

NOISE_MICRO_PER_KWH = 1.0  # a price this close to a tick is that tick


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRule:
    """Which supporting price is taken: at share k of the interval, or as near as it allows to `target`.

    What the interval has above `at_most` is left out of the share, unless all of it lies above.
    """

    k: float
    target_micro_per_kwh: int | None = None
    at_most_micro_per_kwh: int | None = None

    def choose(self, prices: PriceInterval) -> float:
        """The price in the interval, not yet on the tick."""
        lower, upper = prices.lower_micro_per_kwh, prices.upper_micro_per_kwh
        if self.target_micro_per_kwh is not None:
            return min(max(self.target_micro_per_kwh, lower), upper)
        if self.at_most_micro_per_kwh is not None:
            upper = max(lower, min(upper, self.at_most_micro_per_kwh))
        return lower + self.k * (upper - lower)


def floor_to_tick(price_micro_per_kwh: float) -> int:
    """The highest tick not above the price; numerical noise does not cost a tick."""
    return math.floor((price_micro_per_kwh + NOISE_MICRO_PER_KWH) / PRICE_TICK_MICRO_PER_KWH) * PRICE_TICK_MICRO_PER_KWH
