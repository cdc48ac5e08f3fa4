"""Networks and books small enough to solve with pencil and paper. A line of 40 W carries 10 Wh in 15 minutes."""

import numpy as np
import pytest
from market_cases import RULES, DirectCurrentTree, OneCable, book, order, outcome

from grid.limits import LimitKind
from matching.auction import LossesNotCovered
from matching.clearing import Clearing, MarketRules, clear
from matching.orders import Order
from matching.result import Status
from matching.rules import RuleError

ONE_LINE = DirectCurrentTree(parents=(0,), limits_w=(40.0,))
TWO_LINES = DirectCurrentTree(parents=(0, 1), limits_w=(100.0, 40.0))
CABLE = OneCable(resistance_pu=0.05)
F = 80_000
PRICED = MarketRules(tie_seed="a test", feed_in_price_micro_per_kwh=F)


def cleared(
    *orders: Order, limits: DirectCurrentTree | OneCable = ONE_LINE, rules: MarketRules = PRICED, **more: object
) -> Clearing:
    return clear(book(*orders), interval_minutes=15, rules=rules, limits=limits, **more)


def test_a_full_line_parts_the_prices_and_earns_the_difference() -> None:
    result = cleared(
        order("buyer", "buy", 100, 300_000, "firm", 0),
        order("near", "sell", 200, 200_000, bus=0),
        order("far", "sell", 50, 100_000, bus=1),
    )
    assert outcome(result) == {"buyer": (100, 0, 200_000), "near": (90, 0, 200_000), "far": (10, 0, 100_000)}
    assert result.congestion_rent_nano == 10 * 100_000
    (binding,) = result.binding
    assert (binding.kind, binding.element, binding.limit) == (LimitKind.LINE_LOADING, 0, 100.0)
    assert binding.value == pytest.approx(100.0, abs=1e-9)
    # one percent of the line is 0.1 Wh, and every Wh of room would save 100 000 nano
    assert binding.shadow_price == pytest.approx(10_000, rel=1e-6)
    # without flexible orders nothing flows at all: the network limits who is accepted, it needs no curtailment
    assert result.status is Status.GREEN
    assert abs(result.certificate.gap_relative) < 1e-5


def test_the_same_book_with_a_strong_line_is_the_plain_auction() -> None:
    orders = (
        order("buyer", "buy", 100, 300_000, "firm", 0),
        order("near", "sell", 200, 200_000, bus=0),
        order("far", "sell", 50, 100_000, bus=1),
    )
    strong = cleared(*orders, limits=DirectCurrentTree(parents=(0,), limits_w=(1e6,)))
    plain = clear(book(*orders), interval_minutes=15, rules=PRICED)
    assert outcome(strong) == outcome(plain)
    assert strong.binding == ()
    assert strong.solver == "sort and merge"


def test_an_import_limit_raises_the_price_behind_the_line() -> None:
    result = cleared(
        order("seller", "sell", 100, 100_000, "firm", 0),
        order("car", "buy", 50, 250_000, bus=1),
        order("home", "buy", 20, 300_000, "flexible", 0),
        order("battery", "sell", 30, 220_000, bus=1),
    )
    # the car is the margin behind the line, the seller before it; the battery earns what the car pays
    assert outcome(result) == {
        "seller": (30, 0, 100_000),
        "car": (40, 0, 250_000),
        "home": (20, 0, 100_000),
        "battery": (30, 0, 250_000),
    }
    assert result.congestion_rent_nano == 10 * 150_000


def test_the_supplier_delivers_before_the_line_and_no_further_than_it_carries() -> None:
    rules = MarketRules(
        tie_seed="a test", supplier_price_micro_per_kwh=320_000, feed_in_price_micro_per_kwh=F, supplier_bids=True
    )
    result = cleared(order("car", "buy", 50, 400_000, bus=1), order("home", "buy", 5, 350_000, "firm", 0), rules=rules)
    assert outcome(result) == {"car": (10, 0, 400_000), "home": (5, 0, 320_000)}
    assert (result.supplier_import_wh, result.clearing_price_micro_per_kwh) == (15, 320_000)
    assert result.congestion_rent_nano == 10 * 80_000


def test_nested_limits_add_up_along_the_path() -> None:
    result = cleared(
        order("buyer", "buy", 100, 300_000, bus=0),
        order("near", "sell", 200, 200_000, bus=0),
        order("middle", "sell", 50, 80_000, bus=1),
        order("end", "sell", 50, 50_000, bus=2),
        limits=TWO_LINES,
    )
    assert outcome(result) == {
        "buyer": (100, 0, 200_000),
        "near": (75, 0, 200_000),
        "middle": (15, 0, 80_000),
        "end": (10, 0, 50_000),
    }
    assert result.congestion_rent_nano == 15 * 120_000 + 10 * 150_000
    # per Wh 120 000 on the first line and 30 000 on the second; one percent of them is 0.25 and 0.1 Wh
    assert {binding.element: binding.shadow_price for binding in result.binding} == {
        0: pytest.approx(30_000, rel=1e-6),
        1: pytest.approx(3_000, rel=1e-6),
    }


def test_unmatched_sun_is_curtailed_pro_rata_and_matched_sun_is_not() -> None:
    # 30 Wh want through a line of 10; 5 of the cheaper roof are matched, the 20 curtailed are shared 10 : 15
    result = cleared(
        order("cheap", "sell", 15, 90_000, "curtailable", 1),
        order("dear", "sell", 15, 200_000, "curtailable", 1),
        order("buyer", "buy", 5, 150_000, "firm", 0),
    )
    assert outcome(result) == {"cheap": (5, 8, 90_000), "dear": (0, 12, None), "buyer": (5, 0, 90_000)}
    assert result.status is Status.AMBER
    assert result.welfare_nano == 5 * 60_000 - 20 * F
    assert result.congestion_rent_nano == 0
    assert result.binding[0].shadow_price == pytest.approx(F / 10, rel=1e-6)


def test_equal_sellers_share_pro_rata_although_the_line_binds() -> None:
    orders = [
        order("sun", "sell", 10, 100_000, "curtailable", 1),
        order("fix", "sell", 6, 100_000, "firm", 1),
        order("far", "sell", 8, 100_000, "firm", 0),
        order("buyer", "buy", 12, 300_000, "firm", 0),
    ]
    light = cleared(*orders, limits=DirectCurrentTree(parents=(0,), limits_w=(56.0,)))
    assert outcome(light) == {
        "sun": (5, 2, 100_000),
        "fix": (3, 0, 100_000),
        "far": (4, 0, 100_000),
        "buyer": (12, 0, 100_000),
    }
    # with 6 Wh curtailed the sun can have only 4 accepted; the rest is shared 6 : 8
    heavy = cleared(*orders)
    assert outcome(heavy) == {
        "sun": (4, 6, 100_000),
        "fix": (3, 0, 100_000),
        "far": (5, 0, 100_000),
        "buyer": (12, 0, 100_000),
    }


def test_a_battery_behind_the_line_that_keeps_the_limit_is_paid_for_it() -> None:
    # 12 Wh of fixed sun, a line of 10: the battery must take 2 although it pays only 50 000
    result = cleared(
        order("sun", "sell", 12, 100_000, "firm", 1),
        order("battery", "buy", 5, 50_000, bus=1),
        order("buyer", "buy", 12, 300_000, "firm", 0),
    )
    assert outcome(result) == {"sun": (12, 0, 300_000), "battery": (2, 0, 50_000), "buyer": (10, 0, 300_000)}
    assert result.status is Status.AMBER
    assert result.congestion_rent_nano == 10 * 300_000 + 2 * 50_000 - 12 * 300_000


def test_a_limit_that_is_kept_only_to_the_last_wh_is_kept() -> None:
    # the only way to stay within 8 W x 15 min = 2 Wh is to let the battery take its one Wh at a loss
    result = cleared(
        order("sun", "sell", 3, 40_000, "firm", 1),
        order("battery", "buy", 1, 20_000, bus=1),
        limits=DirectCurrentTree(parents=(0,), limits_w=(8.0,)),
    )
    assert outcome(result) == {"sun": (1, 0, 40_000), "battery": (1, 0, 20_000)}
    assert (result.status, result.congestion_rent_nano) == (Status.AMBER, -20_000)


def test_flexible_energy_that_happens_to_keep_the_limits_is_amber_too() -> None:
    result = cleared(
        order("sun", "sell", 12, 100_000, "firm", 1),
        order("battery", "buy", 5, 150_000, bus=1),
    )
    assert outcome(result) == {"sun": (5, 0, 100_000), "battery": (5, 0, 100_000)}
    assert (result.status, result.binding) == (Status.AMBER, ())


def test_red_leaves_flexible_energy_out_curtails_all_that_helps_and_still_trades() -> None:
    result = cleared(
        order("sun", "sell", 30, 100_000, "curtailable", 1),
        order("fix", "sell", 12, 100_000, "firm", 1),
        order("other", "sell", 5, 100_000, "curtailable", 0),
        order("buyer", "buy", 25, 300_000, "firm", 0),
        order("battery", "sell", 25, 30_000, bus=0),
    )
    assert outcome(result) == {
        "sun": (0, 30, None),
        "fix": (12, 0, 300_000),
        "other": (5, 0, 300_000),
        "buyer": (17, 0, 300_000),
        "battery": (0, 0, None),
    }
    assert result.status is Status.RED
    assert [(binding.element, binding.value) for binding in result.binding] == [(0, pytest.approx(120.0))]


def test_an_empty_book_on_a_baseline_that_passes_the_limits_is_red() -> None:
    result = cleared(baseline_w=np.array([0.0, 50.0]))
    assert (result.status, result.traded_wh, result.clearing_price_micro_per_kwh) == (Status.RED, 0, None)


def test_curtailment_makes_room_for_the_baseline() -> None:
    result = cleared(order("sun", "sell", 8, 100_000, "curtailable", 1), baseline_w=np.array([0.0, 20.0]))
    assert outcome(result) == {"sun": (0, 3, None)}
    assert (result.status, result.clearing_price_micro_per_kwh) == (Status.AMBER, None)


@pytest.mark.parametrize("baseline", [np.zeros(3), np.array([0.0, np.nan])])
def test_a_baseline_that_does_not_fit_the_network_is_refused(baseline: np.ndarray) -> None:
    with pytest.raises(RuleError, match="2 finite values, one for each bus"):
        cleared(baseline_w=baseline)


def test_curtailing_costs_nothing_where_no_feed_in_price_is_known_but_is_still_the_least() -> None:
    result = cleared(order("sun", "sell", 30, 100_000, "curtailable", 1), rules=RULES)
    assert outcome(result) == {"sun": (0, 20, None)}
    assert result.welfare_nano == 0


def test_a_cable_is_filled_to_its_highest_voltage() -> None:
    # v = 1.1 at 22 kW, which is 5500 Wh in 15 minutes
    sun, buyer = order("sun", "sell", 9_000, 100_000, bus=1), order("buyer", "buy", 9_000, 200_000, bus=0)
    result = cleared(sun, buyer, limits=CABLE)
    assert CABLE.power_at(1.1) == pytest.approx(22_000)
    assert 5_498 <= result.accepted_wh[0] <= 5_500
    assert 1.1 - 2e-5 < result.point.vm_pu[1] <= 1.1
    assert result.price_micro_per_kwh.tolist() == [100_000, 200_000]
    assert result.congestion_rent_nano == int(result.accepted_wh[0]) * 100_000


def test_a_load_beyond_the_voltage_collapse_is_limited_to_the_lowest_voltage() -> None:
    # half a million Wh have no power-flow solution; v = 0.9 at 18 kW, which is 4500 Wh
    result = cleared(
        order("oven", "buy", 500_000, 300_000, bus=1), order("plant", "sell", 500_000, 100_000, bus=0), limits=CABLE
    )
    assert 4_498 <= result.accepted_wh[0] <= 4_500
    assert 0.9 <= result.point.vm_pu[1] < 0.9 + 3e-5
    assert result.status is Status.GREEN


def test_a_collapse_by_firm_load_is_red_without_a_state() -> None:
    result = cleared(
        order("oven", "buy", 500_000, 300_000, "firm", 1), order("plant", "sell", 9, 100_000, "firm", 0), limits=CABLE
    )
    assert (result.status, result.point, result.traded_wh) == (Status.RED, None, 9)
    assert result.document()["ac"] is None


def test_the_market_buys_the_losses_where_the_rule_says_so() -> None:
    rules = MarketRules(tie_seed="a test", losses="market")
    orders = (order("home", "buy", 2_500, 300_000, "firm", 1), order("plant", "sell", 9_000, 100_000, bus=0))
    result = cleared(*orders, limits=CABLE, rules=rules)
    loss_w = CABLE.solve(np.array([0.0, -10_000.0]), np.zeros(2)).loss_w
    assert loss_w == pytest.approx(10_000 * 0.05 / CABLE.voltage(-10_000.0) ** 2)
    assert result.loss_wh == round(loss_w / 4)
    assert result.accepted_wh.tolist() == [2_500, 2_500 + result.loss_wh]
    assert result.congestion_rent_nano == -result.loss_wh * 100_000
    assert cleared(*orders, limits=CABLE).loss_wh == 0


def test_the_market_buys_the_losses_under_a_binding_limit_too() -> None:
    rules = MarketRules(tie_seed="a test", losses="market")
    result = cleared(
        order("sun", "sell", 9_000, 100_000, bus=1),
        order("buyer", "buy", 9_000, 200_000, bus=0),
        limits=CABLE,
        rules=rules,
    )
    assert abs(result.loss_wh - CABLE.solve(result.point.injection_w, np.zeros(2)).loss_w / 4) <= 1.5
    assert result.accepted_wh[0] == result.accepted_wh[1] + result.loss_wh


def test_losses_alone_are_bought_where_the_cable_is_full() -> None:
    # 21 990 of 22 000 W flow already: behind the cable there is room for 2 Wh, the other losses are bought before it
    rules = MarketRules(tie_seed="a test", losses="market")
    result = cleared(
        order("far", "sell", 9_000, 100_000, bus=1),
        order("near", "sell", 9_000, 150_000, bus=0),
        limits=CABLE,
        rules=rules,
        baseline_w=np.array([0.0, 21_990.0]),
    )
    assert result.status is Status.GREEN
    assert result.accepted_wh.sum() == result.loss_wh
    assert outcome(result) == {"far": (2, 0, 100_000), "near": (result.loss_wh - 2, 0, 150_000)}


def test_losses_that_fit_through_no_cable_are_refused() -> None:
    rules = MarketRules(tie_seed="a test", losses="market")
    with pytest.raises(LossesNotCovered):
        cleared(
            order("far", "sell", 9_000, 100_000, bus=1), limits=CABLE, rules=rules, baseline_w=np.array([0.0, 21_990.0])
        )


def test_losses_that_nobody_offers_are_refused_with_the_way_out() -> None:
    rules = MarketRules(tie_seed="a test", losses="market")
    with pytest.raises(LossesNotCovered, match="only 0 Wh are offered; give a supplier price or leave losses"):
        cleared(order("home", "buy", 2_500, 300_000, "firm", 1), limits=CABLE, rules=rules)
