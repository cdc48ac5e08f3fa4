"""Premiums and grid fees where everything can be worked out on paper."""

import numpy as np
import pytest
from attribute_cases import bid, offer, prices_by_class, sources
from market_cases import RULES, DirectCurrentTree, book, outcome

from matching.clearing import Clearing, MarketRules, clear
from matching.orders import Order
from matching.preferences.fees import GridFees
from matching.result import Status
from matching.rules import RuleError


def cleared(*orders: Order, fees: GridFees | None = None, supplier: tuple[int, int] | None = None) -> Clearing:
    """Result of these orders; `supplier` is feed-in and supplier price."""
    rules = MarketRules(
        tie_seed="a test",
        grid_fees=fees,
        supplier_bids=supplier is not None,
        feed_in_price_micro_per_kwh=None if supplier is None else supplier[0],
        supplier_price_micro_per_kwh=None if supplier is None else supplier[1],
    )
    return clear(book(*orders), interval_minutes=15, rules=rules)


def test_scarce_solar_costs_more_by_the_premium_of_the_marginal_buyer() -> None:
    """500 Wh of solar for 300 + 400 Wh of wishes: the second buyer is the marginal one, gas leaves 200 Wh unsold."""
    result = cleared(
        offer("sun", 500, 100_000, source="solar"),
        offer("gas", 1000, 100_000),
        bid("green", 300, 200_000, "solar:20000"),
        bid("greenish", 400, 200_000, "solar:10000"),
        bid("grey", 600, 200_000),
    )
    assert prices_by_class(result) == {"any": (100_000, 0), "solar": (110_000, 10_000)}
    assert outcome(result) == {
        "sun": (500, 0, 110_000),
        "gas": (800, 0, 100_000),
        "green": (300, 0, 110_000),
        "greenish": (400, 0, 105_000),  # half of it solar
        "grey": (600, 0, 100_000),
    }
    assert sources(result)["greenish", "solar"] == (200, 110_000, 0)
    assert sources(result)["greenish", "any"] == (200, 100_000, 0)
    assert result.welfare_nano == 1300 * 100_000 + 300 * 20_000 + 200 * 10_000


def test_solar_in_plenty_costs_what_everything_costs() -> None:
    result = cleared(
        offer("sun", 900, 100_000, source="solar"),
        offer("gas", 900, 100_000),
        bid("green", 300, 200_000, "solar:20000"),
        bid("grey", 200, 200_000),
    )
    assert prices_by_class(result) == {"any": (100_000, 0), "solar": (100_000, 0)}


def test_energy_crosses_between_zones_only_where_it_gains_more_than_the_fee() -> None:
    fees = GridFees.of({("a", "a"): 0, ("a", "b"): 30_000, ("b", "a"): 0, ("b", "b"): 0})
    result = cleared(
        offer("seller", 1000, 100_000, zone="a"),
        bid("poor", 300, 120_000, zone="b"),
        bid("rich", 300, 150_000, zone="b"),
        bid("near", 300, 120_000, zone="a"),
        fees=fees,
    )
    assert outcome(result) == {
        "seller": (600, 0, 100_000),
        "poor": (0, 0, None),
        "rich": (300, 0, 130_000),
        "near": (300, 0, 100_000),
    }
    assert result.attributes is not None
    assert (result.attributes.grid_fee_nano, result.congestion_rent_nano) == (300 * 30_000, 0)
    assert result.welfare_nano == 300 * 20_000 + 300 * 20_000


def test_a_neighbour_s_energy_goes_to_the_neighbour() -> None:
    result = cleared(
        offer("next door", 400, 100_000, feeder="f1"),
        offer("far away", 400, 100_000, feeder="f2"),
        offer("nobody knows where", 400, 100_000),
        bid("neighbour", 400, 200_000, "same_feeder:5000", feeder="f1"),
        bid("anybody", 800, 200_000, feeder="f1"),
    )
    assert sources(result)["neighbour", "feeder:f1"][0] == 400
    assert {name: wh for (name, _), (wh, _, _) in sources(result).items()} == {"neighbour": 400, "anybody": 800}


def test_a_feeder_that_is_not_known_is_nobody_s_neighbour() -> None:
    result = cleared(offer("a", 400, 100_000), bid("b", 400, 90_000, "same_feeder:50000"))
    assert outcome(result)["b"] == (0, 0, None)


def test_a_named_member_is_preferred_and_paid_for() -> None:
    """Anna's 300 Wh are wanted by two: 500 Wh at a premium of 8 000 and of 3 000; the other one is marginal."""
    result = cleared(
        offer("anna", 300, 100_000),
        offer("bert", 1000, 100_000),
        bid("friend", 200, 200_000, "member:anna:8000"),
        bid("fan", 300, 200_000, "member:anna:3000"),
    )
    assert prices_by_class(result) == {"any": (100_000, 0), "member:anna": (103_000, 3_000)}
    assert sources(result)["friend", "member:anna"] == (200, 103_000, 0)


def test_premiums_that_apply_to_one_seller_add_up() -> None:
    """Only both premiums together lift the bid over the limit of the one seller who has both."""
    result = cleared(
        offer("anna", 100, 100_000, source="solar", feeder="f1"),
        offer("bert", 100, 100_000, source="solar"),
        bid("b", 100, 70_000, "solar:20000;same_feeder:10000", feeder="f1"),
    )
    assert outcome(result)["anna"] == (100, 0, 100_000)
    assert outcome(result)["b"] == (100, 0, 100_000)
    assert outcome(result)["bert"] == (0, 0, None)
    assert result.welfare_nano == 0


def test_a_premium_that_nobody_can_earn_changes_no_trade() -> None:
    sellers = [offer("s1", 700, 100_000), offer("s2", 500, 120_000)]
    with_wish = cleared(*sellers, bid("b1", 400, 120_000, "storage:9000"), bid("b2", 1001, 120_000))
    without = cleared(*sellers, bid("b1", 400, 120_000), bid("b2", 1001, 120_000))
    assert with_wish.trades() == without.trades()
    assert with_wish.attributes is not None
    assert with_wish.attributes.premium_nano == 0
    assert without.attributes is None


def test_the_supplier_s_energy_earns_no_premium_and_pays_no_fee() -> None:
    fees = GridFees.of({("", ""): 20_000})
    result = cleared(
        offer("sun", 400, 100_000, source="solar"),
        bid("b", 1000, 300_000, "solar:10000"),
        fees=fees,
        supplier=(80_000, 250_000),
    )
    assert sources(result) == {("b", "solar"): (400, 240_000, 20_000), ("b", "supplier"): (600, 250_000, 0)}
    assert (result.supplier_import_wh, result.congestion_rent_nano) == (600, 0)
    assert result.attributes is not None
    assert result.attributes.grid_fee_nano == 400 * 20_000


def test_a_fee_above_every_gain_leaves_both_to_the_supplier() -> None:
    fees = GridFees.of({("", ""): 200_000})
    result = cleared(offer("s", 500, 50_000), bid("b", 500, 300_000), fees=fees, supplier=(80_000, 250_000))
    assert outcome(result) == {"s": (500, 0, 80_000), "b": (500, 0, 250_000)}
    assert (result.supplier_import_wh, result.supplier_export_wh) == (500, 500)


def test_the_gain_of_a_pair_is_shared_as_k_says() -> None:
    """Between 100 000 and 160 000 + 20 000 - 30 000 everything supports; the middle is 125 000."""
    result = cleared(
        offer("s", 500, 100_000, source="solar"),
        bid("b", 500, 160_000, "solar:20000"),
        fees=GridFees.of({("", ""): 30_000}),
    )
    assert sources(result) == {("b", "solar"): (500, 125_000, 30_000)}
    assert outcome(result)["b"] == (500, 0, 155_000)


def test_at_most_one_order_is_split_at_every_border_between_two_sources() -> None:
    sellers = [offer("anna", 350, 100_000), offer("bert", 450, 100_000), offer("cleo", 200, 100_000)]
    bids = [bid(f"b{k}", 100, 200_000, "member:anna:1000;member:bert:2000") for k in range(10)]
    result = cleared(*sellers, *bids)
    assert result.attributes is not None
    assert result.attributes.split_orders(selling=False) <= 2
    assert sum(wh for (_, source), (wh, _, _) in sources(result).items() if source == "member:bert") == 450


def on_one_line(limit_w: float, firm: str) -> Clearing:
    """400 Wh of solar a quarter of an hour (1 600 W) from behind a line to two buyers at the grid."""
    orders = (
        offer("sun", 400, 100_000, source="solar", firm=firm, bus=1),
        offer("gas", 400, 100_000, bus=0),
        bid("green", 300, 200_000, "solar:20000", bus=0),
        bid("grey", 300, 200_000, bus=0),
    )
    return clear(
        book(*orders),
        interval_minutes=15,
        rules=RULES,
        limits=DirectCurrentTree(parents=(0,), limits_w=(limit_w,)),
        baseline_w=np.array([0.0, 0.0]),
    )


def test_a_network_that_does_not_bind_changes_nothing() -> None:
    result = on_one_line(2_000.0, "flexible")
    assert (result.status, outcome(result)["green"]) == (Status.GREEN, (300, 0, 100_000))
    assert result.attributes is not None
    assert not result.attributes.flexible_left_out


def test_where_a_limit_binds_flexible_orders_trade_as_far_as_it_lets_them() -> None:
    result = on_one_line(1_000.0, "flexible")
    assert (result.status, outcome(result)["sun"]) == (Status.GREEN, (250, 0, 100_000))
    assert outcome(result)["gas"][0] == 350
    assert [binding.name for binding in result.binding] == ["line 0"]
    assert result.document()["preferences"]["flexible_left_out"] is False


def test_where_a_limit_binds_curtailable_energy_is_curtailed_and_the_rest_keeps_its_premium() -> None:
    result = on_one_line(1_000.0, "curtailable")
    accepted, curtailed, _ = outcome(result)["sun"]
    assert (result.status, accepted + curtailed, curtailed >= 150) == (Status.AMBER, 400, True)
    assert result.attributes is not None
    assert result.attributes.premium_nano == accepted * 20_000


def test_a_missing_fee_is_refused() -> None:
    rules = MarketRules(tie_seed="a test", grid_fees=GridFees.of({("b", "a"): 0}))
    with pytest.raises(RuleError, match="no grid fee from zone 'a' to zone 'a'"):
        clear(book(offer("s", 1, 100, zone="a"), bid("b", 1, 200, zone="a")), interval_minutes=15, rules=rules)


def test_attributes_are_part_of_what_was_agreed_and_only_if_there_are_any() -> None:
    plain = book(offer("s", 1, 100), bid("b", 1, 200))
    said = [
        book(offer("s", 1, 100, source="solar"), bid("b", 1, 200)),
        book(offer("s", 1, 100), bid("b", 1, 200, "solar:100")),
    ]
    assert len({plain.digest(), *(each.digest() for each in said)}) == 3
    assert [next(each.orders()).attributes.source for each in said] == ["solar", "other"]
    zero = book(offer("s", 1, 100), bid("b", 1, 200, "solar:0"))
    assert zero.digest() == plain.digest()
    assert RULES.grid_fees is None
