"""How the loop that keeps the network's limits finds an optimum within rows, makes it whole and values it.

Here for a book in which every Wh is as good as any other; `matching.preferences.network` has the one for classes of
sellers and of buyers.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from grid.limits import FloatArray
from matching.book import BoolArray
from matching.cells import NetworkRows, Parts, cells_of, parts_of
from matching.certificate import welfare_nano
from matching.disaggregation import WholeOutcome, disaggregate
from matching.injections import Feeder
from matching.pricing import DualPrices
from matching.problem import WelfareProblem, WelfareSolution
from matching.reduction import WHOLE_CELLS_MAX, solve_reduced
from matching.rules import Terms


class Optimiser(Protocol):
    """What the loop needs to know of the market."""

    def problem(self, rows: NetworkRows) -> WelfareProblem:
        """What is asked of the book under these rows, with all of their room and without losses."""

    def solve(self, problem: WelfareProblem) -> WelfareSolution | None:
        """The optimum, None if the rows cannot be kept."""

    def whole(
        self, problem: WelfareProblem, solution: WelfareSolution, *, respected: BoolArray, loss_wh: int
    ) -> WholeOutcome:
        """The optimum in whole Wh, balanced for these losses; `respected` as in `matching.disaggregation`."""

    def welfare(self, outcome: WholeOutcome) -> int:
        """Welfare of a result in nano-units."""


@dataclass(slots=True, kw_only=True, eq=False)
class OneClass:
    """Every Wh as good as any other: one balance, one price. Each optimum is looked for near the one before."""

    terms: Terms
    feeder: Feeder
    parts: Parts
    whole_cells_max: int
    margin_micro_per_kwh: FloatArray | None = None

    @classmethod
    def of(
        cls,
        terms: Terms,
        feeder: Feeder,
        *,
        near_micro_per_kwh: int | None = None,
        whole_cells_max: int = WHOLE_CELLS_MAX,
    ) -> "OneClass":
        """The parts of a book. The first optimum is looked for near a price; few cells are solved as they are."""
        parts = parts_of(terms.book, terms.book.quantity_wh, feeder.bus_position)
        margin = None if near_micro_per_kwh is None else np.full(parts.capacity_wh.size, float(near_micro_per_kwh))
        return cls(
            terms=terms, feeder=feeder, parts=parts, whole_cells_max=whole_cells_max, margin_micro_per_kwh=margin
        )

    def problem(self, rows: NetworkRows) -> WelfareProblem:
        """See `Optimiser`."""
        rules = self.terms.rules
        return WelfareProblem(
            cells=cells_of(self.parts, rows),
            room=rows.room,
            supplier=rules.supplier,
            loss_wh=0,
            curtailment_price_micro_per_kwh=rules.curtailment_price_micro_per_kwh,
        )

    def solve(self, problem: WelfareProblem) -> WelfareSolution | None:
        """See `Optimiser`."""
        found = solve_reduced(problem, self.margin_micro_per_kwh, whole_cells_max=self.whole_cells_max)
        if found is None:
            return None
        self.margin_micro_per_kwh = found.margin_micro_per_kwh
        return found.solution

    def whole(
        self, problem: WelfareProblem, solution: WelfareSolution, *, respected: BoolArray, loss_wh: int
    ) -> WholeOutcome:
        """See `Optimiser`."""
        return disaggregate(
            quantity_wh=self.terms.book.quantity_wh,
            problem=problem,
            solution=solution,
            duals=DualPrices.of_solver(solution),
            respected=respected,
            loss_wh=loss_wh,
            tie_keys=self.terms.tie_keys,
        )

    def welfare(self, outcome: WholeOutcome) -> int:
        """See `Optimiser`."""
        return limits_welfare(self.terms, outcome)


def limits_welfare(terms: Terms, outcome: WholeOutcome) -> int:
    """What a result is worth by the limits of the orders, the supplier's prices and the cost of curtailing."""
    return welfare_nano(
        is_sell=terms.book.is_sell,
        limit_micro_per_kwh=terms.book.limit_micro_per_kwh,
        accepted_wh=outcome.accepted_wh,
        curtailed_wh=outcome.curtailed_wh,
        supplier=terms.rules.supplier,
        supplier_import_wh=outcome.supplier_import_wh,
        supplier_export_wh=outcome.supplier_export_wh,
        curtailment_price_micro_per_kwh=terms.rules.curtailment_price_micro_per_kwh,
    )
