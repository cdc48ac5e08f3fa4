"""Random books that press a low-voltage network against its limits, each made by one seed.

Every book holds firm, curtailable and flexible orders of both sides. How much energy they are about follows from the
rating of the network's transformers, so that all networks are stressed alike.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from grid.network import GridNetwork, open_network
from matching.book import CURTAILABLE, FIRM, FLEXIBLE, OrderBook
from matching.clearing import Clearing, clear
from matching.rules import MarketRules

NETWORKS = (
    "simbench:1-LV-rural1--2-sw",
    "simbench:1-LV-rural2--2-sw",
    "simbench:1-LV-rural3--2-sw",
    "simbench:1-LV-semiurb4--2-sw",
    "simbench:1-LV-semiurb5--2-sw",
    "simbench:1-LV-urban6--2-sw",
    "pandapower:cigre_lv",
    "pandapower:kerber_dorfnetz",
    "pandapower:kerber_landnetz_kabel_2",
    "pandapower:kerber_extrem_landnetz_freileitung_trafo",
    "pandapower:ieee_european_lv",
)
BANDS = ((0.9, 1.1), (0.94, 1.08), (0.96, 1.06))
LOADINGS = (100.0, 80.0, 60.0)
MINUTES = (15, 30, 60)


@dataclass(frozen=True, kw_only=True, eq=False)
class StressedBook:
    """A book, the network it is cleared on and everything else that a clearing wants to know."""

    name: str
    spec: str
    band: tuple[float, float]
    loading_percent: float
    book: OrderBook
    rules: MarketRules
    interval_minutes: int
    baseline_w: np.ndarray
    baseline_var: np.ndarray

    @property
    def network(self) -> GridNetwork:
        return network_within(self.spec, *self.band, self.loading_percent)

    def cleared(self) -> Clearing:
        """Its result on its network."""
        return clear(
            self.book,
            interval_minutes=self.interval_minutes,
            rules=self.rules,
            limits=self.network,
            baseline_w=self.baseline_w,
            baseline_var=self.baseline_var,
        )


@cache
def network_within(spec: str, v_min_pu: float, v_max_pu: float, max_loading_percent: float) -> GridNetwork:
    """The network with these limits, kept for the next book."""
    return open_network(spec, v_min_pu=v_min_pu, v_max_pu=v_max_pu, max_loading_percent=max_loading_percent)


def stressed_book(seed: int, specs: tuple[str, ...] = NETWORKS) -> StressedBook:
    """The book of a seed; the networks are taken in turn."""
    random = np.random.default_rng(seed)
    spec = specs[seed % len(specs)]
    band, loading = BANDS[random.integers(len(BANDS))], LOADINGS[random.integers(len(LOADINGS))]
    minutes = int(random.choice(MINUTES))
    network = network_within(spec, *band, loading)
    sunny = random.random() < 0.5
    sun = random.uniform(2.0, 4.0) if sunny else random.uniform(0.1, 0.8)
    load = random.uniform(0.2, 0.8) if sunny else random.uniform(1.2, 3.0)
    book = _book(random, network, sun=sun, load=load, rated_wh=_rated_va(network) * minutes / 60.0)
    quiet_va = 0.02 * _rated_va(network) / len(network.buses)
    return StressedBook(
        name=f"{seed} {spec}, {'sun' if sunny else 'load'}, {band[0]}..{band[1]} p.u., {loading:g} %, {minutes} min",
        spec=spec,
        band=band,
        loading_percent=loading,
        book=book,
        rules=MarketRules(
            tie_seed=f"stressed {seed}",
            supplier_price_micro_per_kwh=int(random.choice((200_000, 320_000))) if sunny else 200_000,
            feed_in_price_micro_per_kwh=80_000,
            supplier_bids=not sunny or bool(random.random() < 0.5),
        ),
        interval_minutes=minutes,
        baseline_w=-quiet_va * random.random(len(network.buses)),
        baseline_var=-0.3 * quiet_va * random.random(len(network.buses)),
    )


def _rated_va(network: GridNetwork) -> float:
    """What all transformers together carry from below, by the currents that are 100 % of their low-voltage side."""
    trafos = network.arrays.trafos
    at_low_voltage = trafos.to_percent[trafos.to_percent > 0.0]
    return float((100.0 / at_low_voltage).sum() * network.arrays.base_mva * 1e6)


def _book(random: np.random.Generator, network: GridNetwork, *, sun: float, load: float, rated_wh: float) -> OrderBook:
    """60 to 300 orders; sellers are mostly solar roofs that may be curtailed, buyers mostly cars and heat pumps.

    Half of the homes only sell and the others only buy, so that trade needs the network.
    """
    count = int(random.integers(60, 301))
    low_voltage = np.flatnonzero(network.arrays.bus_vn_kv < 1.0)
    homes = random.choice(low_voltage, size=min(low_voltage.size, int(random.integers(10, 100))), replace=False)
    half = homes.size // 2
    is_sell, draw = np.arange(count) % 2 == 0, random.random(count)
    firmness = np.where(draw < 0.15, FIRM, np.where(is_sell & (draw < 0.6), CURTAILABLE, FLEXIBLE))
    mean_wh = rated_wh * np.where(is_sell, sun, load) / (count / 2)
    ticks = np.where(is_sell, random.integers(800, 2_400, count), random.integers(1_200, 3_200, count))
    if random.random() < 0.3:  # a neighbourhood where most have the same tariff
        ticks = ticks // 400 * 400
    numbers = np.arange(count)
    return OrderBook.from_arrays(
        order_ids=np.strings.add(b"o", numbers.astype("S7")),
        participants=np.strings.add(b"p", (numbers // 3).astype("S7")),
        metering_points=np.strings.add(b"m", (numbers // 2).astype("S7")),
        is_sell=is_sell,
        firmness_codes=firmness.astype(np.int8),
        quantity_wh=np.maximum(1, (random.uniform(0.2, 1.8, count) * mean_wh).astype(np.int64)),
        limit_micro_per_kwh=100 * ticks,
        bus=np.array(network.buses)[
            np.where(is_sell, random.choice(homes[:half], count), random.choice(homes[half:], count))
        ],
    )
