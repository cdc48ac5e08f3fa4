"""The settlement runs of every month, made and still to come."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.local_time import LocalMonth, month_of
from app.month_runs import due_runs, unsettled_of
from app.run_desk import RunDesk
from app.settlement_calendar import RunKind
from app.settlement_gaps import gaps_in
from app.storage.database import reading
from app.storage.store.community import the_community
from app.storage.store.settlement_runs import Gap, SettlementRun, runs_between


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """One run of a month; `state` is scheduled, waiting, complete or incomplete. `run` is None until it was made."""

    kind: str
    state: str
    due_s: int | None
    run: SettlementRun | None = None
    waits_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthState:
    """A month with its runs, and the data that are missing now. `days` are first settlements of it."""

    month: LocalMonth
    days: int
    days_incomplete: int
    runs: tuple[RunState, ...]
    gaps: tuple[Gap, ...]

    @property
    def can_run_again(self) -> bool:
        return any(each.run is not None for each in self.runs)


def months_of(desk: RunDesk) -> tuple[MonthState, ...]:
    """Every month with something settled, newest first."""
    now_s = int(desk.clock().timestamp())
    due = due_runs(desk)
    with reading(desk.engine) as connection:
        runs = runs_between(connection, start_s=0, end_s=now_s)
        zone = ZoneInfo(the_community(connection).timezone)
    months = sorted({month_of(run.first_start_s, zone).start_s for run in runs}, reverse=True)
    return tuple(_month_state(desk, month_of(start_s, zone), runs, due, now_s) for start_s in months)


def state_of(run: SettlementRun) -> RunState:
    """The state of a run that was made."""
    return RunState(kind=run.kind, state="complete" if run.is_complete else "incomplete", due_s=None, run=run)


def _month_state(
    desk: RunDesk,
    month: LocalMonth,
    runs: tuple[SettlementRun, ...],
    due: list[tuple[int, LocalMonth, RunKind]],
    now_s: int,
) -> MonthState:
    own = [run for run in runs if month.start_s <= run.first_start_s < month.end_s]
    days = [run for run in own if run.kind == RunKind.D1]
    states = [state_of(run) for run in own if run.kind != RunKind.D1]
    blocked = unsettled_of(desk, month)
    for due_s, waiting_month, kind in due:
        if waiting_month == month:
            waits = due_s <= now_s and blocked is not None
            states.append(
                RunState(
                    kind=kind,
                    state="waiting" if waits else "scheduled",
                    due_s=due_s,
                    waits_for=blocked or "" if waits else "",
                )
            )
    with reading(desk.engine) as connection:
        gaps = gaps_in(connection, start_s=month.start_s, end_s=month.end_s)
    return MonthState(
        month=month,
        days=len(days),
        days_incomplete=sum(not run.is_complete for run in days),
        runs=tuple(states),
        gaps=gaps,
    )
