"""Premiums, fees and a bottleneck at once, where all can be worked out on paper; and a village on a real network."""

import numpy as np
from attribute_cases import FEES, bid, offer, prices_by_class, sources
from market_cases import RULES, DirectCurrentTree, book, outcome

from grid.network import GridNetwork, open_network
from matching.book import OrderBook
from matching.clearing import Clearing, MarketRules, clear
from matching.orders import Order
from matching.preferences.fees import GridFees
from matching.result import Status


def behind_a_line(limit_wh: int, *orders: Order, rules: MarketRules = RULES) -> Clearing:
    """Bus 1 is behind a line that carries so many Wh in a quarter of an hour."""
    tree = DirectCurrentTree(parents=(0,), limits_w=(4.0 * limit_wh,))
    return clear(book(*orders), interval_minutes=15, rules=rules, limits=tree)


def test_premium_and_bottleneck_have_a_price_each() -> None:
    """250 of 400 Wh of solar get through the line and 100 Wh are in front of it, for 300 + 300 Wh of wishes.

    Gas is left over and costs 10 ct. Greenish gets 50 Wh of solar and 250 Wh of gas: his premium, 1 ct, is what solar
    costs more. Behind the line solar is left over and costs what it must, 8 ct: room in the line is worth 11 - 8 ct.
    """
    result = behind_a_line(
        250,
        offer("sun", 400, 80_000, source="solar", firm="flexible", bus=1),
        offer("roof", 100, 90_000, source="solar", bus=0),
        offer("gas", 400, 100_000, bus=0),
        bid("green", 300, 200_000, "solar:20000", bus=0),
        bid("greenish", 300, 200_000, "solar:10000", bus=0),
    )
    assert prices_by_class(result) == {"any": (100_000, 0), "solar": (110_000, 10_000)}
    assert outcome(result) == {
        "sun": (250, 0, 80_000),
        "roof": (100, 0, 110_000),
        "gas": (250, 0, 100_000),
        "green": (300, 0, 110_000),
        "greenish": (300, 0, 101_666),  # 50 Wh at 11 ct, 250 Wh at 10 ct
    }
    assert sources(result)["greenish", "solar"] == (50, 110_000, 0)
    assert result.congestion_rent_nano == 250 * (110_000 - 80_000)
    assert [(each.name, round(each.shadow_price)) for each in result.binding] == [("line 0", 250 * 300)]
    assert (
        result.welfare_nano == 600 * 200_000 + 300 * 20_000 + 50 * 10_000 - 250 * 80_000 - 100 * 90_000 - 250 * 100_000
    )
    assert abs(result.certificate.dual_welfare_nano - result.welfare_nano) <= 1
    assert result.document()["preferences"]["flexible_left_out"] is False


def test_a_fee_goes_to_the_grid_and_the_bottleneck_s_rent_to_the_congestion_account() -> None:
    """100 of 400 Wh pass the line and pay the fee; the seller is paid its limit, the buyer pays what gas costs."""
    fees = GridFees.of({("a", "a"): 0, ("a", "b"): 30_000, ("b", "a"): 0, ("b", "b"): 0})
    result = behind_a_line(
        100,
        offer("far", 400, 50_000, zone="a", firm="flexible", bus=1),
        offer("gas", 400, 100_000, zone="b", bus=0),
        bid("buyer", 300, 200_000, zone="b", bus=0),
        rules=MarketRules(tie_seed="a test", grid_fees=fees),
    )
    assert sources(result) == {("buyer", "zone:a"): (100, 70_000, 30_000), ("buyer", "zone:b"): (200, 100_000, 0)}
    assert outcome(result)["far"] == (100, 0, 50_000)
    assert result.attributes is not None
    assert result.attributes.grid_fee_nano == 100 * 30_000
    assert result.congestion_rent_nano == 100 * (70_000 - 50_000)


def test_a_premium_decides_who_gets_through_a_full_line() -> None:
    """The dearer seller is wanted more: 9 ct with a premium of 3 ct is better than 8 ct without."""
    result = behind_a_line(
        100,
        offer("sun", 400, 90_000, source="solar", firm="flexible", bus=1),
        offer("gas", 400, 80_000, firm="flexible", bus=1),
        bid("green", 400, 200_000, "solar:30000", bus=0),
    )
    assert [outcome(result)[name][0] for name in ("sun", "gas", "green")] == [100, 0, 100]
    assert result.welfare_nano == 100 * (200_000 + 30_000 - 90_000)


def test_curtailable_energy_is_curtailed_only_as_far_as_the_line_asks_and_flexible_orders_still_trade() -> None:
    rules = MarketRules(tie_seed="a test", feed_in_price_micro_per_kwh=70_000)
    result = behind_a_line(
        100,
        offer("sun", 300, 80_000, source="solar", firm="curtailable", bus=1),
        bid("green", 200, 200_000, "solar:10000", firm="flexible", bus=1),
        bid("grey", 100, 150_000, bus=0),
        rules=rules,
    )
    assert {name: each[:2] for name, each in outcome(result).items()} == {
        "sun": (300, 0),
        "green": (200, 0),
        "grey": (100, 0),
    }


def test_where_nobody_sells_what_the_line_cannot_carry_is_curtailed_and_nothing_trades() -> None:
    result = behind_a_line(
        100,
        bid("green", 300, 200_000, "solar:10000", firm="curtailable", bus=1),
        bid("grey", 50, 200_000, firm="firm", bus=1),
    )
    assert (result.status, result.traded_wh) == (Status.AMBER, 0)
    assert outcome(result) == {"green": (0, 250, None), "grey": (0, 0, None)}


def village(count: int, *, seed: int) -> tuple[OrderBook, GridNetwork]:
    """Orders at the low-voltage homes of a rural network at noon: far more sun than the network carries."""
    network = open_network("simbench:1-LV-rural3--2-sw")
    random = np.random.default_rng(seed)
    orders = []
    for k in range(count):
        bus, zone = int(random.choice(network.buses[1:])), ("north", "south")[int(random.integers(2))]
        if k % 2:
            source = ("solar", "solar", "storage", "other")[int(random.integers(4))]
            firm = ("flexible", "flexible", "curtailable")[int(random.integers(3))]
            wh, limit = int(random.integers(50, 6_000_000 // count)), 100 * int(random.integers(700, 1_500))
            orders.append(offer(f"s{k}", wh, limit, source=source, zone=zone, firm=firm, bus=bus))
        else:
            premiums = ("", "solar:15000", "storage:8000", "solar:5000;storage:20000")[int(random.integers(4))]
            wh, limit = int(random.integers(50, 3_000_000 // count)), 100 * int(random.integers(900, 1_800))
            orders.append(bid(f"b{k}", wh, limit, premiums, zone=zone, firm="flexible", bus=bus))
    return OrderBook.from_orders(orders), network


def test_a_sunny_village_with_premiums_and_two_zones_keeps_its_limits_and_is_proved() -> None:
    orders, network = village(200, seed=7)
    rules = MarketRules(
        tie_seed="a test", grid_fees=FEES, feed_in_price_micro_per_kwh=70_000, supplier_price_micro_per_kwh=180_000
    )
    result = clear(orders, interval_minutes=15, rules=rules, limits=network)
    assert result.status is Status.GREEN or result.curtailed_wh.any()
    assert result.attributes is not None
    assert not result.attributes.flexible_left_out
    assert any(each.shadow_price > 0.0 for each in result.binding)
    assert 0 <= result.certificate.gap_relative < 1e-5
