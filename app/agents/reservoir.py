"""What a kilowatt-hour in store is worth: the time-coupled plan of one device, exact and in integers.

A battery, a car and a heat pump are the same thing to the planner: a reservoir that is filled from the market within a
power limit, perhaps emptied into it, and whose content has to stay between two bounds at the end of every interval.
Hydropower calls the marginal worth of its content the water value. It is found backwards in time: the worth of the
content is a concave function, kept as its slopes in falling order, and an interval in which energy can be bought or
sold at an expected price merges two more slopes into them. What an interval should bid is then read off: buy
up to the slope above the content, sell from the slope below it. The same programme is stated in Pyomo in `plan_model`.

Content is counted in mWh (of what can be taken out again), market energy in Wh: a Wh bought adds `efficiency_permille`
mWh, a Wh sold takes 1000. A slope is micro-units of currency per kWh of content times `efficiency_permille`, so that
buying at p costs 1000 p and selling at p earns `efficiency_permille` p, both integers.

Source: M. V. F. Pereira, L. M. V. G. Pinto, "Multi-stage stochastic optimization applied to energy planning",
Mathematical Programming 52 (1991), here with one reservoir, where the cuts are known exactly.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MWH_PER_WH = 1000
MISSING = 10**12
"""What a missing kWh costs: more than any price times 1000. A slope of at least this is energy that cannot wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservoir:
    """A device over the coming intervals, which the tuples count.

    charge_wh, discharge_wh   most that it draws or gives back in each interval, Wh at the meter
    least_mwh, most_mwh       content at the end of each interval: below `least_mwh` energy is missing, above `most_mwh`
                              there is no room; `most_mwh` never falls
    end_slope                 worth of what is in it at the end, as a slope
    """

    charge_wh: tuple[int, ...]
    discharge_wh: tuple[int, ...]
    least_mwh: tuple[int, ...]
    most_mwh: tuple[int, ...]
    efficiency_permille: int
    end_slope: int

    def __post_init__(self) -> None:
        lengths = {len(each) for each in (self.charge_wh, self.discharge_wh, self.least_mwh, self.most_mwh)}
        assert lengths == {len(self.charge_wh)}
        assert 0 < self.efficiency_permille <= MWH_PER_WH
        assert all(0 <= least <= most for least, most in zip(self.least_mwh, self.most_mwh, strict=True))
        assert all(before <= after for before, after in pairwise(self.most_mwh))


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Worth of a reservoir's content from 0 mWh on: concave, `slopes` as (slope, mWh) falling; no room after them.

    empty  worth at 0 mWh, slope times mWh
    """

    empty: int
    slopes: tuple[tuple[int, int], ...]

    def at(self, content_mwh: int) -> int:
        """Worth of a content. Raises ValueError where there is no room for it."""
        worth, left_mwh = self.empty, content_mwh
        for slope, length_mwh in self.slopes:
            step_mwh = min(left_mwh, length_mwh)
            worth += slope * step_mwh
            left_mwh -= step_mwh
        if left_mwh or content_mwh < 0:
            raise ValueError(f"there is no room for {content_mwh} mWh")
        return worth

    @property
    def room_mwh(self) -> int:
        """Most that it can hold."""
        return sum(length_mwh for _, length_mwh in self.slopes)

    def edges_mwh(self) -> list[int]:
        """Contents at which the slope changes, 0 and the most included."""
        edges = [0]
        for _, length_mwh in self.slopes:
            edges.append(edges[-1] + length_mwh)
        return edges

    def content_with_slope_from(self, slope: int) -> int:
        """Content up to which one more mWh is worth at least `slope`."""
        return sum(length_mwh for each, length_mwh in self.slopes if each >= slope)


def worths(reservoir: Reservoir, prices: Sequence[int]) -> list[Worth]:
    """Worth at the end of each interval, given expected prices (micro per kWh, >= 0) of all of them.

    The first price plays no part in the first of the results: that is what its orders are measured against.
    """
    assert len(prices) == len(reservoir.charge_wh)
    assert all(price >= 0 for price in prices)
    last_mwh = reservoir.most_mwh[-1] if prices else 0
    found = [_with_need(Worth(empty=0, slopes=((reservoir.end_slope, last_mwh),)), reservoir.least_mwh[-1])]
    for k in range(len(prices) - 1, 0, -1):
        before = _before(found[-1], reservoir, k, prices[k])
        found.append(_with_need(_cut(before, reservoir.most_mwh[k - 1]), reservoir.least_mwh[k - 1]))
    return found[::-1]


def optimum(reservoir: Reservoir, prices: Sequence[int], content_mwh: int) -> int:
    """Worth of a content at the beginning of the first interval: sales less purchases plus what is left."""
    return _before(worths(reservoir, prices)[0], reservoir, 0, prices[0]).at(content_mwh)


def planned_wh(reservoir: Reservoir, prices: Sequence[int], content_mwh: int) -> list[int]:
    """What is bought (+) or sold (-) in each interval if all prices come as expected, whole Wh."""
    plan = []
    for k, (price, worth) in enumerate(zip(prices, worths(reservoir, prices), strict=True)):
        buy_to_mwh = worth.content_with_slope_from(MWH_PER_WH * price)
        keep_mwh = worth.content_with_slope_from(reservoir.efficiency_permille * price)
        if content_mwh < buy_to_mwh:
            wanted_wh = -(-(buy_to_mwh - content_mwh) // reservoir.efficiency_permille)
            room_wh = max(0, worth.room_mwh - content_mwh) // reservoir.efficiency_permille
            plan.append(min(wanted_wh, room_wh, reservoir.charge_wh[k]))
            content_mwh += plan[-1] * reservoir.efficiency_permille
        else:
            plan.append(-min(max(0, content_mwh - keep_mwh) // MWH_PER_WH, reservoir.discharge_wh[k]))
            content_mwh += plan[-1] * MWH_PER_WH
    return plan


def _before(after: Worth, reservoir: Reservoir, k: int, price: int) -> Worth:
    """Worth at the beginning of interval k, given that at its end: supremal convolution is a merge of slopes."""
    bought_mwh = reservoir.charge_wh[k] * reservoir.efficiency_permille
    slopes = list(after.slopes)
    for each in (
        (MWH_PER_WH * price, bought_mwh),
        (reservoir.efficiency_permille * price, reservoir.discharge_wh[k] * MWH_PER_WH),
    ):
        if each[1]:
            insort(slopes, each, key=lambda pair: -pair[0])
    # The merged function begins where everything is bought that can be, at a content of -bought_mwh.
    empty, skip_mwh = after.empty - MWH_PER_WH * price * bought_mwh, bought_mwh
    first = 0
    while skip_mwh and skip_mwh >= slopes[first][1]:
        empty += slopes[first][0] * slopes[first][1]
        skip_mwh -= slopes[first][1]
        first += 1
    if skip_mwh:
        slope, length_mwh = slopes[first]
        empty += slope * skip_mwh
        slopes[first] = (slope, length_mwh - skip_mwh)
    return Worth(empty=empty, slopes=tuple(slopes[first:]))


def _cut(worth: Worth, most_mwh: int) -> Worth:
    """The same with room for no more than `most_mwh`."""
    kept, left_mwh = [], most_mwh
    for slope, length_mwh in worth.slopes:
        if left_mwh <= 0:
            break
        kept.append((slope, min(length_mwh, left_mwh)))
        left_mwh -= length_mwh
    return Worth(empty=worth.empty, slopes=tuple(kept))


def _with_need(worth: Worth, least_mwh: int) -> Worth:
    """The same where every mWh below `least_mwh` is missing."""
    if not least_mwh:
        return worth
    slopes: list[tuple[int, int]] = []
    edges = sorted({*worth.edges_mwh(), least_mwh})
    lengths = iter(worth.slopes)
    slope, end_mwh = 0, 0
    for begin_mwh, next_mwh in pairwise(edges):
        while end_mwh <= begin_mwh:
            slope, length_mwh = next(lengths)
            end_mwh += length_mwh
        slopes.append((slope + (MISSING if next_mwh <= least_mwh else 0), next_mwh - begin_mwh))
    return Worth(empty=worth.empty - MISSING * least_mwh, slopes=tuple(slopes))
