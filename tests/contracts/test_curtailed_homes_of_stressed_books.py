"""What homes lose by being curtailed is paid from the congestion account, in random books that press real networks.

Cleared under the limits, metered as cleared, settled; then each home's income is added up by hand and compared with a
day on which it is alone with its supplier and the same energy is held back, pro rata of what every plant wanted to feed
in. 12 books in a reduced run, 200 in a full one.
"""

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from settlement_cases import NOON, TARIFF

from app.settled_rounds import reference_curtailment
from contracts.allocation import ClearedInterval, PointTerms
from contracts.corrections import congestion_rebate
from contracts.settlement import IntervalSettlement, settle_interval
from contracts.transfers import CONGESTION, TransferKind, member_account, net_positions
from matching.clearing import Clearing
from matching.orders import Firmness, Order, Side, Trade
from meters.interval import IntervalEnergy

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")
SEEDS = range(1000, 1200) if os.environ.get("COMMONWATT_COUNTS") == "full" else range(1000, 1012)
F, R = 80_000, 320_000


@pytest.fixture(autouse=True)
def stressed_books_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Settled:
    """A clearing on a network, what was metered then at each point, and how it was settled."""

    clearing: Clearing
    outcomes: tuple[tuple[Order, Trade], ...]
    points: list[PointTerms]
    metered: dict[str, IntervalEnergy]
    reference_wh: dict[str, int]
    settlement: IntervalSettlement

    def curtailed_wh(self, name: str) -> int:
        return sum(trade.curtailed_wh for order, trade in self.outcomes if order.metering_point == name)

    def compensation_nano(self, name: str) -> int:
        """What the congestion account pays a point; to whom it pays is asserted."""
        paid = [each for each in self.settlement.transfers if each.transfer_id.endswith(f"/{name}/compensation")]
        assert len(paid) <= 1
        for each in paid:
            assert (each.kind, each.debit, each.credit) == (TransferKind.CONGESTION, CONGESTION, member_account(name))
            assert each.amount_nano > 0
        return sum(each.amount_nano for each in paid)

    def fed_in_income_nano(self, name: str) -> int:
        """What neighbours and the own supplier pay for the feed-in of a point."""
        sales = [each for each in self.settlement.transfers if f"/{name}/sell@" in each.transfer_id]
        sales_nano = sum(each.amount_nano for each in sales if each.kind is TransferKind.ENERGY)
        (allocation,) = (each for each in self.settlement.allocations if each.metering_point == name)
        return sales_nano + F * allocation.residual_export_wh


@cache
def settled(seed: int) -> Settled:
    from stressed_books import stressed_book

    case = stressed_book(seed)
    clearing = case.cleared()
    orders = [replace(order, participant=order.metering_point) for order in case.book.orders()]
    outcomes = tuple(zip(orders, clearing.trades(), strict=True))
    names = sorted({order.metering_point for order in orders})
    metered = {name: _delivered(name, outcomes) for name in names}
    points = [
        PointTerms(metering_point=name, participant=name, supplier_price_micro_per_kwh=R, feed_in_price_micro_per_kwh=F)
        for name in names
    ]
    reference_wh = reference_curtailment(outcomes, seed="a test")
    cleared = ClearedInterval(
        interval=NOON,
        orders=orders,
        trades=clearing.trades(),
        clearing_price_micro_per_kwh=clearing.clearing_price_micro_per_kwh,
        reference_curtailed_wh=reference_wh,
    )
    settlement = settle_interval(cleared, metered.values(), points, tariff=TARIFF, run="D1", tie_seed="a test")
    return Settled(
        clearing=clearing,
        outcomes=outcomes,
        points=points,
        metered=metered,
        reference_wh=reference_wh,
        settlement=settlement,
    )


def _delivered(name: str, outcomes: tuple[tuple[Order, Trade], ...]) -> IntervalEnergy:
    """Firm orders flow in full, curtailable ones less what was curtailed, flexible ones as accepted."""
    flows = dict.fromkeys(Side, 0)
    for order, trade in outcomes:
        if order.metering_point == name:
            is_flexible = order.firmness is Firmness.FLEXIBLE
            flows[order.side] += trade.accepted_wh if is_flexible else order.quantity_wh - trade.curtailed_wh
    return IntervalEnergy(metering_point=name, interval=NOON, import_wh=flows[Side.BUY], export_wh=flows[Side.SELL])


@pytest.mark.parametrize("seed", SEEDS)
def test_no_curtailed_home_earns_less_with_its_feed_in_than_alone_on_an_equally_limited_day(seed: int) -> None:
    result = settled(seed)
    for name, energy in result.metered.items():
        if not result.curtailed_wh(name):
            assert result.compensation_nano(name) == 0
            continue
        wanted_wh = energy.export_wh + result.curtailed_wh(name)
        alone_nano = F * (wanted_wh - result.reference_wh.get(name, 0))
        with_neighbours_nano = result.fed_in_income_nano(name)
        # the account pays what is missing, to the nano-unit, and nothing to who gained more than was lost
        assert result.compensation_nano(name) == max(0, alone_nano - with_neighbours_nano)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_account_pays_or_takes_is_shared_by_all_points_and_nothing_is_left(seed: int) -> None:
    result = settled(seed)
    transfers = result.settlement.transfers
    balance_nano = net_positions(transfers).get(CONGESTION, 0)
    paid_nano = sum(result.compensation_nano(name) for name in result.metered)
    rent = [each for each in transfers if each.transfer_id.endswith("/rent")]
    rent_nano = sum(each.amount_nano if each.credit == CONGESTION else -each.amount_nano for each in rent)
    beside = [each for each in transfers if each.kind is TransferKind.DEVIATION]
    assert balance_nano == rent_nano - paid_nano + net_positions(beside).get(CONGESTION, 0)
    rebate = congestion_rebate(balance_nano, result.points, interval=NOON, run="D1", tie_seed="a test")
    shares = [net_positions(rebate).get(member_account(point.participant), 0) for point in result.points]
    assert sum(shares) == balance_nano
    assert max(shares) - min(shares) <= 1


def test_the_books_curtail_and_pay() -> None:
    curtailed = [seed for seed in SEEDS if settled(seed).clearing.curtailed_wh.any()]
    assert len(curtailed) >= 3
    assert sum(any(map(settled(seed).compensation_nano, settled(seed).metered)) for seed in curtailed) >= 2
