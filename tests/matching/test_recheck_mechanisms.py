"""The checks of every mechanism's own rule: nothing wrong with what the engine made, and each alteration is named."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_cases import DirectCurrentTree, book, order
from recheck_cases import SOMEWHERE, as_published, failures, wrong_with

from matching.clearing import Clearing, MarketRules, clear
from matching.mechanisms import MECHANISMS
from matching.orders import Order
from matching.recheck.checks import recheck
from matching.recheck.published import Published

REFUSING = sorted(name for name, mechanism in MECHANISMS.items() if not mechanism.properties.optimal)
TRIED = settings(max_examples=max(60, settings.default.max_examples))
R, F = 300_000, 100_000
KEYS = {"p0": 333_333, "p1": 100_001, "p2": 250_000, "nobody": 7}
LINE_4_KW = DirectCurrentTree(parents=(0,), limits_w=(4_000.0,))  # 1000 Wh in a quarter of an hour


@st.composite
def orders(draw: st.DrawFn, *, tick: int = 10_000) -> list[Order]:
    """Few prices, so that ties, full and empty sides and prices that just accept are common."""
    return [
        order(
            f"o{number}",
            draw(st.sampled_from(("buy", "sell"))),
            draw(st.integers(0, 12)) * draw(st.sampled_from((1, 97))),
            tick * draw(st.integers(-1, 5)),
            draw(st.sampled_from(("firm", "curtailable", "flexible"))),
            bus=draw(st.integers(0, 1)),
            participant=f"p{draw(st.integers(0, 3))}",
        )
        for number in range(draw(st.integers(0, 12)))
    ]


@st.composite
def rules(draw: st.DrawFn, mechanism: str, *, tick: int = 10_000) -> MarketRules:
    properties = MECHANISMS[mechanism].properties
    feed_in, supplier = sorted(tick * draw(st.integers(-1, 6)) for _ in range(2))
    own_price = properties.community_price and draw(st.booleans())
    return MarketRules(
        tie_seed=draw(st.text(max_size=3)),
        mechanism=mechanism,
        supplier_price_micro_per_kwh=supplier,
        feed_in_price_micro_per_kwh=feed_in,
        supplier_bids=draw(st.booleans()),
        community_price_micro_per_kwh=tick * draw(st.integers(-1, 5)) if own_price else None,
        keys_ppm=KEYS if properties.keys and draw(st.booleans()) else None,
    )


@pytest.mark.parametrize("mechanism", REFUSING)
@given(data=st.data(), tick=st.sampled_from((100, 300, 10_000)))
@TRIED
def test_what_any_mechanism_makes_of_a_book_passes_every_check(mechanism: str, data: st.DataObject, tick: int) -> None:
    placed, chosen = data.draw(orders(tick=tick)), data.draw(rules(mechanism, tick=tick))
    assert wrong_with(clear(book(*placed), interval_minutes=15, rules=chosen)) == {}


@pytest.mark.parametrize("mechanism", REFUSING)
@given(data=st.data())
@TRIED
def test_what_is_left_within_limits_passes_every_check_that_needs_no_network(
    mechanism: str, data: st.DataObject
) -> None:
    placed, chosen = data.draw(orders()), data.draw(rules(mechanism))
    result = clear(book(*placed), interval_minutes=15, rules=chosen, limits=LINE_4_KW)
    assert wrong_with(result, network=SOMEWHERE) == {}


def cleared(mechanism: str, *placed: Order, **rule: object) -> Clearing:
    chosen = MarketRules(
        tie_seed="a test",
        mechanism=mechanism,
        supplier_price_micro_per_kwh=R,
        feed_in_price_micro_per_kwh=F,
        **rule,
    )
    return clear(book(*placed), interval_minutes=15, rules=chosen)


# Three equal buyers want more than there is; nobody's limit is at the price.
TIED = (
    order("s1", "sell", 300, 110_000, "firm"),
    order("s2", "sell", 200, 140_000, "firm"),
    *(order(f"b{n}", "buy", 400, 290_000, "firm") for n in (1, 2, 3)),
)
# McAfee's own numbers: three pairs could trade, the next limits are 40 and 50 or 40 and 120.
UNITS = tuple(order(f"b{price}", "buy", 1, price * 1_000, "firm") for price in (90, 80, 70, 40))
ONE_PRICE = (*UNITS, *(order(f"s{price}", "sell", 1, price * 1_000, "firm") for price in (20, 30, 40, 50)))
REDUCED = (*UNITS, *(order(f"s{price}", "sell", 1, price * 1_000, "firm") for price in (20, 30, 40, 120)))


def altered(clearing: Clearing, **changes: dict[str, int]) -> Published:
    """A result with other figures for some orders: {column: {order id: what is added}}."""
    result = as_published(clearing)
    for column, added in changes.items():
        values = np.array(getattr(result, column))
        for order_id, more in added.items():
            values[result.book.order_ids.tolist().index(order_id.encode())] += more
        result = replace(result, **{column: values})
    return result


def told(result: Published) -> tuple[str, ...]:
    return failures(recheck(result)).get("mechanism", ())


def moved(price: int, taker: str, giver: str) -> dict[str, dict[str, int]]:
    """A Wh that goes to another order, with its money, so that all sums stay what they are."""
    return {"accepted_wh": {taker: 1, giver: -1}, "amount_nano": {taker: price, giver: -price}}


@pytest.mark.parametrize("mechanism", ["fixed_price", "dynamic_key", "static_key", "mid_market_rate"])
def test_a_wh_given_to_another_buyer_is_noticed(mechanism: str) -> None:
    clearing = cleared(mechanism, *TIED)
    assert clearing.accepted_wh[2:].sum() == 500
    wrong = failures(recheck(altered(clearing, **moved(200_000, "b1", "b2"))))
    assert set(wrong) == {"mechanism"}
    assert "order 'b1': accepted" in wrong["mechanism"][0]


@pytest.mark.parametrize("mechanism", ["fixed_price", "dynamic_key", "static_key"])
def test_another_community_price_is_noticed(mechanism: str) -> None:
    clearing = cleared(mechanism, *TIED, community_price_micro_per_kwh=190_000)
    result = as_published(clearing)
    claims = replace(result.claims, rules=replace(result.claims.rules, community_price=None))
    assert any("amount_nano is" in sentence for sentence in told(replace(result, claims=claims)))
    assert "clearing_price_micro_per_kwh is 190000, by the rule of" in told(replace(result, claims=claims))[-1]


def test_other_keys_are_noticed() -> None:
    keys = {"b1": 600_000, "b2": 300_000, "b3": 100_000}
    result = as_published(cleared("static_key", *TIED, keys_ppm=keys))
    assert result.accepted_wh.tolist() == [300, 200, 300, 150, 50]
    for other, said in (
        ({"b1": 500_000, "b2": 400_000, "b3": 100_000}, "order 'b1': accepted 300 Wh, by the rule of static_key 250"),
        (None, "order 'b1': accepted 300 Wh, by the rule of static_key 16"),
        ({"b1": 999_999, "b2": 2}, "more than 1000000 parts per million"),
    ):
        claims = replace(result.claims, rules=replace(result.claims.rules, keys_ppm=other))
        assert any(said in sentence for sentence in told(replace(result, claims=claims)))


def test_a_mid_market_average_split_otherwise_is_noticed() -> None:
    """Members sell 700 Wh to a home that wants 400; what is left is fed in, and sellers share 400 p + 300 F."""
    sold = (order("s1", "sell", 400, F, "firm"), order("s2", "sell", 300, F, "firm"))
    clearing = cleared("mid_market_rate", *sold, order("b", "buy", 400, R, "firm"), supplier_bids=True)
    assert clearing.amount_nano.tolist() == [62_857_143, 47_142_857, 80_000_000]
    wrong = failures(recheck(altered(clearing, amount_nano={"s1": -1, "s2": 1})))
    assert set(wrong) == {"mechanism"}
    assert wrong["mechanism"][0] == "order 's1': amount_nano is 62857142, by the rule of mid_market_rate 62857143"


def test_a_pair_at_another_price_than_its_middle_is_noticed() -> None:
    clearing = cleared("pay_as_bid", *TIED)
    wrong = failures(recheck(altered(clearing, amount_nano={"s1": 300, "s2": -300})))
    assert "order 's1': amount_nano is 60000300, by the rule of pay_as_bid 60000000" in wrong["mechanism"][0]


@pytest.mark.parametrize(("orders", "volume"), [(ONE_PRICE, 3), (REDUCED, 2)])
def test_mcafee_with_a_pair_too_few_is_noticed(orders: tuple[Order, ...], volume: int) -> None:
    clearing = cleared("mcafee", *orders)
    assert clearing.traded_wh == volume
    pair = (f"b{90 if volume == 3 else 80}", f"s{20 if volume == 3 else 30}")
    result = altered(clearing, accepted_wh=dict.fromkeys(pair, -1))
    assert [sentence.partition(":")[0] for sentence in told(result)] == [f"order {order_id!r}" for order_id in pair]


def test_mcafee_at_the_own_limits_where_there_is_one_price_is_noticed() -> None:
    """All three pairs accept 45: buyers who pay 46 are told."""
    clearing = cleared("mcafee", *ONE_PRICE)
    assert clearing.amount_nano.tolist() == [45_000, 45_000, 45_000, 0] * 2
    dearer = altered(clearing, amount_nano={"b90": 1_000}, price={"b90": 1_000})
    assert told(dearer) == ("order 'b90': amount_nano is 46000, by the rule of mcafee 45000",)


@pytest.mark.parametrize("mechanism", sorted({*MECHANISMS} - {"fixed_price", "static_key", "dynamic_key"}))
def test_a_community_price_and_keys_where_there_is_no_use_for_them_are_noticed(mechanism: str) -> None:
    result = as_published(cleared(mechanism, *TIED))
    rule = replace(result.claims.rules, community_price=200_000, keys_ppm={"b1": 1})
    said = told(replace(result, claims=replace(result.claims, rules=rule)))
    assert [sentence.partition(" ")[0] for sentence in said] == [mechanism, mechanism]
