"""Settlement runs for operators: what was run, what waits, what is missing, and a run again."""

from dataclasses import asdict
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint

from app.access import Access, access, viewer
from app.api.idempotency import repeatable, takes_key
from app.api.settlement_schemas import GapAnswer, MonthAnswer, MonthsAnswer, RunAgain, RunAnswer
from app.errors import InputError
from app.local_time import LocalMonth
from app.month_runs import run_again
from app.platform import platform
from app.problems import ProblemError
from app.scopes import Scope
from app.settlement_months import MonthState, RunState, months_of, state_of
from app.storage.database import reading
from app.storage.store.community import the_community

settlement_api = APIBlueprint("settlement_api", __name__, tag="Settlement")


@settlement_api.get("/settlement/runs")
@access(Access.OPERATOR, Scope.OPERATOR_READ)
@settlement_api.output(MonthsAnswer)
def settlement_runs() -> MonthsAnswer:
    """The runs of every month with their state, and what is missing."""
    return MonthsAnswer(months=[_month(each) for each in months_of(platform().run_desk())])


@settlement_api.post("/settlement/runs")
@access(Access.OPERATOR, Scope.OPERATOR_WRITE)
@settlement_api.input(RunAgain)
@settlement_api.output(RunAnswer, status_code=201)
@settlement_api.doc(responses={409: "This month cannot be settled now"})
@takes_key
def settle_month_again(json_data: RunAgain) -> RunAnswer:
    """Settle a month again with what is known now; only differences are posted."""
    desk = platform().run_desk()
    with reading(desk.engine) as connection:
        zone = ZoneInfo(the_community(connection).timezone)
    try:
        month = LocalMonth.parse(json_data.month, zone)
    except ValueError as error:
        raise ProblemError(422, "no-month", str(error)) from error
    actor = viewer().id
    try:
        return repeatable(RunAnswer, lambda: _run(state_of(run_again(desk, month, actor=actor))))
    except InputError as error:
        raise ProblemError(409, "cannot-run", f"{error}.") from error


def _month(each: MonthState) -> MonthAnswer:
    return MonthAnswer(
        month=each.month.key,
        days_settled=each.days,
        days_incomplete=each.days_incomplete,
        runs=[_run(state) for state in each.runs],
        missing=[GapAnswer.model_validate(asdict(gap)) for gap in each.gaps],
    )


def _run(state: RunState) -> RunAnswer:
    run = state.run
    return RunAnswer(
        kind=state.kind,
        state=state.state,
        name=None if run is None else run.name,
        due_s=state.due_s,
        ran_s=None if run is None else run.ran_s,
        actor=None if run is None else run.actor,
        intervals_changed=None if run is None else run.intervals_changed,
        transfers_posted=None if run is None else run.transfers_posted,
        moved_nano=None if run is None else run.moved_nano,
        waits_for=state.waits_for,
    )
