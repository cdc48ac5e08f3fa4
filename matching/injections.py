"""The only place where accepted energy becomes power: what every bus injects, and the state of the network then."""

from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray, LimitRow, NetworkLimits, OperatingPoint
from grid.power_flow import PowerFlowDiverged
from matching.book import CURTAILABLE, FIRM, FLEXIBLE, BoolArray, IntArray, OrderBook
from matching.cells import NetworkRows
from matching.rules import RuleError

EQUALLY_EFFECTIVE = 1e-3  # buses whose sensitivities differ by less, relative to the largest, count as equal
HALVINGS_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feeder:
    """A book on its network.

    base_w, base_var   [n_bus] baseline with all firm and curtailable orders flowing and no flexible one
    movable_wh         [n_bus] most that accepting flexible orders and curtailing can move there
    bus_position       [n_order] column of each order's bus
    signed_w_per_wh    [n_order] W into the grid per Wh in the interval
    flexible_w_per_wh  [n_order] the same of flexible orders, zero of others
    """

    limits: NetworkLimits
    base_w: FloatArray
    base_var: FloatArray
    movable_wh: FloatArray
    bus_position: IntArray
    signed_w_per_wh: FloatArray
    flexible_w_per_wh: FloatArray
    flexible: BoolArray
    curtailable: BoolArray
    w_per_wh: float

    def injection_w(self, accepted_wh: IntArray, curtailed_wh: IntArray) -> FloatArray:
        """Baseline + firm + curtailable less curtailed + accepted flexible, per bus."""
        injected: FloatArray = self.base_w + self._per_bus(accepted_wh * self.flexible_w_per_wh)
        if curtailed_wh.any():
            injected -= self._per_bus(curtailed_wh * self.signed_w_per_wh)
        return injected

    def _per_bus(self, power_w: FloatArray) -> FloatArray:
        return np.bincount(self.bus_position, weights=power_w, minlength=self.base_w.size).astype(np.float64)

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

    def rows(self, limit_rows: tuple[LimitRow, ...], point: OperatingPoint) -> NetworkRows:
        """Limits linearised at `point` as rows of the market.

        Sensitivities are rounded first and the room computed with the rounded ones, so that the row is exact at the
        point; the power flow that follows sees what rounding changed elsewhere.
        """
        sensitivity = np.array([row.sensitivity_per_w for row in limit_rows]).reshape(len(limit_rows), -1)
        step = EQUALLY_EFFECTIVE * np.abs(sensitivity).max(axis=1, initial=0.0, keepdims=True)
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
    signed = np.where(book.is_sell, w_per_wh, -w_per_wh)
    position = np.searchsorted(buses, book.bus).astype(np.int64)
    flexible = book.firmness_codes == FLEXIBLE
    flowing = book.quantity_wh * signed * ~flexible
    movable = book.quantity_wh * (book.firmness_codes != FIRM)
    return Feeder(
        limits=limits,
        base_w=fixed_w + np.bincount(position, weights=flowing, minlength=buses.size),
        base_var=fixed_var,
        movable_wh=np.bincount(position, weights=movable, minlength=buses.size).astype(np.float64),
        bus_position=position,
        signed_w_per_wh=signed,
        flexible_w_per_wh=signed * flexible,
        flexible=flexible,
        curtailable=book.firmness_codes == CURTAILABLE,
        w_per_wh=w_per_wh,
    )


def _baseline(values: FloatArray | None, bus_count: int, unit: str) -> FloatArray:
    if values is None:
        return np.zeros(bus_count)
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (bus_count,) or not np.isfinite(array).all():
        raise RuleError(f"the baseline in {unit} must be {bus_count} finite values, one for each bus of the network")
    return array
