"""Books small enough to clear with pencil and paper. Prices in micro-units per kWh, 100 000 = 0.10."""

import pytest
from market_cases import RULES, book, order, outcome

from matching.clearing import Clearing, MarketRules, clear
from matching.orders import Order
from matching.rules import RuleError

R, F = 320_000, 80_000
SUPPLIED = MarketRules(
    tie_seed="a test", supplier_price_micro_per_kwh=R, feed_in_price_micro_per_kwh=F, supplier_bids=True
)
THIN = MarketRules(
    tie_seed="a test", supplier_price_micro_per_kwh=R, feed_in_price_micro_per_kwh=F, thin_book_price=True
)


def cleared(*orders: Order, rules: MarketRules = RULES) -> Clearing:
    return clear(book(*orders), interval_minutes=15, rules=rules)


def test_the_price_is_the_middle_of_the_supporting_interval_floored_to_the_tick() -> None:
    # 10 Wh trade; sellers need 100 000 and the next one 150 300, buyers pay up to 200 000: [100 000, 150 300]
    result = cleared(order("b", "buy", 10, 200_000), order("s", "sell", 10, 100_000), order("next", "sell", 5, 150_300))
    assert (result.prices.lower_micro_per_kwh, result.prices.upper_micro_per_kwh) == (100_000, 150_300)
    assert result.clearing_price_micro_per_kwh == 125_100
    assert outcome(result) == {"b": (10, 0, 125_100), "s": (10, 0, 125_100), "next": (0, 0, None)}
    assert result.welfare_nano == 10 * 100_000
    assert result.traded_wh == 10


@pytest.mark.parametrize(("k", "price"), [(0.0, 100_000), (0.25, 112_500), (1.0, 150_300)])
def test_k_moves_the_price_through_the_interval(k: float, price: int) -> None:
    rules = MarketRules(tie_seed="a test", k=k)
    result = cleared(
        order("b", "buy", 10, 200_000), order("s", "sell", 10, 100_000), order("n", "sell", 5, 150_300), rules=rules
    )
    assert result.clearing_price_micro_per_kwh == price


def test_the_long_side_is_rationed_pro_rata_at_the_margin_only() -> None:
    # demand 12; 5 come from the better seller, the 7 left are shared 10 : 4 by two sellers at the margin
    result = cleared(
        order("b", "buy", 12, 200_000),
        order("cheap", "sell", 5, 90_000),
        order("big", "sell", 10, 100_000),
        order("small", "sell", 4, 100_000),
    )
    assert result.accepted_wh.tolist() == [12, 5, 5, 2]
    assert result.clearing_price_micro_per_kwh == 100_000


def test_among_equal_optima_the_largest_volume_is_chosen() -> None:
    result = cleared(order("b", "buy", 7, 100_000), order("s", "sell", 9, 100_000))
    assert result.accepted_wh.tolist() == [7, 7]
    assert result.welfare_nano == 0


@pytest.mark.parametrize(
    "orders",
    [
        (),
        (order("b", "buy", 7, 100_000),),
        (order("s", "sell", 7, 100_000),),
        (order("b", "buy", 7, 99_900), order("s", "sell", 7, 100_000)),
        (order("b", "buy", 0, 200_000), order("s", "sell", 7, 100_000)),
    ],
    ids=["empty", "buyers only", "sellers only", "not crossing", "nothing wanted"],
)
def test_a_book_without_a_trade_has_no_price(orders: tuple[Order, ...]) -> None:
    result = cleared(*orders)
    assert result.clearing_price_micro_per_kwh is None
    assert result.prices is None
    assert all(trade.price_micro_per_kwh is None and trade.amount_nano == 0 for trade in result.trades())
    assert (result.welfare_nano, result.certificate.dual_welfare_nano) == (0, 0)


def test_negative_limits_trade_at_negative_prices() -> None:
    result = cleared(order("b", "buy", 3, -1_000), order("s", "sell", 3, -3_000))
    assert outcome(result) == {"b": (3, 0, -2_000), "s": (3, 0, -2_000)}
    assert result.congestion_rent_nano == 0


def test_the_supplier_sells_what_members_lack_and_sets_the_price() -> None:
    result = cleared(order("b", "buy", 10, R), order("s", "sell", 4, 100_000), rules=SUPPLIED)
    assert result.accepted_wh.tolist() == [10, 4]
    assert (result.supplier_import_wh, result.supplier_export_wh) == (6, 0)
    assert result.clearing_price_micro_per_kwh == R
    assert result.traded_wh == 4
    assert result.welfare_nano == 4 * (R - 100_000)


def test_the_supplier_buys_what_members_have_left_and_sets_the_price() -> None:
    result = cleared(order("b", "buy", 4, 200_000), order("s", "sell", 10, F), rules=SUPPLIED)
    assert result.accepted_wh.tolist() == [4, 10]
    assert (result.supplier_import_wh, result.supplier_export_wh) == (0, 6)
    assert result.clearing_price_micro_per_kwh == F


def test_members_with_limits_inside_gain_and_the_supplier_stays_out() -> None:
    result = cleared(order("b", "buy", 10, 300_000), order("s", "sell", 4, 100_000), rules=SUPPLIED)
    assert result.accepted_wh.tolist() == [4, 4]
    assert (result.supplier_import_wh, result.supplier_export_wh) == (0, 0)
    assert result.clearing_price_micro_per_kwh == 300_000


def test_the_suppliers_prices_bound_the_interval() -> None:
    result = cleared(order("b", "buy", 5, 500_000), order("s", "sell", 5, 0), rules=SUPPLIED)
    assert (result.prices.lower_micro_per_kwh, result.prices.upper_micro_per_kwh) == (F, R)
    assert result.clearing_price_micro_per_kwh == (R + F) // 2


def test_a_thin_book_is_priced_in_the_middle_of_the_outside_prices() -> None:
    result = cleared(order("b", "buy", 5, 260_000), order("s", "sell", 9, 140_000), rules=THIN)
    assert result.clearing_price_micro_per_kwh == 140_000  # the interval is this one price: the middle is clamped
    wide = cleared(order("b", "buy", 5, 310_000), order("s", "sell", 5, 140_000), rules=THIN)
    assert wide.clearing_price_micro_per_kwh == 200_000  # without the rule 225 000
    assert wide.accepted_wh.tolist() == [5, 5]


def test_a_book_with_enough_of_both_sides_is_not_thin() -> None:
    buyers = [order(f"b{k}", "buy", 5, 310_000) for k in range(3)]
    sellers = [order(f"s{k}", "sell", 5, 140_000) for k in range(3)]
    assert cleared(*buyers, *sellers, rules=THIN).clearing_price_micro_per_kwh == 225_000


def test_one_seller_above_half_of_the_volume_makes_a_book_thin_in_one_order_or_in_steps() -> None:
    buyers = [order(f"b{k}", "buy", 4, 310_000) for k in range(3)]
    small = [order(f"s{k}", "sell", 2, 140_000) for k in (1, 2)]
    large = [order("s0", "sell", 8, 140_000)]
    steps = [order(f"step{k}", "sell", wh, 140_000, participant="s0") for k, wh in enumerate((5, 3))]
    for sellers in (large, steps):
        assert cleared(*buyers, *small, *sellers, rules=THIN).clearing_price_micro_per_kwh == 200_000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mechanism": "lottery"}, "mechanism 'lottery' does not exist; choose from k_double_auction, mid_market_rate"),
        ({"k": 1.5}, "k must lie between 0 and 1"),
        ({"losses": "nobody"}, "losses must be one of grid, market"),
        ({"supplier_price_micro_per_kwh": 100, "feed_in_price_micro_per_kwh": 200}, "must not be above"),
        ({"supplier_price_micro_per_kwh": 150}, "off the tick"),
        ({"thin_book_price": True}, "needs a supplier price and a feed-in price"),
    ],
)
def test_rules_that_contradict_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        MarketRules(tie_seed="a test", **wrong)


@pytest.mark.parametrize("minutes", [0, 10, 1440])
def test_an_interval_of_another_length_is_refused(minutes: int) -> None:
    with pytest.raises(RuleError, match="an interval lasts 5, 15, 30, 60 minutes"):
        clear(book(), interval_minutes=minutes, rules=RULES)


def test_losses_cannot_be_bought_without_a_network() -> None:
    with pytest.raises(RuleError, match="leave losses to the grid"):
        clear(book(), interval_minutes=15, rules=MarketRules(tie_seed="a test", losses="market"))
