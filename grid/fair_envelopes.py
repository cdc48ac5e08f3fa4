"""Operating envelopes: how much each metering point may feed in or draw, shared max-min fair, limit by limit.

The rule, progressive filling. All points grow together, each by the same share of what it wishes, until a limit binds.
The points behind that limit stop there; the others go on until the next limit binds, and so on. A point is behind a
limit if its effect on it is at least a tenth of the strongest effect of any point: in a street with its own full cable
that is the street, at a full transformer everybody. The others still move a stopped point's limit a little, through
impedances that all share; what that costs is taken from those who stopped, never more than a tenth of what they had
reached, and as much of it as is left over in the end is given back, to those with the smallest share first.

D. Bertsekas, R. Gallager, "Data Networks", 2nd ed., section 6.5.2 (max-min fairness); "dynamic operating envelopes" in
the Australian literature, e.g. K. Petrou et al., IEEE Transactions on Smart Grid 12(6), 2021.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.limits import FloatArray, LimitKind, LimitRow, OperatingPoint, Violation
from grid.network import GridNetwork
from grid.power_flow import PowerFlowDiverged

STEPS = 1024
BEHIND = 0.1
KEPT = 0.9
NEAR_LIMIT = 0.8
ROUNDS_MAX = 60

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Envelopes:
    """[n_interval, n_point] the most that each point may feed in or draw, in W, both >= 0."""

    export_limit_w: FloatArray
    import_limit_w: FloatArray


def operating_envelopes(
    limits: GridNetwork,
    *,
    point_bus: IntArray,
    base_injection_w: FloatArray,
    base_injection_var: FloatArray,
    export_wish_w: FloatArray,
    import_wish_w: FloatArray,
) -> Envelopes:
    """Fair import and export limits for every interval, from forecasts.

    point_bus                             [n_point] position of each point's bus in `limits.buses`
    base_injection_w, base_injection_var  [n_interval, n_bus] what flows beside the points, W and var into the grid
    export_wish_w, import_wish_w          [n_interval, n_point] the most that each point could use, >= 0

    If every point uses its limit at once, all in one direction or some in one and some in the other, the AC power flow
    passes no limit; so it does for less, as long as voltages and currents are monotone in between, as in radial
    networks. Where the base alone passes a limit, nothing is given. Raises ValueError for wishes below zero.
    """
    for wish in (export_wish_w, import_wish_w):
        if not (np.isfinite(wish).all() and (np.asarray(wish) >= 0.0).all()):
            raise ValueError("wishes must be finite and not negative")
    exports, imports = [], []
    for base_w, base_var, out_w, in_w in zip(
        base_injection_w, base_injection_var, export_wish_w, import_wish_w, strict=True
    ):
        directions = [
            _Filling(limits, point_bus, base_w, base_var, signed) for signed in (np.asarray(out_w), -np.asarray(in_w))
        ]
        export_w, import_w = (abs(filling.fill()) for filling in directions)
        mixed = _kept_when_mixed(directions[0], export_w, import_w)
        exports.append(mixed[0])
        imports.append(mixed[1])
    return Envelopes(export_limit_w=np.array(exports), import_limit_w=np.array(imports))


class _Filling:
    """One interval and direction: levels in [0, 1] of every point's signed wish."""

    def __init__(
        self, limits: GridNetwork, point_bus: IntArray, base_w: FloatArray, base_var: FloatArray, signed_w: FloatArray
    ) -> None:
        self.limits = limits
        self._point_bus, self._base_w, self._base_var, self._wish_w = point_bus, base_w, base_var, signed_w

    def state(self, power_w: FloatArray) -> OperatingPoint | None:
        """The network with these powers at the points, W into the grid; None where there is no solution."""
        injected = self._base_w + np.bincount(self._point_bus, weights=power_w, minlength=self._base_w.size)
        try:
            return self.limits.solve(injected, self._base_var)
        except PowerFlowDiverged:
            return None

    def effects(self, row: LimitRow, direction: FloatArray) -> FloatArray:
        """[n_point] how much each W in its direction moves the quantity towards its limit."""
        slopes: FloatArray = row.sensitivity_per_w[self._point_bus] * np.sign(direction)
        return slopes

    def fill(self) -> FloatArray:
        """[n_point] power of each point in W, signed as its wish."""
        level = np.zeros(self._wish_w.size)
        active = self._wish_w != 0.0
        stopped: list[BoolArray] = []
        while active.any():
            held = np.where(active, 0.0, KEPT * level)
            reached = self._largest(held, held + active)
            level[active] = max(reached, 0) / STEPS
            if reached >= STEPS:
                break
            behind = self._behind(np.where(active, (reached + 1) / STEPS, held), active)
            stopped.append(behind)
            active &= ~behind
        return self._given_back(level, stopped, active) * self._wish_w

    def near_limits(self, power_w: FloatArray) -> tuple[LimitRow, ...]:
        """Rows of the branches that these powers load to four fifths of their limit or more."""
        point = self.state(power_w)
        if point is None:
            return ()
        highest = self.limits.limits.max_loading_percent
        near = [
            Violation(kind=kind, element=int(branches.ids[at]), name="", limit=highest, value=float(loading[at]))
            for kind, branches, loading in (
                (LimitKind.LINE_LOADING, self.limits.arrays.lines, point.line_loading_percent),
                (LimitKind.TRAFO_LOADING, self.limits.arrays.trafos, point.trafo_loading_percent),
            )
            for at in np.flatnonzero(loading > NEAR_LIMIT * highest)
        ]
        return self.limits.linearise(point, tuple(near))

    def share_that_keeps(self, power_w: FloatArray) -> FloatArray:
        """[n_point] below 1 for points behind limits that these powers pass, by the linearised excess and a little."""
        share = np.ones(power_w.size)
        point = self.state(power_w)
        if point is None:
            return share * 0.5
        for row in self.limits.linearise(point, point.violations):
            effect = np.where(power_w != 0.0, self.effects(row, power_w), 0.0)
            behind = effect > BEHIND * effect.max(initial=0.0)
            moved = float((effect * np.abs(power_w))[behind].sum())
            if moved > 0.0:
                wanted = max(1.0 - 1.02 * (row.value - row.limit) / moved, 0.0)
                share = np.where(behind, np.minimum(share, wanted - 1e-6), share).clip(0.0)
        return share

    def _largest(self, low_level: FloatArray, high_level: FloatArray) -> int:
        """The most of 1024 steps from the low levels to the high ones that keep all limits; -1 if not even none do."""

        def keeps(step: int) -> bool:
            return self._keeps(low_level + (high_level - low_level) * step / STEPS)

        if keeps(STEPS):
            return STEPS
        if not keeps(0):
            return -1
        low, high = 0, STEPS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if keeps(middle) else (low, middle)
        return low

    def _keeps(self, level: FloatArray) -> bool:
        point = self.state(level * self._wish_w)
        return point is not None and not point.violations

    def _behind(self, level: FloatArray, active: BoolArray) -> BoolArray:
        """Which of the active points must stop for the limits that these levels pass; at least one."""
        point = self.state(level * self._wish_w)
        rows = () if point is None else self.limits.linearise(point, point.violations)
        behind = np.zeros(active.size, dtype=bool)
        touched = np.zeros(active.size, dtype=bool)
        for row in rows:
            effect = np.where(self._wish_w != 0.0, self.effects(row, self._wish_w), 0.0)
            behind |= active & (effect > BEHIND * effect.max(initial=0.0))
            touched |= active & (effect > 0.0)
        if behind.any():
            return behind
        return touched if touched.any() else active.copy()

    def _given_back(self, level: FloatArray, stopped: list[BoolArray], active: BoolArray) -> FloatArray:
        """Levels with what was taken from stopped groups given back as far as it goes, smallest share first."""
        given = np.where(active | (level == 0.0), level, KEPT * level)
        if stopped and not active.any():
            given[stopped[-1]] = level[stopped[-1]]
        for group in sorted(stopped, key=lambda group: float(level[group].max(initial=0.0))):
            raised = np.where(group, level, given)
            given = given + (raised - given) * max(self._largest(given, raised), 0) / STEPS
        return given


def _kept_when_mixed(filling: _Filling, export_w: FloatArray, import_w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same limits, reduced where points that use them in opposite directions together pass a limit.

    A branch that exports fill carries more current when others draw and lower the voltage, and the other way round. For
    each branch near its limit at either corner, the state is solved in which every point moves so that it is worst.
    """
    export_w, import_w = export_w.copy(), import_w.copy()
    for _ in range(ROUNDS_MAX):
        passed = False
        for corner in (export_w, -import_w):
            for row in filling.near_limits(corner):
                vertex = np.where(filling.effects(row, np.ones_like(corner)) > 0.0, export_w, -import_w)
                share = filling.share_that_keeps(vertex)
                passed |= bool((share < 1.0).any())
                export_w = np.where(vertex > 0.0, export_w * share, export_w)
                import_w = np.where(vertex < 0.0, import_w * share, import_w)
        if not passed:
            return export_w, import_w
    return np.zeros_like(export_w), np.zeros_like(import_w)
