"""The programme of `model.py` as matrices, straight to HiGHS: the hot path.

Without rows of the network it is a transportation problem: its matrix is totally unimodular, so the corner that the
simplex method ends at is in whole Wh by itself.
"""

import numpy as np
from scipy import sparse

from grid.limits import FloatArray
from matching.cells import NO_GROUP
from matching.highs import has_optimum, maximised
from matching.preferences.problem import ClassProblem, ClassSolution, ScaledClassProblem, scaled, solution_of

OPTIONS = {
    "solver": "simplex",  # an inner point would not be whole
    "presolve": "off",  # thousands of prices and few rows: looking for reductions takes longer than solving
}


def solve_classes(problem: ClassProblem) -> ClassSolution | None:
    """The optimum, or None if the rows cannot be kept."""
    scale = scaled(problem)
    matrix, lower, upper = _constraints(problem, scale)
    solver = maximised(
        worth=scale.worth, upper=scale.upper, matrix=matrix, row_lower=lower, row_upper=upper, options=OPTIONS
    )
    if not has_optimum(solver):
        return None
    found = solver.getSolution()
    first_limit = sum(problem.member_classes)
    return solution_of(
        problem,
        scale,
        variables=np.asarray(found.col_value, dtype=np.float64),
        shadow_price=np.asarray(found.row_dual, dtype=np.float64)[first_limit : first_limit + scale.room.size],
    )


def _constraints(problem: ClassProblem, scale: ScaledClassProblem) -> tuple[sparse.csc_matrix, FloatArray, FloatArray]:
    """Matrix and bounds of the rows: a balance of each member class, the limits, the uncleared energy of each group."""
    cells, (sellers, buyers) = problem.cells, problem.member_classes
    row_count, group_count = scale.room.size, scale.group_capacity.size
    balances = _balances(problem, group_count, row_count)
    side = np.where(cells.is_sell, 1.0, -1.0)
    effect = scale.class_effect[:, cells.moved_class] * side
    relief = scale.class_effect[:, cells.group_class] * np.where(cells.group_is_sell, -1.0, 1.0)
    flows = np.zeros((row_count, problem.classes.weight.size))
    limits = sparse.csc_matrix(np.hstack([effect, relief, flows, -np.eye(row_count)]))
    grouped, groups = np.flatnonzero(cells.group != NO_GROUP), np.arange(group_count)
    uncleared = sparse.csc_matrix(
        (
            np.ones(grouped.size + group_count),
            (np.concatenate([cells.group[grouped], groups]), np.concatenate([grouped, side.size + groups])),
        ),
        shape=(group_count, limits.shape[1]),
    )
    matrix = sparse.vstack([balances, limits, uncleared], format="csc")
    lower = np.concatenate([np.zeros(sellers + buyers), np.full(row_count + group_count, -np.inf)])
    upper = np.concatenate([np.zeros(sellers + buyers), scale.room, scale.group_capacity])
    return matrix, lower, upper


def _balances(problem: ClassProblem, group_count: int, row_count: int) -> sparse.csc_matrix:
    """What a class of sellers has accepted flows out of it, what a class of buyers has accepted flows into it."""
    cells, (sellers, buyers) = problem.cells, problem.member_classes
    cell_count, flow_count = cells.capacity_wh.size, problem.classes.weight.size
    seller, buyer = (index.ravel() for index in np.indices(problem.classes.weight.shape))
    out, into = np.flatnonzero(seller < sellers), np.flatnonzero(buyer < buyers)
    first_flow = cell_count + group_count
    rows = [np.where(cells.is_sell, 0, sellers) + cells.match_class, seller[out], sellers + buyer[into]]
    columns = [np.arange(cell_count), first_flow + out, first_flow + into]
    values = [np.where(cells.is_sell, 1.0, -1.0), np.full(out.size, -1.0), np.ones(into.size)]
    return sparse.csc_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(sellers + buyers, first_flow + flow_count + row_count),
    )
