"""What must hold for every result before it is published, whatever the mechanism."""

import numpy as np

from matching.book import CURTAILABLE, FLEXIBLE, blocks
from matching.certificate import bought_and_sold
from matching.mechanisms import MECHANISMS
from matching.mechanisms.interface import Budget, Properties
from matching.result import Clearing, Status


def assert_invariants(clearing: Clearing) -> None:
    """Energy and money in equal energy and money out, nobody beyond quantity or limit, limits kept or red."""
    book, accepted = clearing.book, clearing.accepted_wh
    properties = MECHANISMS[clearing.rules.mechanism].properties
    bought, sold = bought_and_sold(accepted, book.is_sell)
    supplied, fed_in = clearing.supplier_import_wh, clearing.supplier_export_wh
    assert sold + supplied == bought + fed_in + clearing.loss_wh, "energy in differs from energy out"
    for at in blocks(len(book)):
        _assert_trades(clearing, at, properties)
    paid, received = bought_and_sold(clearing.amount_nano, book.is_sell)
    assert paid + clearing.supplier_pays_nano == received + clearing.congestion_rent_nano, "money is lost"
    _assert_budget(clearing, properties.budget)
    if clearing.status is Status.RED:
        assert not accepted[book.firmness_codes == FLEXIBLE].any(), "flexible energy was accepted in a red interval"
    else:
        assert clearing.point is None or not clearing.point.violations, "a result that passes a limit is not red"


def _assert_trades(clearing: Clearing, at: slice, properties: Properties) -> None:
    """Nobody beyond the own quantity, firmness or limit; amounts as the mechanism says."""
    book, price, amount = clearing.book, clearing.price_micro_per_kwh[at], clearing.amount_nano[at]
    accepted, curtailed, limit = clearing.accepted_wh[at], clearing.curtailed_wh[at], book.limit_micro_per_kwh[at]
    curtailable = book.firmness_codes[at] == CURTAILABLE
    assert (accepted >= 0).all(), "a negative quantity was accepted"
    assert (curtailed >= 0).all(), "a negative quantity was curtailed"
    assert (accepted + curtailed <= book.quantity_wh[at]).all(), "an order was accepted beyond its quantity"
    assert not ((curtailed > 0) & ~curtailable).any(), "an order was curtailed that may not be"
    worst = accepted * limit
    beyond = (amount < worst) & book.is_sell[at] | (amount > worst) & ~book.is_sell[at]
    assert not beyond.any(), "somebody trades beyond the own limit"
    rest = amount - accepted * price
    if properties.average_prices:
        within = (rest >= 0) & (rest <= np.maximum(accepted - 1, 0))
        assert within.all(), "an amount is further from price x energy than flooring the price explains"
    else:
        assert not rest.any(), "an amount is not price x energy"


def _assert_budget(clearing: Clearing, budget: Budget) -> None:
    if budget is Budget.EXACT:
        assert clearing.congestion_rent_nano == 0, "buyers pay something else than sellers receive"
    if budget is Budget.SURPLUS:
        assert clearing.congestion_rent_nano >= 0, "buyers pay less than sellers receive"
