"""A year of order books in a SimBench network under more solar, cars and batteries than it was built for.

Everything that flows is an order: homes firm, solar partly firm and the rest curtailable, cars, heat pumps and
batteries flexible, at prices drawn once for each device. Every quarter-hour stands alone: what a battery or a car
did before is not looked at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.network import GridNetwork, open_network
from grid.simbench_year import STEPS_A_YEAR, Devices, simbench_year
from matching.book import CURTAILABLE, FIRM, FLEXIBLE, OrderBook
from matching.rules import MarketRules

RULES = MarketRules(
    tie_seed="year", supplier_price_micro_per_kwh=250_000, feed_in_price_micro_per_kwh=80_000, supplier_bids=True
)
INTERVAL_MINUTES = 15
W_PER_WH = 60 / INTERVAL_MINUTES
CARS, HEAT_PUMPS = ("HLS", "APLS"), ("Air", "Soil")
AT_HOME = (17, 7)  # hours between which cars may charge
MIDDAY, EVENING = (10, 16), (17, 23)  # when batteries buy and sell


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """How much more than SimBench's year a network has to bear.

    solar           factor on all solar
    uncontrolled    share of SimBench's own solar that nobody can curtail
    flexible        factor on the power of cars, heat pumps and batteries
    """

    code: str
    solar: float
    uncontrolled: float
    flexible: float
    v_min_pu: float = 0.9
    v_max_pu: float = 1.1

    @property
    def spec(self) -> str:
        return f"simbench:{self.code}"

    def network(self) -> GridNetwork:
        return open_network(self.spec, v_min_pu=self.v_min_pu, v_max_pu=self.v_max_pu)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Orders:
    """One order a device and quarter-hour: energy [n_step, n_order] and what stays the same."""

    kind: str
    is_sell: bool
    firmness: int
    bus: NDArray[np.int64]
    ticks: tuple[int, int]
    quantity_wh: NDArray[np.int32]


class StressedYear:
    """All books of one network's year; `injection_var` [n_step, n_bus] is the homes' reactive power beside them."""

    def __init__(self, stress: Stress) -> None:
        self.stress, self.grid = stress, stress.network()
        year = simbench_year(stress.spec)
        kinds = [_orders_of_homes(year.loads), *_orders_of_solar(stress, year.generators)]
        kinds += [*_orders_of_flexible_loads(stress, year.loads), *_orders_of_batteries(stress, year.storages)]
        random = np.random.default_rng(6)
        self.is_sell = _each(kinds, lambda orders: orders.is_sell, np.bool_)
        self.firmness = _each(kinds, lambda orders: orders.firmness, np.int8)
        self.bus = np.concatenate([orders.bus for orders in kinds])
        self.limit = 100 * np.concatenate([random.integers(*orders.ticks, orders.bus.size) for orders in kinds])
        self.quantity_wh = np.concatenate([orders.quantity_wh for orders in kinds], axis=1)
        self._ids = np.array([f"{one.kind}{at}".encode() for one in kinds for at in range(one.bus.size)])
        self._points = np.strings.add(b"m", self.bus.astype("S6"))
        homes = ~_is_of(year.loads, *CARS, *HEAT_PUMPS)
        at = np.searchsorted(self.grid.buses, year.loads.bus[homes])
        self.injection_var = year.loads.vars(slice(None))[:, homes] @ np.eye(len(self.grid.buses))[at]

    def book(self, step: int) -> OrderBook:
        """The orders of one quarter-hour that offer or want anything."""
        quantity = self.quantity_wh[step]
        there = np.flatnonzero(quantity)
        return OrderBook.from_arrays(
            order_ids=self._ids[there],
            participants=self._points[there],
            metering_points=self._points[there],
            is_sell=self.is_sell[there],
            firmness_codes=self.firmness[there],
            quantity_wh=quantity[there].astype(np.int64),
            limit_micro_per_kwh=self.limit[there],
            bus=self.bus[there],
        )

    def injection_w(self, book: OrderBook, flowing_wh: NDArray[np.int64]) -> NDArray[np.float64]:
        """[n_bus] what the orders of a book inject when this much of each [n_order] flows."""
        at = np.searchsorted(self.grid.buses, book.bus)
        signed_w = np.where(book.is_sell, W_PER_WH, -W_PER_WH) * flowing_wh
        return np.bincount(at, weights=signed_w, minlength=len(self.grid.buses))

    def flowing_w(self, flowing: NDArray[np.bool_]) -> NDArray[np.float64]:
        """[n_step, n_bus] what is injected if of all orders these [n_order] flow in full."""
        at = np.searchsorted(self.grid.buses, self.bus[flowing])
        signed_w = np.where(self.is_sell[flowing], W_PER_WH, -W_PER_WH)[:, None] * np.eye(len(self.grid.buses))[at]
        injected: NDArray[np.float64] = self.quantity_wh[:, flowing] @ signed_w
        return injected


def _orders_of_homes(loads: Devices) -> _Orders:
    homes = ~_is_of(loads, *CARS, *HEAT_PUMPS)
    taken_w = -loads.watts(slice(None))[:, homes]
    return _Orders(
        kind="home",
        is_sell=False,
        firmness=FIRM,
        bus=loads.bus[homes],
        ticks=(1_400, 3_200),
        quantity_wh=_wh(taken_w),
    )


def _orders_of_solar(stress: Stress, generators: Devices) -> list[_Orders]:
    given_w = generators.watts(slice(None))
    shares = (("old", FIRM, stress.uncontrolled), ("solar", CURTAILABLE, stress.solar - stress.uncontrolled))
    return [
        _Orders(
            kind=kind,
            is_sell=True,
            firmness=firmness,
            bus=generators.bus,
            ticks=(600, 1_400),
            quantity_wh=_wh(share * given_w),
        )
        for kind, firmness, share in shares
    ]


def _orders_of_flexible_loads(stress: Stress, loads: Devices) -> list[_Orders]:
    """Cars want half of their power at a high price and half at a low one; heat pumps what their profile says."""
    cars, pumps = _is_of(loads, *CARS), _is_of(loads, *HEAT_PUMPS)
    rated_w = -stress.flexible * loads.rated_w[cars]
    charging_wh = _wh(0.5 * _between(*AT_HOME)[:, None] * rated_w)
    heating_wh = _wh(-stress.flexible * loads.watts(slice(None))[:, pumps])
    return [
        _Orders(kind=kind, is_sell=False, firmness=FLEXIBLE, bus=loads.bus[which], ticks=ticks, quantity_wh=wanted_wh)
        for kind, which, ticks, wanted_wh in (
            ("car", cars, (2_300, 3_700), charging_wh),
            ("top", cars, (800, 2_400), charging_wh),
            ("heat", pumps, (1_500, 3_400), heating_wh),
        )
    ]


def _orders_of_batteries(stress: Stress, storages: Devices) -> list[_Orders]:
    rated_w = stress.flexible * np.abs(storages.rated_w)
    return [
        _Orders(
            kind=kind,
            is_sell=is_sell,
            firmness=FLEXIBLE,
            bus=storages.bus,
            ticks=ticks,
            quantity_wh=_wh(_between(*hours)[:, None] * rated_w),
        )
        for kind, is_sell, hours, ticks in (
            ("fill", False, MIDDAY, (700, 1_600)),
            ("drain", True, EVENING, (1_400, 2_700)),
        )
    ]


def _between(first: int, last: int) -> NDArray[np.float64]:
    """[n_step] 1 in the hours from the one to the other, past midnight where the first is later."""
    hour = np.arange(STEPS_A_YEAR) % 96 // 4
    inside = (hour >= first) & (hour < last) if first < last else (hour >= first) | (hour < last)
    return inside.astype(np.float64)


def _is_of(devices: Devices, *families: str) -> NDArray[np.bool_]:
    return np.array([name.startswith(families) for name in devices.profile], dtype=np.bool_)


def _wh(power_w: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(np.maximum(power_w, 0.0) / W_PER_WH).astype(np.int32)


def _each(kinds: list[_Orders], value, dtype):
    return np.concatenate([np.full(orders.bus.size, value(orders), dtype=dtype) for orders in kinds])
