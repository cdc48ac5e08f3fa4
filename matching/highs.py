"""HiGHS, given matrices: the one way in which the hot paths hand a programme over.

One thread and a fixed seed: the same matrices have the same answer every time.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from grid.limits import FloatArray

if TYPE_CHECKING:
    from highspy import Highs

ALWAYS = {"output_flag": False, "threads": 1, "random_seed": 0}
PATIENT: dict[str, str | int] = {"presolve": "on", "simplex_strategy": 4}  # the primal simplex


def maximised(
    *,
    worth: FloatArray,
    upper: FloatArray,
    matrix: sparse.csc_matrix,
    row_lower: FloatArray,
    row_upper: FloatArray,
    options: Mapping[str, str | int | float],
    lower: FloatArray | None = None,
    whole: int = 0,
) -> "Highs":
    """HiGHS after it ran: worth, lower (zero if not given) and upper [n_column], row bounds [n_row].

    The first `whole` columns are in whole numbers.
    """
    import highspy

    programme = highspy.HighsLp()
    programme.num_row_, programme.num_col_ = matrix.shape
    programme.sense_ = highspy.ObjSense.kMaximize
    programme.col_cost_, programme.col_upper_ = worth, upper
    programme.col_lower_ = np.zeros(worth.size) if lower is None else lower
    programme.row_lower_, programme.row_upper_ = row_lower, row_upper
    programme.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    programme.a_matrix_.start_, programme.a_matrix_.index_ = matrix.indptr, matrix.indices
    programme.a_matrix_.value_ = matrix.data
    kinds = [highspy.HighsVarType.kInteger] * whole
    programme.integrality_ = kinds + [highspy.HighsVarType.kContinuous] * (worth.size - whole) if whole else []
    solver = highspy.Highs()
    for option, value in {**ALWAYS, **options}.items():
        solver.setOptionValue(option, value)
    solver.passModel(programme)
    solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kUnknown:  # the dual simplex gave up on nearly parallel rows
        solver.clearSolver()
        for option, value in PATIENT.items():
            solver.setOptionValue(option, value)
        solver.run()
    return solver


def has_optimum(solver: "Highs") -> bool:
    """Whether the rows can be kept. Raises RuntimeError where there is neither an optimum nor a reason."""
    from highspy import HighsModelStatus

    status = solver.getModelStatus()
    if status in (HighsModelStatus.kInfeasible, HighsModelStatus.kUnboundedOrInfeasible):
        return False
    if status not in (HighsModelStatus.kOptimal, HighsModelStatus.kModelEmpty):
        raise RuntimeError(f"HiGHS ended with {status}; the clearing problem is malformed")
    return True
