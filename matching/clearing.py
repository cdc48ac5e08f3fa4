"""Clear one interval: the plain auction, and where the network is passed, the loop that keeps its limits.

  no network, or nothing binds   sort and merge                             (auction.py)
  a limit is passed              optimise, power flow, linearise, repeat    (congestion.py)
  limits cannot be kept          curtail as far as helps, firm orders trade (scarcity.py)
  no supplier                    the same of another book                   (island)

Where energy has attributes or grid fees, classes of sellers and of buyers are matched (`matching.preferences`) in the
place of sort and merge, and the same loop optimises over them. A mechanism that does not optimise is asked in the place
of sort and merge, and where its result passes a limit flexible orders stay out, curtailment does what it can, and the
rest goes through the mechanism once more.

Whatever comes out is priced, checked by the judge of the network and by the invariants of the market, and only then
published.
"""

from dataclasses import replace

import numpy as np

from grid.limits import FloatArray, NetworkLimits, OperatingPoint, Violation
from grid.power_flow import PowerFlowDiverged
from matching.auction import LossesNotCovered, LossesNotSettled
from matching.book import IntArray, OrderBook
from matching.bound_result import BoundResult
from matching.congestion import BoundMarket, keep_limits
from matching.decision import Decision, Refusal
from matching.disaggregation import WholeOutcome
from matching.injections import Feeder, feeder_of
from matching.island.publication import on_island
from matching.island.rules import as_cleared
from matching.mechanisms.interface import Match
from matching.optimiser import OneClass, Optimiser
from matching.preferences.network import ByClass, priced_within_rows
from matching.publication import publish
from matching.rationing import keyed_tie_keys
from matching.reduction import ReducedSolution
from matching.result import Clearing, Status
from matching.rules import INTERVAL_MINUTES, MarketRules, RuleError, Terms, require_attributes_tradable
from matching.scarcity import curtail_as_far_as_helps
from matching.stopwatch import Stopwatch
from matching.validation import require_valid
from matching.welfare import load_solver, solve_welfare

__all__ = ["Clearing", "MarketRules", "clear"]

MARGIN_FACTORS = (1.0, 8.0, 64.0)  # tried in turn where the judge sees more than the fast power flow
LOSS_ROUNDS_MAX = 30
LOSSES_SWING_FROM_ROUND = 5  # near collapse what is bought and what is lost swing about each other: met half-way
SPECIFIED_RELATIVE = 1e-9  # of the turnover at the orders' limits


def clear(
    book: OrderBook,
    *,
    interval_minutes: int,
    rules: MarketRules,
    limits: NetworkLimits | None = None,
    baseline_w: FloatArray | None = None,
    baseline_var: FloatArray | None = None,
) -> Clearing:
    """The result of one interval's book under the network's limits.

    `baseline_w` and `baseline_var` [n_bus], + into the grid, are what flows beside the book; zero if not given.
    Raises BookError for orders that cannot be cleared, RuleError for circumstances that contradict and LossesNotCovered
    where the market must buy losses that nobody offers or that no purchase meets; an island is dark then.
    """
    if interval_minutes not in INTERVAL_MINUTES:
        raise RuleError(f"an interval lasts {', '.join(map(str, INTERVAL_MINUTES))} minutes, not {interval_minutes}")
    if limits is None and rules.losses == "market":
        raise RuleError("the market can buy losses only of a network: give one, or leave losses to the grid")
    if limits is not None and rules.island is not None and rules.losses == "grid":
        raise RuleError("on an island nobody else covers what a network loses: let the market buy losses")
    stopwatch = Stopwatch()
    with stopwatch.measuring("solve"):
        require_valid(book, None if limits is None else limits.buses)
    terms = _terms(book, rules, interval_minutes)
    require_attributes_tradable(terms)
    feeder = None
    if limits is not None:
        feeder = feeder_of(
            terms.book, limits, interval_minutes=interval_minutes, baseline_w=baseline_w, baseline_var=baseline_var
        )
    if rules.island is None:
        return publish(_decided(terms, feeder, stopwatch), terms, stopwatch, feeder)
    if baseline_w is not None and np.any(baseline_w):
        raise RuleError("on an island all energy is somebody's order: leave active power out of the baseline")
    decision = _decided_on_island(terms, feeder, stopwatch)
    seen = None if decision.status is Status.RED else feeder
    return on_island(publish(decision, terms, stopwatch, seen), book, rules.island)


def _terms(book: OrderBook, rules: MarketRules, interval_minutes: int) -> Terms:
    island, tie_keys = rules.island, keyed_tie_keys(book.order_ids, rules.tie_seed)
    return Terms(
        book=book if island is None else as_cleared(book, island),
        rules=rules,
        interval_minutes=interval_minutes,
        tie_keys=tie_keys,
        own_limit_micro_per_kwh=None if island is None else book.limit_micro_per_kwh,
    )


def _decided(terms: Terms, feeder: Feeder | None, stopwatch: Stopwatch) -> Decision:
    if feeder is not None:
        return _within_limits(BoundMarket(terms=terms, feeder=feeder, stopwatch=stopwatch))
    with stopwatch.measuring("solve"):
        match = terms.mechanism.match(terms.tradable(terms.book.quantity_wh))
    return _plain_decision(match, terms.book.quantity_wh)


def _decided_on_island(terms: Terms, feeder: Feeder | None, stopwatch: Stopwatch) -> Decision:
    """Red and nothing accepted where nothing keeps the limits, or nobody covers what the network itself needs."""
    try:
        decision = _decided(terms, feeder, stopwatch)
        judged = decision.judged
        settled = feeder is None or judged is None or abs(feeder.loss_wh(judged) - decision.loss_wh) <= 1
        if settled and decision.status is not Status.RED:
            return decision
    except LossesNotCovered:
        pass
    nothing = np.zeros(len(terms.book), dtype=np.int64)
    return replace(_plain_decision(terms.mechanism.match(terms.tradable(nothing)), nothing), status=Status.RED)


def _within_limits(market: BoundMarket) -> Decision:
    """The plain result if the judge passes it, else the best one within the limits, else what scarcity leaves."""
    decision, point = _plain(market)
    if point is not None and not point.violations:
        decision = _judged(market, decision, point)
        if decision.keeps_limits:
            return _with_light(market, decision)
        point = decision.judged
    with market.stopwatch.measuring("import"):
        load_solver()
    if not market.terms.mechanism.properties.optimal:
        return _refusing(market, () if point is None else point.violations)
    found, rounds = (None, 1) if point is None else _bound(market, decision, point)
    if found is not None:
        return _with_light(market, found)
    if market.terms.attributes_matter:
        return _refusing(market, () if point is None else point.violations, rounds)
    return _with_light(market, _scarce(market, rounds)[0])


def _bound(market: BoundMarket, plain: Decision, point: OperatingPoint) -> tuple[Decision | None, int]:
    """The best result within the limits that the judge passes, if there is one, and how many clearings it took.

    `plain` is the result without rows, and `point` the state it leads to.
    """
    terms, feeder, rounds, by_class = market.terms, market.feeder, 1, None
    with market.stopwatch.measuring("solve"):
        optimiser: Optimiser = ByClass.of(terms, feeder) if terms.attributes_matter else _one_class(market, plain)
    for factor in MARGIN_FACTORS:
        bound, used = keep_limits(market, optimiser, point, margin_factor=factor)
        rounds += used
        if bound is None:
            break
        if market.terms.attributes_matter:
            with market.stopwatch.measuring("solve"):
                by_class = priced_within_rows(bound, market.terms)
            if by_class is None:
                break
        decision = Decision.within_rows(bound, market.terms.book.quantity_wh, rounds, by_class)
        decision = _judged(market, decision, bound.point)
        if decision.keeps_limits:
            if by_class is None:
                _assert_specified(market, bound)
            return decision, rounds
    return None, rounds


def _one_class(market: BoundMarket, plain: Decision) -> OneClass:
    price = None if plain.match is None else plain.match.payments.clearing_price_micro_per_kwh
    return OneClass.of(market.terms, market.feeder, near_micro_per_kwh=price)


def _refusing(market: BoundMarket, limits: tuple[Violation, ...], rounds: int = 1) -> Decision:
    """Flexible energy stays out, the rest goes through the mechanism once more.

    So where it does not optimise, and where energy has attributes and no result within the limits was found.
    """
    decision, point = _scarce(market, rounds)
    if decision.match is not None and decision.match.attributes is not None:
        told = replace(decision.match.attributes, flexible_left_out=True)
        decision = replace(decision, match=replace(decision.match, attributes=told))
    decision = _with_light(market, replace(decision, refusal=Refusal(limits=limits, point=point)))
    return decision if decision.status is Status.RED else replace(decision, status=Status.AMBER)


def _plain(market: BoundMarket) -> tuple[Decision, OperatingPoint | None]:
    """The auction without rows and the state it leads to; losses the market buys are repeated until they agree.

    Raises LossesNotSettled where they never do.
    """
    terms, feeder, loss_wh = market.terms, market.feeder, 0
    nothing = np.broadcast_to(np.int64(0), len(terms.book))
    for number in range(LOSS_ROUNDS_MAX):
        with market.stopwatch.measuring("solve"):
            match = terms.mechanism.match(terms.tradable(terms.book.quantity_wh, loss_wh=loss_wh))
        with market.stopwatch.measuring("power_flow"):
            point = feeder.solve_towards(feeder.injection_w(match.accepted_wh, nothing))
        lost_wh = loss_wh if terms.rules.losses == "grid" or point is None else feeder.loss_wh(point)
        if abs(lost_wh - loss_wh) <= 1:
            return _plain_decision(match, terms.book.quantity_wh, loss_wh=loss_wh), point
        bought_wh, loss_wh = loss_wh, lost_wh if number < LOSSES_SWING_FROM_ROUND else (loss_wh + lost_wh) // 2
    raise LossesNotSettled(loss_wh=lost_wh, offered_wh=bought_wh)


def _scarce(market: BoundMarket, rounds: int) -> tuple[Decision, OperatingPoint | None]:
    """Curtailed as far as helps; what is left of firm and curtailable orders trades as ever. With the state then.

    Raises LossesNotCovered where nothing but the losses is in the way; in a red interval what is offered is bought.
    """
    terms, feeder = market.terms, market.feeder
    scarcity = curtail_as_far_as_helps(market)
    tradable = np.where(feeder.flexible, 0, terms.book.quantity_wh) - scarcity.curtailed_wh
    loss_wh, short = 0, None
    if terms.rules.losses == "market" and scarcity.point is not None:
        loss_wh = feeder.loss_wh(scarcity.point)
    with market.stopwatch.measuring("solve"):
        try:
            match = terms.mechanism.match(terms.tradable(tradable, loss_wh=loss_wh))
        except LossesNotCovered as error:
            loss_wh, short = error.offered_wh, error
            match = terms.mechanism.match(terms.tradable(tradable, loss_wh=loss_wh))
    decision = _plain_decision(match, tradable, loss_wh=loss_wh, curtailed_wh=scarcity.curtailed_wh)
    decision = _judged(market, replace(decision, optimised=True, rounds=rounds + scarcity.rounds), None)
    if short is not None and decision.keeps_limits:
        raise short
    return decision, scarcity.point


def _assert_specified(market: BoundMarket, bound: BoundResult) -> None:
    """The Pyomo model, solved by HiGHS, must come to the same welfare as the matrices that the loop solved."""
    assert isinstance(bound.solution, ReducedSolution)
    with market.stopwatch.measuring("solve"):
        specified = solve_welfare(bound.problem, bound.solution.programme)
    assert specified is not None, "the Pyomo model finds no solution where the loop found one"
    turnover = np.abs(bound.solution.programme.columns.price_micro_per_kwh) @ specified.accepted_wh
    difference = abs(specified.objective_nano - bound.solution.objective_nano)
    assert difference <= SPECIFIED_RELATIVE * max(1.0, float(turnover)), (
        "the loop's optimum is not that of the Pyomo model"
    )


def _judged(market: BoundMarket, decision: Decision, point: OperatingPoint | None) -> Decision:
    """The decision with the judge's view of the state it leads to; no view where there is no such state.

    `point` is that state by the fast power flow, if it is known.
    """
    feeder, outcome = market.feeder, decision.outcome
    with market.stopwatch.measuring("power_flow"):
        injection_w = (
            feeder.injection_w(outcome.accepted_wh, outcome.curtailed_wh) if point is None else point.injection_w
        )
        try:
            state = feeder.limits.judge(injection_w, feeder.base_var)
        except PowerFlowDiverged:
            return replace(decision, judged=None)
    return replace(decision, judged=state)


def _with_light(market: BoundMarket, decision: Decision) -> Decision:
    """Green, amber or red as `Status` defines them."""
    if not decision.keeps_limits:
        return replace(decision, status=Status.RED)
    if decision.outcome.curtailed_wh.any():
        return replace(decision, status=Status.AMBER)
    if not market.feeder.accepts_flexible(decision.outcome.accepted_wh):
        return decision
    with market.stopwatch.measuring("power_flow"):
        try:
            kept = not market.feeder.solve(market.feeder.base_w).violations
        except PowerFlowDiverged:
            kept = False
    return decision if kept else replace(decision, status=Status.AMBER)


def _plain_decision(
    match: Match, tradable_wh: IntArray, *, loss_wh: int = 0, curtailed_wh: IntArray | None = None
) -> Decision:
    return Decision(
        outcome=WholeOutcome(
            accepted_wh=match.accepted_wh,
            curtailed_wh=np.broadcast_to(np.int64(0), tradable_wh.shape) if curtailed_wh is None else curtailed_wh,
            supplier_import_wh=match.supplier_import_wh,
            supplier_export_wh=match.supplier_export_wh,
        ),
        tradable_wh=tradable_wh,
        match=match,
        loss_wh=loss_wh,
    )
