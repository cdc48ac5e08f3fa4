"""Old linearisations of limits: which of them still say something, and what whole Wh need beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray, LimitKind, OperatingPoint, Violation
from matching.cells import NetworkRows

SAME_EFFECT = 1e-4  # of a row's largest effect, and
SAME_ROOM = 1e-6  # of the limit: cuts that differ by less from the fresh row of their limit say the same
NEAR = 1e-4  # of a limit: passed by no more, it may be the rounding of sensitivities that keeps it passed

LimitKey = tuple[LimitKind, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """A limit as it was linearised: effect_per_wh [n_bus] and room as in `NetworkRows`."""

    owner: Violation
    effect_per_wh: FloatArray
    room: float

    def still_holds(self, moved_wh: FloatArray, really_left: float, *, within: float) -> bool:
        """Whether it leaves at least the room there really is at a point; a cut that leaves less is wrong."""
        left = self.room - self.effect_per_wh @ moved_wh
        return bool(left >= really_left - within * self.owner.limit)

    def says_the_same(self, fresh: "Cut") -> bool:
        """Whether it is the fresh row of its limit over again: rows that are nearly parallel are hard to solve."""
        largest = np.abs(fresh.effect_per_wh).max(initial=0.0)
        differs = np.abs(self.effect_per_wh - fresh.effect_per_wh).max(initial=0.0)
        return bool(differs <= SAME_EFFECT * largest and abs(self.room - fresh.room) <= SAME_ROOM * self.owner.limit)


def cuts_of(rows: NetworkRows, owners: Sequence[Violation]) -> dict[LimitKey, Cut]:
    """The rows of some limits, by limit."""
    return {
        limit_key(owner): Cut(owner=owner, effect_per_wh=effect, room=room)
        for owner, effect, room in zip(owners, rows.effect_per_wh, rows.room.tolist(), strict=True)
    }


def passed_in_whole_wh(
    rows: NetworkRows, owners: Sequence[Violation], moved_wh: FloatArray, point: OperatingPoint, *, is_late: bool
) -> FloatArray:
    """[n_row] by how much a result in whole Wh passes rows that its optimum kept; zero or less where it does not.

    `is_late`: limits that the power flow sees passed a little count as well.
    """
    over: FloatArray = rows.effect_per_wh @ moved_wh - rows.room
    if is_late:
        past = {limit_key(one): abs(one.value - one.limit) for one in point.violations}
        late = np.array([past.get(limit_key(owner), 0.0) for owner in owners])
        late[late > [NEAR * owner.limit for owner in owners]] = 0.0
        over = np.maximum(over, late)
    return over


def limit_key(violation: Violation) -> LimitKey:
    """Which limit it is, whatever its value."""
    return (violation.kind, violation.element)
