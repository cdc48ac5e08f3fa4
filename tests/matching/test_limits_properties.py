"""Random small books on random trees of lines against brute force over every whole-Wh outcome."""

import itertools
import random
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from market_cases import DirectCurrentTree, many

from matching.book import OrderBook
from matching.clearing import MarketRules, clear
from matching.orders import Firmness, Order, Side
from matching.result import Status

F = 100
RULES = MarketRules(tie_seed="a test", feed_in_price_micro_per_kwh=F)
TREES = ((0,), (0, 0), (0, 1))


@dataclass(frozen=True)
class Case:
    orders: tuple[Order, ...]
    tree: DirectCurrentTree
    limits_wh: tuple[int, ...]


@st.composite
def cases(draw: st.DrawFn, most: int = 4, quantity: int = 3) -> Case:
    parents = draw(st.sampled_from(TREES))
    limits_wh = tuple(draw(st.integers(1, 4)) for _ in parents)
    orders = []
    for k in range(draw(st.integers(1, most))):
        side = draw(st.sampled_from(Side))
        orders.append(
            Order(
                order_id=f"o{k}",
                participant=f"p{k}",
                metering_point=f"m{k}",
                side=side,
                quantity_wh=draw(st.integers(0, quantity)),
                limit_micro_per_kwh=100 * draw(st.integers(0, 6)),
                firmness=draw(st.sampled_from(Firmness)),
                bus=draw(st.integers(0, len(parents))),
            )
        )
    tree = DirectCurrentTree(parents=parents, limits_w=tuple(4.0 * limit for limit in limits_wh))
    return Case(orders=tuple(orders), tree=tree, limits_wh=limits_wh)


def outcomes_within_limits(case: Case) -> list[tuple[int, bool, bool]]:
    """Welfare of every balanced outcome that keeps the limits, whether it curtails, whether it uses flexible energy."""
    behind = case.tree._behind()
    choices = [
        [
            (accepted, curtailed)
            for accepted in range(order.quantity_wh + 1)
            for curtailed in (
                range(order.quantity_wh - accepted + 1) if order.firmness is Firmness.CURTAILABLE else (0,)
            )
        ]
        for order in case.orders
    ]
    found = []
    for chosen in itertools.product(*choices):
        injected, balance, welfare = np.zeros(len(case.tree.buses)), 0, 0
        for order, (accepted, curtailed) in zip(case.orders, chosen, strict=True):
            side = 1 if order.side is Side.SELL else -1
            flows = accepted if order.firmness is Firmness.FLEXIBLE else order.quantity_wh - curtailed
            injected[order.bus] += side * flows
            balance += side * accepted
            welfare -= side * accepted * order.limit_micro_per_kwh + F * curtailed
        if balance == 0 and (np.abs(behind @ injected) <= np.array(case.limits_wh)).all():
            flexible = any(
                accepted and order.firmness is Firmness.FLEXIBLE
                for order, (accepted, _) in zip(case.orders, chosen, strict=True)
            )
            found.append((welfare, any(curtailed for _, curtailed in chosen), flexible))
    return found


@given(case=cases())
@many()
def test_welfare_and_traffic_light_equal_brute_force(case: Case) -> None:
    result = clear(OrderBook.from_orders(case.orders), interval_minutes=15, rules=RULES, limits=case.tree)
    possible = outcomes_within_limits(case)
    if not possible:
        assert result.status is Status.RED
        return
    assert result.status is not Status.RED
    assert result.welfare_nano == max(welfare for welfare, _, _ in possible)
    assert abs(result.certificate.dual_welfare_nano - result.welfare_nano) <= 2 + 1e-4 * abs(result.welfare_nano)
    base_keeps_limits = any(not curtails and not flexible for _, curtails, flexible in possible)
    green = base_keeps_limits and not result.curtailed_wh.any()
    assert result.status is (Status.GREEN if green else Status.AMBER)


@given(case=cases(most=8, quantity=9), seed=st.integers(0, 99))
@many()
def test_under_limits_too_the_order_of_arrival_changes_nothing(case: Case, seed: int) -> None:
    shuffled = list(case.orders)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (nothing secret)
    first = clear(OrderBook.from_orders(case.orders), interval_minutes=15, rules=RULES, limits=case.tree)
    second = clear(OrderBook.from_orders(shuffled), interval_minutes=15, rules=RULES, limits=case.tree)
    assert first.digest() == second.digest()


@given(case=cases(most=8, quantity=9))
@many()
def test_under_limits_too_energy_and_money_are_conserved(case: Case) -> None:
    result = clear(OrderBook.from_orders(case.orders), interval_minutes=15, rules=RULES, limits=case.tree)
    energy, money, injected = 0, 0, np.zeros(len(case.tree.buses))
    for order, trade in zip(case.orders, result.trades(), strict=True):
        side = 1 if order.side is Side.SELL else -1
        energy += side * trade.accepted_wh
        money += side * trade.amount_nano
        if trade.accepted_wh:
            assert side * (trade.price_micro_per_kwh - order.limit_micro_per_kwh) >= 0
        if order.firmness is not Firmness.FLEXIBLE and trade.accepted_wh:
            assert trade.price_micro_per_kwh == result.clearing_price_micro_per_kwh
        flows = trade.accepted_wh if order.firmness is Firmness.FLEXIBLE else order.quantity_wh - trade.curtailed_wh
        injected[order.bus] += side * flows
    assert energy == 0
    assert money + result.congestion_rent_nano == 0
    kept = (np.abs(case.tree._behind() @ injected) <= np.array(case.limits_wh) + 1e-9).all()
    assert kept == (result.status is not Status.RED)
