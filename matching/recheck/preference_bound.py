"""Results with premiums or grid fees: that nothing better was possible.

With worth_B + premium_SB - fee_SB <= price_S for all classes, those of the supplier included, no outcome has more than

    D = sum_sell Q max(0, price_S - limit) + sum_buy Q max(0, limit - worth_B)

Where rows of a network limit, the sums are those of `bound.py` with the price or worth of each order's class in the
place of the one price, and the prices are those of the certificate, which are not floored to the tick.
"""

from collections.abc import Iterator

import numpy as np

from matching.book import IntArray
from matching.recheck.accounts import NAMED_MAX, differs
from matching.recheck.bound import GAP_RELATIVE_MAX, below_zero, bound_at, highest_price, wrong_gap
from matching.recheck.exact import total, total_of_products
from matching.recheck.filled import FAR, FIGURE_MAX, NANO, Filled, as_figures, figures, welfare_of


def optimality(filled: Filled) -> Iterator[str]:
    """Nobody would rather buy from another class at these prices, and D is the welfare, to the nano-unit."""
    classes, claims = filled.classes, filled.result.claims
    if filled.claims.flexible_left_out and claims.network is None:
        yield "flexible orders are left out where there is no network"
    if claims.certificate.class_prices is not None:
        yield "the certificate has class_prices where no row limits"
    price, worth = _supporting(filled)
    if (price.size, worth.size) != classes.premium.shape:
        yield "there is not one price for each class of the book"
        return
    bound = _dual_welfare(filled, price, worth)
    yield from differs("dual_welfare_nano", claims.certificate.dual_welfare_nano, bound)
    yield from not_supported(filled, price, worth)
    if claims.certificate.gap_relative != 0:
        yield f"gap_relative is {claims.certificate.gap_relative} where nothing is missing"
    yield from differs("the certificate's price", claims.certificate.price, claims.clearing_price or 0)


def not_supported(filled: Filled, price: IntArray, worth: IntArray) -> Iterator[str]:
    """Why these prices [n_seller] and worths [n_buyer] do not show the result to be the best; without rows."""
    yield from _rather_elsewhere(filled, price, worth, unit=1)
    missing = _dual_welfare(filled, price, worth) - welfare_of(filled)
    if missing:
        yield f"{missing} nano-units are missing from the best possible welfare"


def _dual_welfare(filled: Filled, price: IntArray, worth: IntArray) -> int:
    """D at these prices, nano-units."""
    result = filled.result
    own = filled.by_class(price, worth)
    gain = result.side * (own - result.book.limit_micro_per_kwh)
    gain = np.where(result.tradable_wh > 0, np.maximum(gain, 0), 0)
    curtailed = result.claims.rules.curtailment_price * total(result.curtailed_wh)
    return total_of_products(gain, result.tradable_wh) - curtailed


def optimality_within_rows(filled: Filled) -> Iterator[str]:
    """Nobody would rather buy from another class at the certificate's prices, and D is reached but for whole Wh."""
    result, claims, certified = filled.result, filled.result.claims, filled.result.claims.certificate.class_prices
    shape = filled.classes.premium.shape
    if certified is None or (len(certified.sellers), len(certified.buyers)) != shape:
        yield "class_prices of the certificate are not one price for each class of the book"
        return
    yield from below_zero(result)
    price, worth = (as_figures(each, FIGURE_MAX * NANO) for each in (certified.sellers, certified.buyers))
    yield from _rather_elsewhere(filled, price, worth, unit=NANO)
    bound, tolerance = bound_at(result, filled.by_class(price, worth) / NANO, [])
    if not abs(claims.certificate.dual_welfare_nano - bound) <= tolerance:
        yield f"dual_welfare_nano is {claims.certificate.dual_welfare_nano}, the published prices give {bound}"
    yield from wrong_gap(result)
    gap = bound - welfare_of(filled)
    allowed = GAP_RELATIVE_MAX * abs(claims.welfare_nano) + _most_per_kwh(filled) * _parts_of_a_wh(filled)
    if not -tolerance <= gap <= allowed + tolerance:
        yield f"{gap} nano-units are missing from the best possible welfare, {allowed:.0f} are explained"
    yield from differs("the certificate's price", claims.certificate.price, claims.clearing_price or 0)


def _parts_of_a_wh(filled: Filled) -> int:
    """In how many places an optimum may ask for a part of a Wh: one for each row and each balance of a class."""
    return len(filled.result.claims.certificate.rows) + sum(filled.classes.premium.shape)


def _most_per_kwh(filled: Filled) -> float:
    """The most that a kWh more or less can be worth: two limits, premiums and fee."""
    beside = max(filled.classes.premium.max(initial=0), filled.classes.fee.max(initial=0))
    return highest_price(filled.result) + float(beside)


def _rather_elsewhere(filled: Filled, price: IntArray, worth: IntArray, *, unit: int) -> Iterator[str]:
    """Whom these prices [n_seller], worths [n_buyer], in so many parts of a micro-unit, would have trade more."""
    classes, rules = filled.classes, filled.result.claims.rules
    better = worth + unit * (classes.premium - classes.fee) > price[:, None]
    for seller, buyer in np.argwhere(better).tolist()[:NAMED_MAX]:
        yield f"class {classes.buyers[buyer]!r} would rather buy from class {classes.sellers[seller]!r} at these prices"
    if classes.supplier_sells and price[-1] > unit * (rules.sells_at or 0):
        yield f"at {price[-1] / unit:g} the supplier would sell without end"
    if classes.supplier_buys and worth[-1] < unit * (rules.buys_at or 0):
        yield f"at {worth[-1] / unit:g} the supplier would buy without end"


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
