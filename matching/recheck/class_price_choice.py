"""Which of the prices that support a result with premiums or grid fees are paid.

All supporting prices lie between a lowest and a highest set, where every class has its own; paid are those at one
share of the way. A set of prices is the lowest one if it supports the result and no group of classes could go down
together: each is held by an order of its own, or by a class that is held, through a pair at its very difference. The
highest one is that upside down. A class that no order bounds on that side may have any price that supports the result.

    an order of S at limit c    accepted: c <= price_S      not fully accepted: price_S <= c
    an order of B at limit v    accepted: worth_B <= v      not fully accepted: v <= worth_B
    every pair                  worth_B + premium_SB - fee_SB <= price_S, equal where energy flows
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from matching.book import BoolArray, IntArray
from matching.recheck.accounts import NAMED_MAX
from matching.recheck.filled import FIGURE_MAX, Filled, as_figures
from matching.recheck.preference_bound import not_supported
from matching.recheck.preference_claims import ClassClaim
from matching.recheck.prices import NOISE, TICK, UNSURE, chosen_price

LOWEST, HIGHEST = 0, 1
NOWHERE = 2**62


def choice(filled: Filled) -> Iterator[str]:
    """Prices of all classes lie at the rules' share between the lowest and the highest that support the result."""
    listed = (*filled.claims.sellers, *filled.claims.buyers)
    if (len(filled.claims.sellers), len(filled.claims.buyers)) != filled.classes.premium.shape:
        return  # said by `class_totals`
    if any((one.price is None) != (one.supporting is None) for one in listed):
        yield "classes have supporting prices without a price, or a price without them"
        return
    if any(one.price is None for one in listed):
        return
    for end, name in ((LOWEST, "lowest"), (HIGHEST, "highest")):
        price, worth = (_ends(each, end) for each in (filled.claims.sellers, filled.claims.buyers))
        for sentence in not_supported(filled, price, worth):
            yield f"the {name} of the supporting prices do not support the result: {sentence}"
        free = _free(filled, price, worth, end)
        for number in np.flatnonzero(free).tolist()[:NAMED_MAX]:
            yield f"nothing holds the {name} of the supporting prices of class {listed[number].name!r}"
    yield from _at_the_share(filled, listed)


def _ends(listed: tuple[ClassClaim, ...], end: int) -> IntArray:
    return as_figures([one.supporting[end] for one in listed if one.supporting is not None], FIGURE_MAX)


def _free(filled: Filled, price: IntArray, worth: IntArray, end: int) -> BoolArray:
    """[n_seller + n_buyer] classes that could go on, down from the lowest prices or up from the highest."""
    bound = _order_bounds(filled, end)
    figure, weight = np.concatenate([price, worth]), filled.classes.premium - filled.classes.fee
    there = np.abs(bound) < NOWHERE
    flows = np.zeros(weight.shape, dtype=np.bool_)
    for start, to in filled.flows(selling=True) | filled.flows(selling=False):
        flows[start, to] = True
    everywhere = np.ones_like(flows)
    # Down: a price is held by any worth, a worth by a price it must follow. Up: the other way round.
    by_worth, by_price = (everywhere, flows) if end == LOWEST else (flows, everywhere)
    tight = price[:, None] == worth + weight
    held = _reached(there & (figure == bound), by_worth & tight, by_price & tight)
    return np.asarray(_reached(there, by_worth, by_price) & ~held)


def _order_bounds(filled: Filled, end: int) -> IntArray:
    """[n_seller + n_buyer] what the orders of each class and the supplier allow; beyond all prices where nothing."""
    result, classes, claims = filled.result, filled.classes, filled.result.claims
    sells, limit = result.book.is_sell, result.book.limit_micro_per_kwh
    taken, left = result.accepted_wh > 0, result.accepted_wh < result.tradable_wh
    lowest = end == LOWEST
    most = np.maximum if lowest else np.minimum
    price, worth = (np.full(size, -NOWHERE if lowest else NOWHERE) for size in classes.premium.shape)
    for side, at_stake, each in ((sells, taken if lowest else left, price), (~sells, left if lowest else taken, worth)):
        chosen = side & at_stake
        most.at(each, classes.of_order[chosen], limit[chosen])
    rules = claims.rules
    if classes.supplier_sells and (claims.supplier_import_wh or not lowest):
        price[-1] = rules.sells_at or 0
    if classes.supplier_buys and (claims.supplier_export_wh or lowest):
        worth[-1] = rules.buys_at or 0
    return np.concatenate([price, worth])


def _reached(start: BoolArray, by_worth: BoolArray, by_price: BoolArray) -> BoolArray:
    """[n_seller + n_buyer] what can be had from `start`: a seller's class from a buyer's by one way, and back."""
    sellers = by_worth.shape[0]
    reached: NDArray[np.bool_] = start.copy()
    for _ in range(start.size):
        reached[:sellers] |= (by_worth & reached[sellers:]).any(axis=1)
        reached[sellers:] |= (by_price & reached[:sellers, None]).any(axis=0)
    return reached


def _at_the_share(filled: Filled, listed: tuple[ClassClaim, ...]) -> Iterator[str]:
    """The share is that of the plain price, which is quoted where members sold most."""
    plain = [
        (_ends(filled.claims.buyers, end) - filled.classes.fee).max(axis=1, initial=-NOWHERE)
        for end in (LOWEST, HIGHEST)
    ]
    main = filled.main_class
    low, high = int(plain[LOWEST][main]), int(max(plain[LOWEST][main], plain[HIGHEST][main]))
    share = (
        (chosen_price(filled.result, low, high) - low) / (high - low) if low < high else filled.result.claims.rules.k
    )
    named = 0
    for one in listed:
        assert one.supporting is not None
        at = one.supporting[LOWEST] + share * (one.supporting[HIGHEST] - one.supporting[LOWEST])
        due = {int((at + sign * UNSURE * max(1.0, abs(at) * 1e-4) + NOISE) // TICK * TICK) for sign in (-1, 1)}
        if one.price not in due and named < NAMED_MAX:
            named += 1
            yield f"class {one.name!r} has {one.price}, the rules take {max(due)} from {list(one.supporting)}"
