"""The welfare optimisation under network rows, stated in Pyomo and solved by HiGHS.

  maximise   sum_buy v q - sum_sell c q - R m + F x - f sum_g k_g
  subject to sum_sell q + m = sum_buy q + x + loss                       (price lambda)
             sum_j effect_cj q_j + sum_g relief_cg k_g <= room_c         (shadow price mu_c >= 0), every active row c
             sum_{j in g} q_j + k_g <= capacity_g                        every curtailment group g
             0 <= q <= Q, 0 <= k, 0 <= m (supplier sells), 0 <= x (supplier buys)

Among equal optima the one that clears more energy, and more of it between members, is wanted: a preference far below
one price tick says so. Energies are solved in units and prices in scales that suit the solver's tolerances.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from grid.limits import FloatArray
from matching.auction import Supplier
from matching.cells import Cells

if TYPE_CHECKING:
    from pyomo.core.base.constraint import ConstraintData
    from pyomo.core.base.var import VarData
    from pyomo.core.expr.numeric_expr import LinearExpression
    from pyomo.environ import ConcreteModel

VOLUME_PREFERENCE = 1e-3  # of a price scaled to 10^5 at most; the solver resolves 10^-7
VOLUME_PREFERENCE_MAX_MICRO_PER_KWH = 10.0  # a tenth of a tick
SHADOW_NOISE = 1e-9  # of the highest price
SUPPLIER_AVERSION = 0.1  # of the volume preference
EXCESS_COST = 100.0  # times the highest price: what a Wh past a limit costs when limits cannot be kept


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WelfareProblem:
    """room [n_row] as in NetworkRows; with `elastic` limits may be passed, which is then avoided above all."""

    cells: Cells
    room: FloatArray
    supplier: Supplier
    loss_wh: int
    curtailment_price_micro_per_kwh: int
    elastic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WelfareSolution:
    """The optimum in Wh, micro-units per kWh and nano-units.

    accepted_wh     [n_cell]; curtailed_wh [n_group]
    price           dual of the balance: what one more Wh of demand would cost
    shadow_price    [n_row] >= 0, nano-units per unit of the row
    objective_nano  without the preference for volume
    """

    accepted_wh: FloatArray
    curtailed_wh: FloatArray
    supplier_import_wh: float
    supplier_export_wh: float
    price_micro_per_kwh: float
    shadow_price: FloatArray
    objective_nano: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Units of the solver: Wh per unit of energy, micro per kWh per unit of price, row units per unit of each row."""

    energy_wh: float
    price: float
    row: FloatArray


def load_solver() -> None:
    """Import Pyomo and HiGHS now, so that the first optimisation takes no longer than the others."""
    import_module("pyomo.environ")
    import_module("pyomo.contrib.appsi.solvers.highs")


def solve_welfare(problem: WelfareProblem) -> WelfareSolution | None:
    """The optimum, or None if the rows cannot be kept."""
    from pyomo.contrib.appsi.base import TerminationCondition
    from pyomo.contrib.appsi.solvers.highs import Highs

    scale = _scale(problem)
    model = welfare_model(problem, scale)
    solver = Highs()
    solver.config.load_solution = False
    solver.highs_options = {"threads": 1, "random_seed": 0}
    results = solver.solve(model)
    if results.termination_condition in {TerminationCondition.infeasible, TerminationCondition.infeasibleOrUnbounded}:
        return None
    if results.termination_condition is not TerminationCondition.optimal:
        raise RuntimeError(f"HiGHS ended with {results.termination_condition}; the clearing problem is malformed")
    results.solution_loader.load_vars()
    return _solution(problem, scale, model, results.solution_loader.get_duals())


def welfare_model(problem: WelfareProblem, scale: _Scale) -> "ConcreteModel":
    """The programme of this file's head, energies and prices in the solver's units."""
    from pyomo.environ import ConcreteModel, Constraint, Objective, Var, maximize

    cells = problem.cells
    cell_count, group_count, row_count = cells.price_micro_per_kwh.size, cells.group_capacity_wh.size, problem.room.size
    capacity = (cells.capacity_wh / scale.energy_wh).tolist()
    model = ConcreteModel()
    model.accepted = Var(range(cell_count), bounds=lambda _, j: (0.0, capacity[j]))
    model.curtailed = Var(range(group_count), bounds=(0.0, None))
    model.supplier_sells = Var(bounds=(0.0, 0.0 if problem.supplier.sells_at_micro_per_kwh is None else None))
    model.supplier_buys = Var(bounds=(0.0, 0.0 if problem.supplier.buys_at_micro_per_kwh is None else None))
    model.excess = Var(range(row_count), bounds=(0.0, None if problem.elastic else 0.0))
    accepted, curtailed = list(model.accepted.values()), list(model.curtailed.values())
    supplier = [model.supplier_sells, model.supplier_buys]

    side = np.where(cells.is_sell, 1.0, -1.0)
    model.balance = Constraint(
        expr=_linear([*side, 1.0, -1.0], [*accepted, *supplier]) == problem.loss_wh / scale.energy_wh
    )
    effect, relief = cells.effect / scale.row[:, None], cells.relief / scale.row[:, None]
    room = problem.room / (scale.row * scale.energy_wh)
    model.limit = Constraint(
        range(row_count),
        rule=lambda _, c: (
            None,
            _linear([*effect[c], *relief[c], -1.0], [*accepted, *curtailed, model.excess[c]]),
            float(room[c]),
        ),
    )
    members = [np.flatnonzero(cells.group == g).tolist() for g in range(group_count)]
    group_capacity = (cells.group_capacity_wh / scale.energy_wh).tolist()
    model.uncleared = Constraint(
        range(group_count),
        rule=lambda _, g: (
            None,
            _linear([1.0] * (len(members[g]) + 1), [*(accepted[j] for j in members[g]), curtailed[g]]),
            group_capacity[g],
        ),
    )
    costs = _worth(problem, scale)
    variables = [*accepted, *curtailed, *supplier, *model.excess.values()]
    model.welfare = Objective(expr=_linear(costs, variables), sense=maximize)
    return model


def _worth(problem: WelfareProblem, scale: _Scale) -> list[float]:
    """What one unit of each variable adds to the welfare, the preference for volume included."""
    cells, supplier = problem.cells, problem.supplier
    preference = min(VOLUME_PREFERENCE, VOLUME_PREFERENCE_MAX_MICRO_PER_KWH / scale.price)
    accepted = np.where(cells.is_sell, -1.0, 1.0) * cells.price_micro_per_kwh / scale.price + preference
    curtailing = -problem.curtailment_price_micro_per_kwh / scale.price - preference
    prices = (-(supplier.sells_at_micro_per_kwh or 0), supplier.buys_at_micro_per_kwh or 0)
    supplied = [price / scale.price - SUPPLIER_AVERSION * preference for price in prices]
    highest = max(1.0, float(np.abs(accepted).max(initial=0.0)), -curtailing, *map(abs, supplied))
    excess = [-EXCESS_COST * highest] * problem.room.size
    return [*accepted.tolist(), *[curtailing] * cells.group_capacity_wh.size, *supplied, *excess]


def _linear(coefficients: Sequence[float], variables: Sequence["VarData"]) -> "LinearExpression":
    """Sum of products; terms with a coefficient of zero are left out."""
    from pyomo.core.expr.numeric_expr import LinearExpression

    kept = [(float(c), v) for c, v in zip(coefficients, variables, strict=True) if c != 0.0]
    return LinearExpression(constant=0.0, linear_coefs=[c for c, _ in kept], linear_vars=[v for _, v in kept])


def _scale(problem: WelfareProblem) -> _Scale:
    cells = problem.cells
    largest_price = float(np.abs(cells.price_micro_per_kwh).max(initial=1))
    largest_energy = float(cells.capacity_wh.max(initial=1))
    movable = np.hstack([cells.effect[:, cells.capacity_wh > 0], cells.relief[:, cells.group_capacity_wh > 0]])
    row = np.abs(movable).max(axis=1, initial=0.0)
    return _Scale(
        energy_wh=max(1.0, largest_energy / 1e5), price=max(1.0, largest_price / 1e5), row=np.where(row > 0, row, 1.0)
    )


def _solution(
    problem: WelfareProblem, scale: _Scale, model: "ConcreteModel", duals: Mapping["ConstraintData", float]
) -> WelfareSolution:
    cells, supplier = problem.cells, problem.supplier

    def energies(variables: Iterable["VarData"]) -> FloatArray:
        return np.array([variable.value for variable in variables], dtype=np.float64) * scale.energy_wh

    accepted, curtailed = energies(model.accepted.values()), energies(model.curtailed.values())
    sells, buys = energies([model.supplier_sells, model.supplier_buys]).tolist()
    shadow = np.array([duals[constraint] for constraint in model.limit.values()], dtype=np.float64)
    worth = np.where(cells.is_sell, -1.0, 1.0) * cells.price_micro_per_kwh
    objective = float(worth @ accepted) - problem.curtailment_price_micro_per_kwh * float(curtailed.sum())
    objective += (supplier.buys_at_micro_per_kwh or 0) * buys - (supplier.sells_at_micro_per_kwh or 0) * sells
    return WelfareSolution(
        accepted_wh=np.clip(accepted, 0.0, cells.capacity_wh),
        curtailed_wh=np.clip(curtailed, 0.0, cells.group_capacity_wh),
        supplier_import_wh=sells,
        supplier_export_wh=buys,
        price_micro_per_kwh=-float(duals[model.balance]) * scale.price,
        shadow_price=np.where(shadow > SHADOW_NOISE * 1e5, shadow, 0.0) * scale.price / scale.row,
        objective_nano=objective,
    )
