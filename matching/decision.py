"""What is decided of an interval before it is priced, proved and published."""

from dataclasses import dataclass

from grid.limits import OperatingPoint, Violation
from matching.book import IntArray
from matching.bound_result import BoundResult
from matching.disaggregation import WholeOutcome
from matching.mechanisms.interface import Match
from matching.preferences.network import ClassesWithinRows
from matching.preferences.outcome import AttributeOutcome
from matching.result import Status


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refusal:
    """Limits that the mechanism's own result passes, and the state without flexible energy, if there is one."""

    limits: tuple[Violation, ...]
    point: OperatingPoint | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """Quantities as they will be published, and what is known about them.

    tradable_wh  [n_order] what each order could have had accepted
    match        the mechanism's result; None with rows and one price
    bound        the optimisation behind a result within rows
    by_class     its prices, where energy has attributes or fees; the match is then theirs
    refusal      why flexible energy had to stay out, in mechanisms that do not optimise
    optimised    rounds of optimisation took part, and how many clearings it took
    judged       the state as the judge sees it; None without a network or where no state exists
    """

    outcome: WholeOutcome
    tradable_wh: IntArray
    loss_wh: int
    match: Match | None = None
    bound: BoundResult | None = None
    by_class: ClassesWithinRows | None = None
    refusal: Refusal | None = None
    optimised: bool = False
    rounds: int = 1
    judged: OperatingPoint | None = None
    status: Status = Status.GREEN

    @classmethod
    def within_rows(
        cls, bound: BoundResult, tradable_wh: IntArray, rounds: int, by_class: ClassesWithinRows | None
    ) -> "Decision":
        """The decision an optimisation under rows came to."""
        return cls(
            outcome=bound.outcome,
            tradable_wh=tradable_wh,
            loss_wh=bound.loss_wh,
            match=None if by_class is None else by_class.match,
            bound=bound,
            by_class=by_class,
            optimised=True,
            rounds=rounds,
        )

    @property
    def attributes(self) -> AttributeOutcome | None:
        """Who is filled from where, if energy has attributes or grid fees."""
        return None if self.match is None else self.match.attributes

    @property
    def keeps_limits(self) -> bool:
        """Whether the judge found a state that passes no limit."""
        return self.judged is not None and not self.judged.violations
