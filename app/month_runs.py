"""Settling a month again: the runs SF, R1 and RF, and runs that an operator asks for.

A run settles every day anew whose meters say something else than it was settled with, at the prices, contracts, tariffs
and limits of then, and posts what differs from all that was posted before. SF also makes the invoices of the month
(`app.invoices`). What a run posts goes into the batch of the next day.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.audit import AuditEntry, record
from app.community import community_at
from app.errors import InputError
from app.invoices import issue_invoices
from app.local_time import LocalMonth, month_of
from app.market_choice import choice_at
from app.run_desk import SCHEDULE, Period, RunDesk, period_of
from app.settled_rounds import SettledRound, congestion_of, settle_round
from app.settlement_calendar import MONTH_RUNS, RunKind
from app.settlement_gaps import gaps_in
from app.storage.database import reading, writing
from app.storage.store.community import the_community
from app.storage.store.readings import energies_at
from app.storage.store.rounds import first_settled_from_s, rounds_between
from app.storage.store.settlement import allocations_between, post_transfers, save_allocations, transfers_between
from app.storage.store.settlement_runs import (
    SettlementRun,
    changed_starts,
    next_name,
    record_run,
    runs_between,
)
from app.validation import examine_span
from contracts.corrections import difference_transfers
from contracts.settlement import Allocation
from contracts.transfers import Transfer, TransferKind
from meters.interval import DeliveryInterval

NOT_OF_A_RUN = frozenset({TransferKind.ROUNDING, TransferKind.PAYMENT})


def run_due_months(desk: RunDesk) -> list[SettlementRun]:
    """Make every run that is due and was not made, in the order in which they became due."""
    now_s = int(desk.clock().timestamp())
    made = []
    for due_s, month, kind in due_runs(desk):
        if due_s <= now_s and unsettled_of(desk, month) is None:
            made.append(run_month(desk, month, kind, actor=SCHEDULE))
    return made


def due_runs(desk: RunDesk) -> list[tuple[int, LocalMonth, RunKind]]:
    """(due, month, kind) of the runs that were not made, of months with something settled, oldest first."""
    now_s = int(desk.clock().timestamp())
    with reading(desk.engine) as connection:
        first_s = first_settled_from_s(connection, 0)
        if first_s is None:
            return []
        zone = ZoneInfo(the_community(connection).timezone)
        month, months = month_of(first_s, zone), list[LocalMonth]()
        while month.start_s <= now_s:
            settled_s = first_settled_from_s(connection, month.start_s)
            if settled_s is not None and settled_s < month.end_s:
                months.append(month)
            month = month.next()
        made = {
            (run.first_start_s, run.kind) for run in runs_between(connection, start_s=months[0].start_s, end_s=now_s)
        }
    waiting = [
        (desk.calendar.due_s(kind, each), each, kind)
        for each in months
        for kind in MONTH_RUNS
        if (each.start_s, kind) not in made
    ]
    return sorted(waiting, key=lambda run: (run[0], run[1].start_s))


def unsettled_of(desk: RunDesk, month: LocalMonth) -> str | None:
    """Why a month cannot be settled again yet: a round of it that was not settled once; None where nothing waits."""
    with reading(desk.engine) as connection:
        for each in rounds_between(connection, start_s=month.start_s, end_s=month.end_s):
            later = each.state != "settled" and choice_at(connection, each.start_s).shares_after_delivery
            if each.state == "cleared" or later:
                when = datetime.fromtimestamp(each.start_s, month.zone)
                return f"the interval of {when:%Y-%m-%d %H:%M} waits for its first settlement"
    return None


def run_month(desk: RunDesk, month: LocalMonth, kind: RunKind, *, actor: str) -> SettlementRun:
    """Run `month` now, whatever was run before, in one transaction. Raises InputError where it cannot be run yet."""
    now_s = int(desk.clock().timestamp())
    if month.end_s > now_s:
        raise InputError(f"{month.key} is not over: it can be run again from its end on")
    if (why := unsettled_of(desk, month)) is not None:
        raise InputError(f"{month.key} cannot be run yet: {why}")
    with writing(desk.engine) as connection:
        community = the_community(connection)
        name = next_name(connection, kind, first_start_s=month.start_s)
        changed = changed_starts(
            connection, start_s=month.start_s, end_s=month.end_s, interval_s=community.market_time_unit_s
        )
        periods = {period_of(start_s, community.timezone, desk) for start_s in changed}
        posted, corrected = list[Transfer](), 0
        for period in sorted(periods, key=lambda each: each.first_start_s):
            examine_span(connection, start_s=period.first_start_s, end_s=period.end_s, now_s=now_s)
            transfers, starts = correct_period(connection, period, run=name)
            posted.extend(transfers)
            corrected += starts
        posted.extend(issue_invoices(connection, month, kind=kind, run=name, now_s=now_s))
        run = SettlementRun(
            kind=kind,
            name=name,
            first_start_s=month.start_s,
            end_s=month.end_s,
            ran_s=now_s,
            actor=actor,
            intervals_changed=corrected,
            transfers_posted=len(posted),
            moved_nano=sum(each.amount_nano for each in posted),
            gaps=gaps_in(connection, start_s=month.start_s, end_s=month.end_s),
        )
        record_run(connection, run)
        detail = f"{corrected} intervals changed, {len(posted)} transfers posted"
        subject = f"{name} of {month.key}"
        record(connection, AuditEntry(at_s=now_s, actor=actor, action="settlement.run", subject=subject, detail=detail))
    return run


def run_again(desk: RunDesk, month: LocalMonth, *, actor: str) -> SettlementRun:
    """Repeat the newest run that was made of a month. Raises InputError before the first is due."""
    with reading(desk.engine) as connection:
        runs = runs_between(connection, start_s=month.start_s, end_s=month.start_s + 1)
    made = [kind for kind in MONTH_RUNS if any(run.kind == kind for run in runs)]
    if not made:
        due = datetime.fromtimestamp(desk.calendar.due_s(RunKind.SF, month), month.zone)
        raise InputError(f"{month.key} was not run yet: its final run {RunKind.SF} is due on {due:%Y-%m-%d}")
    return run_month(desk, month, made[-1], actor=actor)


def correct_period(connection: Connection, period: Period, *, run: str) -> tuple[tuple[Transfer, ...], int]:
    """Settle a period anew and post the differences, named `run`; (what was posted, intervals that changed)."""
    snapshot = community_at(connection, period.first_start_s)
    minutes = snapshot.community.market_time_unit_minutes
    settled, changed = list[SettledRound](), 0
    for each in rounds_between(connection, start_s=period.first_start_s, end_s=period.end_s):
        if each.state != "settled":
            continue
        interval = DeliveryInterval.at(each.start_s, minutes)
        again = settle_round(connection, each, energies_at(connection, interval), run=run)
        settled.append(again)
        if _differs(connection, each.start_s, again.result.allocations):
            save_allocations(connection, each.start_s, run, again.result.allocations)
            changed += 1
    fresh = [transfer for again in settled for transfer in again.result.transfers]
    fresh.extend(congestion_of(snapshot, settled, run=run))
    posted = transfers_between(connection, start_s=period.first_start_s, end_s=period.end_s, minutes=minutes)
    differences = difference_transfers([each for each in posted if each.kind not in NOT_OF_A_RUN], fresh, run)
    post_transfers(connection, differences)
    return differences, changed


def _differs(connection: Connection, start_s: int, allocations: tuple[Allocation, ...]) -> bool:
    names = ("bought_wh", "sold_wh", "residual_import_wh", "residual_export_wh", "curtailed_wh")
    stored = {
        each.metering_point: tuple(getattr(each, name) for name in names)
        for each in allocations_between(connection, start_s=start_s, end_s=start_s + 1)
    }
    return stored != {each.metering_point: tuple(getattr(each, name) for name in names) for each in allocations}
