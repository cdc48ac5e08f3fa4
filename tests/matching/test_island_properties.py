"""Random islands: nothing is lost that is not told, firm demand comes first, and nothing better was possible."""

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from island_cases import LOST, island_orders, island_rules, trees
from market_cases import DirectCurrentTree, many
from pyomo.environ import (
    ConcreteModel,
    Constraint,
    NonNegativeReals,
    Objective,
    SolverFactory,
    Var,
    maximize,
    value,
)
from recheck_cases import SOMEWHERE, wrong_with

from matching.book import OrderBook
from matching.clearing import Clearing, MarketRules, clear
from matching.orders import Firmness, Order, Side
from matching.result import Status

Orders = tuple[Order, ...]


def islanded(orders: Orders, tree: DirectCurrentTree | None = None, *, k: float = 0.5) -> Clearing:
    rules = island_rules(bus=None if tree is None else 0, k=k)
    return clear(OrderBook.from_orders(orders), interval_minutes=15, rules=rules, limits=tree)


def is_firm_demand(order: Order) -> bool:
    return order.side is Side.BUY and order.firmness is Firmness.FIRM


def worth(order: Order) -> int:
    """What a Wh accepted adds to the welfare."""
    if order.side is Side.SELL:
        return -order.limit_micro_per_kwh
    return LOST if is_firm_demand(order) else order.limit_micro_per_kwh


@given(orders=island_orders(most=12), tree=st.none() | trees(), k=st.sampled_from((0.0, 0.5, 1.0)))
@many()
def test_energy_and_money_are_conserved_and_nobody_trades_beyond_the_own_limit(
    orders: Orders, tree: DirectCurrentTree | None, k: float
) -> None:
    placed = orders if tree is None else at_buses(orders, tree)
    result = islanded(placed, tree, k=k)
    energy = money = left = 0
    for order, trade in zip(placed, result.trades(), strict=True):
        side = 1 if order.side is Side.SELL else -1
        energy += side * trade.accepted_wh
        money += side * trade.amount_nano
        flexible = order.firmness is Firmness.FLEXIBLE
        assert trade.curtailed_wh == (0 if flexible else order.quantity_wh - trade.accepted_wh)
        left += trade.curtailed_wh
        if trade.accepted_wh:
            limit = LOST if is_firm_demand(order) else order.limit_micro_per_kwh
            assert side * (trade.price_micro_per_kwh - limit) >= 0
    assert energy == result.loss_wh == 0
    assert money + result.congestion_rent_nano == 0
    assert result.clearing_price_micro_per_kwh is None or result.clearing_price_micro_per_kwh <= LOST
    shed = sum(t.curtailed_wh for o, t in zip(placed, result.trades(), strict=True) if is_firm_demand(o))
    assert result.status is (Status.RED if shed else Status.AMBER if left else Status.GREEN)


@given(orders=island_orders(most=12))
@many()
def test_firm_demand_is_shed_only_when_nothing_else_is_left(orders: Orders) -> None:
    result = islanded(orders)
    assert result.island is not None
    if not result.island.shed_wh:
        return
    for order, trade in zip(orders, result.trades(), strict=True):
        if order.side is Side.SELL:
            assert trade.accepted_wh == order.quantity_wh
        elif not is_firm_demand(order):
            assert trade.accepted_wh == 0


@given(orders=island_orders(most=12))
@many()
def test_firm_demand_is_shed_in_proportion_whoever_asks(orders: Orders) -> None:
    result = islanded(orders)
    firm = [(o, t) for o, t in zip(orders, result.trades(), strict=True) if is_firm_demand(o) and o.quantity_wh]
    wanted = sum(order.quantity_wh for order, _ in firm)
    served = sum(trade.accepted_wh for _, trade in firm)
    for order, trade in firm:
        assert abs(trade.accepted_wh - Fraction(served * order.quantity_wh, wanted)) < 1


@given(orders=island_orders(most=4, energy_wh=3, buses=2), limit_wh=st.integers(1, 4))
@many()
def test_welfare_equals_brute_force_behind_a_line(orders: Orders, limit_wh: int) -> None:
    tree = DirectCurrentTree(parents=(0,), limits_w=(4.0 * limit_wh,))
    best = 0
    for accepted in itertools.product(*(range(order.quantity_wh + 1) for order in orders)):
        signed = [wh if o.side is Side.SELL else -wh for o, wh in zip(orders, accepted, strict=True)]
        behind = sum(wh for o, wh in zip(orders, signed, strict=True) if o.bus == 1)
        if sum(signed) == 0 and abs(behind) <= limit_wh:
            best = max(best, sum(worth(o) * wh for o, wh in zip(orders, accepted, strict=True)))
    assert islanded(orders, tree).welfare_nano == best


@given(orders=island_orders(most=30, energy_wh=5000, buses=3), tree=trees(), room=st.integers(1, 4000))
def test_welfare_equals_a_model_that_pays_for_shedding(orders: Orders, tree: DirectCurrentTree, room: int) -> None:
    placed = at_buses(orders, tree)
    wide = DirectCurrentTree(parents=tree.parents, limits_w=tuple(room * limit for limit in tree.limits_w))
    result = islanded(placed, wide)
    rows = len(result.certificate.rows)
    best = welfare_of_the_model(placed, wide)
    # The model may share single Wh out; with rows the result keeps a margin to the limits besides.
    tolerance = 1e-9 * max(1.0, abs(best)) if not rows else LOST * (rows + 1) + 1e-5 * abs(best)
    assert result.welfare_nano == pytest.approx(best, abs=tolerance, rel=0.0)


def welfare_of_the_model(orders: Orders, tree: DirectCurrentTree) -> float:
    """Serve all firm demand or pay the value of lost load for what is shed: the most welfare, in Pyomo on HiGHS."""
    firm = [n for n, order in enumerate(orders) if is_firm_demand(order)]
    model = ConcreteModel()
    model.flows = Var(range(len(orders)), within=NonNegativeReals)
    model.shed = Var(firm, within=NonNegativeReals)
    sign = [1 if order.side is Side.SELL else -1 for order in orders]
    for n, order in enumerate(orders):
        model.flows[n].setub(order.quantity_wh)
    model.serve = Constraint(firm, rule=lambda m, n: m.flows[n] + m.shed[n] == orders[n].quantity_wh)
    model.zero = Var(bounds=(0, 0))  # so that the balance of an empty book is a constraint too
    model.balance = Constraint(expr=sum(sign[n] * model.flows[n] for n in range(len(orders))) == model.zero)
    behind = tree._behind()

    def flow(m: ConcreteModel, line: int) -> object:
        moved = sum(behind[line, orders[n].bus] * sign[n] * m.flows[n] for n in range(len(orders)))
        return (-tree.limits_w[line] / 4.0, moved + m.zero, tree.limits_w[line] / 4.0)

    model.lines = Constraint(range(len(tree.parents)), rule=flow)
    worths = [0 if is_firm_demand(order) else worth(order) for order in orders]
    model.welfare = Objective(
        expr=sum(worths[n] * model.flows[n] for n in range(len(orders))) - LOST * sum(model.shed[n] for n in firm),
        sense=maximize,
    )
    SolverFactory("appsi_highs").solve(model)
    return float(value(model.welfare)) + LOST * sum(orders[n].quantity_wh for n in firm)


@given(orders=island_orders(most=12, buses=3), tree=trees(), seed=st.integers(0, 99))
def test_the_order_of_arrival_changes_nothing(orders: Orders, tree: DirectCurrentTree, seed: int) -> None:
    placed = at_buses(orders, tree)
    shuffled = list(placed)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (nothing secret)
    assert islanded(placed, tree).digest() == islanded(tuple(shuffled), tree).digest()


@given(orders=island_orders(most=12), k=st.sampled_from((0.0, 0.5, 1.0)))
@many()
def test_with_plenty_of_cheap_local_energy_an_island_is_the_connected_market(orders: Orders, k: float) -> None:
    """Every home would pay what any unit asks, and there is more than all want: nobody misses the supplier."""
    cheap = tuple(
        replace(order, quantity_wh=order.quantity_wh + 200)
        if order.side is Side.SELL
        else replace(order, limit_micro_per_kwh=order.limit_micro_per_kwh + 700, firmness=Firmness.FIRM)
        for order in orders
    )
    if not any(order.side is Side.SELL for order in cheap):
        return
    connected = clear(OrderBook.from_orders(cheap), interval_minutes=15, rules=MarketRules(tie_seed="a test", k=k))
    island = islanded(cheap, k=k)
    assert island.accepted_wh.tolist() == connected.accepted_wh.tolist()
    assert island.clearing_price_micro_per_kwh == connected.clearing_price_micro_per_kwh
    assert island.amount_nano.tolist() == connected.amount_nano.tolist()


@given(orders=island_orders(most=12, buses=3), tree=st.none() | trees(), k=st.sampled_from((0.0, 0.5, 0.37)))
def test_the_checks_find_nothing_wrong_with_an_island(orders: Orders, tree: DirectCurrentTree | None, k: float) -> None:
    placed = orders if tree is None else at_buses(orders, tree)
    assert wrong_with(islanded(placed, tree, k=k), network=None if tree is None else SOMEWHERE) == {}


def at_buses(orders: Orders, tree: DirectCurrentTree) -> Orders:
    """The same orders at buses of a tree."""
    rng = np.random.default_rng(len(orders))
    places = rng.integers(0, len(tree.buses), len(orders)).tolist()
    return tuple(replace(order, bus=bus) for order, bus in zip(orders, places, strict=True))
