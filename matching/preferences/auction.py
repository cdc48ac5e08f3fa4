"""The double auction where energy has attributes or grid fees: the same rule, with one price a class.

Without any network row the optimum is whole and its prices are exact: that there are supporting prices is asserted, and
proves the result optimal.
"""

from fractions import Fraction

import numpy as np

from grid.limits import FloatArray
from matching.auction import PriceInterval
from matching.book import IntArray
from matching.cells import Cells, NetworkRows, aggregate
from matching.mechanisms.interface import Match, Payments, Properties, Tradable
from matching.mechanisms.k_double_auction import price_rule
from matching.preferences.assignment import assign
from matching.preferences.classes import MatchClasses, match_classes
from matching.preferences.outcome import AttributeOutcome
from matching.preferences.problem import ClassProblem
from matching.preferences.programme import solve_classes
from matching.preferences.supporting import ClassPriceInterval, ClassPrices, share_of, supporting_prices
from matching.price_rule import PriceRule
from matching.rationing import TieKeys, pro_rata

WHOLE_WITHIN_WH = 1e-3


class AttributeAuction:
    """The double auction over classes of sellers and of buyers; `matching.preferences.network` under network rows."""

    properties = Properties(optimal=True, average_prices=True, supplier_joins=True, pools_leftovers=True)

    def match(self, tradable: Tradable) -> Match:
        """The result without network rows; losses are not the market's here."""
        assert tradable.loss_wh == 0, "losses are the grid operator's where energy has attributes"
        problem = class_problem(tradable, NO_ROWS)
        solution = solve_classes(problem)
        assert solution is not None, "without rows there is always a result"
        flow_wh = _whole(solution.flow_wh)
        accepted_wh = _shared(tradable, problem.cells, _whole(solution.accepted_wh))
        interval = supporting_prices(problem, _whole(solution.accepted_wh), flow_wh)
        return priced_match(tradable, problem.classes, accepted_wh, flow_wh, interval)


NO_ROWS = NetworkRows(effect_per_wh=np.zeros((0, 1)), room=np.zeros(0))


def class_problem(tradable: Tradable, rows: NetworkRows) -> ClassProblem:
    """The problem of a book without network rows."""
    book = tradable.book
    classes = match_classes(book, tradable.grid_fees, tradable.supplier)
    return ClassProblem(
        cells=aggregate(book, tradable.quantity_wh, np.zeros(len(book), dtype=np.int64), rows, classes.of_order),
        classes=classes,
        room=rows.room,
        supplier=tradable.supplier,
        loss_wh=0,
        curtailment_price_micro_per_kwh=0,
    )


def priced_match(
    tradable: Tradable,
    classes: MatchClasses,
    accepted_wh: IntArray,
    flow_wh: IntArray,
    interval: ClassPriceInterval,
) -> Match:
    """Quantities with their prices: every class at the same share of its interval."""
    main = main_class(classes, flow_wh)
    lowest, highest = (
        int(end.plain(classes.fee)[main]) if main is not None else 0 for end in (interval.lowest, interval.highest)
    )
    plain = PriceInterval(lower_micro_per_kwh=lowest, upper_micro_per_kwh=max(lowest, highest))
    prices = interval.at(_share(price_rule(tradable, accepted_wh), plain))
    return match_at(
        tradable, classes, accepted_wh, flow_wh, interval=None if main is None else interval, prices=prices, plain=plain
    )


def match_at(
    tradable: Tradable,
    classes: MatchClasses,
    accepted_wh: IntArray,
    flow_wh: IntArray,
    *,
    interval: ClassPriceInterval | None,
    prices: ClassPrices,
    plain: PriceInterval,
    adder_micro_per_kwh: IntArray | None = None,
) -> Match:
    """Quantities at these prices. `interval` is theirs, None where nothing was accepted; `plain` that of one price."""
    book, main = tradable.book, main_class(classes, flow_wh)
    outcome = AttributeOutcome.of(
        classes=classes,
        flow_wh=flow_wh,
        prices=prices,
        interval=interval,
        parts=assign(book.is_sell, accepted_wh, flow_wh, classes, tradable.tie_keys),
        is_sell=book.is_sell,
        adder_micro_per_kwh=adder_micro_per_kwh,
    )
    return Match(
        accepted_wh=accepted_wh,
        supplier_import_wh=int(flow_wh[-1].sum()) if classes.supplier_sells else 0,
        supplier_export_wh=int(flow_wh[:, -1].sum()) if classes.supplier_buys else 0,
        payments=Payments.of_amounts(
            accepted_wh,
            outcome.amount_nano,
            clearing_price_micro_per_kwh=None if main is None else int(prices.plain(classes.fee)[main]),
            supplier_pays_nano=outcome.supplier_pays_nano,
            grid_fee_nano=outcome.grid_fee_nano,
        ),
        prices=None if main is None else plain,
        attributes=outcome,
    )


def main_class(classes: MatchClasses, flow_wh: IntArray) -> int | None:
    """Where the plain price is quoted: the class that sold most, members before the supplier; None if nobody did."""
    if not flow_wh.any():
        return None
    sold = flow_wh.sum(axis=1)
    members = sold[:-1] if classes.supplier_sells else sold
    return int(members.argmax()) if members.any() else int(sold.argmax())


def _share(rule: PriceRule, plain: PriceInterval) -> Fraction:
    """Where in their intervals the prices lie; a target is one for the plain price."""
    lower, upper = int(plain.lower_micro_per_kwh), int(plain.upper_micro_per_kwh)
    if rule.target_micro_per_kwh is None or lower == upper:
        return share_of(rule.k)
    return min(max(Fraction(rule.target_micro_per_kwh - lower, upper - lower), Fraction(0)), Fraction(1))


def _whole(energy_wh: FloatArray) -> IntArray:
    whole = np.rint(energy_wh).astype(np.int64)
    assert (np.abs(energy_wh - whole) < WHOLE_WITHIN_WH).all(), "the optimum is not in whole Wh"
    return whole


def _shared(tradable: Tradable, cells: Cells, accepted_wh: IntArray) -> IntArray:
    """[n_order]: cells that are full or empty at once, the others pro rata."""
    accepted = np.where((accepted_wh == cells.capacity_wh)[cells.of_order], tradable.quantity_wh, 0)
    tie_keys: TieKeys = tradable.tie_keys
    for cell in np.flatnonzero((accepted_wh > 0) & (accepted_wh < cells.capacity_wh)).tolist():
        positions = np.flatnonzero(cells.of_order == cell)
        quantity = tradable.quantity_wh[positions]
        accepted[positions] = pro_rata(quantity, int(accepted_wh[cell]), positions=positions, tie_keys=tie_keys)
    return accepted
