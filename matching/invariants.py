"""What must hold for every result before it is published, whatever the mechanism."""

import numpy as np

from matching.book import CURTAILABLE, FLEXIBLE, blocks
from matching.certificate import bought_and_sold
from matching.mechanisms import MECHANISMS
from matching.mechanisms.interface import Budget, Properties
from matching.preferences.outcome import AttributeOutcome
from matching.preferences.proof import is_within_limits
from matching.result import Clearing, Status


def assert_invariants(clearing: Clearing) -> None:
    """Energy and money in equal energy and money out, nobody beyond quantity or limit, limits kept or red."""
    book, accepted = clearing.book, clearing.accepted_wh
    properties = MECHANISMS[clearing.rules.mechanism].properties
    fees = 0 if clearing.attributes is None else clearing.attributes.grid_fee_nano
    bought, sold = bought_and_sold(accepted, book.is_sell)
    supplied, fed_in = clearing.supplier_import_wh, clearing.supplier_export_wh
    assert sold + supplied == bought + fed_in + clearing.loss_wh, "energy in differs from energy out"
    for at in blocks(len(book)):
        _assert_quantities(clearing, at)
        if clearing.attributes is None:
            _assert_prices(clearing, at, properties)
    if clearing.attributes is not None:
        _assert_parts(clearing, clearing.attributes)
    paid, received = bought_and_sold(clearing.amount_nano, book.is_sell)
    assert paid + clearing.supplier_pays_nano == received + clearing.congestion_rent_nano + fees, "money is lost"
    _assert_budget(clearing, properties.budget)
    if clearing.status is Status.RED:
        assert not accepted[book.firmness_codes == FLEXIBLE].any(), "flexible energy was accepted in a red interval"
    else:
        assert clearing.point is None or not clearing.point.violations, "a result that passes a limit is not red"


def _assert_quantities(clearing: Clearing, at: slice) -> None:
    """Nobody beyond the own quantity or firmness."""
    book, accepted, curtailed = clearing.book, clearing.accepted_wh[at], clearing.curtailed_wh[at]
    curtailable = book.firmness_codes[at] == CURTAILABLE
    assert (accepted >= 0).all(), "a negative quantity was accepted"
    assert (curtailed >= 0).all(), "a negative quantity was curtailed"
    assert (accepted + curtailed <= book.quantity_wh[at]).all(), "an order was accepted beyond its quantity"
    assert not ((curtailed > 0) & ~curtailable).any(), "an order was curtailed that may not be"


def _assert_prices(clearing: Clearing, at: slice, properties: Properties) -> None:
    """Nobody beyond the own limit; amounts as the mechanism says."""
    book, price, amount = clearing.book, clearing.price_micro_per_kwh[at], clearing.amount_nano[at]
    accepted = clearing.accepted_wh[at]
    worst = accepted * book.limit_micro_per_kwh[at]
    beyond = (amount < worst) & book.is_sell[at] | (amount > worst) & ~book.is_sell[at]
    assert not beyond.any(), "somebody trades beyond the own limit"
    rest = amount - accepted * price
    if properties.average_prices:
        within = (rest >= 0) & (rest <= np.maximum(accepted - 1, 0))
        assert within.all(), "an amount is further from price x energy than flooring the price explains"
    else:
        assert not rest.any(), "an amount is not price x energy"


def _assert_parts(clearing: Clearing, attributes: AttributeOutcome) -> None:
    """Nobody beyond the own limit and premiums, and every order is the sum of its parts."""
    assert is_within_limits(attributes, clearing.book, clearing.accepted_wh).all(), "somebody trades beyond the limit"
    assert (attributes.accepted_wh == clearing.accepted_wh).all(), "an order is not the sum of its parts"
    assert (attributes.amount_nano == clearing.amount_nano).all(), "an amount is not that of its parts"


def _assert_budget(clearing: Clearing, budget: Budget) -> None:
    if budget is Budget.EXACT:
        assert clearing.congestion_rent_nano == 0, "buyers pay something else than sellers receive"
    if budget is Budget.SURPLUS:
        assert clearing.congestion_rent_nano >= 0, "buyers pay less than sellers receive"
