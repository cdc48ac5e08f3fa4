"""Corrections of a community that has stopped, or pauses: no next day will come that takes them to the ledger.

A batch of one correction would tell what money moved in one home's quarter-hour, so corrections ride with the next day
that is settled. Where none was for a week after they were posted, what waits goes in one batch that covers all quiet
days up to the present: then books and ledger agree again, and statements are final.
"""

import structlog
from sqlalchemy import Connection

from app.market_choice import choice_at
from app.run_desk import Period, period_of
from app.settlement_batches import prepare_next_batch
from app.settlement_run import SettlementDesk
from app.storage.database import reading, writing
from app.storage.store.community import the_community
from app.storage.store.rounds import rounds_between
from app.storage.store.settlement import last_batch, transfers_outside_batches
from app.storage.store.settlement_runs import pending_starts, runs_between
from contracts.transfers import TransferKind

QUIET_S = 7 * 86_400

log = structlog.get_logger(__name__)


def settle_quiet_days(desk: SettlementDesk) -> int | None:
    """Prepare the batch of what waits for a next day that does not come; its sequence, None where nothing is to do."""
    now_s = int(desk.clock().timestamp())
    quiet = _quiet_days(desk, now_s)
    if quiet is None:
        return None
    with writing(desk.engine) as connection:
        batch = prepare_next_batch(
            connection,
            first_start_s=quiet.first_start_s,
            end_s=quiet.end_s,
            known={},
            salt=desk.salt,
            now_s=now_s,
            shorter_than_a_day=desk.period_minutes is not None,
        )
    log.warning("no day was settled for a week: corrections go to the ledger without one", batch=batch.sequence)
    return batch.sequence


def _quiet_days(desk: SettlementDesk, now_s: int) -> Period | None:
    """The days since the last batch, where nothing goes on and something waits."""
    with reading(desk.engine) as connection:
        before = last_batch(connection)
        if before is None or now_s < before.end_s + QUIET_S:
            return None
        community = the_community(connection)
        end_s = period_of(now_s, community.timezone, desk).first_start_s
        posted_s = max(each.ran_s for each in runs_between(connection, start_s=0, end_s=now_s))
        is_quiet = now_s >= posted_s + QUIET_S and not _goes_on(connection, before.end_s, now_s)
        if not is_quiet or not _waits(connection, end_s, community.market_time_unit_minutes):
            return None
    return Period(first_start_s=before.end_s, end_s=end_s)


def _waits(connection: Connection, before_s: int, minutes: int) -> bool:
    """Whether anything was posted or shared anew since the last batch."""
    outside = transfers_outside_batches(connection, before_s=before_s, minutes=minutes)
    moved = any(each.kind is not TransferKind.PAYMENT for each in outside)
    return moved or bool(pending_starts(connection, before_s=before_s))


def _goes_on(connection: Connection, start_s: int, end_s: int) -> bool:
    """Whether a round since then is still to be settled for the first time: its day will take the corrections along."""
    return any(
        each.state == "cleared"
        or (each.state in {"open", "closed"} and choice_at(connection, each.start_s).shares_after_delivery)
        for each in rounds_between(connection, start_s=start_s, end_s=end_s)
    )
