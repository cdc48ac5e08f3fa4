"""Results with premiums or grid fees: that nothing better was possible, where no row of a network limits.

With worth_B + premium_SB - fee_SB <= price_S for all classes, those of the supplier included, no outcome has more than

    D = sum_sell Q max(0, price_S - limit) + sum_buy Q max(0, limit - worth_B)
"""

from collections.abc import Iterator

import numpy as np

from matching.book import IntArray
from matching.recheck.accounts import NAMED_MAX, differs
from matching.recheck.exact import total, total_of_products
from matching.recheck.filled import FAR, Filled, figures, welfare_of


def optimality(filled: Filled) -> Iterator[str]:
    """Nobody would rather buy from another class at these prices, and D is the welfare, to the nano-unit."""
    result, classes, claims = filled.result, filled.classes, filled.result.claims
    if filled.claims.flexible_left_out and claims.network is None:
        yield "flexible orders are left out where there is no network"
    price, worth = _supporting(filled)
    if (price.size, worth.size) != classes.premium.shape:
        yield "there is not one price for each class of the book"
        return
    better = worth + classes.premium - classes.fee > price[:, None]
    for seller, buyer in np.argwhere(better).tolist()[:NAMED_MAX]:
        yield f"class {classes.buyers[buyer]!r} would rather buy from class {classes.sellers[seller]!r} at these prices"
    if classes.supplier_sells and price[-1] > (claims.rules.sells_at or 0):
        yield f"at {price[-1]} the supplier would sell without end"
    if classes.supplier_buys and worth[-1] < (claims.rules.buys_at or 0):
        yield f"at {worth[-1]} the supplier would buy without end"
    own = np.zeros(len(result.book), dtype=np.int64)
    for side, each in ((result.book.is_sell, price), (~result.book.is_sell, worth)):
        own[side] = each[classes.of_order[side]] if each.size else 0
    counted = result.tradable_wh > 0
    gain = np.where(counted, np.maximum(result.side * (own - result.book.limit_micro_per_kwh), 0), 0)
    bound = total_of_products(gain, result.tradable_wh)
    bound -= claims.rules.curtailment_price * total(result.curtailed_wh)
    yield from differs("dual_welfare_nano", claims.certificate.dual_welfare_nano, bound)
    if bound != welfare_of(filled):
        yield f"{bound - welfare_of(filled)} nano-units are missing from the best possible welfare"
    if claims.certificate.gap_relative != 0:
        yield f"gap_relative is {claims.certificate.gap_relative} where nothing is missing"
    yield from differs("the certificate's price", claims.certificate.price, claims.clearing_price or 0)


def _supporting(filled: Filled) -> tuple[IntArray, IntArray]:
    """[n_seller] prices and [n_buyer] worths as published; the best limits of each class if nothing was accepted."""
    claims, classes, result = filled.claims, filled.classes, filled.result
    listed = (*claims.sellers, *claims.buyers)
    if all(one.price is not None for one in listed):
        return figures(claims.sellers), figures(claims.buyers)
    price, worth = np.full(len(classes.sellers), FAR // 4), np.full(len(classes.buyers), -FAR // 4)
    there, limit = result.tradable_wh > 0, result.book.limit_micro_per_kwh
    for side, best, each in ((result.book.is_sell, np.minimum, price), (~result.book.is_sell, np.maximum, worth)):
        best.at(each, classes.of_order[side & there], limit[side & there])
    if classes.supplier_sells:
        price[-1] = result.claims.rules.sells_at or 0
    if classes.supplier_buys:
        worth[-1] = result.claims.rules.buys_at or 0
    return price, worth
