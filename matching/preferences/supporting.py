"""Prices of every class that support a result: nobody accepted beyond its limit, nobody left out who wanted in.

With price_S what sellers of class S receive and worth_B what energy without any attribute and fee may cost class B:

    an order of S at limit c    accepted: c <= price_S      not fully accepted: price_S <= c
    an order of B at limit v    accepted: worth_B <= v      not fully accepted: v <= worth_B
    every pair                  worth_B + premium_SB - fee_SB <= price_S, equal where energy flows

Only differences of two prices are bounded, so the prices that support a result have a lowest and a highest member,
found by relaxation in whole numbers, and every mixture of the two supports it as well; flooring all of them to the tick
keeps every bound, because every limit, premium and fee is on the tick (Murota, Discrete Convex Analysis, 2003, ch. 5).
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from matching.auction import Supplier
from matching.book import BoolArray, IntArray
from matching.orders import PRICE_TICK_MICRO_PER_KWH
from matching.preferences.problem import ClassProblem
from matching.price_rule import NOISE_MICRO_PER_KWH

UNBOUNDED = 2**60
SHARE_DENOMINATOR_MAX = 10**9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassPrices:
    """price [n_seller] and worth [n_buyer], micro-units per kWh."""

    price: IntArray
    worth: IntArray

    def plain(self, fee: IntArray) -> IntArray:
        """[n_seller] what energy without attributes is worth in the place of each class of sellers."""
        highest: IntArray = (self.worth - fee).max(axis=1, initial=-UNBOUNDED)
        return highest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassPriceInterval:
    """The lowest and the highest supporting prices; every class has its own interval, taken at the same share."""

    lowest: ClassPrices
    highest: ClassPrices

    def at(self, share: Fraction, unit: int = 1) -> ClassPrices:
        """The prices at this share of the way from the lowest to the highest, floored to the tick.

        `unit` is how many parts of a micro-unit the interval counts in.
        """
        tick, noise = PRICE_TICK_MICRO_PER_KWH, int(NOISE_MICRO_PER_KWH)
        mixed = self.mixed(share, step=tick * unit, noise=noise * unit)
        return ClassPrices(price=mixed.price // unit, worth=mixed.worth // unit)

    def mixed(self, share: Fraction, *, step: int = 1, noise: int = 0) -> ClassPrices:
        """The prices at this share of the way, floored to whole steps; what lacks no more than `noise` is whole."""
        return ClassPrices(
            price=_mixed(self.lowest.price, self.highest.price, share, step, noise),
            worth=_mixed(self.lowest.worth, self.highest.worth, share, step, noise),
        )

    def in_whole(self, unit: int) -> "ClassPriceInterval":
        """The interval in units of so many of its own."""
        ends = (ClassPrices(price=end.price // unit, worth=end.worth // unit) for end in (self.lowest, self.highest))
        lowest, highest = ends
        return ClassPriceInterval(lowest=lowest, highest=highest)


def share_of(k: float) -> Fraction:
    """The number a person meant by k."""
    return Fraction(k).limit_denominator(SHARE_DENOMINATOR_MAX)


def supporting_prices(problem: ClassProblem, accepted_wh: IntArray, flow_wh: IntArray) -> ClassPriceInterval:
    """The interval of a result: accepted_wh [n_cell], flow_wh [n_seller, n_buyer]. Asserts that there is one.

    That there is one proves the result optimal.
    """
    return interval_within(_bounds(problem, accepted_wh, flow_wh), problem.classes.weight, flow_wh > 0)


def interval_within(bounds: "ClassBounds", weight: IntArray, flows: BoolArray, noise: int = 0) -> ClassPriceInterval:
    """The interval within what the orders demand, in any whole unit; bounds may contradict each other by `noise`."""
    worth_low, price_low = (-each for each in _relaxed(-bounds.worth_from, -bounds.price_from, weight.T, flows.T))
    price_high, worth_high = _relaxed(bounds.price_to, bounds.worth_to, weight, flows)
    assert (price_low <= price_high + noise).all(), "no price supports the result"
    assert (worth_low <= worth_high + noise).all(), "no price supports the result"
    # The higher ones of two sets of prices at which nobody would rather buy elsewhere are such a set too.
    price_high, worth_high = np.maximum(price_high, price_low), np.maximum(worth_high, worth_low)
    # Where one side has no energy at all, what the other side asks for is the price.
    worth_high = np.where(_is_bounded(worth_high), worth_high, np.where(_is_bounded(worth_low), worth_low, 0))
    price_low = np.where(_is_bounded(price_low), price_low, np.where(_is_bounded(price_high), price_high, 0))
    # A class without energy is bounded on one side only: it gets the nearest price that changes nothing.
    highest_bid = (worth_high + weight).max(axis=1, initial=-UNBOUNDED)
    lowest_offer = (price_low[:, None] - weight).min(axis=0, initial=UNBOUNDED)
    price_high = np.where(_is_bounded(price_high), price_high, np.maximum(price_low, highest_bid))
    worth_low = np.where(_is_bounded(worth_low), worth_low, np.minimum(worth_high, lowest_offer))
    return ClassPriceInterval(
        lowest=ClassPrices(price=price_low, worth=worth_low), highest=ClassPrices(price=price_high, worth=worth_high)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassBounds:
    """What the orders of each class demand of its price and of its worth."""

    price_from: IntArray
    price_to: IntArray
    worth_from: IntArray
    worth_to: IntArray


def _bounds(problem: ClassProblem, accepted_wh: IntArray, flow_wh: IntArray) -> ClassBounds:
    cells, (sellers, buyers) = problem.cells, problem.classes.weight.shape
    taken, left = accepted_wh > 0, accepted_wh < cells.capacity_wh
    price_from, price_to = np.full(sellers, -UNBOUNDED), np.full(sellers, UNBOUNDED)
    worth_from, worth_to = np.full(buyers, -UNBOUNDED), np.full(buyers, UNBOUNDED)
    for chosen, extreme, bound in (
        (cells.is_sell & taken, np.maximum, price_from),
        (cells.is_sell & left, np.minimum, price_to),
        (~cells.is_sell & left, np.maximum, worth_from),
        (~cells.is_sell & taken, np.minimum, worth_to),
    ):
        extreme.at(bound, cells.match_class[chosen], cells.price_micro_per_kwh[chosen])
    supplier: Supplier = problem.supplier
    if problem.classes.supplier_sells:
        price_to[-1] = supplier.sells_at_micro_per_kwh
        price_from[-1] = price_to[-1] if flow_wh[-1].any() else -UNBOUNDED
    if problem.classes.supplier_buys:
        worth_from[-1] = supplier.buys_at_micro_per_kwh
        worth_to[-1] = worth_from[-1] if flow_wh[:, -1].any() else UNBOUNDED
    return ClassBounds(price_from=price_from, price_to=price_to, worth_from=worth_from, worth_to=worth_to)


def _relaxed(outer: IntArray, inner: IntArray, weight: IntArray, flows: BoolArray) -> tuple[IntArray, IntArray]:
    """The greatest values within these upper bounds with inner + weight <= outer, equal where energy flows."""
    for _ in range(sum(weight.shape) + 1):
        lower_inner = np.minimum(inner, (outer[:, None] - weight).min(axis=0, initial=UNBOUNDED))
        lower_outer = np.minimum(outer, np.where(flows, lower_inner + weight, UNBOUNDED).min(axis=1, initial=UNBOUNDED))
        if (lower_inner == inner).all() and (lower_outer == outer).all():
            return outer, inner
        outer, inner = lower_outer, lower_inner
    raise AssertionError("no price supports the result")


def _is_bounded(value: IntArray) -> BoolArray:
    bounded: BoolArray = np.abs(value) < UNBOUNDED // 2
    return bounded


def _mixed(lowest: IntArray, highest: IntArray, share: Fraction, step: int, noise: int) -> IntArray:
    """In whole numbers, so that two prices that must differ by whole steps do so after flooring."""
    parts = share.denominator
    pairs = zip(lowest.tolist(), highest.tolist(), strict=True)
    mixed = [(low + noise) * parts + share.numerator * (high - low) for low, high in pairs]
    return np.array([each // (step * parts) * step for each in mixed], dtype=np.int64)
