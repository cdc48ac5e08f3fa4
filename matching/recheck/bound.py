"""The certificate: an upper bound on what any outcome could have been worth, from prices alone.

For any price p and shadow prices mu >= 0, an outcome that balances and keeps the rows has at most the welfare

    D = sum_firm Q max(0, s) + sum_flexible Q max(0, s - side m) + sum_curtailable Q max(0, s, side m - f)
        + sum_rows mu room - p loss

with s = side (p - limit), side +1 for sellers and -1 for buyers, m the adder of the order's bus, f what curtailing
costs, and p between the supplier's two prices. Nobody's optimisation is needed to see it: give every order what it
would like most at these prices, and every row what its room is worth; no outcome gives anybody more.
"""

import math
from collections.abc import Iterator

import numpy as np

from grid.limits import FloatArray
from matching.recheck.exact import total, total_of_products
from matching.recheck.prices import adder_of_bus
from matching.recheck.published import Published

RELATIVE = 1e-9  # of all that is summed: how well two machines' floating-point sums agree
GAP_RELATIVE_MAX = 1e-5  # of the welfare, beside a Wh for each row: what the margin kept to a limit may cost
SUPPLIER_SLACK = 1e-6  # of the highest price: a solver's tolerance


def shadow_prices(result: Published) -> Iterator[str]:
    """No shadow price is below zero, and the price lies between the supplier's: otherwise D bounds nothing."""
    certificate, rules = result.claims.certificate, result.claims.rules
    yield from below_zero(result)
    slack = SUPPLIER_SLACK * highest_price(result) if certificate.rows else 0.0
    if rules.sells_at is not None and certificate.price > rules.sells_at + slack:
        yield f"the certificate's price {certificate.price} is above the supplier's {rules.sells_at}"
    if rules.buys_at is not None and certificate.price < rules.buys_at - slack:
        yield f"the certificate's price {certificate.price} is below the supplier's {rules.buys_at}"
    if certificate.rows and result.claims.network is None:
        yield "there are rows of a network but no network"


def below_zero(result: Published) -> Iterator[str]:
    """A shadow price below zero would ask for less than what a row's room is worth."""
    for row in result.claims.certificate.rows:
        if row.shadow_price < 0.0:
            yield f"{row}: shadow_price {row.shadow_price} is below zero"


def dual_welfare(result: Published) -> Iterator[str]:
    """dual_welfare_nano is D of the published figures, and gap_relative its distance from the welfare."""
    claims = result.claims
    certificate = claims.certificate
    bound, tolerance = _bound(result)
    if not abs(certificate.dual_welfare_nano - bound) <= tolerance:
        yield f"dual_welfare_nano is {certificate.dual_welfare_nano}, the published prices give {bound}"
    yield from wrong_gap(result)


def wrong_gap(result: Published) -> Iterator[str]:
    """gap_relative is the distance of the two welfares."""
    claims, certificate = result.claims, result.claims.certificate
    gap = (certificate.dual_welfare_nano - claims.welfare_nano) / max(1, abs(claims.welfare_nano))
    if not math.isclose(gap, certificate.gap_relative, rel_tol=RELATIVE, abs_tol=1e-18):
        yield f"gap_relative is {certificate.gap_relative}, the two welfares give {gap}"


def optimality(result: Published) -> Iterator[str]:
    """Where the most welfare is promised it is reached: exactly where no row limits, else but for whole Wh.

    In a red interval the most of what the network left.
    """
    claims = result.claims
    bound, tolerance = _bound(result)
    if not claims.mechanism.most_welfare:
        if claims.welfare_nano > bound + tolerance:
            yield f"the welfare {claims.welfare_nano} is beyond its bound {bound}"
        return
    gap, rows = bound - claims.welfare_nano, len(claims.certificate.rows)
    allowed = GAP_RELATIVE_MAX * abs(claims.welfare_nano) + highest_price(result) * (rows + 1) if rows else 0.0
    if not -allowed - tolerance <= gap <= allowed + tolerance:
        yield f"{gap} nano-units are missing from the best possible welfare, {allowed:.0f} are explained"


def highest_price(result: Published) -> float:
    """The highest limit or price of the supplier, of whatever sign."""
    prices = (result.claims.rules.supplier_price or 0, result.claims.rules.feed_in_price or 0)
    return float(max(np.abs(result.book.limit_micro_per_kwh).max(initial=1), *map(abs, prices)))


def _bound(result: Published) -> tuple[float, float]:
    """D, and how far another machine's sum may lie from it: zero where all is whole numbers."""
    claims, certificate = result.claims, result.claims.certificate
    quantity, price = result.tradable_wh, certificate.price
    spent = claims.rules.curtailment_price * total(result.curtailed_wh) if result.is_limited_optimum else 0
    if not certificate.rows and price == int(price):
        worth = np.maximum(result.side * (int(price) - result.book.limit_micro_per_kwh), 0)
        return total_of_products(worth, quantity) - int(price) * claims.loss_wh - spent, 0.0
    return bound_at(result, price, [-price * claims.loss_wh, -float(spent)])


def bound_at(result: Published, price: float | FloatArray, beside: list[float]) -> tuple[float, float]:
    """D with one price or one for each order [n_order], and what else counts; how far another sum may lie from it."""
    rules = result.claims.rules
    with np.errstate(over="ignore", invalid="ignore"):
        surplus = result.side * (price - result.book.limit_micro_per_kwh)
        moved = np.where(result.flexible | result.curtailable, result.side * adder_of_bus(result)[result.book.bus], 0.0)
        wanted = np.maximum(surplus - np.where(result.flexible, moved, 0.0), 0.0)
        spared = np.where(result.curtailable, moved - rules.curtailment_price, 0.0)
        parts = [*(np.maximum(wanted, spared) * result.tradable_wh).tolist()]
    parts += [row.shadow_price * row.room for row in result.claims.certificate.rows] + beside
    return math.fsum(parts), RELATIVE * math.fsum(map(abs, parts)) + 1.0
