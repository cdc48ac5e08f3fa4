"""Random islands on a SimBench feeder: AC limits, losses, and pandapower's own account of the grid-forming unit."""

from typing import Any

import numpy as np
import pandapower
import pytest
from hypothesis import settings
from island_cases import island_rules
from market_cases import order
from recheck_cases import SOMEWHERE, as_published, failures

from grid.feeder import NetworkError
from grid.network import GridNetwork, load_network, open_network
from matching.book import OrderBook
from matching.clearing import Clearing, clear
from matching.orders import Order
from matching.recheck.checks import recheck
from matching.recheck.island import Islanded, as_cleared
from matching.recheck.island_network import recheck_on_island
from matching.recheck.network import on_network
from matching.recheck.power_flow import RecordedNetwork
from matching.result import Status

CODE = "simbench:1-LV-rural1--0-sw"
BUSBAR = 1
BOOKS = max(12, settings.default.max_examples // 5)
WITHIN_WH = 1.5  # losses are bought in whole Wh, and agree with the power flow to one


@pytest.fixture(scope="module")
def network() -> GridNetwork:
    return open_network(CODE).islanded(BUSBAR)


@pytest.fixture(scope="module")
def recorded() -> RecordedNetwork:
    return RecordedNetwork(load_network(CODE), formed_at=BUSBAR)


def random_orders(seed: int, buses: tuple[int, ...]) -> tuple[Order, ...]:
    """From an idle village to one far beyond what its cables carry, with too little or too much of its own."""
    rng = np.random.default_rng(seed)
    size, supply = 10 ** rng.uniform(0.0, 2.0), rng.uniform(0.2, 2.0)

    def some(most_wh: float) -> int:
        return int(rng.integers(0, int(most_wh * size) + 1))

    orders = [
        order("unit sells", "sell", some(4000 * supply), 300_000, bus=BUSBAR, participant="unit"),
        order("unit buys", "buy", some(2000), 90_000, bus=BUSBAR, participant="unit"),
    ]
    for number in range(int(rng.integers(3, 30))):
        bus, price = int(rng.choice(buses)), 100 * int(rng.integers(800, 3000))
        orders.append(order(f"home {number}", "buy", some(500), price, "firm", bus=bus))
        if rng.random() < 0.6:
            firmness = str(rng.choice(["firm", "curtailable", "flexible"]))
            orders.append(order(f"roof {number}", "sell", some(1500 * supply), price, firmness, bus=bus))
        if rng.random() < 0.3:
            firmness = str(rng.choice(["curtailable", "flexible"]))
            orders.append(order(f"car {number}", "buy", some(1500), price, firmness, bus=bus))
    return tuple(orders)


def what_the_unit_gives_w(orders: tuple[Order, ...], result: Clearing) -> float:
    """The external grid of a network in which everybody but the unit injects what was accepted, at the unit's bus."""
    net: Any = load_network(CODE)
    for table in ("load", "sgen", "storage", "ext_grid"):
        net[table] = net[table].iloc[0:0]
    net.trafo["in_service"] = False
    pandapower.create_ext_grid(net, BUSBAR, vm_pu=1.0)
    for placed, trade in zip(orders, result.trades(), strict=True):
        if placed.participant != "unit":
            sign = 1 if placed.side.value == "sell" else -1
            pandapower.create_sgen(net, placed.bus, p_mw=sign * trade.accepted_wh * 4 / 1e6)
    pandapower.runpp(net)
    return 1e6 * float(net.res_ext_grid.p_mw.sum())


@pytest.mark.parametrize("seed", range(BOOKS))
def test_the_unit_gives_what_it_was_cleared_for_and_every_check_holds(
    seed: int, network: GridNetwork, recorded: RecordedNetwork
) -> None:
    orders = random_orders(seed, network.buses)
    book = OrderBook.from_orders(orders)
    result = clear(book, interval_minutes=15, rules=island_rules(5_000_000, bus=BUSBAR), limits=network)
    assert result.point is not None
    assert not result.point.violations
    sold, bought = result.trades()[0].accepted_wh, result.trades()[1].accepted_wh
    assert what_the_unit_gives_w(orders, result) / 4 == pytest.approx(sold - bought, abs=WITHIN_WH)
    told = as_published(result, network={**SOMEWHERE, "digest": recorded.digest})
    assert told.claims.island is not None
    assert told.claims.network is not None
    nothing = np.zeros(len(recorded.buses))
    cleared = as_cleared(Islanded(result=told, claim=told.claims.island))
    on = on_network(cleared, told.claims.network, recorded, baseline_w=nothing, baseline_var=nothing)
    assert failures((*recheck(told), *recheck_on_island(on))) == {}


def test_the_books_meet_scarcity_plenty_and_limits(network: GridNetwork) -> None:
    seen = set()
    for seed in range(12):
        book = OrderBook.from_orders(random_orders(seed, network.buses))
        result = clear(book, interval_minutes=15, rules=island_rules(5_000_000, bus=BUSBAR), limits=network)
        seen |= {result.status, "limits" if result.binding else "room", "losses" if result.loss_wh else "none"}
    assert seen >= {Status.RED, Status.AMBER, "limits", "room", "losses"}


def test_an_island_has_neither_the_grid_above_nor_its_transformer(network: GridNetwork) -> None:
    whole = open_network(CODE)
    assert set(whole.buses) - set(network.buses) == {42}  # the bus of 20 kV
    point = network.solve(np.zeros(len(network.buses)), np.zeros(len(network.buses)))
    assert point.vm_pu[network.buses.index(BUSBAR)] == 1.0
    assert not point.trafo_loading_percent.any()


def test_a_unit_at_no_bus_is_refused() -> None:
    with pytest.raises(NetworkError, match="grid-forming unit's bus 999 is not in the network"):
        open_network(CODE).islanded(999)
