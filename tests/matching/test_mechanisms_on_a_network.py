"""Mechanisms that do not optimise, on one line of 4 kW: refused and curtailed as far as the line needs, or red."""

import pytest
from market_cases import DirectCurrentTree, book, order

from grid.limits import LimitKind
from matching.clearing import Clearing, MarketRules, clear
from matching.mechanisms import MECHANISMS
from matching.orders import Order
from matching.result import Status

R, F = 300_000, 100_000
LINE_4_KW = DirectCurrentTree(parents=(0,), limits_w=(4_000.0,))  # 1000 Wh in a quarter of an hour
REFUSING = sorted(name for name, mechanism in MECHANISMS.items() if not mechanism.properties.optimal)


def cleared(mechanism: str, *placed: Order) -> Clearing:
    rules = MarketRules(
        tie_seed="a test",
        mechanism=mechanism,
        supplier_price_micro_per_kwh=R,
        feed_in_price_micro_per_kwh=F,
    )
    return clear(book(*placed), interval_minutes=15, rules=rules, limits=LINE_4_KW)


def at_the_grid(count: int, side: str, firmness: str = "firm") -> list[Order]:
    limit = 290_000 if side == "buy" else 110_000
    return [order(f"{side}-{n}", side, 500, limit, firmness, bus=0) for n in range(count)]


@pytest.mark.parametrize("mechanism", REFUSING)
def test_what_fits_is_green_and_goes_through_as_without_a_network(mechanism: str) -> None:
    placed = [*at_the_grid(4, "buy"), order("sun", "sell", 900, 110_000, "flexible", bus=1), *at_the_grid(2, "sell")]
    clearing = cleared(mechanism, *placed)
    free = clear(book(*placed), interval_minutes=15, rules=clearing.rules)
    assert clearing.trades() == free.trades()
    assert (clearing.status, clearing.binding, clearing.solver) == (Status.GREEN, (), mechanism)


@pytest.mark.parametrize("mechanism", REFUSING)
def test_flexible_orders_stay_out_where_they_pass_a_limit_and_the_rest_trades(mechanism: str) -> None:
    battery = order("battery", "sell", 2_000, F, "flexible", bus=1)
    others = [*at_the_grid(6, "buy"), *at_the_grid(3, "sell")]
    clearing = cleared(mechanism, battery, *others)
    assert clearing.status is Status.AMBER
    assert clearing.trades()[1:] == clear(book(*others), interval_minutes=15, rules=clearing.rules).trades()
    assert clearing.trades()[0].accepted_wh == 0
    (bound,) = clearing.binding
    assert (bound.kind, bound.element, bound.value, bound.shadow_price) == (LimitKind.LINE_LOADING, 0, 0.0, 0.0)
    best = clear(book(battery, *others), interval_minutes=15, rules=clearing.rules).certificate
    assert clearing.certificate.dual_welfare_nano == best.dual_welfare_nano


@pytest.mark.parametrize("mechanism", REFUSING)
def test_what_still_passes_a_limit_is_curtailed(mechanism: str) -> None:
    clearing = cleared(mechanism, order("sun", "sell", 1_200, 110_000, "curtailable", bus=1), *at_the_grid(4, "buy"))
    sun = clearing.trades()[0]
    assert clearing.status is Status.AMBER
    assert (sun.curtailed_wh, sun.accepted_wh + sun.curtailed_wh <= 1_200) == (200, True)
    assert clearing.solver.startswith(f"{mechanism}; curtailment by HiGHS")
    assert clearing.point is not None
    assert not clearing.point.violations
    assert clearing.binding[0].value == pytest.approx(100.0)


@pytest.mark.parametrize("mechanism", REFUSING)
def test_what_cannot_be_kept_is_red_and_firm_orders_still_trade(mechanism: str) -> None:
    placed = [order("load", "buy", 1_500, 290_000, "firm", bus=1), *at_the_grid(2, "buy"), *at_the_grid(3, "sell")]
    clearing = cleared(mechanism, *placed, order("car", "buy", 100, 290_000, "flexible", bus=0))
    assert clearing.status is Status.RED
    assert clearing.traded_wh > 0
    assert clearing.trades()[-1].accepted_wh == 0
    assert [bound.value for bound in clearing.binding] == [pytest.approx(150.0)]
