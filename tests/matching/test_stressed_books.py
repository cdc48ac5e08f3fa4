"""Random books that press networks against their limits, judged by other programs and by arithmetic.

Networks, bands, sun, load and prices vary from seed to seed; 12 books in a reduced run, 200 in a full one.
"""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from grid.network import load_network
from grid.power_flow import PowerFlowDiverged
from matching.book import FLEXIBLE
from matching.clearing import Clearing, clear
from matching.orders import PRICE_TICK_MICRO_PER_KWH
from matching.result import Status

pytestmark = [pytest.mark.needs("module:power_grid_model"), pytest.mark.needs("module:opendssdirect")]

TESTS = Path(__file__).parents[1]
FULL = os.environ.get("COMMONWATT_COUNTS") == "full"
SEEDS = range(1000, 1200) if FULL else range(1000, 1012)
OPEN_DSS_EVERY = 4
VOLTAGE_PU, LOADING_PERCENT = 1e-4, 1e-2


@pytest.fixture(autouse=True)
def other_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TESTS / "benchmarks"))
    monkeypatch.syspath_prepend(str(TESTS / "grid"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Published:
    """A result, and what it makes every bus inject."""

    case: object
    clearing: Clearing

    def watts(self, accepted_wh: np.ndarray) -> np.ndarray:
        """[n_bus] with these flexible energies; what is curtailed is that of the result."""
        book, case = self.case.book, self.case
        flows = np.where(book.firmness_codes == FLEXIBLE, accepted_wh, book.quantity_wh - self.clearing.curtailed_wh)
        signed_w = np.where(book.is_sell, 1, -1) * flows * 60.0 / case.interval_minutes
        return case.baseline_w + self.per_bus(signed_w)

    def per_bus(self, values: np.ndarray) -> np.ndarray:
        buses = self.case.network.buses
        return np.bincount(np.searchsorted(buses, self.case.book.bus), weights=values, minlength=len(buses))

    def keeps_limits(self, watts: np.ndarray) -> tuple[bool, bool]:
        """Whether power-grid-model finds no limit passed, with the tolerance on one side and on the other."""
        volts, percent = judge(self.case.spec).excess(
            self.case.network.limits, watts[None], self.case.baseline_var[None]
        )
        return (
            bool(volts[0] <= VOLTAGE_PU and percent[0] <= LOADING_PERCENT),
            bool(volts[0] <= -VOLTAGE_PU and percent[0] <= -LOADING_PERCENT),
        )


@cache
def judge(spec: str):
    from pgm_network import PgmNetwork
    from stressed_books import network_within

    return PgmNetwork(load_network(spec), network_within(spec, 0.9, 1.1, 100.0).buses)


@cache
def published(seed: int) -> Published:
    from stressed_books import stressed_book

    case = stressed_book(seed)
    clearing = case.cleared()
    return Published(case=case, clearing=clearing)


@pytest.mark.parametrize("seed", SEEDS)
def test_power_grid_model_sees_every_limit_kept_or_the_light_is_red(seed: int) -> None:
    result = published(seed)
    kept, _ = result.keeps_limits(result.watts(result.clearing.accepted_wh))
    assert kept != (result.clearing.status is Status.RED), result.case.name


@pytest.mark.parametrize("seed", SEEDS)
def test_green_and_amber_are_told_by_what_happens_without_flexible_orders(seed: int) -> None:
    result = published(seed)
    clearing, flexible = result.clearing, result.case.book.firmness_codes == FLEXIBLE
    if clearing.status is Status.RED:
        assert not clearing.accepted_wh[flexible].any()
        return
    kept, kept_surely = result.keeps_limits(result.watts(np.zeros(len(result.case.book))))
    helped = clearing.curtailed_wh.any() or (clearing.accepted_wh[flexible].any() and not kept)
    if kept == kept_surely:
        assert clearing.status is (Status.AMBER if helped else Status.GREEN), result.case.name


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_worse_off_than_the_own_limit_and_only_the_network_parts_prices(seed: int) -> None:
    result = published(seed)
    clearing, book = result.clearing, result.case.book
    traded = clearing.accepted_wh > 0
    better = np.where(book.is_sell, 1, -1) * (clearing.price_micro_per_kwh - book.limit_micro_per_kwh)
    assert (better[traded] >= 0).all()
    firm = traded & (book.firmness_codes != FLEXIBLE)
    assert (clearing.price_micro_per_kwh[firm] == clearing.clearing_price_micro_per_kwh).all()
    assert (clearing.curtailed_wh <= np.where(book.is_sell, book.quantity_wh - clearing.accepted_wh, 0)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rent_is_what_the_rows_are_worth(seed: int) -> None:
    """Buyers pay more than sellers receive by the shadow prices times what flexible energy takes of each row."""
    result = published(seed)
    clearing, book = result.clearing, result.case.book
    flexible_wh = np.where(book.firmness_codes == FLEXIBLE, clearing.accepted_wh, 0)
    cost = dict.fromkeys(result.case.network.buses, 0.0)
    for row in clearing.certificate.rows:
        for bus, effect in row.effect_per_wh.items():
            cost[bus] += row.shadow_price * effect
    # nobody is paid for consuming: where the network would have it so, the price is zero
    each = np.minimum([cost[bus] for bus in book.bus.tolist()], clearing.clearing_price_micro_per_kwh or 0)
    taken = float(np.where(book.is_sell, 1, -1) * flexible_wh @ each)
    # each price is rounded by a tick at most, in the trader's favour
    rounding_nano = PRICE_TICK_MICRO_PER_KWH * int(flexible_wh.sum())
    assert taken - rounding_nano - 1e-6 * abs(taken) <= clearing.congestion_rent_nano <= taken + 1e-6 * abs(taken)


@pytest.mark.parametrize("seed", SEEDS[::OPEN_DSS_EVERY])
def test_open_dss_sees_every_limit_kept_or_the_light_is_red(seed: int) -> None:
    from opendss_feeder import OpenDssFeeder
    from test_power_flow_agrees_with_opendss import without_open_lines

    result = published(seed)
    case, net = result.case, without_open_lines(load_network(result.case.spec))
    feeder, watts = OpenDssFeeder(net), result.watts(result.clearing.accepted_wh)
    buses, limits = case.network.buses, case.network.limits
    feeder.solve(dict(zip(buses, watts, strict=True)), dict(zip(buses, case.baseline_var, strict=True)))
    low = [bus for bus in buses if net.bus.vn_kv[bus] < 1.0]
    vm_pu = np.array([feeder.vm_pu(bus) for bus in low])
    lines = net.line[net.line.in_service]
    rated_a = 1e3 * (lines.max_i_ka * lines.df * lines.parallel).to_numpy()
    percent = 100.0 * np.array([feeder.line_current_a(line).max() for line in lines.index]) / rated_a
    kept = (
        vm_pu.max() <= limits.v_max_pu + VOLTAGE_PU
        and vm_pu.min() >= limits.v_min_pu - VOLTAGE_PU
        and percent.max() <= limits.max_loading_percent + LOADING_PERCENT
    )
    assert kept or result.clearing.status is Status.RED, case.name


def _has_power_flow(plain: Published) -> bool:
    """Whether the network could carry the plain auction's energy, however far beyond its limits."""
    try:
        plain.case.network.solve(plain.watts(plain.clearing.accepted_wh), plain.case.baseline_var)
    except PowerFlowDiverged:
        return False
    return True


@pytest.mark.parametrize("seed", SEEDS)
def test_limits_far_away_leave_the_plain_auction_to_the_wh_and_the_tick(seed: int) -> None:
    from stressed_books import network_within

    case = published(seed).case
    around = {"interval_minutes": case.interval_minutes, "rules": case.rules}
    plain = clear(case.book, **around)
    wide = network_within(case.spec, 0.01, 1.99, 1e6)
    limited = clear(case.book, **around, limits=wide, baseline_w=case.baseline_w, baseline_var=case.baseline_var)
    if not _has_power_flow(Published(case=case, clearing=plain)):
        assert limited.trades() != plain.trades()  # what no network can carry is not published
        return
    assert limited.trades() == plain.trades()
    assert (limited.binding, limited.congestion_rent_nano) == ((), 0)
