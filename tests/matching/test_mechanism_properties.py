"""What every mechanism promises, tried on random books: conservation, own limits, budgets, no priorities, truthfulness.

`clear` asserts its invariants itself; these tests compute them again from the trades alone.
"""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_cases import book, order

from matching.clearing import Clearing, MarketRules, clear
from matching.mechanisms import MECHANISMS
from matching.mechanisms.interface import Budget
from matching.orders import Order, Side

R, F = 300_000, 100_000
NAMES = sorted(MECHANISMS)
PRICED = [name for name in NAMES if MECHANISMS[name].properties.community_price]
KEYS = {"p0": 450_000, "p1": 300_000, "p3": 100_000}

prices = st.integers(0, 40).map(lambda tens: tens * 10_000)
orders = st.builds(
    lambda number, side, quantity, limit, participant: order(
        f"o{number}", side, quantity, limit, "firm", participant=f"p{participant}"
    ),
    st.integers(0, 10**6),
    st.sampled_from(["buy", "sell"]),
    st.integers(0, 900),
    prices,
    st.integers(0, 5),
)
books = st.lists(orders, max_size=12, unique_by=lambda each: each.order_id)


def some() -> settings:
    """At least 60 seeded examples of each, more in a full run: there are many mechanisms."""
    return settings(max_examples=max(60, settings.default.max_examples))


def rules(mechanism: str, *, supplied: bool = True, keys: bool = True) -> MarketRules:
    takes_keys = MECHANISMS[mechanism].properties.keys and keys
    return MarketRules(
        tie_seed="a test",
        mechanism=mechanism,
        supplier_price_micro_per_kwh=R,
        feed_in_price_micro_per_kwh=F,
        supplier_bids=supplied,
        keys_ppm=KEYS if takes_keys else None,
    )


def cleared(mechanism: str, *placed: Order, supplied: bool = True, keys: bool = True) -> Clearing:
    return clear(book(*placed), interval_minutes=15, rules=rules(mechanism, supplied=supplied, keys=keys))


def sums(placed: list[Order], clearing: Clearing) -> dict[Side, tuple[int, int]]:
    """Accepted Wh and nano-units of each side, from the trades."""
    pairs = list(zip(placed, clearing.trades(), strict=True))
    return {
        side: (
            sum(trade.accepted_wh for each, trade in pairs if each.side is side),
            sum(trade.amount_nano for each, trade in pairs if each.side is side),
        )
        for side in Side
    }


@pytest.mark.parametrize("mechanism", NAMES)
@given(placed=books, supplied=st.booleans())
@some()
def test_energy_and_money_are_conserved_to_the_unit(mechanism: str, placed: list[Order], supplied: bool) -> None:
    clearing = cleared(mechanism, *placed, supplied=supplied)
    (bought_wh, paid), (sold_wh, received) = (sums(placed, clearing)[side] for side in (Side.BUY, Side.SELL))
    imported, exported = clearing.supplier_import_wh, clearing.supplier_export_wh
    assert sold_wh + imported == bought_wh + exported
    assert paid + exported * F == received + imported * R + clearing.congestion_rent_nano
    budget = MECHANISMS[mechanism].properties.budget
    assert clearing.congestion_rent_nano >= 0
    assert clearing.congestion_rent_nano == 0 or budget is Budget.SURPLUS
    assert supplied or imported == exported == 0


@pytest.mark.parametrize("mechanism", NAMES)
@given(placed=books, supplied=st.booleans())
@some()
def test_nobody_trades_beyond_the_own_limit_and_quantity(mechanism: str, placed: list[Order], supplied: bool) -> None:
    clearing = cleared(mechanism, *placed, supplied=supplied)
    for each, trade in zip(placed, clearing.trades(), strict=True):
        worst_nano = trade.accepted_wh * each.limit_micro_per_kwh
        assert 0 <= trade.accepted_wh <= each.quantity_wh
        assert (trade.amount_nano <= worst_nano) if each.side is Side.BUY else (trade.amount_nano >= worst_nano)
        if trade.price_micro_per_kwh is None:
            assert (trade.accepted_wh, trade.amount_nano) == (0, 0)
        else:
            assert trade.amount_nano // trade.accepted_wh == trade.price_micro_per_kwh


@pytest.mark.parametrize("mechanism", NAMES)
@given(placed=books, shuffled=st.randoms())
@some()
def test_the_order_of_arrival_changes_no_trade(mechanism: str, placed: list[Order], shuffled: object) -> None:
    other = list(placed)
    shuffled.shuffle(other)
    first, second = cleared(mechanism, *placed), cleared(mechanism, *other)
    assert first.digest() == second.digest()


@pytest.mark.parametrize("mechanism", NAMES)
@given(placed=books, supplied=st.booleans())
@some()
def test_no_mechanism_has_more_welfare_than_the_double_auction_and_the_certificate_says_how_much_less(
    mechanism: str, placed: list[Order], supplied: bool
) -> None:
    clearing = cleared(mechanism, *placed, supplied=supplied)
    joins = supplied and MECHANISMS[mechanism].properties.supplier_joins
    best = cleared("k_double_auction", *placed, supplied=joins)
    assert clearing.welfare_nano <= best.welfare_nano
    assert clearing.certificate.dual_welfare_nano == best.welfare_nano
    if mechanism in {"k_double_auction", "pay_as_bid"}:
        assert clearing.welfare_nano == best.welfare_nano


@pytest.mark.parametrize("mechanism", PRICED)
@given(placed=books)
@some()
def test_what_is_shared_is_no_more_than_accepting_members_have(mechanism: str, placed: list[Order]) -> None:
    middle = (R + F) // 2
    clearing = cleared(mechanism, *placed)
    open_wh = {
        Side.BUY: sum(
            each.quantity_wh for each in placed if each.side is Side.BUY and each.limit_micro_per_kwh >= middle
        ),
        Side.SELL: sum(
            each.quantity_wh for each in placed if each.side is Side.SELL and each.limit_micro_per_kwh <= middle
        ),
    }
    shared_wh = sums(placed, clearing)[Side.BUY][0]
    assert shared_wh <= min(open_wh.values())
    if mechanism != "static_key":
        assert shared_wh == min(open_wh.values())


@given(placed=books)
@some()
def test_a_static_key_gives_nobody_more_than_the_own_share_rounded_up(placed: list[Order]) -> None:
    middle = (R + F) // 2
    clearing = cleared("static_key", *placed)
    generated_wh = sum(
        each.quantity_wh for each in placed if each.side is Side.SELL and each.limit_micro_per_kwh <= middle
    )
    got_wh: dict[str, int] = {}
    for each, trade in zip(placed, clearing.trades(), strict=True):
        if each.side is Side.BUY:
            got_wh[each.participant] = got_wh.get(each.participant, 0) + trade.accepted_wh
    assert all(wh <= -(-generated_wh * KEYS.get(name, 0) // 1_000_000) for name, wh in got_wh.items())


def test_static_keys_waste_what_their_owner_does_not_use_and_dynamic_ones_do_not() -> None:
    placed = (
        order("sun", "sell", 1000, F, "firm"),
        order("away", "buy", 100, R, "firm"),
        order("at-home", "buy", 900, R, "firm"),
    )
    static, dynamic = cleared("static_key", *placed, keys=False), cleared("dynamic_key", *placed)
    assert (static.traded_wh, dynamic.traded_wh) == (600, 1000)


# One unit each: the true worth of a unit is the limit, and a gain is counted in it.
LEVELS = (0, 10_000, 20_000, 30_000, 40_000)
UNIT_WH = 10


def gain_nano(mechanism: str, placed: list[Order], position: int, worth: int) -> int:
    trade = cleared(mechanism, *placed, supplied=False, keys=False).trades()[position]
    value = worth * trade.accepted_wh - trade.amount_nano
    return value if placed[position].side is Side.BUY else -value


def best_misreport(mechanism: str, placed: list[Order], *, levels: tuple[int, ...] = (-10_000, *LEVELS, 50_000)) -> int:
    """The most that anybody gains by another limit than the true one; brute force over all misreports."""
    gains = [0]
    for position, true in enumerate(placed):
        honest = gain_nano(mechanism, placed, position, true.limit_micro_per_kwh)
        for level in levels:
            changed = [*placed]
            changed[position] = replace(true, limit_micro_per_kwh=level)
            gains.append(gain_nano(mechanism, changed, position, true.limit_micro_per_kwh) - honest)
    return max(gains)


single_units = st.lists(st.tuples(st.sampled_from(["buy", "sell"]), st.sampled_from(LEVELS)), max_size=7).map(
    lambda drawn: [order(f"o{n}", side, UNIT_WH, limit, "firm") for n, (side, limit) in enumerate(drawn)]
)


@given(placed=single_units)
def test_nobody_with_a_single_unit_gains_by_misreporting_under_mcafee(placed: list[Order]) -> None:
    assert best_misreport("mcafee", placed) == 0


@pytest.mark.long
def test_nobody_gains_under_mcafee_in_any_book_of_two_buyers_and_three_sellers_at_three_prices() -> None:
    for limits in product(LEVELS[:3], repeat=5):
        sides = ("buy", "buy", "sell", "sell", "sell")
        placed = [order(f"o{n}", side, UNIT_WH, limits[n], "firm") for n, side in enumerate(sides)]
        assert best_misreport("mcafee", placed) == 0, limits


@pytest.mark.parametrize("mechanism", [name for name in PRICED if MECHANISMS[name].properties.truthful])
@given(placed=single_units)
def test_nobody_gains_by_misreporting_where_the_price_is_the_communitys(mechanism: str, placed: list[Order]) -> None:
    shifted = [replace(each, limit_micro_per_kwh=each.limit_micro_per_kwh + 180_000) for each in placed]
    assert best_misreport(mechanism, shifted, levels=(0, 190_000, 200_000, 210_000, 400_000)) == 0


@given(placed=single_units)
@some()
def test_mcafee_loses_at_most_one_trade(placed: list[Order]) -> None:
    best = cleared("k_double_auction", *placed, supplied=False)
    reduced = cleared("mcafee", *placed)
    assert best.traded_wh - reduced.traded_wh in {0, UNIT_WH}


@given(placed=books)
@some()
def test_mcafee_loses_at_most_one_marginal_order_of_either_side(placed: list[Order]) -> None:
    best, reduced = cleared("k_double_auction", *placed, supplied=False), cleared("mcafee", *placed)
    largest_wh = max((each.quantity_wh for each in placed), default=0)
    assert best.traded_wh - reduced.traded_wh <= largest_wh


def test_it_pays_to_misreport_under_pay_as_bid() -> None:
    true = [order("b", "buy", UNIT_WH, 40_000, "firm"), order("s", "sell", UNIT_WH, 0, "firm")]
    shaded = [replace(true[0], limit_micro_per_kwh=10_000), true[1]]
    assert gain_nano("pay_as_bid", true, 0, 40_000) == UNIT_WH * 20_000
    assert gain_nano("pay_as_bid", shaded, 0, 40_000) == UNIT_WH * 35_000


def test_it_pays_to_misreport_in_a_double_auction_of_two() -> None:
    placed = [order("b", "buy", UNIT_WH, 40_000, "firm"), order("s", "sell", UNIT_WH, 0, "firm")]
    assert best_misreport("k_double_auction", placed) > 0


def test_a_mechanism_that_promises_no_truthfulness_says_so() -> None:
    assert {name for name in NAMES if MECHANISMS[name].properties.truthful} == {
        "fixed_price", "static_key", "dynamic_key", "mcafee",
    }  # fmt: skip


@given(placed=books)
@some()
def test_who_loses_against_the_double_auction_loses_to_somebody(placed: list[Order]) -> None:
    """Pay as bid only moves the auction's gain between members: what some lose others win, to the nano-unit."""
    auction, pairs = cleared("k_double_auction", *placed), cleared("pay_as_bid", *placed)
    signs = [1 if each.side is Side.SELL else -1 for each in placed]
    moved = sum(
        sign * (b.amount_nano - a.amount_nano)
        for sign, a, b in zip(signs, auction.trades(), pairs.trades(), strict=True)
    )
    assert [trade.accepted_wh for trade in auction.trades()] == [trade.accepted_wh for trade in pairs.trades()]
    assert moved == 0


@pytest.mark.parametrize("mechanism", ["mid_market_rate", *PRICED])
def test_who_is_best_off_in_the_double_auction_may_lose_elsewhere(mechanism: str) -> None:
    """One cheap seller and many buyers: the auction gives the scarce side its price, the middle does not."""
    placed = [order("s", "sell", 100, F, "firm"), *(order(f"b{n}", "buy", 100, R - 10_000, "firm") for n in range(3))]
    seller = [
        cleared(name, *placed, supplied=False, keys=False).trades()[0] for name in ("k_double_auction", mechanism)
    ]
    assert seller[1].amount_nano < seller[0].amount_nano
