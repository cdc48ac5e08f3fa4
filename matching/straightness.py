"""Whether the rows behind a result are those of the network at the result: only then do they prove it.

A row is made where the loop stood one round before. Where the network bends in between, its prices are those of another
point, and it leaves another room than the power flow does.
"""

from dataclasses import replace

import numpy as np

from grid.limits import LimitRow
from matching.bound_result import BoundResult
from matching.cuts import limit_key
from matching.injections import Feeder

BENT_MAX = 5e-5  # of a limit: how far a row may be from the power flow at the result
TURNED_MAX = 1e-2  # of a row's largest effect: how much its slope may have changed until there


def is_proved(result: BoundResult, feeder: Feeder, limit_rows: tuple[LimitRow, ...]) -> bool:
    """Whether a result is the optimum of its losses and of rows that say of its state what the power flow says there.

    Rows that are used up count, and those that told orders apart. `limit_rows` are the same limits linearised at it.
    """
    if abs(result.problem.loss_wh - result.loss_wh) > 1:
        return False
    rows, point = result.rows, result.point
    left = rows.room - rows.effect_per_wh @ feeder.moved_wh(point)
    fresh = feeder.rows(limit_rows, point)
    at = {(row.kind, row.element): number for number, row in enumerate(limit_rows)}
    for number, owner in enumerate(result.owners):
        row, effect = limit_rows[at[limit_key(owner)]], fresh.effect_per_wh[at[limit_key(owner)]]
        bent = BENT_MAX * abs(row.limit)
        if not result.apart[number] and left[number] > bent:
            continue
        turned = np.abs(effect - rows.effect_per_wh[number]).max(initial=0.0)
        if turned > TURNED_MAX * np.abs(effect).max(initial=0.0) or abs(left[number] - row.limit + row.value) > bent:
            return False
    return True


def seen_from_there(result: BoundResult, feeder: Feeder, limit_rows: tuple[LimitRow, ...]) -> BoundResult:
    """A result that its rows do not prove, with rows that leave of their limits at it what the power flow leaves.

    It keeps these rows too, so that they bound its welfare, more nearly than before. `limit_rows` as in `is_proved`.
    """
    left = {(row.kind, row.element): row.limit - row.value for row in limit_rows}
    used = result.rows.effect_per_wh @ feeder.moved_wh(result.point)
    room = used + np.array([left[limit_key(owner)] for owner in result.owners])
    return replace(result, rows=replace(result.rows, room=room))
