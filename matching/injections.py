"""The only place where accepted energy becomes power: what every bus injects, and the state of the network then."""

from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray, LimitRow, NetworkLimits, OperatingPoint
from grid.power_flow import PowerFlowDiverged
from matching.book import CURTAILABLE, FIRM, FIRMNESSES, FLEXIBLE, BoolArray, IntArray, OrderBook, blocks
from matching.cells import NetworkRows
from matching.rules import RuleError

EQUALLY_EFFECTIVE = 1e-3  # buses whose sensitivities differ by less, relative to the largest, count as equal
TOLD_APART = 1e-5  # the same where a result is known and the question is whether there is a better one
HALVINGS_MAX = 12
PLACES_A_BUS = 2 * len(FIRMNESSES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feeder:
    """A book on its network.

    base_w, base_var   [n_bus] baseline with all firm and curtailable orders flowing and no flexible one
    movable_wh         [n_bus] most that accepting flexible orders and curtailing can move there
    place              [n_order] number of each order's bus, firmness and side together
    w_per_wh           W of a Wh in the interval
    """

    limits: NetworkLimits
    base_w: FloatArray
    base_var: FloatArray
    movable_wh: FloatArray
    place: IntArray
    w_per_wh: float

    @property
    def bus_position(self) -> IntArray:
        """[n_order] column of each order's bus."""
        return self.place // PLACES_A_BUS

    @property
    def flexible(self) -> BoolArray:
        """[n_order] which orders flow only as far as they are accepted."""
        return self._flexible_places[self.place]

    @property
    def _flexible_places(self) -> BoolArray:
        marked = np.zeros((self.base_w.size, len(FIRMNESSES), 2), dtype=np.bool_)
        marked[:, FLEXIBLE] = True
        return marked.reshape(-1)

    def accepts_flexible(self, accepted_wh: IntArray) -> bool:
        """Whether anything is accepted of a flexible order."""
        marked = self._flexible_places
        return any((accepted_wh[at] * marked[self.place[at]]).any() for at in blocks(accepted_wh.size))

    def injection_w(self, accepted_wh: IntArray, curtailed_wh: IntArray) -> FloatArray:
        """Baseline + firm + curtailable less curtailed + accepted flexible, per bus."""
        injected: FloatArray = self.base_w + self.w_per_wh * _sold(self._per_place(accepted_wh)[:, FLEXIBLE])
        if curtailed_wh.any():
            injected -= self.w_per_wh * _sold(self._per_place(curtailed_wh)).sum(axis=1)
        return injected

    def _per_place(self, energy_wh: IntArray) -> FloatArray:
        """[n_bus, n_firmness, 2] energy of buyers and of sellers."""
        return _per_place(self.place, energy_wh, self.base_w.size)

    def solve(self, injection_w: FloatArray) -> OperatingPoint:
        """AC power flow. Raises PowerFlowDiverged."""
        return self.limits.solve(injection_w, self.base_var)

    def solve_towards(self, injection_w: FloatArray) -> OperatingPoint | None:
        """The wanted state, or where it has no solution a state on the way to it that passes a limit.

        The way starts at a network without injections. None if no such state is found.
        """
        share, step = 1.0, 1.0
        for _ in range(HALVINGS_MAX):
            step /= 2.0
            try:
                point = self.limits.solve(share * injection_w, share * self.base_var)
            except PowerFlowDiverged:
                share -= step
                continue
            if share == 1.0 or point.violations:
                return point
            share += step
        return None

    def moved_wh(self, point: OperatingPoint) -> FloatArray:
        """[n_bus] Wh by which a state differs from the one where no flexible order flows and nothing is curtailed."""
        moved: FloatArray = (point.injection_w - self.base_w) / self.w_per_wh
        return moved

    def loss_wh(self, point: OperatingPoint) -> int:
        """Losses over the interval, whole Wh."""
        return max(0, round(point.loss_w / self.w_per_wh))

    def rows(
        self, limit_rows: tuple[LimitRow, ...], point: OperatingPoint, *, step_relative: float = EQUALLY_EFFECTIVE
    ) -> NetworkRows:
        """Limits linearised at `point` as rows of the market.

        Sensitivities are rounded first, to steps of that part of the row's largest, and the room is computed with the
        rounded ones, so that the row is exact at the point; the power flow that follows sees what rounding changed
        elsewhere.
        """
        sensitivity = np.array([row.sensitivity_per_w for row in limit_rows]).reshape(len(limit_rows), -1)
        step = step_relative * np.abs(sensitivity).max(axis=1, initial=0.0, keepdims=True)
        step[step == 0.0] = 1.0
        rounded = np.round(sensitivity / step) * step
        slack = np.array([row.limit - row.value for row in limit_rows])
        return NetworkRows(
            effect_per_wh=rounded * self.w_per_wh, room=slack - rounded @ (self.base_w - point.injection_w)
        )


def feeder_of(
    book: OrderBook,
    limits: NetworkLimits,
    *,
    interval_minutes: int,
    baseline_w: FloatArray | None,
    baseline_var: FloatArray | None,
) -> Feeder:
    """The book on the network; a missing baseline is zero. Raises RuleError for a baseline of the wrong shape."""
    buses = np.asarray(limits.buses, dtype=np.int64)
    fixed_w, fixed_var = _baseline(baseline_w, buses.size, "W"), _baseline(baseline_var, buses.size, "var")
    w_per_wh = 60.0 / interval_minutes
    place = _places(book, buses)
    energy_wh = _per_place(place, book.quantity_wh, buses.size)
    flowing_wh = _sold(energy_wh)
    return Feeder(
        limits=limits,
        base_w=fixed_w + w_per_wh * (flowing_wh[:, FIRM] + flowing_wh[:, CURTAILABLE]),
        base_var=fixed_var,
        movable_wh=(energy_wh[:, CURTAILABLE] + energy_wh[:, FLEXIBLE]).sum(axis=1),
        place=place,
        w_per_wh=w_per_wh,
    )


def _places(book: OrderBook, buses: IntArray) -> IntArray:
    """[n_order] each order's bus, firmness and side in one number."""
    first = int(buses[0])
    of_bus = np.zeros(int(buses[-1]) - first + 1, dtype=np.int64)
    of_bus[buses - first] = np.arange(buses.size) * PLACES_A_BUS
    place = np.empty(len(book), dtype=np.int64)
    for at in blocks(len(book)):
        place[at] = of_bus[book.bus[at] - first] + book.firmness_codes[at] * np.int64(2) + book.is_sell[at]
    return place


def _per_place(place: IntArray, energy_wh: IntArray, bus_count: int) -> FloatArray:
    total_wh = np.zeros(bus_count * PLACES_A_BUS)
    for at in blocks(place.size, at_least=total_wh.size):
        total_wh += np.bincount(place[at], weights=energy_wh[at], minlength=total_wh.size)
    return total_wh.reshape(bus_count, len(FIRMNESSES), 2)


def _sold(energy_wh: FloatArray) -> FloatArray:
    """Energy of sellers less that of buyers, which come last and in this order: buyers, sellers."""
    net: FloatArray = energy_wh[..., 1] - energy_wh[..., 0]
    return net


def _baseline(values: FloatArray | None, bus_count: int, unit: str) -> FloatArray:
    if values is None:
        return np.zeros(bus_count)
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (bus_count,) or not np.isfinite(array).all():
        raise RuleError(f"the baseline in {unit} must be {bus_count} finite values, one for each bus of the network")
    return array
