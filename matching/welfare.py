"""The welfare optimisation under network rows, stated in Pyomo and solved by HiGHS.

  maximise   sum_buy v q - sum_sell c q - R m + F x - f sum_g k_g
  subject to sum_sell q + m = sum_buy q + x + loss                       (price lambda)
             moved_b = sum_sell q - sum_buy q - sum_sell k + sum_buy k   flexible and curtailable orders of each class
                                                                         b of equally effective buses
             sum_b effect_cb moved_b <= room_c                           (shadow price mu_c >= 0), every active row c
             sum_{j in g} q_j + k_g <= capacity_g                        every curtailment group g
             0 <= q <= Q, 0 <= k, 0 <= m (supplier sells), 0 <= x (supplier buys)

This is the specification. The loop solves the same programme as matrices (`programme.py`), because stating it takes
longer than solving it; what is published was solved here too, to the same welfare.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from matching.book import IntArray
from matching.cells import INERT, NO_GROUP
from matching.problem import ScaledProblem, WelfareProblem, WelfareSolution, scaled, solution_of

if TYPE_CHECKING:
    from pyomo.core.base.var import VarData
    from pyomo.core.expr.numeric_expr import LinearExpression
    from pyomo.environ import ConcreteModel


def load_solver() -> None:
    """Import Pyomo and HiGHS now, so that the first optimisation takes no longer than the others."""
    import_module("pyomo.environ")
    import_module("pyomo.contrib.appsi.solvers.highs")


def solve_welfare(problem: WelfareProblem, scale: ScaledProblem | None = None) -> WelfareSolution | None:
    """The optimum, or None if the rows cannot be kept; in the problem's own units unless others are given."""
    from pyomo.contrib.appsi.base import TerminationCondition
    from pyomo.contrib.appsi.solvers.highs import Highs

    scale = scale or scaled(problem)
    model = welfare_model(scale)
    solver = Highs()
    solver.config.load_solution = False
    solver.highs_options = {"threads": 1, "random_seed": 0}
    results = solver.solve(model)
    if results.termination_condition in {TerminationCondition.infeasible, TerminationCondition.infeasibleOrUnbounded}:
        return None
    if results.termination_condition is not TerminationCondition.optimal:
        raise RuntimeError(f"HiGHS ended with {results.termination_condition}; the clearing problem is malformed")
    results.solution_loader.load_vars()
    duals = results.solution_loader.get_duals()
    return solution_of(
        problem,
        scale,
        variables=np.array([variable.value for variable in _variables(model)], dtype=np.float64),
        price=-float(duals[model.balance]),
        shadow_price=np.array([duals[row] for row in model.limit.values()], dtype=np.float64),
    )


def welfare_model(scale: ScaledProblem) -> "ConcreteModel":
    """The programme of this file's head, energies and prices in the solver's units."""
    from pyomo.environ import ConcreteModel, Constraint, Objective, Var, maximize

    cells = scale.columns
    rows, groups = range(scale.room.size), range(scale.group_capacity.size)
    model = ConcreteModel()
    model.accepted = Var(range(cells.capacity_wh.size), bounds=(0.0, None))
    model.curtailed = Var(groups, bounds=(0.0, None))
    model.supplier_sells = Var(bounds=(0.0, None))
    model.supplier_buys = Var(bounds=(0.0, None))
    model.excess = Var(rows, bounds=(0.0, None))
    variables, cell_count = list(_variables(model)), cells.capacity_wh.size
    accepted, curtailed = variables[:cell_count], variables[cell_count : cell_count + len(groups)]
    for variable, upper in zip(variables, scale.upper.tolist(), strict=True):
        variable.setub(None if upper == np.inf else upper)

    side, group_side = np.where(cells.is_sell, 1.0, -1.0), np.where(cells.group_is_sell, 1.0, -1.0)
    model.balance = Constraint(
        expr=_linear([*side, 1.0, -1.0], [*accepted, model.supplier_sells, model.supplier_buys]) == scale.loss
    )
    class_count = cells.class_effect.shape[1]
    places = [*zip(_by_number(cells.moved_class, class_count), _by_number(cells.group_class, class_count), strict=True)]
    del places[INERT]
    model.moved = Var(range(len(places)))
    model.moves = Constraint(
        range(len(places)),
        rule=lambda _, b: (
            _linear(
                [*side[places[b][0]], *-group_side[places[b][1]], -1.0],
                [*(accepted[j] for j in places[b][0]), *(curtailed[g] for g in places[b][1]), model.moved[b]],
            )
            == 0.0
        ),
    )
    moved = list(model.moved.values())
    model.limit = Constraint(
        rows,
        rule=lambda _, c: _linear([*scale.class_effect[c, 1:], -1.0], [*moved, model.excess[c]]) <= scale.room[c],
    )
    members = _by_number(cells.group - NO_GROUP, len(groups) + 1)[1:]
    model.uncleared = Constraint(
        groups,
        rule=lambda _, g: (
            _linear([1.0] * (len(members[g]) + 1), [*(accepted[j] for j in members[g]), curtailed[g]])
            <= scale.group_capacity[g]
        ),
    )
    model.welfare = Objective(expr=_linear(scale.worth, variables), sense=maximize)
    return model


def _variables(model: "ConcreteModel") -> Iterable["VarData"]:
    """The variables in the order of `ScaledProblem`."""
    for block in (model.accepted, model.curtailed, model.supplier_sells, model.supplier_buys, model.excess):
        yield from block.values()


def _by_number(numbers: IntArray, count: int) -> list[list[int]]:
    """Where each number from zero to `count` - 1 occurs."""
    ranked = np.argsort(numbers, kind="stable")
    return [places.tolist() for places in np.split(ranked, np.searchsorted(numbers[ranked], np.arange(1, count)))]


def _linear(coefficients: Iterable[float], variables: Sequence["VarData"]) -> "LinearExpression":
    """Sum of products; terms with a coefficient of zero are left out."""
    from pyomo.core.expr.numeric_expr import LinearExpression

    kept = [(float(c), v) for c, v in zip(coefficients, variables, strict=True) if c != 0.0]
    return LinearExpression(constant=0.0, linear_coefs=[c for c, _ in kept], linear_vars=[v for _, v in kept])
