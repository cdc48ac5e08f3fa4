"""What a clearing within network limits comes to, before it has prices."""

from dataclasses import dataclass

from grid.limits import OperatingPoint, Violation
from matching.book import BoolArray
from matching.cells import NetworkRows
from matching.disaggregation import WholeOutcome
from matching.problem import WelfareProblem, WelfareSolution


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundResult:
    """A result that keeps the limits, and everything needed to price and to prove it.

    owners [n_row] name the limit of each row of the problem; rows have their full room, without the margin
    apart [n_row] rows that told orders of one price apart when they shared
    loss_wh  losses the market buys; they may differ a little from those of the problem
    point    the state of the network by the fast power flow
    """

    outcome: WholeOutcome
    problem: WelfareProblem
    solution: WelfareSolution
    owners: tuple[Violation, ...]
    rows: NetworkRows
    apart: BoolArray
    loss_wh: int
    point: OperatingPoint
    worth_nano: float  # the welfare, less what is curtailed needlessly
