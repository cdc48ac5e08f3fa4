"""Islands worked out by hand: who is served, who is shed, what it costs, and what is lost on the way."""

from dataclasses import replace

import numpy as np
import pytest
from island_cases import island_rules
from market_cases import DirectCurrentTree, OneCable, book, order, outcome

from grid.limits import FloatArray, OperatingPoint
from matching.book import BookError
from matching.clearing import Clearing, MarketRules, clear
from matching.island.rules import Island
from matching.orders import Order
from matching.result import Status
from matching.rules import RuleError

VOLL = 5_000_000


class Magnetised(DirectCurrentTree):
    """Whatever flows, 40 W are lost: 10 Wh in a quarter-hour."""

    def solve(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        return replace(DirectCurrentTree.solve(self, injection_w, injection_var), loss_w=40.0)


def islanded(*orders: Order, k: float = 0.5) -> Clearing:
    return clear(book(*orders), interval_minutes=15, rules=island_rules(VOLL, k=k))


def test_where_energy_is_scarce_firm_demand_is_shed_pro_rata_and_others_first() -> None:
    result = islanded(
        order("sun", "sell", 1000, 100_000, "firm"),
        order("diesel", "sell", 300, 600_000),
        order("ann", "buy", 900, 250_000, "firm"),
        order("ben", "buy", 600, 250_000, "firm"),
        order("car", "buy", 600, 900_000),
        order("pump", "buy", 100, 900_000, "curtailable"),
    )
    # 1300 Wh for 1500: 1300 * 900 / 1500 = 780 and 520. Neither car nor pump gets any, though they bid beyond diesel.
    assert outcome(result) == {
        "sun": (1000, 0, VOLL),
        "diesel": (300, 0, VOLL),
        "ann": (780, 120, VOLL),
        "ben": (520, 80, VOLL),
        "car": (0, 0, None),
        "pump": (0, 100, None),
    }
    assert result.status is Status.RED
    assert result.island is not None
    assert (result.island.shed_wh, result.island.spilled_wh, result.island.is_dark) == (200, 0, False)
    assert result.welfare_nano == 1300 * VOLL - 1000 * 100_000 - 300 * 600_000
    assert result.certificate.dual_welfare_nano == result.welfare_nano


def test_firm_demand_is_served_beyond_its_own_limit_at_what_the_dearest_unit_asks() -> None:
    result = islanded(
        order("sun", "sell", 500, 100_000, "curtailable"),
        order("diesel", "sell", 2000, 600_000),
        order("ann", "buy", 900, 250_000, "firm"),
    )
    assert outcome(result) == {"sun": (500, 0, 600_000), "diesel": (400, 0, 600_000), "ann": (900, 0, 600_000)}
    assert result.status is Status.GREEN


def test_as_long_as_nothing_is_shed_buyers_own_limits_bound_the_price() -> None:
    # Supply is just enough: any price from 100 000 to the value of lost load supports it; own limits end at 250 000.
    result = islanded(order("sun", "sell", 900, 100_000, "firm"), order("ann", "buy", 900, 250_000, "firm"))
    assert result.clearing_price_micro_per_kwh == 175_000
    assert result.prices is not None
    assert result.prices.upper_micro_per_kwh == VOLL


def test_what_nobody_uses_is_spilled_and_the_light_is_amber() -> None:
    result = islanded(
        order("sun", "sell", 600, 100_000, "curtailable"),
        order("roof", "sell", 600, 100_000, "firm"),
        order("battery", "sell", 600, 100_000),
        order("ann", "buy", 900, 250_000, "firm"),
    )
    assert outcome(result) == {
        "sun": (300, 300, 100_000),
        "roof": (300, 300, 100_000),
        "battery": (300, 0, 100_000),
        "ann": (900, 0, 100_000),
    }
    assert result.status is Status.AMBER
    assert result.island is not None
    assert result.island.spilled_wh == 600


def test_behind_a_full_line_firm_demand_is_shed_while_others_have_plenty() -> None:
    # The line to bus 1 carries 100 Wh: 100 of 300 Wh there are served, for the value of lost load; bus 0 pays 0.12.
    tree = DirectCurrentTree(parents=(0,), limits_w=(400.0,))
    orders = (
        order("battery", "sell", 1000, 120_000, bus=0),
        order("near", "buy", 200, 250_000, "firm", bus=0),
        order("far", "buy", 300, 250_000, "firm", bus=1),
    )
    result = clear(book(*orders), interval_minutes=15, rules=island_rules(VOLL, bus=0), limits=tree)
    assert outcome(result) == {
        "battery": (300, 0, 120_000),
        "near": (200, 0, 120_000),
        "far": (100, 200, VOLL),
    }
    assert result.status is Status.RED
    assert result.congestion_rent_nano == 100 * (VOLL - 120_000)


def test_losses_are_bought_from_the_grid_forming_unit_and_paid_as_a_line_of_their_own() -> None:
    # Bus 1 draws 250 Wh in a quarter-hour = 1000 W = 0.1 p.u. of 10 kW over 0.1 p.u.: v = (1 + sqrt(1 - 0.04)) / 2,
    # losses 0.1^2 * 0.1 / v^2 = 0.00102 p.u. = 10.2 W = 2.55 Wh.
    cable = OneCable(resistance_pu=0.1)
    orders = (order("unit", "sell", 1000, 300_000, bus=0), order("ann", "buy", 250, 200_000, "firm", bus=1))
    result = clear(book(*orders), interval_minutes=15, rules=island_rules(VOLL, bus=0), limits=cable)
    voltage = (1 + 0.96**0.5) / 2
    assert 0.1**3 / voltage**2 * 10_000 / 4 == pytest.approx(2.55, abs=0.01)
    assert abs(result.loss_wh - 2.55) <= 1
    assert outcome(result)["unit"][0] == 250 + result.loss_wh
    assert result.status is Status.GREEN
    assert result.island is not None
    assert result.island.grid_forming_wh == 250 + result.loss_wh
    assert result.island.loss_cost_nano == result.loss_wh * 300_000
    assert result.congestion_rent_nano == -result.island.loss_cost_nano


def test_losses_come_out_of_what_can_be_served_where_the_unit_is_empty_otherwise() -> None:
    cable = OneCable(resistance_pu=0.1)
    orders = (order("unit", "sell", 200, 300_000, bus=0), order("ann", "buy", 250, 200_000, "firm", bus=1))
    result = clear(book(*orders), interval_minutes=15, rules=island_rules(VOLL, bus=0), limits=cable)
    served = outcome(result)["ann"][0]
    assert served + result.loss_wh == 200
    assert result.loss_wh == 2  # 198 Wh = 792 W = 0.0792 p.u.: 0.0792^2 * 0.1 / 0.984 * 2500 = 1.6 Wh
    assert result.island is not None
    assert result.island.shed_wh == 250 - served


def test_an_island_that_cannot_cover_what_its_network_needs_is_dark() -> None:
    tree = Magnetised(parents=(0,), limits_w=(400.0,))
    orders = (order("unit", "sell", 4, 300_000, bus=0), order("ann", "buy", 250, 200_000, "firm", bus=1))
    result = clear(book(*orders), interval_minutes=15, rules=island_rules(VOLL, bus=0), limits=tree)
    assert outcome(result) == {"unit": (0, 0, None), "ann": (0, 250, None)}
    assert result.status is Status.RED
    assert result.loss_wh == 0
    assert result.island is not None
    assert result.island.is_dark


@pytest.mark.parametrize(
    ("placed", "says"),
    [
        (order("car", "buy", 10, VOLL), "order 'car': limit_micro_per_kwh would pay 5000000, not below"),
        (order("pump", "buy", 10, VOLL, "curtailable"), "firm demand comes first; bid less"),
        (order("diesel", "sell", 10, VOLL + 100), "asks 5000100, above the value of lost load 5000000"),
    ],
)
def test_no_order_may_come_before_firm_demand_or_ask_more_than_it_is_worth(placed: Order, says: str) -> None:
    with pytest.raises(BookError, match=says):
        islanded(placed)


def test_firm_demand_may_name_any_limit_of_its_own() -> None:
    result = islanded(order("sun", "sell", 9, 100_000), order("ann", "buy", 9, 2 * VOLL, "firm"), k=1.0)
    assert outcome(result)["ann"] == (9, 0, VOLL)


def test_rules_that_an_island_contradicts_are_refused() -> None:
    island = Island(lost_load_micro_per_kwh=VOLL)
    with pytest.raises(RuleError, match="an island has no supplier"):
        MarketRules(tie_seed="", island=island, supplier_bids=True, supplier_price_micro_per_kwh=300_000)
    with pytest.raises(RuleError, match="pay_as_bid knows no shedding"):
        MarketRules(tie_seed="", island=island, mechanism="pay_as_bid")
    for lost_load, says in ((0, "must be above zero"), (150, "off the tick"), (10**11, "out of range")):
        with pytest.raises(RuleError, match=says):
            island_rules(lost_load)


def test_on_an_island_the_market_buys_the_losses_and_everything_is_in_the_book() -> None:
    cable = OneCable(resistance_pu=0.1)
    orders = book(order("unit", "sell", 1000, 300_000, bus=0), order("ann", "buy", 250, 200_000, "firm", bus=1))
    rules = replace(island_rules(VOLL, bus=0), losses="grid")
    with pytest.raises(RuleError, match="let the market buy losses"):
        clear(orders, interval_minutes=15, rules=rules, limits=cable)
    with pytest.raises(RuleError, match="leave active power out of the baseline"):
        clear(
            orders,
            interval_minutes=15,
            rules=island_rules(VOLL, bus=0),
            limits=cable,
            baseline_w=np.array([0.0, -100.0]),
        )
