"""The optimum of a book of any size, from a programme of few columns.

The cells of a ladder differ in price alone: an optimum accepts those on one side of a margin in full and those on the
other not at all. Far from the margin neighbouring cells are therefore lumped to one column of their total capacity and
average worth. That only restricts the programme, and where no lump is accepted in part and at the duals no cell of a
lump would rather be on the other side of the margin, the duals prove its optimum that of all cells. Otherwise cells
near the margin become columns of their own and it is solved again. Lumps are only ever split, so this ends.
"""

from dataclasses import dataclass, replace

import numpy as np

from grid.limits import FloatArray
from matching.book import BoolArray, IntArray
from matching.cells import Cells, Columns
from matching.problem import ScaledProblem, WelfareProblem, WelfareSolution, scaled
from matching.programme import Optimum, as_solution, solve_scaled

WHOLE_CELLS_MAX = 400  # so few cells are solved as they are
SLICES = 3  # of a ladder whose margin nobody knows yet
NEAR_CELLS = 1  # on either side of a margin that are columns of their own
FURTHER_CELLS = (8, 64)  # where the lumps next to them end
FILL_NOISE = 1e-9  # of the solver's unit of energy: far below the margin that is kept to limits
GAIN_NOISE = 1e-6  # of the solver's unit of price


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReducedSolution(WelfareSolution):
    """The optimum of all cells, with the smallest programme that has the same one.

    programme  of each ladder what is accepted, what is not, and single cells that are accepted in part
    """

    programme: ScaledProblem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReducedOptimum:
    """The optimum of all cells, and where it was found.

    margin_micro_per_kwh  [n_part] at which price accepting an order of each part would gain nothing
    """

    solution: ReducedSolution
    margin_micro_per_kwh: FloatArray


def solve_reduced(
    problem: WelfareProblem,
    margin_micro_per_kwh: FloatArray | None = None,
    *,
    whole_cells_max: int = WHOLE_CELLS_MAX,
) -> ReducedOptimum | None:
    """The optimum, or None if the rows cannot be kept. `margin_micro_per_kwh` [n_part] is where it is looked for."""
    cells, whole = problem.cells, scaled(problem)
    ladders = _Ladders(cells)
    if cells.capacity_wh.size <= whole_cells_max:
        marks = np.ones(cells.capacity_wh.size, dtype=np.bool_)
    else:
        marks = ladders.first_marks(margin_micro_per_kwh)
    while True:
        lumps = _Lumps(cells, whole, np.flatnonzero(marks))
        found = solve_scaled(lumps.programme, presolve=bool(marks.all()))
        if found is None:
            return None
        margin = lumps.margin(found, ladders)
        wrong = lumps.wrong(found, margin)
        if not wrong.any():
            return lumps.optimum(problem, found, margin)
        ladders.mark_near(marks, margin, np.unique(cells.ladder[lumps.start[wrong]]))
        marks[(lumps.start[wrong] + lumps.end[wrong]) // 2] = True


class _Ladders:
    """Where the ladders begin and end among the cells, and where in them a price lies."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        price = cells.price_micro_per_kwh
        self.start = np.flatnonzero(np.diff(cells.ladder, prepend=-1))
        self._end = np.append(self.start[1:], price.size)[: self.start.size]
        self._lowest, self._span = int(price.min(initial=0)), int(price.max(initial=0) - price.min(initial=0)) + 2
        self._place = cells.ladder * self._span + (price - self._lowest)

    def first_marks(self, margin_of_part: FloatArray | None) -> BoolArray:
        """[n_cell] where columns begin: around the margins, or evenly where none is known."""
        marks = np.zeros(self._cells.capacity_wh.size, dtype=np.bool_)
        marks[self.start] = True
        if margin_of_part is None:
            for slice_number in range(1, SLICES):
                marks[self.start + (self._end - self.start) * slice_number // SLICES] = True
        else:
            margin = np.zeros(self.start.size)
            margin[self._cells.ladder[self._cells.of_part]] = margin_of_part
            self.mark_near(marks, margin, np.arange(self.start.size))
        return marks

    def mark_near(self, marks: BoolArray, margin_micro_per_kwh: FloatArray, ladders: IntArray) -> None:
        """Let columns begin at the cells near the margins [n_ladder] of some ladders."""
        offset = np.clip(margin_micro_per_kwh[ladders] - self._lowest, 0.0, self._span - 1.0)
        at = np.searchsorted(self._place, ladders * self._span + offset)
        near = range(-NEAR_CELLS, NEAR_CELLS + 2)
        for step in (*near, *(-step for step in FURTHER_CELLS), *FURTHER_CELLS):
            inside = (at + step >= self.start[ladders]) & (at + step < self._end[ladders])
            marks[at[inside] + step] = True


class _Lumps:
    """The programme of some lumps of neighbouring cells: `start` and `end` [n_lump] among the cells."""

    def __init__(self, cells: Cells, whole: ScaledProblem, start: IntArray) -> None:
        self._cells, self._whole, self.start = cells, whole, start
        self.end = np.append(start[1:], cells.capacity_wh.size)[: start.size]
        self.programme = _lumped(cells, whole, start, self.end)

    def margin(self, found: Optimum, ladders: _Ladders) -> FloatArray:
        """[n_ladder] price at which accepting a cell would gain nothing."""
        at = np.searchsorted(self.start, ladders.start)
        columns, unit = self.programme.columns, self._whole.price_unit
        return columns.price_micro_per_kwh[at] + np.where(columns.is_sell[at], unit, -unit) * found.gain[at]

    def wrong(self, found: Optimum, margin: FloatArray) -> BoolArray:
        """[n_lump] lumps accepted in part, or with cells that would rather be on the other side of the margin."""
        full, empty = self._filled(found)
        lowest, highest = (self._cells.price_micro_per_kwh[at] for at in (self.start, self.end - 1))
        noise, margin = GAIN_NOISE * self._whole.price_unit, margin[self._cells.ladder[self.start]]
        below, above = highest <= margin + noise, lowest >= margin - noise
        is_sell = self._cells.is_sell[self.start]
        wanted, unwanted = np.where(is_sell, below, above), np.where(is_sell, above, below)
        return (self.end - self.start > 1) & ~(full & wanted | empty & unwanted)

    def optimum(self, problem: WelfareProblem, found: Optimum, margin: FloatArray) -> ReducedOptimum:
        """The lumps' optimum as that of the cells."""
        cells = self._cells
        solution = as_solution(problem, self.programme, found)
        full, empty = self._filled(found)
        single = self.end - self.start == 1
        lump = np.repeat(np.arange(self.start.size), self.end - self.start)
        accepted = np.where(single, solution.accepted_wh, 0.0)[lump]
        accepted = np.where((full & ~single)[lump], cells.capacity_wh, accepted)
        differs = np.diff(cells.ladder[self.start], prepend=-1) != 0
        differs[1:] |= full[1:] != full[:-1]
        differs[1:] |= ~(full | empty)[1:] | ~(full | empty)[:-1]
        coarse = self.start[differs]
        return ReducedOptimum(
            solution=ReducedSolution(
                accepted_wh=accepted,
                curtailed_wh=solution.curtailed_wh,
                supplier_import_wh=solution.supplier_import_wh,
                supplier_export_wh=solution.supplier_export_wh,
                price_micro_per_kwh=solution.price_micro_per_kwh,
                shadow_price=solution.shadow_price,
                objective_nano=solution.objective_nano,
                programme=_lumped(
                    cells, self._whole, coarse, np.append(coarse[1:], cells.capacity_wh.size)[: coarse.size]
                ),
            ),
            margin_micro_per_kwh=margin[cells.ladder[cells.of_part]],
        )

    def _filled(self, found: Optimum) -> tuple[BoolArray, BoolArray]:
        accepted = found.variables[: self.start.size]
        return accepted >= self.programme.upper[: self.start.size] - FILL_NOISE, accepted <= FILL_NOISE


def _lumped(cells: Cells, whole: ScaledProblem, start: IntArray, end: IntArray) -> ScaledProblem:
    """The programme with one column for each run of cells from `start` to `end` [n_lump]."""
    capacity = np.add.reduceat(cells.capacity_wh, start) if start.size else cells.capacity_wh
    single = (end - start == 1) | (capacity == 0)

    def average(values: FloatArray | IntArray) -> FloatArray:
        if not start.size:
            return np.zeros(0)
        total = np.add.reduceat(values * cells.capacity_wh.astype(np.float64), start)
        return np.where(single, values[start], total / np.maximum(capacity, 1))

    count = cells.capacity_wh.size
    return replace(
        whole,
        columns=Columns(
            is_sell=cells.is_sell[start],
            price_micro_per_kwh=average(cells.price_micro_per_kwh),
            capacity_wh=capacity,
            class_effect=cells.class_effect,
            moved_class=cells.moved_class[start],
            group=cells.group[start],
            group_class=cells.group_class,
            group_is_sell=cells.group_is_sell,
            group_capacity_wh=cells.group_capacity_wh,
        ),
        upper=np.concatenate([capacity / whole.energy_wh, whole.upper[count:]]),
        worth=np.concatenate([average(whole.worth[:count]), whole.worth[count:]]),
    )
