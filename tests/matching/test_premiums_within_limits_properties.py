"""Random small books with premiums and fees on random trees of lines: trying everything, and what always holds."""

import dataclasses
import itertools
import random
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import pytest
from attribute_cases import FEES, ZONES, bid, fee_between, offer, premium_between
from hypothesis import given
from hypothesis import strategies as st
from market_cases import DirectCurrentTree, many
from market_cases import order as placed

from grid.limits import LimitKind, Violation
from matching import clearing
from matching.book import OrderBook
from matching.clearing import Clearing, MarketRules, clear
from matching.injections import feeder_of
from matching.orders import Firmness, Order, Side
from matching.preferences.attributes import NO_ATTRIBUTES, Source
from matching.preferences.fees import GridFees
from matching.preferences.model import solve_class_model
from matching.preferences.network import ByClass
from matching.preferences.programme import solve_classes
from matching.rationing import keyed_tie_keys
from matching.result import Status
from matching.rules import Terms

TREES = ((0,), (0, 0), (0, 1))
FEED_IN = 100
OUTSIDE = st.none() | st.integers(1, 5).map(lambda ticks: (FEED_IN, FEED_IN + 100 * ticks))
SOME_FEES = st.none() | st.just(FEES)


@dataclass(frozen=True)
class Case:
    orders: tuple[Order, ...]
    tree: DirectCurrentTree
    limits_wh: tuple[int, ...]


@st.composite
def cases(draw: st.DrawFn, *, most: int, wh: int, firmness: tuple[Firmness, ...] = tuple(Firmness)) -> Case:
    """Up to `most` orders a side at the buses of a tree whose lines carry up to 1.5 times `wh`."""
    parents = draw(st.sampled_from(TREES))
    limits_wh = tuple(draw(st.integers(1, wh + wh // 2)) for _ in parents)
    prices, premium = st.integers(0, 6).map(lambda t: 100 * t), st.integers(1, 4).map(lambda t: 100 * t)
    orders = [
        offer(
            f"s{k}",
            draw(st.integers(0, wh)),
            draw(prices),
            source=draw(st.sampled_from(Source)),
            zone=draw(st.sampled_from(ZONES)),
            firm=draw(st.sampled_from(firmness)),
            bus=draw(st.integers(0, len(parents))),
        )
        for k in range(draw(st.integers(1, most)))
    ]
    for k in range(draw(st.integers(1, most))):
        named = draw(st.lists(st.sampled_from(("solar", "storage", "member:s0")), unique=True, max_size=2))
        orders.append(
            bid(
                f"b{k}",
                draw(st.integers(0, wh)),
                draw(prices),
                ";".join(f"{name}:{draw(premium)}" for name in named),
                zone=draw(st.sampled_from(ZONES)),
                firm=draw(st.sampled_from(firmness)),
                bus=draw(st.integers(0, len(parents))),
            )
        )
    tree = DirectCurrentTree(parents=parents, limits_w=tuple(4.0 * limit for limit in limits_wh))
    return Case(orders=tuple(draw(st.permutations(orders))), tree=tree, limits_wh=limits_wh)


def rules_with(outside: tuple[int, int] | None, fees: GridFees | None) -> MarketRules:
    return MarketRules(
        tie_seed="a test",
        grid_fees=fees,
        feed_in_price_micro_per_kwh=FEED_IN,
        supplier_price_micro_per_kwh=None if outside is None else outside[1],
        supplier_bids=outside is not None,
    )


def cleared(case: Case, rules: MarketRules) -> Clearing:
    return clear(OrderBook.from_orders(case.orders), interval_minutes=15, rules=rules, limits=case.tree)


def best_within_limits(case: Case, fees: GridFees | None) -> int | None:
    """Highest welfare of all ways to send whole Wh from order to order within the lines; None if there is none."""
    sellers = [order for order in case.orders if order.side is Side.SELL]
    buyers = [order for order in case.orders if order.side is Side.BUY]
    pairs = list(itertools.product(sellers, buyers))
    gain = [
        b.limit_micro_per_kwh + premium_between(s, b) - s.limit_micro_per_kwh - fee_between(s, b, fees)
        for s, b in pairs
    ]
    behind, best = case.tree._behind(), None
    for flows in itertools.product(*(range(min(s.quantity_wh, b.quantity_wh) + 1) for s, b in pairs)):
        accepted = {order.order_id: 0 for order in case.orders}
        for (s, b), wh in zip(pairs, flows, strict=True):
            accepted[s.order_id] += wh
            accepted[b.order_id] += wh
        if any(accepted[order.order_id] > order.quantity_wh for order in case.orders):
            continue
        injected = np.zeros(len(case.tree.buses))
        for order in case.orders:
            flowing = accepted[order.order_id] if order.firmness is Firmness.FLEXIBLE else order.quantity_wh
            injected[order.bus] += flowing if order.side is Side.SELL else -flowing
        if (np.abs(behind @ injected) <= np.array(case.limits_wh)).all():
            welfare = sum(each * wh for each, wh in zip(gain, flows, strict=True))
            best = welfare if best is None else max(best, welfare)
    return best


UNCURTAILED = (Firmness.FIRM, Firmness.FLEXIBLE)


@given(case=cases(most=2, wh=3, firmness=UNCURTAILED), fees=SOME_FEES)
@many()
def test_the_welfare_is_the_best_of_all_ways_to_send_whole_wh_within_the_lines(
    case: Case, fees: GridFees | None
) -> None:
    result, best = cleared(case, rules_with(None, fees)), best_within_limits(case, fees)
    if best is None:
        assert result.status is Status.RED
        return
    assert result.status is not Status.RED
    assert result.welfare_nano == best
    if result.attributes is not None and not result.attributes.flexible_left_out:
        assert result.certificate.dual_welfare_nano >= best - 1


@given(case=cases(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES)
def test_within_limits_too_energy_and_money_are_conserved_and_nobody_is_worse_off(
    case: Case, outside: tuple[int, int] | None, fees: GridFees | None
) -> None:
    result = cleared(case, rules_with(outside, fees))
    energy, money = result.supplier_import_wh - result.supplier_export_wh, 0
    injected = np.zeros(len(case.tree.buses))
    for order, trade in zip(case.orders, result.trades(), strict=True):
        side = 1 if order.side is Side.SELL else -1
        energy += side * trade.accepted_wh
        money += side * trade.amount_nano
        flows = trade.accepted_wh if order.firmness is Firmness.FLEXIBLE else order.quantity_wh - trade.curtailed_wh
        injected[order.bus] += side * flows
    if outside is not None:
        money += result.supplier_import_wh * outside[1] - result.supplier_export_wh * outside[0]
    fees_nano = 0 if result.attributes is None else result.attributes.grid_fee_nano
    assert energy == 0
    assert money + result.congestion_rent_nano + fees_nano == 0
    kept = (np.abs(case.tree._behind() @ injected) <= np.array(case.limits_wh) + 1e-9).all()
    assert kept == (result.status is not Status.RED)
    assert result.certificate.dual_welfare_nano >= result.welfare_nano - 1
    if result.attributes is not None:
        _assert_parts(case, result)


def _assert_parts(case: Case, result: Clearing) -> None:
    """Every class gives what the others take; nobody pays or gets beyond the own limit and premiums."""
    assert result.attributes is not None
    attributes, classes = result.attributes, result.attributes.classes
    sold, bought = np.zeros(len(classes.sellers), dtype=int), np.zeros(len(classes.buyers), dtype=int)
    for order, trade, number in zip(case.orders, result.trades(), classes.of_order.tolist(), strict=True):
        (sold if order.side is Side.SELL else bought)[number] += trade.accepted_wh
    if classes.supplier_sells:
        sold[-1] += result.supplier_import_wh
    if classes.supplier_buys:
        bought[-1] += result.supplier_export_wh
    assert attributes.flow_wh.sum(axis=1).tolist() == sold.tolist()
    assert attributes.flow_wh.sum(axis=0).tolist() == bought.tolist()
    by_id = {order.order_id: order for order in case.orders}
    worth: dict[str, int] = {}
    for name, _, _, wh, _, _, premium, amount, _ in attributes.rows([o.order_id for o in case.orders]):
        worth[name] = worth.get(name, 0) + wh * (by_id[name].limit_micro_per_kwh + premium) - amount
    for name, surplus in worth.items():
        assert surplus * (1 if by_id[name].side is Side.BUY else -1) >= 0


@given(case=cases(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES, seed=st.integers(0, 99))
def test_within_limits_too_arrival_changes_nothing(
    case: Case, outside: tuple[int, int] | None, fees: GridFees | None, seed: int
) -> None:
    shuffled = list(case.orders)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (nothing secret)
    rules = rules_with(outside, fees)
    assert cleared(case, rules).digest() == cleared(dataclasses.replace(case, orders=tuple(shuffled)), rules).digest()


@given(case=cases(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES)
def test_optimising_within_limits_is_no_worse_than_leaving_flexible_orders_out(
    case: Case, outside: tuple[int, int] | None, fees: GridFees | None
) -> None:
    rules = rules_with(outside, fees)
    best = cleared(case, rules)
    with patch.object(clearing, "keep_limits", lambda *_, **__: (None, 0)):
        without = cleared(case, rules)
    if without.status is not Status.RED:
        assert best.status is not Status.RED
        assert best.welfare_nano >= without.welfare_nano


@given(case=cases(most=6, wh=9), outside=OUTSIDE)
def test_without_preferences_the_classes_come_to_the_plain_result_within_limits(
    case: Case, outside: tuple[int, int] | None
) -> None:
    """One class each: a fee of zero everywhere makes the classes clear what has none."""
    bare = tuple(dataclasses.replace(order, attributes=NO_ATTRIBUTES) for order in case.orders)
    plain = cleared(dataclasses.replace(case, orders=bare), rules_with(outside, None))
    classed = cleared(dataclasses.replace(case, orders=bare), rules_with(outside, GridFees.of({("", ""): 0})))
    assert classed.status is plain.status
    assert classed.welfare_nano == plain.welfare_nano
    assert classed.clearing_price_micro_per_kwh == plain.clearing_price_micro_per_kwh


def test_in_whole_wh_too_members_trade_where_that_is_as_good_as_not_trading() -> None:
    """Within the 3 Wh of the line everything is worth the feed-in price, to sellers and to the buyer."""
    orders = (placed("s", "sell", 5, FEED_IN, "flexible", bus=1), placed("b", "buy", 1, FEED_IN, "firm", bus=0))
    case = Case(orders=orders, tree=DirectCurrentTree(parents=(0,), limits_w=(12.0,)), limits_wh=(3,))
    result = cleared(case, rules_with((FEED_IN, 200), GridFees.of({("", ""): 0})))
    assert result.accepted_wh.tolist() == [3, 1]


@given(case=cases(most=6, wh=9), outside=OUTSIDE, fees=SOME_FEES)
def test_with_rows_too_the_matrices_and_the_model_come_to_the_same_welfare(
    case: Case, outside: tuple[int, int] | None, fees: GridFees | None
) -> None:
    book, rules = OrderBook.from_orders(case.orders), rules_with(outside, fees)
    terms = Terms(book=book, rules=rules, interval_minutes=15, tie_keys=keyed_tie_keys(book.order_ids, "a test"))
    feeder = feeder_of(book, case.tree, interval_minutes=15, baseline_w=None, baseline_var=None)
    point = feeder.solve(feeder.injection_w(book.quantity_wh, np.zeros(len(book), dtype=np.int64)))
    lines = tuple(
        Violation(kind=LimitKind.LINE_LOADING, element=k, name=f"line {k}", limit=100.0, value=0.0)
        for k in range(len(case.limits_wh))
    )
    rows = feeder.rows(feeder.limits.linearise(point, lines), point)
    problem = ByClass.of(terms, feeder).problem(rows)
    for asked in (problem, dataclasses.replace(problem, elastic=True)):
        fast, stated = solve_classes(asked), solve_class_model(asked)
        assert (fast is None) == (stated is None)
        if fast is not None and stated is not None:
            assert fast.objective_nano == pytest.approx(stated.objective_nano, rel=1e-9, abs=1e-6)
