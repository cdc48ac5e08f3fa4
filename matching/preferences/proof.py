"""What must hold for a result with classes, in whole numbers: its certificate, and nobody worse than the own limit."""

import numpy as np

from matching.book import BoolArray, IntArray, OrderBook
from matching.certificate import (
    Certificate,
    CertifiedPrices,
    CertifiedRow,
    exact_sum,
    gap_relative,
    network_bound,
)
from matching.preferences.network import ClassesWithinRows
from matching.preferences.outcome import AttributeOutcome
from matching.preferences.problem import ClassProblem
from matching.preferences.row_prices import FINE
from matching.problem import WelfareProblem


def class_certificate(
    outcome: AttributeOutcome,
    *,
    book: OrderBook,
    quantity_wh: IntArray,
    curtailment_cost_nano: int,
    price_micro_per_kwh: int,
    welfare: int,
) -> Certificate:
    """Weak duality with a price for every class.

    No outcome has more welfare than

        D = sum_sell Q max(0, price_S - c) + sum_buy Q max(0, v - worth_B)

    provided worth_B + premium_SB - fee_SB <= price_S for every pair, also those with the supplier. `quantity_wh`
    [n_order] is what could be accepted; what was curtailed is taken as given.
    """
    prices, of_order = outcome.prices, outcome.classes.of_order
    assert (prices.worth + outcome.classes.weight <= prices.price[:, None]).all(), "a class would rather buy elsewhere"
    surplus = np.zeros_like(quantity_wh)
    for sells, side, own in ((True, 1, prices.price), (False, -1, prices.worth)):
        here = (book.is_sell == sells) & (quantity_wh > 0)
        surplus[here] = side * (own[of_order[here]] - book.limit_micro_per_kwh[here])
    bound = exact_sum(np.maximum(surplus, 0) * quantity_wh) - curtailment_cost_nano
    return Certificate(
        price_micro_per_kwh=price_micro_per_kwh, dual_welfare_nano=bound, gap_relative=gap_relative(bound, welfare)
    )


def class_network_certificate(
    priced: ClassesWithinRows,
    problem: WelfareProblem,
    *,
    rows: tuple[CertifiedRow, ...],
    price_micro_per_kwh: int,
    welfare: int,
) -> Certificate:
    """Certificate of a result with classes under network rows, linear at its operating point.

    No outcome within the rows has more welfare than

        D = sum_firm Q max(0, s) + sum_flexible Q max(0, s - mu.effect)
            + sum_curtailable Q max(0, s, -mu.relief - f) + sum_c mu_c room_c

    with s = price_S - c for sellers and v - worth_B for buyers, provided worth_B + premium_SB - fee_SB <= price_S for
    every pair, also those with the supplier at its own prices.
    """
    assert isinstance(problem, ClassProblem)
    cells, classes, exact = problem.cells, problem.classes, priced.exact
    assert (exact.worth + FINE * classes.weight <= exact.price[:, None]).all(), "a class would rather buy elsewhere"
    if classes.supplier_sells:
        assert exact.price[-1] <= FINE * (problem.supplier.sells_at_micro_per_kwh or 0), "the supplier would sell more"
    if classes.supplier_buys:
        assert exact.worth[-1] >= FINE * (problem.supplier.buys_at_micro_per_kwh or 0), "the supplier would buy more"
    own = np.zeros(cells.capacity_wh.size)
    for side, each in ((cells.is_sell, exact.price), (~cells.is_sell, exact.worth)):
        own[side] = each[cells.match_class[side]] / FINE
    bound = network_bound(
        cells,
        rows=rows,
        class_adder=priced.class_adder,
        price_micro_per_kwh=own,
        curtailment_price_micro_per_kwh=problem.curtailment_price_micro_per_kwh,
    )
    whole = round(bound)
    return Certificate(
        price_micro_per_kwh=price_micro_per_kwh,
        dual_welfare_nano=whole,
        gap_relative=gap_relative(whole, welfare),
        rows=rows,
        class_prices=CertifiedPrices(
            seller_nano_per_kwh=tuple(exact.price.tolist()), buyer_nano_per_kwh=tuple(exact.worth.tolist())
        )
        if rows
        else None,
    )


def is_within_limits(outcome: AttributeOutcome, book: OrderBook, accepted_wh: IntArray) -> BoolArray:
    """[n_order] sellers receive at least their limit; buyers pay at most theirs and their premiums for the source."""
    asked = accepted_wh * book.limit_micro_per_kwh
    within: BoolArray = np.where(
        book.is_sell, outcome.amount_nano >= asked, outcome.amount_nano <= asked + outcome.order_premium_nano
    )
    return within
