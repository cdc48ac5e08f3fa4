"""What must hold for a result with classes, in whole numbers: its certificate, and nobody worse than the own limit."""

import numpy as np

from matching.book import BoolArray, IntArray, OrderBook
from matching.certificate import Certificate, exact_sum, gap_relative
from matching.preferences.outcome import AttributeOutcome


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


def is_within_limits(outcome: AttributeOutcome, book: OrderBook, accepted_wh: IntArray) -> BoolArray:
    """[n_order] sellers receive at least their limit; buyers pay at most theirs and their premiums for the source."""
    asked = accepted_wh * book.limit_micro_per_kwh
    within: BoolArray = np.where(
        book.is_sell, outcome.amount_nano >= asked, outcome.amount_nano <= asked + outcome.order_premium_nano
    )
    return within
