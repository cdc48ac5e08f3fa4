"""From metered energy to money and to the chain: the last two steps of the story in `app.market_round`.

    settle_due_periods   a period whose intervals are metered becomes allocations and transfers, and a prepared batch,
                         all in one database transaction: the run D1. Later runs (`app.month_runs`) post differences,
                         which go into the next batch
    anchor_batches       prepared batches are sent to the ledger, oldest first; an absent chain loses nothing

A period is a local day (shorter only in demonstrations and tests, because short batches would tell a home's energy).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Engine
from web3.types import TxReceipt

from app.certificate_run import Certifies
from app.community import community_at
from app.completeness import is_metered
from app.ledger_payments import Treasury
from app.ledger_wallets import ShowsBalances
from app.market_choice import choice_at
from app.run_desk import SCHEDULE, Period, RunDesk, period_of
from app.settled_rounds import SettledRound, congestion_of, settle_round
from app.settlement_batches import SaltSource, prepare_next_batch
from app.settlement_calendar import RunKind
from app.settlement_gaps import gaps_in
from app.storage.database import reading, writing
from app.storage.store.community import the_community
from app.storage.store.proofs import load_prepared
from app.storage.store.readings import energies_at
from app.storage.store.rounds import mark_settled, rounds_between, rounds_in_state
from app.storage.store.settlement import mark_batch_final, post_transfers, save_allocations, unfinished_batches
from app.storage.store.settlement_runs import SettlementRun, next_name, record_run
from app.unsettled_energy import alarm_unsettled
from app.validation import examine_span
from contracts.evidence import SALT_BYTES
from contracts.ledger import LedgerBatch
from contracts.transfers import Transfer
from meters.interval import DeliveryInterval


def random_salt(_participant: str, _sequence: int) -> bytes:
    """A fresh secret for one member and one batch."""
    return os.urandom(SALT_BYTES)


class Settles(Treasury, ShowsBalances, Protocol):
    """Applies a batch once and gives the receipt, also when it was applied before. Raises ChainUnreachable."""

    def settle(self, batch: LedgerBatch) -> TxReceipt: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementDesk(RunDesk):
    """Who settles, and brings it to a ledger.

    grace_s       how long to wait for missing readings before settling without them
    certificates  opens the contract of certificates; None where nobody certifies
    """

    ledger: Settles
    certificates: Callable[[], Certifies] | None = None
    grace_s: int = 24 * 3600
    salt: SaltSource = random_salt


def settle_due_periods(desk: SettlementDesk) -> list[int]:
    """Settle every period that is over and metered, oldest first; the sequences of the batches that were prepared."""
    now_s = int(desk.clock().timestamp())
    prepared: list[int] = []
    while (period := next_period(desk, until_s=now_s)) is not None:
        if (
            not is_metered(desk.engine, start_s=period.first_start_s, end_s=period.end_s)
            and now_s < period.end_s + desk.grace_s
        ):
            break
        prepared.append(settle_period(desk, period))
    return prepared


def next_period(desk: SettlementDesk, *, until_s: int) -> Period | None:
    """The oldest period that ended by `until_s` and has a cleared round that is not settled."""
    with reading(desk.engine) as connection:
        waiting = rounds_in_state(connection, "cleared", until_s=until_s)
        community = the_community(connection)
    if not waiting:
        return None
    period = period_of(waiting[0], community.timezone, desk)
    return period if period.end_s <= until_s and not _is_unshared(desk.engine, period) else None


def _is_unshared(engine: Engine, period: Period) -> bool:
    """Whether energy of the period is still to be shared, where a community does that after delivery."""
    with reading(engine) as connection:
        return any(
            each.state in {"open", "closed"} and choice_at(connection, each.start_s).shares_after_delivery
            for each in rounds_between(connection, start_s=period.first_start_s, end_s=period.end_s)
        )


def settle_period(desk: SettlementDesk, period: Period) -> int:
    """Settle the cleared rounds of a period and prepare their batch in one transaction; the batch's sequence."""
    now_s = int(desk.clock().timestamp())
    with writing(desk.engine) as connection:
        examine_span(connection, start_s=period.first_start_s, end_s=period.end_s, now_s=now_s)
        snapshot = community_at(connection, period.first_start_s)
        name = next_name(connection, RunKind.D1, first_start_s=period.first_start_s)
        settled, transfers = _settled(connection, period, snapshot.community.market_time_unit_minutes, run=name)
        transfers.extend(congestion_of(snapshot, settled, run=name))
        post_transfers(connection, transfers)
        record_run(
            connection,
            SettlementRun(
                kind=RunKind.D1,
                name=name,
                first_start_s=period.first_start_s,
                end_s=period.end_s,
                ran_s=now_s,
                actor=SCHEDULE,
                intervals_changed=len(settled),
                transfers_posted=len(transfers),
                moved_nano=sum(each.amount_nano for each in transfers),
                gaps=gaps_in(connection, start_s=period.first_start_s, end_s=period.end_s),
            ),
        )
        batch = prepare_next_batch(
            connection,
            first_start_s=period.first_start_s,
            end_s=period.end_s,
            known={each.result.interval.start_s: each.story for each in settled},
            salt=desk.salt,
            now_s=now_s,
            shorter_than_a_day=desk.period_minutes is not None,
        )
        alarm_unsettled(connection, [energy for each in settled for energy in each.left_out], now_s=now_s)
    return batch.sequence


def _settled(
    connection: Connection, period: Period, minutes: int, *, run: str
) -> tuple[list[SettledRound], list[Transfer]]:
    """The cleared rounds of a period, settled for the first time, and their transfers."""
    settled: list[SettledRound] = []
    transfers: list[Transfer] = []
    for cleared in rounds_between(connection, start_s=period.first_start_s, end_s=period.end_s):
        if cleared.state == "cleared":
            energies = energies_at(connection, DeliveryInterval.at(cleared.start_s, minutes))
            each = settle_round(connection, cleared, energies, run=run)
            save_allocations(connection, cleared.start_s, run, each.result.allocations)
            mark_settled(connection, cleared.start_s)
            settled.append(each)
            transfers.extend(each.result.transfers)
    return settled, transfers


def anchor_batches(desk: SettlementDesk) -> list[int]:
    """Send what is prepared to the ledger, oldest first; the sequences that became final.

    Raises ChainUnreachable while the chain is away; the batches stay prepared.
    """
    with reading(desk.engine) as connection:
        waiting = unfinished_batches(connection)
    for record in waiting:
        with reading(desk.engine) as connection:
            batch = load_prepared(connection, record.sequence)
        receipt = desk.ledger.settle(batch.ledger_batch())
        with writing(desk.engine) as connection:
            mark_batch_final(
                connection,
                record.sequence,
                tx_hash="0x" + bytes(receipt["transactionHash"]).hex(),
                block_number=receipt["blockNumber"],
                block_hash="0x" + bytes(receipt["blockHash"]).hex(),
                gas_used=receipt["gasUsed"],
            )
    return [record.sequence for record in waiting]
