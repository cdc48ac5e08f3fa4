"""Progressive filling of one interval in one direction: who grows, who stops, and behind which limit.

The rule is told in `grid.fair_envelopes`, which is what others use.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from grid.limits import FloatArray, LimitKind, LimitRow, OperatingPoint, Violation
from grid.network import GridNetwork
from grid.power_flow import PowerFlowDiverged

STEPS = 1024
BEHIND = 0.1
NEAR_LIMIT = 0.8

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Filling:
    """One interval and direction: how far every point comes on the way through its signed wishes.

    wishes_w    [n_stage, n_point] what each wishes by the end of each stage, so that all rows have a point's one sign
    kept        the least share of what they had reached that points keep when others go on after they stopped
    stopped_by  [n_point] the limit behind which a point stopped, None for those that got all they wish
    """

    def __init__(
        self,
        limits: GridNetwork,
        point_bus: IntArray,
        base_w: FloatArray,
        base_var: FloatArray,
        wishes_w: FloatArray,
        *,
        kept: float,
    ) -> None:
        self.limits, self._kept = limits, kept
        self._point_bus, self._base_w, self._base_var = point_bus, base_w, base_var
        self._reached_w = np.vstack([np.zeros((1, wishes_w.shape[1])), wishes_w])
        self._wish_w: FloatArray = wishes_w[-1]
        self.stopped_by: list[LimitRow | None] = [None] * self._wish_w.size

    def state(self, power_w: FloatArray) -> OperatingPoint | None:
        """The network with these powers at the points, W into the grid; None where there is no solution."""
        injected = self._base_w + np.bincount(self._point_bus, weights=power_w, minlength=self._base_w.size)
        try:
            return self.limits.solve(injected, self._base_var)
        except PowerFlowDiverged:
            return None

    def keeps(self, power_w: FloatArray) -> bool:
        """Whether these powers pass no limit."""
        point = self.state(power_w)
        return point is not None and not point.violations

    def effects(self, row: LimitRow, direction: FloatArray) -> FloatArray:
        """[n_point] how much each W in its direction moves the quantity towards its limit."""
        slopes: FloatArray = row.sensitivity_per_w[self._point_bus] * np.sign(direction)
        return slopes

    def fill(self) -> FloatArray:
        """[n_point] power of each point in W, signed as its wish."""
        power_w = np.zeros(self._wish_w.size)
        active = self._wish_w != 0.0
        stopped: list[tuple[int, BoolArray]] = []
        last = STEPS * (len(self._reached_w) - 1)
        while active.any():
            growing, held_w = active.copy(), np.where(active, 0.0, self._kept * power_w)

            def grown(step: int, growing: BoolArray = growing, held_w: FloatArray = held_w) -> FloatArray:
                return np.where(growing, self._wished(step), held_w)

            reached = self._largest(grown, last)
            power_w[active] = self._wished(max(reached, 0))[active]
            if reached >= last:
                break
            behind = self._behind(grown(reached + 1), active)
            stopped.append((reached, behind))
            active &= ~behind
        return self._given_back(power_w, stopped, active)

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
                self._note(behind, row)
                wanted = max(1.0 - 1.02 * (row.value - row.limit) / moved, 0.0)
                share = np.where(behind, np.minimum(share, wanted - 1e-6), share).clip(0.0)
        return share

    def _wished(self, step: int) -> FloatArray:
        """What all wish by a step of the way, 1024 steps a stage."""
        stage, part = divmod(step, STEPS)
        if not part:
            reached: FloatArray = self._reached_w[stage]
            return reached
        from_w, to_w = self._reached_w[stage : stage + 2]
        wished: FloatArray = from_w + (to_w - from_w) * (part / STEPS)
        return wished

    def _largest(self, power_w: Callable[[int], FloatArray], last: int) -> int:
        """The highest step up to `last` whose powers keep all limits; -1 if not even the first does."""
        if self.keeps(power_w(last)):
            return last
        if not self.keeps(power_w(0)):
            return -1
        low, high = 0, last
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.keeps(power_w(middle)) else (low, middle)
        return low

    def _behind(self, power_w: FloatArray, active: BoolArray) -> BoolArray:
        """Which of the active points must stop for the limits that these powers pass; at least one."""
        point = self.state(power_w)
        rows = () if point is None else self.limits.linearise(point, point.violations)
        behind = np.zeros(active.size, dtype=bool)
        touched = np.zeros(active.size, dtype=bool)
        for row in rows:
            effect = np.where(self._wish_w != 0.0, self.effects(row, self._wish_w), 0.0)
            stops = active & (effect > BEHIND * effect.max(initial=0.0))
            self._note(stops, row)
            behind |= stops
            touched |= active & (effect > 0.0)
        if behind.any():
            return behind
        stopping = touched if touched.any() else active.copy()
        for row in rows[:1]:
            self._note(stopping, row)
        return stopping

    def _note(self, points: BoolArray, row: LimitRow) -> None:
        """Remember the first limit behind which these points stopped."""
        for at in np.flatnonzero(points).tolist():
            self.stopped_by[at] = self.stopped_by[at] or row

    def _given_back(self, power_w: FloatArray, stopped: list[tuple[int, BoolArray]], active: BoolArray) -> FloatArray:
        """Powers with what was taken from stopped groups given back as far as it goes, smallest share first."""
        given = np.where(active, power_w, self._kept * power_w)
        if stopped and not active.any():
            given[stopped[-1][1]] = power_w[stopped[-1][1]]
        for _, group in sorted(stopped, key=lambda each: each[0]):
            low, high = given, np.where(group, power_w, given)

            def raised(step: int, low: FloatArray = low, high: FloatArray = high) -> FloatArray:
                return low + (high - low) * (step / STEPS)

            given = raised(max(self._largest(raised, STEPS), 0))
        return given
