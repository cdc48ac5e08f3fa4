"""Bills whose every figure was worked out by hand: the folders in tests/cases/bills."""

import json
from pathlib import Path

import pytest
from settlement_cases import settle

from contracts.allocation import ClearedInterval, PointTerms
from contracts.bills import BillItem, community_bill
from contracts.comparison import SuppliedEnergy, full_bill, gains, residual_energy, supplier_only_bill
from contracts.corrections import congestion_rebate
from contracts.island import IslandTerms
from contracts.tariff import Tariff, TariffSchedule
from contracts.transfers import CONGESTION, ROUNDING, Postings, TransferKind, member_account, net_positions
from matching.orders import Firmness, Order, Side, Trade
from meters.interval import DeliveryInterval, IntervalEnergy

CASES = Path(__file__).parents[1] / "cases" / "bills"


class Case:
    """A folder: the community, its intervals as they were cleared and metered, and one member's expected bill."""

    def __init__(self, name: str) -> None:
        given = json.loads((CASES / name / "case.json").read_text())
        self.expected = json.loads((CASES / name / "expected.json").read_text())
        self.member = given["member"]
        self.tariff = Tariff.from_json(given["tariff"])
        self.points = [
            PointTerms(metering_point=f"M-{who}", participant=who, **m) for who, m in given["members"].items()
        ]
        self.terms = next(each for each in self.points if each.participant == self.member)
        self.metered, self.reference, settlements = [], 0, []
        for interval in given["intervals"]:
            cleared, energies = _interval(interval)
            self.metered += [each for each in energies if each.metering_point == self.terms.metering_point]
            self.reference += cleared.reference_curtailed_wh.get(self.terms.metering_point, 0)
            settlements.append(settle(cleared, energies, self.points, tariff=self.tariff))
        self.allocations = [each for settlement in settlements for each in settlement.allocations]
        self.transfers = [each for settlement in settlements for each in settlement.transfers]
        last = settlements[-1].interval
        if given["refill_congestion"]:
            balance_nano = net_positions(self.transfers)[CONGESTION]
            drawn_wh = dict.fromkeys((each.metering_point for each in self.allocations), 0)
            for each in self.allocations:
                drawn_wh[each.metering_point] += each.import_wh
            self.transfers += congestion_rebate(
                balance_nano,
                self.points,
                interval=last,
                run="D1",
                tie_seed="seed",
                drawn_wh=drawn_wh if "island" in given["intervals"][-1] else None,
            )
        opening = Postings(settlements[0].interval, "INVOICE")
        account = member_account(self.member)
        opening.post(
            TransferKind.ROUNDING, account, "opening", debit=account, credit=ROUNDING, amount_nano=given["carried_nano"]
        )
        self.transfers += opening.transfers
        self.bill = community_bill(
            self.member, self.transfers, self.allocations, TariffSchedule(versions=((0, self.tariff),))
        )

    def supplier_only(self) -> list[SuppliedEnergy]:
        """The same meters without a market, curtailed as that day would have been."""
        curtailed_wh = sum(e.curtailed_wh for e in self.allocations if e.metering_point == self.terms.metering_point)
        exported_wh = sum(each.export_wh for each in self.metered)
        return [
            SuppliedEnergy(
                terms=self.terms,
                tariff=self.tariff,
                import_wh=sum(each.import_wh for each in self.metered),
                export_wh=exported_wh + curtailed_wh - self.reference,
            )
        ]


def _interval(values: dict) -> tuple[ClearedInterval, list[IntervalEnergy]]:
    interval = DeliveryInterval.at(values["start_s"])
    orders, trades = [], []
    for i, order in enumerate(values["orders"]):
        orders.append(
            Order(
                order_id=f"o{i}",
                participant=order["participant"],
                metering_point=f"M-{order['participant']}",
                side=Side(order["side"]),
                quantity_wh=order["quantity_wh"],
                limit_micro_per_kwh=order["limit_micro_per_kwh"],
                firmness=Firmness(order["firmness"]),
            )
        )
        price = order["price_micro_per_kwh"]
        trades.append(
            Trade(
                order_id=f"o{i}",
                accepted_wh=order["accepted_wh"],
                curtailed_wh=order["curtailed_wh"],
                price_micro_per_kwh=price,
                amount_nano=order["accepted_wh"] * price,
            )
        )
    cleared = ClearedInterval(
        interval=interval,
        orders=orders,
        trades=trades,
        clearing_price_micro_per_kwh=values["clearing_price_micro_per_kwh"],
        reference_curtailed_wh={f"M-{who}": wh for who, wh in values.get("reference_curtailed_wh", {}).items()},
        island=IslandTerms(**values["island"]) if "island" in values else None,
    )
    energies = [
        IntervalEnergy(metering_point=f"M-{who}", interval=interval, import_wh=import_wh, export_wh=export_wh)
        for who, (import_wh, export_wh) in values["metered_wh"].items()
    ]
    return cleared, energies


@pytest.fixture(params=sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def test_every_line_is_what_was_worked_out_by_hand(case: Case) -> None:
    lines = {
        line.item.value: {"energy_wh": line.energy_wh, "amount_nano": line.amount_nano}
        for line in case.bill.lines
        if line.amount_nano
    }
    assert lines == case.expected["lines"]


def test_the_total_is_rounded_once_and_right_to_the_cent(case: Case) -> None:
    found = {
        "total_nano": case.bill.total_nano,
        "rounding_nano": case.bill.rounding_nano,
        "total_cents": case.bill.total_cents,
    }
    assert found == {name: case.expected[name] for name in found}
    assert sum(line.amount_cents for line in case.bill.lines) == case.bill.total_cents


def test_the_whole_cost_and_the_cost_without_a_market_are_right_to_the_cent(case: Case) -> None:
    residual = [residual_energy(case.allocations, case.terms, case.tariff)]
    full, alone = full_bill(case.bill, residual), supplier_only_bill(case.supplier_only())
    assert {"total_nano": full.total_nano, "total_cents": full.total_cents} == case.expected["full"]
    assert {"total_nano": alone.total_nano, "total_cents": alone.total_cents} == case.expected["supplier_only"]


def test_gains_are_split_into_selling_and_buying(case: Case) -> None:
    full = full_bill(case.bill, [residual_energy(case.allocations, case.terms, case.tariff)])
    found = gains(supplier_only=supplier_only_bill(case.supplier_only()), full=full)
    assert {
        "seller": found.seller_nano,
        "buyer": found.buyer_nano,
        "other": found.other_nano,
    } == case.expected["gains_nano"]


def test_a_bill_shows_no_line_of_another_member(case: Case) -> None:
    others = community_bill("nobody", case.transfers, case.allocations, TariffSchedule(versions=((0, case.tariff),)))
    assert all(line.energy_wh == 0 and line.amount_nano == 0 for line in others.lines)
    assert case.bill.line(BillItem.ENERGY_BOUGHT).energy_wh > 0
