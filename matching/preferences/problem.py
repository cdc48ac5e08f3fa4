"""What the optimisation of classes is asked and what it answers, and the units in which a solver sees it.

As in `matching.problem`, a preference far below one price tick picks, among equal optima, the one that clears more
energy and more of it between members. It cannot do harm: exchanging one Wh along any path of the flow network changes
the welfare by whole ticks and the volume by one Wh a side.
"""

from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray
from matching.book import IntArray
from matching.orders import PRICE_TICK_MICRO_PER_KWH
from matching.preferences.classes import MatchClasses
from matching.problem import (
    EXCESS_COST,
    SHADOW_NOISE,
    SUPPLIER_AVERSION,
    VOLUME_PREFERENCE_MAX_MICRO_PER_KWH,
    WelfareProblem,
    WelfareSolution,
)

SCALED_MAX = 1e5
WHOLE_UNITS = 2**20  # a cell is at most so many units: powers of two divide and multiply without rounding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassProblem(WelfareProblem):
    """`cells.match_class` is the class of each cell; the losses are none: where energy has attributes the grid's."""

    classes: MatchClasses

    @property
    def flow_worth(self) -> IntArray:
        """[n_seller, n_buyer] what a kWh from class to class adds to the welfare beside the orders' limits."""
        worth = self.classes.weight.copy()
        if self.classes.supplier_sells:
            worth[-1] -= self.supplier.sells_at_micro_per_kwh or 0
        if self.classes.supplier_buys:
            worth[:, -1] += self.supplier.buys_at_micro_per_kwh or 0
        return worth

    @property
    def member_classes(self) -> tuple[int, int]:
        """How many classes of sellers and of buyers are members'; the supplier, last on its side, has no balance."""
        sellers, buyers = self.classes.weight.shape
        return sellers - self.classes.supplier_sells, buyers - self.classes.supplier_buys


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassSolution(WelfareSolution):
    """The optimum; flow_wh [n_seller, n_buyer]. There is no one price: every class has its own."""

    flow_wh: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScaledClassProblem:
    """The problem in a solver's units; its variables in this order: accepted, curtailed, flow by rows, excess.

    upper [n_variable], infinite where there is no bound; worth [n_variable] what one unit adds to the welfare
    """

    energy_wh: float
    price_unit: float
    row_unit: FloatArray
    upper: FloatArray
    worth: FloatArray
    class_effect: FloatArray
    room: FloatArray
    group_capacity: FloatArray


def scaled(problem: ClassProblem) -> ScaledClassProblem:
    """The problem in units in which prices are at most 10^5 (or ticks) and the largest effect in a row is one."""
    cells = problem.cells
    energy_wh = 1.0
    while energy_wh * WHOLE_UNITS < cells.capacity_wh.max(initial=1):
        energy_wh *= 2.0
    highest = max(np.abs(cells.price_micro_per_kwh).max(initial=1), np.abs(problem.flow_worth).max(initial=1))
    price_unit = max(float(PRICE_TICK_MICRO_PER_KWH), float(highest) / SCALED_MAX)
    movable = np.hstack([cells.effect[:, cells.capacity_wh > 0], cells.relief[:, cells.group_capacity_wh > 0]])
    largest = np.abs(movable).max(axis=1, initial=0.0)
    row_unit = np.where(largest > 0.0, largest, 1.0)
    excess = np.inf if problem.elastic else 0.0
    return ScaledClassProblem(
        energy_wh=energy_wh,
        price_unit=price_unit,
        row_unit=row_unit,
        upper=np.concatenate(
            [
                cells.capacity_wh / energy_wh,
                cells.group_capacity_wh / energy_wh,
                np.full(problem.flow_worth.size, np.inf),
                np.full(problem.room.size, excess),
            ]
        ),
        worth=_worth(problem, price_unit),
        class_effect=cells.class_effect / row_unit[:, None],
        room=problem.room / (row_unit * energy_wh),
        group_capacity=cells.group_capacity_wh / energy_wh,
    )


def solution_of(
    problem: ClassProblem, scale: ScaledClassProblem, *, variables: FloatArray, shadow_price: FloatArray
) -> ClassSolution:
    """A solver's answer, in its units and in the order of the variables, as a solution of the problem."""
    cells, classes, shape = problem.cells, problem.classes, problem.classes.weight.shape
    energies = np.maximum(variables * scale.energy_wh, 0.0)
    ends = np.cumsum([cells.capacity_wh.size, cells.group_capacity_wh.size, problem.classes.weight.size])
    accepted, curtailed, flow, _ = np.split(energies, ends)
    gain = np.where(cells.is_sell, -1.0, 1.0) * cells.price_micro_per_kwh
    objective = float(gain @ accepted) - problem.curtailment_price_micro_per_kwh * float(curtailed.sum())
    return ClassSolution(
        accepted_wh=np.minimum(accepted, cells.capacity_wh),
        curtailed_wh=np.minimum(curtailed, cells.group_capacity_wh),
        flow_wh=flow.reshape(shape),
        supplier_import_wh=float(flow.reshape(shape)[-1].sum()) if classes.supplier_sells else 0.0,
        supplier_export_wh=float(flow.reshape(shape)[:, -1].sum()) if classes.supplier_buys else 0.0,
        price_micro_per_kwh=float("nan"),
        shadow_price=np.where(shadow_price > SHADOW_NOISE * SCALED_MAX, shadow_price, 0.0)
        * scale.price_unit
        / scale.row_unit,
        objective_nano=objective + float(problem.flow_worth.ravel() @ flow),
    )


def _worth(problem: ClassProblem, price_unit: float) -> FloatArray:
    cells, classes = problem.cells, problem.classes
    preference = VOLUME_PREFERENCE_MAX_MICRO_PER_KWH / price_unit
    accepted = np.where(cells.is_sell, -1.0, 1.0) * cells.price_micro_per_kwh / price_unit + preference
    curtailing = -problem.curtailment_price_micro_per_kwh / price_unit - preference
    flow = problem.flow_worth / price_unit
    if classes.supplier_sells:
        flow[-1] -= SUPPLIER_AVERSION * preference
    if classes.supplier_buys:
        flow[:, -1] -= SUPPLIER_AVERSION * preference
    highest = max(1.0, float(np.abs(accepted).max(initial=0.0)), -curtailing, float(np.abs(flow).max(initial=0.0)))
    return np.concatenate(
        [
            accepted,
            np.full(cells.group_capacity_wh.size, curtailing),
            flow.ravel(),
            np.full(problem.room.size, -EXCESS_COST * highest),
        ]
    )
