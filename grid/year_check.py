"""How many hours of a year a network's limits would be passed: what an operator asks before more solar is connected.

Every quarter-hour is a power flow of its own (`grid.batch`); the worst one is solved again by the judge of the network.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.arrays import IntArray
from grid.batch import BLOCK_STATES, BatchPowerFlow, Screening
from grid.limits import FloatArray, LimitKind, Violation
from grid.network import GridNetwork
from grid.power_flow import PowerFlowDiverged
from grid.simbench_year import FIRST_START, STEPS_A_YEAR, SimbenchYear

STEPS_AN_HOUR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class OftenPassed:
    """One limit, and in how many hours of the year it is passed."""

    kind: LimitKind
    element: int
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class YearCheck:
    """One year of one network.

    solar_factor   by what the output of all solar was multiplied
    hours          in which any limit is passed, those without a solution included
    unsolved       of these, hours whose injections the network cannot carry at all
    by_kind        hours in which any limit of a kind is passed, kinds that are never passed left out
    most_often     the limit that is passed in most hours
    worst, start   the limit passed furthest, relative to itself, as the judge sees it, and when (UTC+1); None where
                   nothing is passed or a state has no solution
    """

    solar_factor: float
    hours: float
    unsolved: float
    by_kind: dict[LimitKind, float]
    most_often: OftenPassed | None
    worst: Violation | None
    start: np.datetime64 | None


def check_year(grid: GridNetwork, year: SimbenchYear, *, solar_factor: float) -> YearCheck:
    """The year with the output of all solar multiplied."""
    blocks = (slice(first, first + BLOCK_STATES) for first in range(0, STEPS_A_YEAR, BLOCK_STATES))
    found = BatchPowerFlow(grid.arrays, grid.limits).screen_blocks(
        year.injections(grid.buses, block, solar_factor=solar_factor) for block in blocks
    )
    kinds = np.array(found.kind, dtype=str)
    worst, start = None, None
    if found.state.size and not found.unsolved.size:
        step = _worst_step(grid, found, kinds)
        watts, vars_ = year.injections(grid.buses, slice(step, step + 1), solar_factor=solar_factor)
        worst = _judged(grid, watts[0], vars_[0])
        start = FIRST_START + np.timedelta64(15 * step, "m")
    return YearCheck(
        solar_factor=solar_factor,
        hours=_hours(np.concatenate([found.state, found.unsolved])),
        unsolved=_hours(found.unsolved),
        by_kind={kind: _hours(found.state[kinds == kind]) for kind in LimitKind if (kinds == kind).any()},
        most_often=_most_often(found, kinds),
        worst=worst,
        start=start,
    )


def _hours(steps: IntArray) -> float:
    return np.unique(steps).size / STEPS_AN_HOUR


def _worst_step(grid: GridNetwork, found: Screening, kinds: NDArray[np.str_]) -> int:
    """The step of the limit that is passed furthest, relative to itself."""
    limits = grid.limits
    limit = np.full(kinds.shape, limits.max_loading_percent)
    limit[kinds == LimitKind.VOLTAGE_HIGH] = limits.v_max_pu
    limit[kinds == LimitKind.VOLTAGE_LOW] = limits.v_min_pu
    return int(found.state[np.argmax(np.abs(found.value - limit) / limit)])


def _judged(grid: GridNetwork, injection_w: FloatArray, injection_var: FloatArray) -> Violation | None:
    """The worst violation by pandapower; None where it finds no solution."""
    try:
        violations = grid.judge(injection_w, injection_var).violations
    except PowerFlowDiverged:
        return None
    return violations[0] if violations else None


def _most_often(found: Screening, kinds: NDArray[np.str_]) -> OftenPassed | None:
    counts = Counter(zip(kinds.tolist(), found.element.tolist(), strict=True))
    if not counts:
        return None
    (kind, element), steps = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return OftenPassed(kind=LimitKind(kind), element=element, hours=steps / STEPS_AN_HOUR)
