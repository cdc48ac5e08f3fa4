"""The plan of a device as a linear programme, stated in Pyomo and solved by HiGHS.

  maximise   sum_t p_t (sold_t - bought_t) + end_slope content_T / permille - MISSING sum_t missing_t
  subject to content_t = content_(t-1) + permille / 1000 bought_t - sold_t         (water value)
             content_t + missing_t >= least_t,   0 <= content_t <= most_t
             0 <= bought_t <= charge_t, 0 <= sold_t <= discharge_t, 0 <= missing_t

This is the specification of `reservoir`, which rounds use because it needs no solver and returns the worth of every
content at once. Both are compared with each other and with brute force.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.agents.reservoir import MISSING, MWH_PER_WH, Reservoir

if TYPE_CHECKING:
    from pyomo.environ import ConcreteModel

PRICE_UNIT_MICRO = 1000.0  # the solver tells costs apart down to 1e-7: a micro-unit must be far above that
"""Prices reach the solver in units of currency per kWh, energies in Wh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Optimal plans of several devices.

    worth          sales less purchases plus worth of what is left, slope times mWh as in `reservoir`
    traded_wh      per device and interval, bought less sold, Wh
    water_slope    per device, the worth of one more mWh in it after the first interval, as a slope
    """

    worth: float
    traded_wh: tuple[tuple[float, ...], ...]
    water_slope: tuple[float, ...]


def solve_plan(devices: Sequence[tuple[Reservoir, Sequence[int], int]]) -> Plan:
    """Plan devices, each with its expected prices (micro per kWh) and its content now (mWh), in one programme."""
    from pyomo.contrib.appsi.solvers.highs import Highs

    model = plan_model(devices)
    solver = Highs()
    solver.config.load_solution = False
    solver.highs_options = {"threads": 1, "random_seed": 0}
    results = solver.solve(model)
    results.solution_loader.load_vars()
    duals = results.solution_loader.get_duals()
    spans = [range(len(prices)) for _, prices, _ in devices]
    return Plan(
        worth=float(model.worth()) * PRICE_UNIT_MICRO * MWH_PER_WH * MWH_PER_WH,
        traded_wh=tuple(
            tuple(float(model.bought[n, t].value - model.sold[n, t].value) for t in span)
            for n, span in enumerate(spans)
        ),
        water_slope=tuple(
            float(duals[model.carried[n, 0]]) * PRICE_UNIT_MICRO * MWH_PER_WH for n in range(len(devices))
        ),
    )


def plan_model(devices: Sequence[tuple[Reservoir, Sequence[int], int]]) -> "ConcreteModel":
    """The programme of this file's head for every device side by side."""
    from pyomo.environ import ConcreteModel, Constraint, Objective, Set, Var, maximize

    model = ConcreteModel()
    model.steps = Set(initialize=[(n, t) for n, (_, prices, _) in enumerate(devices) for t in range(len(prices))])

    def wh(mwh: int) -> float:
        return mwh / MWH_PER_WH

    def most(_: object, n: int, t: int) -> tuple[float, float]:
        return 0.0, wh(devices[n][0].most_mwh[t])

    model.bought = Var(model.steps, bounds=lambda _, n, t: (0.0, devices[n][0].charge_wh[t]))
    model.sold = Var(model.steps, bounds=lambda _, n, t: (0.0, devices[n][0].discharge_wh[t]))
    model.content = Var(model.steps, bounds=most)
    model.missing = Var(model.steps, bounds=(0.0, None))

    def carried(_: object, n: int, t: int) -> object:
        reservoir, _prices, content_mwh = devices[n]
        before = model.content[n, t - 1] if t else wh(content_mwh)
        stored = reservoir.efficiency_permille / MWH_PER_WH * model.bought[n, t]
        return model.content[n, t] - stored + model.sold[n, t] == before

    model.carried = Constraint(model.steps, rule=carried)
    model.needed = Constraint(
        model.steps, rule=lambda _, n, t: model.content[n, t] + model.missing[n, t] >= wh(devices[n][0].least_mwh[t])
    )

    def worth_of(n: int) -> Any:  # noqa: ANN401  Pyomo's expressions have no type here
        reservoir, prices, _ = devices[n]
        traded = sum(p / PRICE_UNIT_MICRO * (model.sold[n, t] - model.bought[n, t]) for t, p in enumerate(prices))
        per_wh = 1 / reservoir.efficiency_permille / PRICE_UNIT_MICRO
        missing = sum(model.missing[n, t] for t in range(len(prices)))
        return (
            (traded + reservoir.end_slope * per_wh * model.content[n, len(prices) - 1] - MISSING * per_wh * missing)
            * reservoir.efficiency_permille
            / MWH_PER_WH
        )

    model.worth = Objective(expr=sum(worth_of(n) for n in range(len(devices))), sense=maximize)
    return model
