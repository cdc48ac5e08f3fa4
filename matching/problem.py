"""What the optimisation is asked and what it answers, and the units in which a solver sees it.

Among equal optima the one that clears more energy, and more of it between members, is wanted: a preference far below
one price tick says so. A still smaller one, for some places over others, leaves a single optimum: whoever solves the
problem, with whatever columns, comes to the same one. Energies and prices are divided by scales that suit a solver's
tolerances.
"""

from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray
from matching.auction import Supplier
from matching.book import IntArray
from matching.cells import INERT, NO_GROUP, Cells, Columns

VOLUME_PREFERENCE = 1e-3  # of a price scaled to 10^5 at most; the solver resolves 10^-7
VOLUME_PREFERENCE_MAX_MICRO_PER_KWH = 10.0  # a tenth of a tick
SHADOW_NOISE = 1e-9  # of the highest price
SUPPLIER_AVERSION = 0.1  # of the volume preference
PLACE_PREFERENCE = 0.05  # of the volume preference
SHADOW_OF_PREFERENCES = 0.5  # of the volume preference: a row that the preference for places alone uses up has no price
GOLDEN_RATIO = (
    5.0**0.5 - 1.0
) / 2.0  # its multiples, without their whole part, lie evenly apart however many there are
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

    def needless_nano(self, curtailed_wh: IntArray | FloatArray) -> float:
        """What counts against a result beside its welfare: a nano-unit for each Wh that is curtailed for nothing."""
        return 0.0 if self.curtailment_price_micro_per_kwh else float(curtailed_wh.sum())

    def promise_nano(self, optimum: "WelfareSolution") -> float:
        """What an optimum is worth by the same measure."""
        return optimum.objective_nano - self.needless_nano(optimum.curtailed_wh)


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScaledProblem:
    """The problem in a solver's units, its variables in this order: accepted, curtailed, supplier sells, buys, excess.

    columns     what is accepted: the problem's cells, or lumps of them
    energy_wh, price_unit, row_unit [n_row]  what one unit of the solver is in Wh, micro per kWh and units of the row
    upper       [n_variable] upper bounds, infinite where there is none; lower bounds are zero
    worth       [n_variable] what one unit of each variable adds to the welfare, the preference for volume included
    class_effect [n_row, n_class], room [n_row], group_capacity [n_group], loss
    """

    columns: Columns
    energy_wh: float
    price_unit: float
    row_unit: FloatArray
    upper: FloatArray
    worth: FloatArray
    class_effect: FloatArray
    room: FloatArray
    group_capacity: FloatArray
    loss: float


def scaled(problem: WelfareProblem) -> ScaledProblem:
    """The problem in units in which prices and energies are at most 10^5, and the largest effect in a row is one."""
    cells = problem.cells
    energy_wh = max(1.0, float(cells.capacity_wh.max(initial=1)) / 1e5)
    price_unit = max(1.0, float(np.abs(cells.price_micro_per_kwh).max(initial=1)) / 1e5)
    row_unit = cells.largest_effect
    return ScaledProblem(
        columns=cells,
        energy_wh=energy_wh,
        price_unit=price_unit,
        row_unit=row_unit,
        upper=_upper(problem, energy_wh),
        worth=_worth(problem, price_unit),
        class_effect=cells.class_effect / row_unit[:, None],
        room=problem.room / (row_unit * energy_wh),
        group_capacity=cells.group_capacity_wh / energy_wh,
        loss=problem.loss_wh / energy_wh,
    )


def solution_of(
    problem: WelfareProblem, scale: ScaledProblem, *, variables: FloatArray, price: float, shadow_price: FloatArray
) -> WelfareSolution:
    """A solver's answer, in its units and in the order of the variables, as a solution of the problem."""
    columns = scale.columns
    cell_count, group_count = columns.capacity_wh.size, columns.group_capacity_wh.size
    energies = np.maximum(variables * scale.energy_wh, 0.0)
    accepted, curtailed = energies[:cell_count], energies[cell_count : cell_count + group_count]
    sells, buys = energies[cell_count + group_count : cell_count + group_count + 2].tolist()
    gain = np.where(columns.is_sell, -1.0, 1.0) * columns.price_micro_per_kwh
    objective = float(gain @ accepted) - problem.curtailment_price_micro_per_kwh * float(curtailed.sum())
    objective += (problem.supplier.buys_at_micro_per_kwh or 0) * buys
    objective -= (problem.supplier.sells_at_micro_per_kwh or 0) * sells
    kept = np.where(shadow_price > SHADOW_OF_PREFERENCES * VOLUME_PREFERENCE, shadow_price, 0.0)
    return WelfareSolution(
        accepted_wh=np.minimum(accepted, columns.capacity_wh),
        curtailed_wh=np.minimum(curtailed, columns.group_capacity_wh),
        supplier_import_wh=sells,
        supplier_export_wh=buys,
        price_micro_per_kwh=price * scale.price_unit,
        shadow_price=kept * scale.price_unit / scale.row_unit,
        objective_nano=objective,
    )


def _upper(problem: WelfareProblem, energy_wh: float) -> FloatArray:
    supplier = (problem.supplier.sells_at_micro_per_kwh, problem.supplier.buys_at_micro_per_kwh)
    return np.concatenate(
        [
            problem.cells.capacity_wh / energy_wh,
            problem.cells.group_capacity_wh / energy_wh,
            [0.0 if price is None else np.inf for price in supplier],
            np.full(problem.room.size, np.inf if problem.elastic else 0.0),
        ]
    )


def _worth(problem: WelfareProblem, price_unit: float) -> FloatArray:
    cells, supplier = problem.cells, problem.supplier
    preference = min(VOLUME_PREFERENCE, VOLUME_PREFERENCE_MAX_MICRO_PER_KWH / price_unit)
    flexible, curtailable, curtailed = PLACE_PREFERENCE * preference * _shares_by_place(cells)
    accepted = np.where(cells.is_sell, -1.0, 1.0) * cells.price_micro_per_kwh / price_unit + preference
    grouped = cells.group != NO_GROUP
    accepted += flexible[cells.moved_class]
    accepted[grouped] += curtailable[cells.group_class[cells.group[grouped]]]
    curtailing = -problem.curtailment_price_micro_per_kwh / price_unit - preference - curtailed[cells.group_class]
    prices = (-(supplier.sells_at_micro_per_kwh or 0), supplier.buys_at_micro_per_kwh or 0)
    supplied = [price / price_unit - SUPPLIER_AVERSION * preference for price in prices]
    highest = max(1.0, float(np.abs(accepted).max(initial=0.0)), -curtailing.min(initial=0.0), *map(abs, supplied))
    return np.concatenate(
        [
            accepted,
            curtailing,
            supplied,
            np.full(problem.room.size, -EXCESS_COST * highest),
        ]
    )


def _shares_by_place(cells: Cells) -> FloatArray:
    """[3, n_class] distinct numbers from 0 to 1 for accepting flexible and curtailable energy and for curtailing there.

    Where orders of one price are equally good for all rows that have a price, they decide which the optimum takes.
    """
    shares: FloatArray = np.modf(GOLDEN_RATIO * (1.0 + 3.0 * cells.class_bus + np.arange(3)[:, None]))[0]
    shares[:, INERT] = 0.0
    return shares
