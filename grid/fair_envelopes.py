"""Operating envelopes: how much each metering point may feed in or draw, shared max-min fair, limit by limit.

The rule, progressive filling. All points grow together, each by the same share of what it wishes, until a limit binds.
The points behind that limit stop there; the others go on until the next limit binds, and so on. A point is behind a
limit if its effect on it is at least a tenth of the strongest effect of any point: in a street with its own full cable
that is the street, at a full transformer everybody. The others still move a stopped point's limit a little, through
impedances that all share; what that costs is taken from those who stopped, never more of what they had reached than a
given share, and as much of it as is left over in the end is given back, to those with the smallest share first.

D. Bertsekas, R. Gallager, "Data Networks", 2nd ed., section 6.5.2 (max-min fairness); "dynamic operating envelopes" in
the Australian literature, e.g. K. Petrou et al., IEEE Transactions on Smart Grid 12(6), 2021.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from grid.envelopes import uniform_generation_share
from grid.filling import Filling, IntArray
from grid.limits import FloatArray, LimitRow
from grid.network import GridNetwork

ROUNDS_MAX = 60
KEPT = 0.9
"""In `operating_envelopes` points keep at least this share of what they had reached; in `feed_in_room` all of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Envelopes:
    """[n_interval, n_point] the most that each point may feed in or draw, in W, both >= 0."""

    export_limit_w: FloatArray
    import_limit_w: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeedInRoom:
    """[n_point] what each plant may feed in, in W, and the limit that stopped it; None for who got all it wished."""

    limit_w: FloatArray
    stopped_by: tuple[LimitRow | None, ...]


def feed_in_room(
    limits: GridNetwork,
    *,
    point_bus: IntArray,
    base_injection_w: FloatArray,
    base_injection_var: FloatArray,
    more_load_w: FloatArray,
    wishes_w: FloatArray,
) -> FeedInRoom:
    """Fair room for the plants of one interval.

    point_bus                             [n_point] position of each plant's bus in `limits.buses`
    base_injection_w, base_injection_var  [n_bus] what surely flows beside the plants, W and var into the grid
    more_load_w                           [n_bus] what may be drawn on top of that, >= 0
    wishes_w                              [n_stage, n_point] what each plant wishes, W, never less than a stage before:
                                          all get the first stage before anybody gets of the next

    The limits hold if all plants use their room at once, and whatever part of it is used and of `more_load_w` is drawn.
    Nobody gets less than one share for all would give, unless load elsewhere needs it. Where the base alone passes a
    limit, every plant gets the same share of its first wish, the largest found that keeps the limits. Raises ValueError
    for wishes below zero or falling, PowerFlowDiverged where the base has no state.
    """
    if not (np.isfinite(wishes_w).all() and (np.diff(wishes_w, axis=0, prepend=0.0) >= 0.0).all()):
        raise ValueError("wishes must be finite, not negative and never less than a stage before")
    drawing = np.flatnonzero(more_load_w)
    where = np.concatenate([point_bus, drawing])
    wished_w = np.pad(wishes_w, ((0, 0), (0, drawing.size)))
    filling = Filling(limits, where, base_injection_w, base_injection_var, wished_w, kept=1.0)
    plants = slice(point_bus.size)
    if limits.solve(base_injection_w, base_injection_var).violations:
        share = uniform_generation_share(
            limits,
            firm_injection_w=base_injection_w,
            firm_injection_var=base_injection_var,
            generation_w=np.bincount(point_bus, wishes_w[0], base_injection_w.size).astype(np.float64),
        )
        return FeedInRoom(limit_w=share * wishes_w[0], stopped_by=(None,) * point_bus.size)
    load_w = np.concatenate([np.zeros(point_bus.size), more_load_w[drawing]])
    room_w, _ = _kept_when_mixed(filling, filling.fill(), load_w, corners=(1.0,))
    return FeedInRoom(limit_w=room_w[plants], stopped_by=tuple(filling.stopped_by[plants]))


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
            Filling(limits, point_bus, base_w, base_var, signed[None, :], kept=KEPT)
            for signed in (np.asarray(out_w, np.float64), -np.asarray(in_w, np.float64))
        ]
        export_w, import_w = (abs(filling.fill()) for filling in directions)
        mixed = _kept_when_mixed(directions[0], export_w, import_w, corners=(1.0, -1.0))
        exports.append(mixed[0])
        imports.append(mixed[1])
    return Envelopes(export_limit_w=np.array(exports), import_limit_w=np.array(imports))


def _kept_when_mixed(
    filling: Filling, export_w: FloatArray, import_w: FloatArray, *, corners: Iterable[float]
) -> tuple[FloatArray, FloatArray]:
    """The same limits, reduced where points that use them in opposite directions together pass a limit.

    A branch that exports fill carries more current when others draw and lower the voltage, and the other way round. For
    each branch near its limit at a corner (1 all export, -1 all draw), the state is solved in which every point moves
    so that it is worst.
    """
    export_w, import_w = export_w.copy(), import_w.copy()
    for _ in range(ROUNDS_MAX):
        passed = False
        for direction in corners:
            corner = export_w if direction > 0.0 else -import_w
            for row in filling.near_limits(corner):
                vertex = np.where(filling.effects(row, np.ones_like(corner)) > 0.0, export_w, -import_w)
                share = filling.share_that_keeps(vertex)
                passed |= bool((share < 1.0).any())
                export_w = np.where(vertex > 0.0, export_w * share, export_w)
                import_w = np.where(vertex < 0.0, import_w * share, import_w)
        if not passed:
            return export_w, import_w
    return np.zeros_like(export_w), np.zeros_like(import_w)
