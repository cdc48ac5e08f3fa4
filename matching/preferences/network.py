"""Premiums and grid fees under the limits of a network: what the loop of `matching.congestion` asks for each time."""

from dataclasses import dataclass

import numpy as np

from grid.limits import FloatArray
from matching.auction import PriceInterval
from matching.book import BoolArray, IntArray
from matching.bound_result import BoundResult
from matching.cells import NetworkRows, aggregate
from matching.certificate import exact_sum
from matching.disaggregation import Pools, WholeOutcome, disaggregate
from matching.injections import Feeder
from matching.mechanisms.interface import Match
from matching.mechanisms.k_double_auction import price_rule
from matching.optimiser import limits_welfare
from matching.preferences.auction import main_class, match_at
from matching.preferences.classes import MatchClasses, match_classes
from matching.preferences.problem import ClassProblem, ClassSolution
from matching.preferences.programme import solve_classes
from matching.preferences.rounding import whole_flows, whole_totals
from matching.preferences.row_prices import FINE, row_prices
from matching.preferences.supporting import ClassPrices
from matching.pricing import DualPrices, trader_prices
from matching.problem import WelfareProblem, WelfareSolution
from matching.rules import Terms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassOutcome(WholeOutcome):
    """A result in whole Wh with flow_wh [n_seller, n_buyer] from class to class."""

    flow_wh: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ByClass:
    """Classes of sellers and of buyers, each with a balance of its own."""

    terms: Terms
    feeder: Feeder
    classes: MatchClasses

    @classmethod
    def of(cls, terms: Terms, feeder: Feeder) -> "ByClass":
        """The classes of a book."""
        return cls(
            terms=terms,
            feeder=feeder,
            classes=match_classes(terms.book, terms.rules.grid_fees, terms.rules.supplier),
        )

    def problem(self, rows: NetworkRows) -> ClassProblem:
        """See `matching.optimiser.Optimiser`."""
        book, rules = self.terms.book, self.terms.rules
        return ClassProblem(
            cells=aggregate(book, book.quantity_wh, self.feeder.bus_position, rows, self.classes.of_order),
            classes=self.classes,
            room=rows.room,
            supplier=rules.supplier,
            loss_wh=0,
            curtailment_price_micro_per_kwh=rules.curtailment_price_micro_per_kwh,
        )

    def solve(self, problem: WelfareProblem) -> ClassSolution | None:
        """See `matching.optimiser.Optimiser`."""
        assert isinstance(problem, ClassProblem)
        return solve_classes(problem)

    def whole(
        self, problem: WelfareProblem, solution: WelfareSolution, *, respected: BoolArray, loss_wh: int
    ) -> ClassOutcome:
        """See `matching.optimiser.Optimiser`."""
        assert isinstance(problem, ClassProblem)
        assert isinstance(solution, ClassSolution)
        kept = respected | (solution.shadow_price > 0.0)

        def balance(pools: Pools) -> tuple[IntArray, tuple[int, int]]:
            return whole_totals(pools, problem, solution, kept)

        outcome = disaggregate(
            quantity_wh=self.terms.book.quantity_wh,
            problem=problem,
            solution=solution,
            duals=DualPrices.of_solver(solution),
            respected=respected,
            loss_wh=loss_wh,
            tie_keys=self.terms.tie_keys,
            balance=balance,
        )
        return ClassOutcome(
            accepted_wh=outcome.accepted_wh,
            curtailed_wh=outcome.curtailed_wh,
            supplier_import_wh=outcome.supplier_import_wh,
            supplier_export_wh=outcome.supplier_export_wh,
            flow_wh=whole_flows(problem, solution, *self._class_totals(problem, outcome.accepted_wh)),
        )

    def welfare(self, outcome: WholeOutcome) -> int:
        """See `matching.optimiser.Optimiser`: with the premiums and less the fees."""
        assert isinstance(outcome, ClassOutcome)
        return limits_welfare(self.terms, outcome) + exact_sum(self.classes.weight * outcome.flow_wh)

    def _class_totals(self, problem: ClassProblem, accepted_wh: IntArray) -> tuple[IntArray, IntArray]:
        """What the members' classes of sellers sell, and those of buyers buy."""
        is_sell, number = self.terms.book.is_sell, self.classes.of_order
        sold, bought = (
            np.bincount(number[side], weights=accepted_wh[side], minlength=count).astype(np.int64)
            for side, count in zip((is_sell, ~is_sell), problem.member_classes, strict=True)
        )
        return sold, bought


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassesWithinRows:
    """A result within rows with its prices; for the certificate prices before rounding, in parts of a micro-unit.

    shadow_price [n_row] and class_adder [n_class of buses] as published
    """

    match: Match
    exact: ClassPrices
    shadow_price: FloatArray
    class_adder: FloatArray


def priced_within_rows(bound: BoundResult, terms: Terms) -> ClassesWithinRows | None:
    """What everybody pays; None where no prices support the optimum."""
    problem, solution, outcome = bound.problem, bound.solution, bound.outcome
    assert isinstance(problem, ClassProblem)
    assert isinstance(solution, ClassSolution)
    assert isinstance(outcome, ClassOutcome)
    tradable, main = terms.tradable(terms.book.quantity_wh), main_class(problem.classes, outcome.flow_wh)
    found = row_prices(problem, solution, main or 0, price_rule(tradable, outcome.accepted_wh))
    if found is None:
        return None
    interval, prices = found.interval.in_whole(FINE), found.interval.at(found.share, FINE)
    lowest, highest = (
        int(end.plain(problem.classes.fee)[main]) if main is not None else 0
        for end in (interval.lowest, interval.highest)
    )
    match = match_at(
        tradable,
        problem.classes,
        outcome.accepted_wh,
        outcome.flow_wh,
        interval=None if main is None else interval,
        prices=prices,
        plain=PriceInterval(lower_micro_per_kwh=lowest, upper_micro_per_kwh=max(lowest, highest)),
        adder_micro_per_kwh=_local(problem, prices, found.class_adder, terms),
    )
    return ClassesWithinRows(
        match=match,
        exact=found.interval.mixed(found.share),
        shadow_price=found.shadow_price,
        class_adder=found.class_adder,
    )


def _local(problem: ClassProblem, prices: ClassPrices, class_adder: FloatArray, terms: Terms) -> IntArray:
    """[n_order] what the network adds to the price of each order's class; nothing for firm and curtailable orders."""
    book, own = terms.book, np.zeros(len(terms.book), dtype=np.int64)
    for side, each in ((book.is_sell, prices.price), (~book.is_sell, prices.worth)):
        own[side] = each[problem.classes.of_order[side]]
    local: IntArray = trader_prices(
        uniform_micro_per_kwh=own,
        adder_micro_per_kwh=class_adder[problem.cells.moved_class][problem.cells.of_order],
        is_sell=book.is_sell,
        limit_micro_per_kwh=book.limit_micro_per_kwh,
        lowest_micro_per_kwh=min(0, int(book.limit_micro_per_kwh.min(initial=0))),
    )
    return local - own
