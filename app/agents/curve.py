"""From the worth of a reservoir's content to what it bids in one interval.

A step's limit is what the step is worth on average, rounded against the trader: as the worth is concave, a step that is
accepted at its limit, in full or in part, never leaves the plan worse off than no trade. What cannot wait any more is
not bid for: it flows, from the neighbours if they have it and otherwise from the own supplier.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from app.agents.reservoir import MISSING, MWH_PER_WH, Reservoir, Worth
from matching.orders import PRICE_TICK_MICRO_PER_KWH


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Energy and the price at which it is indifferent, on the tick."""

    quantity_wh: int
    limit_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What a device does in one interval.

    must_wh   energy that cannot wait: later intervals are too short for it
    own_wh    energy it takes of its home's own surplus, which is worth more in it than sold
    buy       steps beyond both, limits falling; sell  steps, limits rising
    """

    must_wh: int = 0
    own_wh: int = 0
    buy: tuple[Step, ...] = ()
    sell: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the home expects of the interval, and what it may bid.

    surplus_wh                what the home will feed in if the device does nothing
    surplus_price             what that is expected to fetch
    buy_at_most, sell_at_least  bounds of any limit: the own supplier's prices; micro-units per kWh
    steps_max                 most steps on each side
    """

    surplus_wh: int
    surplus_price: int
    buy_at_most: int
    sell_at_least: int
    steps_max: int


def curve_of(reservoir: Reservoir, worth: Worth, content_mwh: int, outlook: Outlook) -> Curve:
    """Bids of the first interval; `worth` is that of the content at its end."""
    per_wh, power_wh = reservoir.efficiency_permille, reservoir.charge_wh[0]
    room_wh = min(power_wh, max(0, worth.room_mwh - content_mwh) // per_wh)
    # Rounded up: with a part of a watt-hour less something would be missing.
    urgent_wh = -(-(worth.content_with_slope_from(MISSING) - content_mwh) // per_wh)
    must_wh = min(power_wh, max(0, urgent_wh))
    wanted_wh = (worth.content_with_slope_from(MWH_PER_WH * outlook.surplus_price) - content_mwh) // per_wh
    own_wh = min(outlook.surplus_wh, max(must_wh, min(room_wh, wanted_wh)))
    flows_wh = max(must_wh, own_wh)
    buy: tuple[Step, ...] = ()
    # A meter shows only the difference: what a home sold and bought at once, nobody would deliver.
    if own_wh == outlook.surplus_wh:
        buy = _bids(_Ladder(reservoir, worth, content_mwh, per_wh), flows_wh, room_wh, outlook)
    sell: tuple[Step, ...] = ()
    if not flows_wh:
        taken_wh = min(reservoir.discharge_wh[0], content_mwh // MWH_PER_WH)
        sell = _asks(_Ladder(reservoir, worth, content_mwh, -MWH_PER_WH), taken_wh, buy, outlook)
    return Curve(must_wh=must_wh - min(must_wh, own_wh), own_wh=own_wh, buy=buy, sell=sell)


class _Ladder:
    """Worth of the content along what is traded, from none on; `mwh_per_wh` is what a Wh does to the content."""

    def __init__(self, reservoir: Reservoir, worth: Worth, content_mwh: int, mwh_per_wh: int) -> None:
        self._worth = worth
        self._content_mwh = content_mwh
        self._mwh_per_wh = mwh_per_wh
        # A price times a Wh, in the unit of worths.
        self._scale = MWH_PER_WH * reservoir.efficiency_permille

    def limit(self, begin_wh: int, end_wh: int) -> int:
        """Price at which trading on from `begin_wh` to `end_wh` changes nothing, rounded against the trader."""
        begin, end = (self._worth.at(self._content_mwh + wh * self._mwh_per_wh) for wh in (begin_wh, end_wh))
        tick = PRICE_TICK_MICRO_PER_KWH
        per_tick = tick * self._scale * (end_wh - begin_wh)
        return ((end - begin) // per_tick if self._mwh_per_wh > 0 else -((end - begin) // per_tick)) * tick

    def steps(self, begin_wh: int, end_wh: int, steps_max: int) -> list[Step]:
        """The steps from `begin_wh` to `end_wh`; neighbours that differ least, weighed by energy, become one."""
        if end_wh <= begin_wh:
            return []
        changes = {(edge_mwh - self._content_mwh) // self._mwh_per_wh for edge_mwh in self._worth.edges_mwh()}
        kept = sorted({begin_wh, end_wh} | {wh for wh in changes if begin_wh < wh < end_wh})
        while len(kept) > max(1, steps_max) + 1:
            del kept[min(range(1, len(kept) - 1), key=lambda k: self._lost(*kept[k - 1 : k + 2]))]
        return [
            Step(quantity_wh=end - begin, limit_micro_per_kwh=self.limit(begin, end)) for begin, end in pairwise(kept)
        ]

    def _lost(self, begin_wh: int, middle_wh: int, end_wh: int) -> int:
        apart = abs(self.limit(begin_wh, middle_wh) - self.limit(middle_wh, end_wh))
        return apart * min(middle_wh - begin_wh, end_wh - middle_wh)


def _bids(ladder: _Ladder, begin_wh: int, end_wh: int, outlook: Outlook) -> tuple[Step, ...]:
    """Nobody sells for less than the feed-in price, and nobody has to pay more than the supplier charges."""
    steps = ladder.steps(begin_wh, end_wh, outlook.steps_max)
    return tuple(
        replace(step, limit_micro_per_kwh=min(step.limit_micro_per_kwh, outlook.buy_at_most))
        for step in steps
        if step.limit_micro_per_kwh >= outlook.sell_at_least
    )


def _asks(ladder: _Ladder, end_wh: int, buy: tuple[Step, ...], outlook: Outlook) -> tuple[Step, ...]:
    """Nobody pays more than the supplier charges, and nobody has to sell for less than the feed-in price.

    Every step lies a tick above all that is bid for: a price that accepted both would be shown by no meter.
    """
    above_bids = buy[0].limit_micro_per_kwh + PRICE_TICK_MICRO_PER_KWH if buy else outlook.sell_at_least
    least = max(outlook.sell_at_least, above_bids)
    asked = (
        replace(step, limit_micro_per_kwh=max(step.limit_micro_per_kwh, least))
        for step in ladder.steps(0, end_wh, outlook.steps_max)
    )
    return tuple(step for step in asked if step.limit_micro_per_kwh <= outlook.buy_at_most)
