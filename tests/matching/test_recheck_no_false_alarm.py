"""Whatever the engine clears, the checks that did not make it find nothing wrong with it."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from market_cases import book, order
from recheck_cases import SOMEWHERE, wrong_with
from test_limits_properties import Case, cases
from test_premiums_within_limits_properties import OUTSIDE, SOME_FEES, cleared, rules_with
from test_premiums_within_limits_properties import Case as PremiumCase
from test_premiums_within_limits_properties import cases as premium_cases

from matching.book import OrderBook
from matching.clearing import MarketRules, clear
from matching.orders import Order
from matching.preferences.fees import GridFees

TRIED = settings(max_examples=max(100, 2 * settings.default.max_examples))


@st.composite
def rules(draw: st.DrawFn) -> MarketRules:
    feed_in, supplier = sorted(100 * draw(st.integers(-2, 8)) for _ in range(2))
    known = draw(st.sampled_from(("none", "known", "bids")))
    return MarketRules(
        tie_seed=draw(st.text(max_size=3)),
        k=draw(st.sampled_from((0.0, 0.5, 1.0, 0.37))),
        supplier_price_micro_per_kwh=None if known == "none" else supplier,
        feed_in_price_micro_per_kwh=None if known == "none" else feed_in,
        supplier_bids=known == "bids",
        thin_book_price=known != "none" and draw(st.booleans()),
    )


@st.composite
def orders(draw: st.DrawFn) -> list[Order]:
    """Few prices and many ties, so that sharing and thin books are common."""
    return [
        order(
            f"o{number}",
            draw(st.sampled_from(("buy", "sell"))),
            draw(st.integers(0, 12)) * draw(st.sampled_from((1, 997))),
            100 * draw(st.integers(-1, 4)),
            draw(st.sampled_from(("firm", "curtailable", "flexible"))),
            participant=f"p{draw(st.integers(0, 4))}",
        )
        for number in range(draw(st.integers(0, 12)))
    ]


@given(orders=orders(), rules=rules())
@TRIED
def test_a_market_without_a_network_passes_every_check(orders: list[Order], rules: MarketRules) -> None:
    assert wrong_with(clear(book(*orders), interval_minutes=15, rules=rules)) == {}


@given(case=cases(most=8, quantity=9), rules=rules())
@TRIED
def test_a_market_within_limits_passes_every_check_that_needs_no_network(case: Case, rules: MarketRules) -> None:
    flows = OrderBook.from_orders(case.orders)
    result = clear(flows, interval_minutes=15, rules=replace(rules, tie_seed="a test"), limits=case.tree)
    assert wrong_with(result, network=SOMEWHERE) == {}


@given(case=premium_cases(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES)
@TRIED
def test_premiums_and_fees_within_limits_pass_every_check_that_needs_no_network(
    case: PremiumCase, outside: tuple[int, int] | None, fees: GridFees | None
) -> None:
    assert wrong_with(cleared(case, rules_with(outside, fees)), network=SOMEWHERE) == {}
