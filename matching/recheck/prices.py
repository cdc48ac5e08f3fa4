"""The prices of the double auction: one price for all, and for flexible orders what the network adds or takes.

The price lies at the share k of the interval of prices that support the result, floored to the tick; a price within a
hundredth of a tick of the next counts as that, so that a machine's noise does not cost one.
"""

import math
from collections.abc import Iterator

import numpy as np

from grid.limits import FloatArray
from matching.book import IntArray
from matching.recheck.accounts import named
from matching.recheck.published import Published

TICK = 100
NOISE = 1.0  # micro-units per kWh
UNSURE = 1e-6  # micro-units per kWh: what the order of a floating-point sum may change
THIN_BELOW = 3  # buyers or sellers


def adder_of_bus(result: Published) -> FloatArray:
    """[n_bus + 1] sum of shadow price * effect over the rows, by bus index; 0 elsewhere, and at the end for no bus."""
    rows = result.claims.certificate.rows
    last = max(int(result.book.bus.max(initial=0)), *(max(row.effect_per_wh, default=0) for row in rows), 0)
    adder = np.zeros(last + 2)
    for row in rows:
        for bus, effect in row.effect_per_wh.items():
            adder[bus] += row.shadow_price * effect
    return adder


def uniform_price(result: Published) -> Iterator[str]:
    """One price, the one that the rules take from the supporting prices, for every firm and curtailable order.

    Of a mechanism that does not look for the most welfare, only that there is one, and whom it binds.
    """
    claims, price = result.claims, result.claims.clearing_price
    cleared = bool((result.accepted_wh != 0).any()) or claims.loss_wh > 0
    if cleared == (price is None):
        yield f"clearing_price_micro_per_kwh is {price}, {'energy' if cleared else 'nothing'} was accepted"
        return
    if price is None:
        return
    if claims.mechanism.uniform_price:
        paid = (result.accepted_wh != 0) & ~result.flexible & (result.price != price)
        yield from named(result, paid, lambda at: f"price {result.price[at]} is not the clearing price {price}")
    if claims.mechanism.most_welfare:
        yield from _chosen_price(result, price)


def _chosen_price(result: Published, price: int) -> Iterator[str]:
    claims = result.claims
    if claims.supporting_prices is None:
        yield "supporting_prices_micro_per_kwh is missing"
        return
    lower, upper = claims.supporting_prices
    if not lower <= upper:
        yield f"the supporting prices {lower} and {upper} are no interval"
        return
    chosen = chosen_price(result, lower, upper)
    lowest, highest = (_floor(chosen + sign * UNSURE * max(1.0, abs(chosen) * 1e-4)) for sign in (-1, 1))
    if not lowest <= price <= highest:
        yield f"clearing_price_micro_per_kwh is {price}, the rules take {highest} from [{lower}, {upper}]"
    if not claims.certificate.rows and not claims.network:
        yield from _interval_by_orders(result, lower, upper)
    if _floor(claims.certificate.price) != price:
        yield f"clearing_price_micro_per_kwh is {price}, the certificate is about {claims.certificate.price}"


def locational_prices(result: Published) -> Iterator[str]:
    """A flexible order's price is the uniform one less its bus's adder, rounded in its favour, never beyond its limit.

    No such price falls below zero or the lowest limit of the book, whichever is lower. Where the network adds nothing
    the price is the uniform one as it is.
    """
    if result.claims.clearing_price is None or not result.claims.mechanism.most_welfare:
        return
    adder = adder_of_bus(result)[result.book.bus]
    lower, upper = local_prices(result, result.claims.clearing_price, adder)
    wrong = result.flexible & (result.accepted_wh != 0) & ((result.price < lower) | (result.price > upper))
    wrong &= (np.abs(adder) > UNSURE) | (result.price != result.claims.clearing_price)
    yield from named(
        result, wrong, lambda at: f"price {result.price[at]}, its bus makes {lower[at]} of the clearing price"
    )


def local_prices(result: Published, uniform: int | IntArray, adder: FloatArray) -> tuple[IntArray, IntArray]:
    """[n_order] lowest and highest of what each order's adder may make of the price that it has without one."""
    unsure = UNSURE * np.maximum(1.0, np.abs(adder) * 1e-4)
    return _local(result, uniform, adder + unsure), _local(result, uniform, adder - unsure)


def _local(result: Published, uniform: int | IntArray, adder: FloatArray) -> IntArray:
    local = np.nan_to_num(uniform - adder, nan=0.0).clip(-1e15, 1e15)
    limit = result.book.limit_micro_per_kwh
    up = np.ceil((local - NOISE) / TICK).astype(np.int64) * TICK
    down = np.floor((local + NOISE) / TICK).astype(np.int64) * TICK
    lowest = min(0, int(limit.min(initial=0)))
    rounded = np.maximum(np.where(result.book.is_sell, up, down), lowest)
    price: IntArray = np.where(result.book.is_sell, np.maximum(rounded, limit), np.minimum(rounded, limit))
    return price


def chosen_price(result: Published, lower: float, upper: float) -> float:
    """The share k of the interval; of a thin book as near to the middle of the outside prices as it allows."""
    rules = result.claims.rules
    if rules.thin_book_price and _is_thin(result):
        middle = ((rules.supplier_price or 0) + (rules.feed_in_price or 0)) // 2
        return min(max(middle, lower), upper)
    buys = ~result.book.is_sell & (result.accepted_wh > 0)
    if result.own_limit is not None and buys.any():  # an island: no more than buyers' own limits unless it must be
        upper = max(lower, min(upper, int(result.own_limit[buys].min())))
    return lower + rules.k * (upper - lower)


def _is_thin(result: Published) -> bool:
    """Fewer than three buyers or sellers, or one seller with more than half of what is sold."""
    sells, orders = result.book.is_sell, result.book.quantity_wh > 0
    _, who = np.unique(result.book.participants, return_inverse=True)
    if any(np.unique(who[side & orders]).size < THIN_BELOW for side in (sells, ~sells)):
        return True
    sold = np.bincount(who[sells], weights=result.accepted_wh[sells])
    return bool(2 * sold.max(initial=0) > sold.sum())


def _interval_by_orders(result: Published, lower: float, upper: float) -> Iterator[str]:
    """Without a network: from the worst accepted and the best left out of either side, and the supplier's prices."""
    claims, rules, limit = result.claims, result.claims.rules, result.book.limit_micro_per_kwh
    sells, in_, out = result.book.is_sell, result.accepted_wh > 0, result.accepted_wh < result.book.quantity_wh
    at_least = [*limit[sells & in_].tolist(), *limit[~sells & out].tolist(), rules.buys_at]
    at_most = [*limit[~sells & in_].tolist(), *limit[sells & out].tolist(), rules.sells_at]
    at_least.append(rules.sells_at if claims.supplier_import_wh else None)
    at_most.append(rules.buys_at if claims.supplier_export_wh else None)
    lowest = max(price for price in at_least if price is not None)
    highest = min((price for price in at_most if price is not None), default=lowest)
    if (lower, upper) != (lowest, highest):
        yield f"the supporting prices are said to be [{lower}, {upper}], the orders give [{lowest}, {highest}]"


def _floor(price: float) -> int:
    return math.floor((price + NOISE) / TICK) * TICK
