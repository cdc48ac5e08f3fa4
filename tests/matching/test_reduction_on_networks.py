"""Few columns come to the result of all cells on real networks too: the same Wh of every order, in as many rounds."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from market_cases import RULES

from grid.network import GridNetwork, open_network
from matching.book import CURTAILABLE, FIRM, FLEXIBLE, OrderBook
from matching.bound_result import BoundResult
from matching.congestion import GAIN_RELATIVE_MAX, BoundMarket, keep_limits
from matching.injections import feeder_of
from matching.optimiser import OneClass
from matching.rationing import keyed_tie_keys
from matching.rules import Terms
from matching.stopwatch import Stopwatch

NETWORKS = [
    open_network(f"simbench:1-LV-{name}")
    for name in ("rural1--2-no_sw", "rural3--2-sw", "semiurb4--1-no_sw", "urban6--0-sw")
]
ALL_CELLS = 10**9
TICKS_APART = (1, 10, 50, 200)  # from hardly any to nearly only orders of equal prices
some = settings(max_examples=max(10, min(300, settings.default.max_examples // 4)))


def stressed(network: GridNetwork, seed: int) -> OrderBook:
    """Up to 1 200 orders, of which many sellers are at the one half of the buses and many buyers at the other."""
    random = np.random.default_rng(seed)
    count, buses = int(random.choice([150, 300, 600, 1_200])), np.array(network.buses[1:])
    is_sell, draw, half = random.random(count) < random.uniform(0.3, 0.7), random.random(count), buses.size // 2
    apart = np.where(is_sell, 0, half) + random.integers(0, half, count)
    anywhere = random.integers(0, buses.size, count)
    mean_wh, step = random.choice([300_000, 800_000, 2_000_000]) / count, int(random.choice(TICKS_APART))
    ticks = np.where(is_sell, random.integers(700, 1_500, count), random.integers(900, 1_800, count)) // step * step
    curtailable = is_sell & (draw < 0.4)
    names = np.strings.add(b"o", np.arange(count).astype("S7"))
    return OrderBook.from_arrays(
        order_ids=names,
        participants=names,
        metering_points=names,
        is_sell=is_sell,
        firmness_codes=np.where(draw < 0.1, FIRM, np.where(curtailable, CURTAILABLE, FLEXIBLE)).astype(np.int8),
        quantity_wh=random.integers(1, round(2 * mean_wh), count),
        limit_micro_per_kwh=100 * ticks,
        bus=buses[np.where(random.random(count) < random.uniform(0.2, 0.9), apart, anywhere)],
    )


def bound(book: OrderBook, network: GridNetwork, **columns: int) -> tuple[BoundResult | None, int]:
    """What the loop comes to from the state in which every order flows in full, and in how many rounds."""
    terms = Terms(book=book, rules=RULES, interval_minutes=15, tie_keys=keyed_tie_keys(book.order_ids, "a test"))
    feeder = feeder_of(book, network, interval_minutes=15, baseline_w=None, baseline_var=None)
    start = feeder.solve_towards(feeder.injection_w(book.quantity_wh, np.zeros_like(book.quantity_wh)))
    assert start is not None
    assume(start.violations)
    market = BoundMarket(terms=terms, feeder=feeder, stopwatch=Stopwatch())
    return keep_limits(market, OneClass.of(terms, feeder, **columns), start)


@given(seed=st.integers(0, 2**32), at=st.integers(0, len(NETWORKS) - 1))
@some
def test_a_stressed_book_is_worth_as_much_from_few_columns_as_from_all_cells(seed: int, at: int) -> None:
    """Which of two equal orders gets the energy may differ where both ways are worth the same; the welfare may not."""
    network = NETWORKS[at]
    book = stressed(network, seed)
    (all_cells, _), (default, _) = bound(book, network, whole_cells_max=ALL_CELLS), bound(book, network)
    assert (default is None) == (all_cells is None)
    if default is None or all_cells is None:
        return
    assert default.worth_nano == pytest.approx(all_cells.worth_nano, rel=GAIN_RELATIVE_MAX)
    assert not default.point.violations
