"""From the result of the book that was cleared to that of the book that was placed: what is shed, spilled and lost."""

from dataclasses import replace

import numpy as np

from matching.book import FLEXIBLE, IntArray, OrderBook
from matching.island.outcome import IslandOutcome
from matching.island.rules import Island, is_firm_demand
from matching.result import Clearing, Status

BALANCE_WITHIN_WH = 1.5  # losses are bought in whole Wh, and agree with the power flow to one


def on_island(cleared: Clearing, book: OrderBook, island: Island) -> Clearing:
    """The clearing of the placed book: what is neither accepted nor flexible must not flow.

    Green: all firm demand is served and no generation spilled; amber: only the first; red: firm demand is shed.
    """
    left_wh: IntArray = np.where(book.firmness_codes == FLEXIBLE, 0, book.quantity_wh - cleared.accepted_wh)
    shed_wh = int(left_wh[is_firm_demand(book)].sum())
    signed_wh = np.where(book.is_sell, cleared.accepted_wh, -cleared.accepted_wh)
    is_dark = cleared.status is Status.RED
    outcome = IslandOutcome(
        lost_load_micro_per_kwh=island.lost_load_micro_per_kwh,
        grid_forming_bus=island.grid_forming_bus,
        shed_wh=shed_wh,
        spilled_wh=int(left_wh[book.is_sell].sum()),
        loss_cost_nano=cleared.loss_wh * (cleared.clearing_price_micro_per_kwh or 0),
        grid_forming_wh=0
        if island.grid_forming_bus is None
        else int(signed_wh[book.bus == island.grid_forming_bus].sum()),
        is_dark=is_dark,
    )
    light = Status.RED if is_dark or shed_wh else Status.AMBER if left_wh.any() else Status.GREEN
    _assert_balanced(cleared, is_dark=is_dark)
    return replace(cleared, book=book, status=light, curtailed_wh=left_wh, island=outcome)


def _assert_balanced(cleared: Clearing, *, is_dark: bool) -> None:
    """The grid-forming unit gives what it was cleared for: the power flow leaves it nothing else to give."""
    assert cleared.supplier_import_wh == cleared.supplier_export_wh == 0, "a supplier traded on an island"
    if is_dark:
        assert not cleared.accepted_wh.any(), "energy was accepted on a dark island"
        assert cleared.loss_wh == 0, "energy is lost on a dark island"
    elif cleared.point is not None:
        left_w = cleared.point.loss_w - float(cleared.point.injection_w.sum())
        assert abs(left_w) * cleared.interval_minutes / 60 <= BALANCE_WITHIN_WH, "an island is out of balance"
