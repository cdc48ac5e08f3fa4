"""The welfare optimisation with preferences and grid fees, stated in Pyomo and solved by HiGHS.

  maximise   sum_buy v q - sum_sell c q + sum_SB (premium_SB - fee_SB) flow_SB
                                        - R sum_B flow_supplier,B + F sum_S flow_S,supplier - f sum_g k_g
  subject to sum_{q in S} q = sum_B flow_SB                    every class S of sellers       (price of its energy)
             sum_{q in B} q = sum_S flow_SB                    every class B of buyers        (worth to its buyers)
             sum_j effect_cj q_j + sum_g relief_cg k_g <= room_c  every active limit c of the network
             sum_{j in g} q_j + k_g <= capacity_g              every curtailment group g
             0 <= q <= Q, 0 <= k, 0 <= flow

The supplier, where it bids, is one more class on either side, at R and F and without bound. This is the specification;
`programme.py` is solved instead, because stating this takes longer than solving it.
"""

from typing import TYPE_CHECKING

import numpy as np

from matching.cells import Cells
from matching.preferences.problem import ClassProblem, ClassSolution, scaled, solution_of

if TYPE_CHECKING:
    from pyomo.environ import ConcreteModel


def solve_class_model(problem: ClassProblem) -> ClassSolution | None:
    """The optimum, or None if the rows cannot be kept."""
    from pyomo.contrib.appsi.base import TerminationCondition
    from pyomo.contrib.appsi.solvers.highs import Highs

    model = class_model(problem)
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
    blocks = (model.accepted, model.curtailed, model.flow, model.excess)
    return solution_of(
        problem,
        scaled(problem),
        variables=np.array([v.value for block in blocks for v in block.values()], dtype=np.float64),
        shadow_price=np.array([duals[row] for row in model.limit.values()], dtype=np.float64),
    )


def class_model(problem: ClassProblem) -> "ConcreteModel":
    """The programme of this file's head, energies and prices in the solver's units."""
    from pyomo.environ import ConcreteModel, Constraint, Objective, Var, maximize

    cells, scale = problem.cells, scaled(problem)
    orders, groups, limits = range(cells.capacity_wh.size), range(scale.group_capacity.size), range(scale.room.size)
    sellers, buyers, selling, buying = map(range, (*problem.classes.weight.shape, *problem.member_classes))
    ends = np.cumsum([len(orders), len(groups), problem.classes.weight.size])
    accepted, curtailed, flow, excess = np.split(scale.worth, ends)
    effect, relief = cells.effect / scale.row_unit[:, None], cells.relief / scale.row_unit[:, None]
    model = ConcreteModel()
    model.accepted = Var(orders, bounds=lambda _, j: (0.0, scale.upper[j]))
    model.curtailed = Var(groups, bounds=(0.0, None))
    model.flow = Var(sellers, buyers, bounds=(0.0, None))
    model.excess = Var(limits, bounds=(0.0, None if problem.elastic else 0.0))
    model.sold = Constraint(
        selling,
        rule=lambda m, s: (
            sum(m.accepted[j] for j in _of_class(cells, s, is_sell=True)) == sum(m.flow[s, b] for b in buyers)
        ),
    )
    model.bought = Constraint(
        buying,
        rule=lambda m, b: (
            sum(m.accepted[j] for j in _of_class(cells, b, is_sell=False)) == sum(m.flow[s, b] for s in sellers)
        ),
    )
    model.limit = Constraint(
        limits,
        rule=lambda m, c: (
            sum(effect[c, j] * m.accepted[j] for j in orders)
            + sum(relief[c, g] * m.curtailed[g] for g in groups)
            - m.excess[c]
            <= scale.room[c]
        ),
    )
    model.uncleared = Constraint(
        groups,
        rule=lambda m, g: (
            sum(m.accepted[j] for j in orders if cells.group[j] == g) + m.curtailed[g] <= scale.group_capacity[g]
        ),
    )
    model.welfare = Objective(
        expr=sum(accepted[j] * model.accepted[j] for j in orders)
        + sum(curtailed[g] * model.curtailed[g] for g in groups)
        + sum(flow.reshape(len(sellers), len(buyers))[s, b] * model.flow[s, b] for s in sellers for b in buyers)
        + sum(excess[c] * model.excess[c] for c in limits),
        sense=maximize,
    )
    return model


def _of_class(cells: Cells, number: int, *, is_sell: bool) -> list[int]:
    """The cells of one class."""
    chosen: list[int] = np.flatnonzero((cells.is_sell == is_sell) & (cells.match_class == number)).tolist()
    return chosen
