"""A result that the loop's rows do not quite prove is published with rows that agree with the power flow at it.

Many sellers of one price behind one line: which of them sell moves the line's losses, so that the loop, which sees the
line straight, goes back and forth between them and ends before its rows are those of the network at the result.
"""

import numpy as np
import pytest
from market_cases import order
from recheck_cases import SOMEWHERE, wrong_on_network

from grid.network import load_network, open_network
from matching import congestion
from matching.book import OrderBook
from matching.clearing import MarketRules, clear
from matching.island.rules import Island, as_cleared
from matching.orders import Order
from matching.recheck.power_flow import RecordedNetwork

CODE, BUSBAR, SEED = "simbench:1-LV-rural1--0-sw", 1, 40
RULES = MarketRules(tie_seed="a test", losses="market")


def book_of(seed: int, buses: tuple[int, ...]) -> OrderBook:
    """Homes that would pay nearly any price and sellers at three prices: up to two hundred times what a street has."""
    random = np.random.default_rng(seed)
    size, plenty = float(10 ** random.uniform(0, 2.3)), random.uniform(0.2, 2)
    lost_load = int(random.choice([400_000, 1_000_000, 5_000_000, 20_000_000]))

    def ticks(lowest: int, highest: int) -> int:
        return 100 * int(random.integers(lowest, highest))

    def wh(most: int, times: float = 1.0) -> int:
        return int(size * random.integers(0, most) * times)

    placed: list[Order] = [
        order("unit sells", "sell", wh(4_000, plenty), ticks(500, 3_900), bus=BUSBAR),
        order("unit buys", "buy", wh(2_000), ticks(0, 2_000), bus=BUSBAR),
    ]
    for number, bus in enumerate(random.choice(buses, size=min(len(buses), int(random.integers(3, 40)))).tolist()):
        demand = wh(500)
        placed.append(order(f"home {number}", "buy", demand, ticks(1_000, 3_000), "firm", bus=bus))
        for firmness in ("firm", "curtailable", "flexible"):
            if random.random() < 0.3:
                offered, price = wh(1_500, plenty), 100 * int(random.choice([800, 1_200, 3_000]))
                placed.append(order(f"{firmness} roof {number}", "sell", offered, price, firmness, bus=bus))
        if random.random() < 0.3:
            wanted, price = int(size * random.integers(50, 1_500)), ticks(1_000, 3_500)
            firmness = str(random.choice(["flexible", "curtailable"]))
            placed.append(order(f"car {number}", "buy", wanted, price, firmness, bus=bus))
    return as_cleared(OrderBook.from_orders(placed), Island(lost_load_micro_per_kwh=lost_load))


def test_rows_of_earlier_rounds_leave_what_the_power_flow_leaves_at_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    network = open_network(CODE).islanded(BUSBAR)
    recorded = RecordedNetwork(load_network(CODE), formed_at=BUSBAR)
    book, nothing = book_of(SEED, network.buses), np.zeros(len(network.buses))
    result = clear(book, interval_minutes=15, rules=RULES, limits=network)
    assert result.certificate.rows
    assert 0.0 <= result.certificate.gap_relative <= 1e-5
    assert wrong_on_network(result, SOMEWHERE, recorded, baseline_w=nothing) == {}
    monkeypatch.setattr(congestion, "seen_from_there", lambda result, *_: result)
    as_made = clear(book, interval_minutes=15, rules=RULES, limits=network)
    assert as_made.trades() == result.trades()
    assert as_made.certificate.dual_welfare_nano > result.certificate.dual_welfare_nano
    assert wrong_on_network(as_made, SOMEWHERE, recorded, baseline_w=nothing).keys() == {"rows"}
