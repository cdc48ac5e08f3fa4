"""The programme of `welfare.py` as matrices, straight to HiGHS."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from grid.limits import FloatArray
from matching.cells import NO_GROUP
from matching.highs import has_optimum, maximised
from matching.problem import ScaledProblem, WelfareProblem, WelfareSolution, scaled, solution_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Optimum:
    """In a solver's units: the variables, what one more unit of each would gain, and the duals.

    variables, gain  [n_variable] in the order of `ScaledProblem`
    price            of the balance; shadow_price [n_row]
    """

    variables: FloatArray
    gain: FloatArray
    price: float
    shadow_price: FloatArray


def solve_programme(problem: WelfareProblem) -> WelfareSolution | None:
    """The optimum, or None if the rows cannot be kept."""
    scale = scaled(problem)
    found = solve_scaled(scale)
    return None if found is None else as_solution(problem, scale, found)


def as_solution(problem: WelfareProblem, scale: ScaledProblem, found: Optimum) -> WelfareSolution:
    """The optimum in Wh and money."""
    return solution_of(problem, scale, variables=found.variables, price=found.price, shadow_price=found.shadow_price)


def solve_scaled(scale: ScaledProblem, *, presolve: bool = True) -> Optimum | None:
    """The optimum, or None if the rows cannot be kept. Lumps need no presolve: there is little left to simplify."""
    matrix, lower, upper = _constraints(scale)
    solver = maximised(
        worth=scale.worth,
        upper=scale.upper,
        matrix=matrix,
        row_lower=lower,
        row_upper=upper,
        options={"presolve": "choose" if presolve else "off"},
    )
    if not has_optimum(solver):
        return None
    found = solver.getSolution()
    duals = np.asarray(found.row_dual, dtype=np.float64)
    return Optimum(
        variables=np.asarray(found.col_value, dtype=np.float64),
        gain=np.asarray(found.col_dual, dtype=np.float64),
        price=-float(duals[0]),
        shadow_price=duals[1 : 1 + scale.room.size],
    )


def _constraints(scale: ScaledProblem) -> tuple[sparse.csc_matrix, FloatArray, FloatArray]:
    """Matrix and bounds of the rows: the balance, the limits, then the uncleared energy of each group."""
    cells = scale.columns
    cell_count, group_count, row_count = cells.capacity_wh.size, scale.group_capacity.size, scale.room.size
    side = np.where(cells.is_sell, 1.0, -1.0)
    balance = np.concatenate([side, np.zeros(group_count), [1.0, -1.0], np.zeros(row_count)])
    effect = scale.class_effect[:, cells.moved_class] * side
    relief = scale.class_effect[:, cells.group_class] * np.where(cells.group_is_sell, -1.0, 1.0)
    limits = np.hstack([effect, relief, np.zeros((row_count, 2)), -np.eye(row_count)])
    grouped = np.flatnonzero(cells.group != NO_GROUP)
    groups = np.arange(group_count)
    uncleared = sparse.csc_matrix(
        (
            np.ones(grouped.size + group_count),
            (np.concatenate([cells.group[grouped], groups]), np.concatenate([grouped, cell_count + groups])),
        ),
        shape=(group_count, balance.size),
    )
    matrix = sparse.vstack([sparse.csc_matrix(balance[None, :]), sparse.csc_matrix(limits), uncleared], format="csc")
    lower = np.concatenate([[scale.loss], np.full(row_count + group_count, -np.inf)])
    upper = np.concatenate([[scale.loss], scale.room, scale.group_capacity])
    return matrix, lower, upper
