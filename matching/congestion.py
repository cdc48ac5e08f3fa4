"""The loop that keeps the network's limits: clear, power flow, linearise what is passed, clear again.

Rows are generated: only limits that were passed, a few worst ones at a time, are in the optimisation. Currents and low
voltages are convex in the injections, so from the fourth round on their old linearisations are kept as cuts, which ends
cycles; high voltages are not, and only their newest row counts. What the power flow checks is the result in whole Wh,
as it would be published.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from grid.limits import FloatArray, LimitKind, LimitRow, OperatingPoint, Violation
from matching.book import BoolArray
from matching.bound_result import BoundResult
from matching.cells import NetworkRows
from matching.cuts import Cut, LimitKey, cuts_of, limit_key, passed_in_whole_wh
from matching.disaggregation import NothingToBalanceWith, WholeOutcome
from matching.injections import EQUALLY_EFFECTIVE, TOLD_APART, Feeder
from matching.optimiser import Optimiser
from matching.problem import WelfareProblem, WelfareSolution
from matching.rules import Terms
from matching.stopwatch import Stopwatch
from matching.straightness import is_proved, seen_from_there

ROUNDS_MAX = 30
NEW_ROWS_A_ROUND = 8
NEW_ROWS_OF_VIOLATIONS = 1 / 10  # in networks so large that this is more
CUTS_FROM_ROUND = 4
INFEASIBLE_ROUNDS_MAX = 3
MARGIN = 2e-8  # of a limit: what the last linearisation may be wrong by
MARGIN_WH = 2e-7  # but not less than what so much energy does at most: twice what a solver lets pass
STRICT_UNTIL_ROUND = 12  # until then a limit is not passed even within the tolerance of the power flow
NOISE = 1e-9  # of a limit
LOSS_CORRECTIONS_MAX = 8
LATE_FROM_ROUND = 6
WIDER_MARGIN_FROM_ROUND = 10
DOUBLINGS_OF_MARGIN_MAX = 17  # to 0.3 % of a limit: in a small market one Wh is that much
GAIN_RELATIVE_MAX = 1e-6  # of the welfare: what another round may still gain for the loop to stop


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundMarket:
    """What stays the same over the rounds of one clearing."""

    terms: Terms
    feeder: Feeder
    stopwatch: Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """An optimisation and its answer: rows and owners as in `BoundResult`."""

    rows: NetworkRows
    owners: tuple[Violation, ...]
    problem: WelfareProblem
    solution: WelfareSolution


@dataclass(slots=True, kw_only=True, eq=False)
class _Search:
    """What the loop knows: where it stands, which limits are rows, old cuts, and limits that sharing has passed.

    whole_wh_margin  by how much whole Wh passed the rows of a limit that their optimum kept
    """

    optimiser: Optimiser
    point: OperatingPoint
    margin: float
    rounds: int = 0
    infeasible_in_a_row: int = 0
    active: dict[LimitKey, Violation] = field(default_factory=dict)
    cuts: list[Cut] = field(default_factory=list)
    respected: set[LimitKey] = field(default_factory=set)
    whole_wh_margin: dict[LimitKey, float] = field(default_factory=dict)
    best: BoundResult | None = None
    best_is_proved: bool = False


def keep_limits(
    market: BoundMarket, optimiser: Optimiser, start: OperatingPoint, *, margin_factor: float = 1.0
) -> tuple[BoundResult | None, int]:
    """The best result within the limits, None if they cannot be kept, and how many rounds it took.

    `start` is a state that passes limits. `margin_factor` widens the margin kept to every limit.
    """
    search = _Search(optimiser=optimiser, point=start, margin=MARGIN * margin_factor)
    current: BoundResult | None = None
    while search.rounds < ROUNDS_MAX:
        _activate(search)
        with market.stopwatch.measuring("power_flow"):
            limit_rows = market.feeder.limits.linearise(search.point, tuple(search.active.values()))
        kept = current if current is not None and _is_kept(market, search, current, limit_rows) else None
        proved = kept is None or is_proved(kept, market.feeder, limit_rows)
        bent = not proved and search.rounds <= STRICT_UNTIL_ROUND
        if kept is not None and not proved:
            kept = seen_from_there(kept, market.feeder, limit_rows)
        if kept is not None and not _is_progress(search, kept, proved=proved) and not bent:
            break
        search.rounds += 1
        asked = _ask_again(market, search, limit_rows)
        if asked is None or (kept is not None and not bent and not _promises_more(kept, asked)):
            break
        current = _made_whole(market, search, asked)
        if current is None:
            break
    return search.best, search.rounds


def _activate(search: _Search) -> None:
    """Make the worst new violations rows: the first of each kind, then by severity."""
    new = [violation for violation in search.point.violations if limit_key(violation) not in search.active]
    first_of_kind = {violation.kind: violation for violation in reversed(new)}
    ranked = sorted(new, key=lambda violation: first_of_kind[violation.kind] is not violation)
    for violation in ranked[: max(NEW_ROWS_A_ROUND, int(NEW_ROWS_OF_VIOLATIONS * len(new)))]:
        search.active[limit_key(violation)] = violation


def _is_kept(market: BoundMarket, search: _Search, current: BoundResult, limit_rows: tuple[LimitRow, ...]) -> bool:
    """Whether a result passes no limit and could be published."""
    passed = search.rounds <= STRICT_UNTIL_ROUND and any(
        row.value > row.limit + NOISE * abs(row.limit) for row in limit_rows
    )
    if search.point.violations or passed or current.problem.elastic:
        return False
    return _loss_is_right(market, search.point, current.loss_wh)


def _is_progress(search: _Search, kept: BoundResult, *, proved: bool) -> bool:
    """Whether a result is better by more than is worth the while; the best is remembered, if possible a proved one."""
    previous = search.best
    if previous is None or (proved, kept.worth_nano) > (search.best_is_proved, previous.worth_nano):
        search.best, search.best_is_proved = kept, proved
    return previous is None or kept.worth_nano - previous.worth_nano > _tolerance_nano(kept)


def _promises_more(kept: BoundResult, asked: _Asked) -> bool:
    """Whether the rows as they are at a result leave room for a better one."""
    gain = asked.problem.promise_nano(asked.solution) - kept.problem.promise_nano(kept.solution)
    return gain > _tolerance_nano(kept)


def _tolerance_nano(kept: BoundResult) -> float:
    return GAIN_RELATIVE_MAX * max(1.0, abs(kept.worth_nano))


def _ask_again(market: BoundMarket, search: _Search, limit_rows: tuple[LimitRow, ...]) -> _Asked | None:
    """One optimisation under the rows at the present point.

    None ends the loop: the rows cannot be kept even from the point that passes them least.
    """
    rows, owners, margins = _rows(market, search, limit_rows)
    with market.stopwatch.measuring("solve"):
        optimum = _optimum(market, search, rows, margins)
    return None if optimum is None else _Asked(rows=rows, owners=owners, problem=optimum[0], solution=optimum[1])


def _made_whole(market: BoundMarket, search: _Search, asked: _Asked) -> BoundResult | None:
    """An optimum in whole Wh, and the state it leads to; None if no state is found."""
    problem, solution, owners = asked.problem, asked.solution, asked.owners
    respected: BoolArray = np.array([limit_key(owner) in search.respected for owner in owners], dtype=np.bool_)
    loss_wh = problem.loss_wh
    with market.stopwatch.measuring("solve"):
        outcome = search.optimiser.whole(problem, solution, respected=respected, loss_wh=loss_wh)
    point = _state(market, outcome)
    for _ in range(LOSS_CORRECTIONS_MAX):
        if point is None or _loss_is_right(market, point, loss_wh):
            break
        # Another optimum could be another corner with other losses: this one is kept and only its balance moved.
        lost_wh = market.feeder.loss_wh(point)
        try:
            outcome = search.optimiser.whole(problem, solution, respected=respected, loss_wh=lost_wh)
        except NothingToBalanceWith:
            break  # a place to look again from: with wrong losses it is not kept
        loss_wh, point = lost_wh, _state(market, outcome)
    if point is None:
        return None
    kept = respected | (solution.shadow_price > 0.0)
    if abs(problem.loss_wh - loss_wh) <= 1:  # more than whole Wh was moved where losses turned out otherwise
        _remember_what_whole_wh_passed(market, search, point, asked, kept)
    _remember_what_sharing_passed(search, point, owners, solution.shadow_price > 0.0)
    search.point = point
    return BoundResult(
        outcome=outcome,
        problem=problem,
        solution=solution,
        owners=owners,
        rows=asked.rows,
        apart=kept,
        loss_wh=loss_wh,
        point=point,
        worth_nano=search.optimiser.welfare(outcome) - problem.needless_nano(outcome.curtailed_wh),
    )


def _state(market: BoundMarket, outcome: WholeOutcome) -> OperatingPoint | None:
    with market.stopwatch.measuring("power_flow"):
        return market.feeder.solve_towards(market.feeder.injection_w(outcome.accepted_wh, outcome.curtailed_wh))


def _loss_is_right(market: BoundMarket, point: OperatingPoint, loss_wh: int) -> bool:
    """Whether what is bought for losses is what is lost, to one Wh; no matter where the grid operator pays."""
    return market.terms.rules.losses == "grid" or abs(market.feeder.loss_wh(point) - loss_wh) <= 1


def _optimum(
    market: BoundMarket, search: _Search, rows: NetworkRows, margins: FloatArray
) -> tuple[WelfareProblem, WelfareSolution] | None:
    """The optimum within the rows; without the margin where that alone makes it possible.

    Where the rows cannot be kept, the one that passes them least, as a place to linearise again; None when that has
    been tried often enough, or a result within the limits is known.
    """
    loss_wh = market.feeder.loss_wh(search.point) if market.terms.rules.losses == "market" else 0
    asked = replace(search.optimiser.problem(rows), loss_wh=loss_wh)
    for room in (rows.room - margins, rows.room):
        problem = replace(asked, room=room)
        solution = search.optimiser.solve(problem)
        if solution is not None:
            search.infeasible_in_a_row = 0
            return problem, solution
    search.infeasible_in_a_row += 1
    search.cuts.clear()
    if search.best is not None or search.infeasible_in_a_row >= INFEASIBLE_ROUNDS_MAX:
        return None
    problem = replace(asked, room=rows.room - margins, elastic=True)
    solution = search.optimiser.solve(problem)
    return None if solution is None else (problem, solution)


def _rows(
    market: BoundMarket, search: _Search, limit_rows: tuple[LimitRow, ...]
) -> tuple[NetworkRows, tuple[Violation, ...], FloatArray]:
    """Fresh rows of all active limits and the cuts kept from earlier rounds; their limits; the margin of each."""
    step = EQUALLY_EFFECTIVE if search.best is None else TOLD_APART
    fresh = market.feeder.rows(limit_rows, search.point, step_relative=step)
    newest = cuts_of(fresh, tuple(search.active.values()))
    stated = list(newest.values())
    if search.rounds >= CUTS_FROM_ROUND:
        moved_wh = market.feeder.moved_wh(search.point)
        left = {(row.kind, row.element): row.limit - row.value for row in limit_rows}
        search.cuts = [
            cut
            for cut in search.cuts
            if cut.still_holds(moved_wh, left[limit_key(cut.owner)], within=search.margin)
            and not cut.says_the_same(newest[limit_key(cut.owner)])
        ]
        stated += search.cuts
        search.cuts += [cut for cut in newest.values() if cut.owner.kind is not LimitKind.VOLTAGE_HIGH]
    owners = tuple(cut.owner for cut in stated)
    rows = NetworkRows(
        effect_per_wh=np.array([cut.effect_per_wh for cut in stated]), room=np.array([cut.room for cut in stated])
    )
    widening = 2.0 ** min(max(0, search.rounds - WIDER_MARGIN_FROM_ROUND), DOUBLINGS_OF_MARGIN_MAX)
    margins = widening * np.maximum(
        search.margin * np.array([owner.limit for owner in owners]),
        MARGIN_WH * np.abs(rows.effect_per_wh).max(axis=1, initial=0.0),
    )
    margins += [search.whole_wh_margin.get(limit_key(owner), 0.0) for owner in owners]
    return rows, owners, margins


def _remember_what_whole_wh_passed(
    market: BoundMarket, search: _Search, point: OperatingPoint, asked: _Asked, kept: BoolArray
) -> None:
    """In a small market the next Wh may be past a limit: what rounding needs of the room is kept free from now on."""
    if asked.problem.elastic:
        return
    is_late = search.rounds >= LATE_FROM_ROUND
    over = passed_in_whole_wh(asked.rows, asked.owners, market.feeder.moved_wh(point), point, is_late=is_late)
    used, margins = asked.rows.room - asked.problem.room, search.whole_wh_margin
    for at in np.flatnonzero(kept & (over > 0.0)).tolist():
        key, most = limit_key(asked.owners[at]), 2.0**DOUBLINGS_OF_MARGIN_MAX * MARGIN * asked.owners[at].limit
        margins[key] = min(most, max(margins.get(key, 0.0), float(used[at] + over[at])))


def _remember_what_sharing_passed(
    search: _Search, point: OperatingPoint, owners: tuple[Violation, ...], priced: BoolArray
) -> None:
    """A row without a price was ignored when equal orders shared; if that passed it, it must not be ignored again."""
    unpriced = {limit_key(owner) for owner, has_price in zip(owners, priced, strict=True) if not has_price}
    search.respected |= unpriced & {limit_key(violation) for violation in point.violations}
