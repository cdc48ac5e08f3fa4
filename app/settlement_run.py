"""From metered energy to money and to the chain: the last two steps of the story in `app.market_round`.

    settle_due_periods   a period whose intervals are metered becomes allocations and transfers, and a prepared batch,
                         all in one database transaction
    anchor_batches       prepared batches are sent to the ledger, oldest first; an absent chain loses nothing

A period is a local day (shorter only in demonstrations and tests, because short batches would tell a home's energy).
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine
from web3.types import TxReceipt

from app.community import Snapshot, community_at, island_terms, point_terms
from app.completeness import is_metered
from app.storage.database import reading, writing
from app.storage.store.batch_inputs import device_heads
from app.storage.store.community import the_community
from app.storage.store.members import participants
from app.storage.store.orders import book_of
from app.storage.store.outcomes import outcomes_of
from app.storage.store.proofs import heads_of, load_prepared, save_proofs
from app.storage.store.readings import energies_at
from app.storage.store.rounds import MarketRound, mark_settled, rounds_between, rounds_in_state, trades_of
from app.storage.store.settlement import (
    BatchRecord,
    last_batch,
    mark_batch_final,
    post_transfers,
    save_allocations,
    unfinished_batches,
)
from app.storage.store.settlement import prepare_batch as store_batch
from app.unsettled_energy import alarm_unsettled
from contracts.allocation import ClearedInterval
from contracts.batches import BatchContents, PreparedBatch, TradedOrder, prepare_batch
from contracts.corrections import congestion_shares
from contracts.evidence import NO_EVIDENCE, SALT_BYTES, RoundEvidence
from contracts.ledger import LedgerBatch
from contracts.settlement import IntervalSettlement, settle_interval
from contracts.shares import share_out
from contracts.transfers import Transfer
from matching.orders import Firmness, Order, Trade
from meters.clock import Clock
from meters.interval import DeliveryInterval, IntervalEnergy

RUN = "D1"
SaltSource = Callable[[str, int], bytes]


def random_salt(_participant: str, _sequence: int) -> bytes:
    """A fresh secret for one member and one batch."""
    return os.urandom(SALT_BYTES)


class Settles(Protocol):
    """Applies a batch once and gives the receipt, also when it was applied before. Raises ChainUnreachable."""

    def settle(self, batch: LedgerBatch) -> TxReceipt: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementDesk:
    """Who settles: the database, the clock, the ledger, and by what calendar.

    period_minutes  None for local days; a shorter period only in demonstrations and tests, counted from `anchor_s`
    grace_s         how long to wait for missing readings before settling without them
    """

    engine: Engine
    clock: Clock
    ledger: Settles
    period_minutes: int | None = None
    anchor_s: int = 0
    grace_s: int = 24 * 3600
    salt: SaltSource = random_salt


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Half-open [first_start_s, end_s)."""

    first_start_s: int
    end_s: int


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
    period = _period_of(waiting[0], community.timezone, desk)
    return period if period.end_s <= until_s else None


def _period_of(start_s: int, timezone: str, desk: SettlementDesk) -> Period:
    """The settlement period in which an interval lies: its local day, or the fixed slot."""
    if desk.period_minutes is not None:
        length_s = desk.period_minutes * 60
        first_s = start_s - (start_s - desk.anchor_s) % length_s
        return Period(first_start_s=first_s, end_s=first_s + length_s)
    local = datetime.fromtimestamp(start_s, ZoneInfo(timezone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    following = (midnight + timedelta(days=1)).replace(fold=0)
    return Period(first_start_s=int(midnight.timestamp()), end_s=int(following.timestamp()))


def settle_period(desk: SettlementDesk, period: Period) -> int:
    """Settle the cleared rounds of a period and prepare their batch in one transaction; the batch's sequence."""
    with writing(desk.engine) as connection:
        snapshot = community_at(connection, period.first_start_s)
        rounds = [
            each
            for each in rounds_between(connection, start_s=period.first_start_s, end_s=period.end_s)
            if each.state == "cleared"
        ]
        settled = [_settle_round(connection, snapshot, each) for each in rounds]
        transfers = [transfer for each in settled for transfer in each.result.transfers]
        shares = congestion_shares(
            [(each.result, each.evidence.island is not None) for each in settled],
            point_terms(snapshot),
            run=RUN,
            tie_seed=snapshot.community.tie_seed,
        )
        post_transfers(connection, shares)
        transfers += shares
        batch = _prepared(connection, desk, period, settled, transfers)
        _store(connection, desk, batch, [transfer.transfer_id for transfer in transfers])
        left_out = [energy for each in settled for energy in each.left_out]
        alarm_unsettled(connection, left_out, now_s=int(desk.clock().timestamp()))
    return batch.sequence


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _SettledRound:
    result: IntervalSettlement
    outcomes: tuple[tuple[Order, Trade], ...]
    evidence: RoundEvidence
    left_out: tuple[IntervalEnergy, ...]


def _settle_round(connection: Connection, snapshot: Snapshot, cleared: MarketRound) -> _SettledRound:
    interval = DeliveryInterval.at(cleared.start_s, snapshot.community.market_time_unit_minutes)
    # Tariff, contracts and limits are those in force at the interval.
    then = community_at(connection, interval.start_s)
    island = island_terms(then)
    orders, trades = book_of(connection, interval.start_s), trades_of(connection, interval.start_s)
    outcomes = outcomes_of(orders, trades)
    energies = energies_at(connection, interval)
    result = settle_interval(
        ClearedInterval(
            interval=interval,
            orders=orders,
            trades=trades,
            clearing_price_micro_per_kwh=cleared.clearing_price_micro_per_kwh,
            reference_curtailed_wh=reference_curtailment(outcomes, seed=snapshot.community.tie_seed),
            mechanism=cleared.mechanism,
            island=island,
        ),
        [energy for point, energy in energies.items() if point in then.homes],
        point_terms(then),
        tariff=then.tariff,
        run=RUN,
        tie_seed=snapshot.community.tie_seed,
    )
    post_transfers(connection, result.transfers)
    save_allocations(connection, interval.start_s, RUN, result.allocations)
    mark_settled(connection, interval.start_s)
    evidence = RoundEvidence(
        interval=interval,
        clearing_price_micro_per_kwh=cleared.clearing_price_micro_per_kwh,
        clearing_digest=cleared.clearing_hash or "",
        tariff_digest=then.tariff.digest(),
        mechanism=cleared.mechanism,
        island=island,
    )
    left_out = tuple(energy for point, energy in energies.items() if point not in then.homes)
    return _SettledRound(result=result, outcomes=outcomes, evidence=evidence, left_out=left_out)


def reference_curtailment(outcomes: Sequence[tuple[Order, Trade]], *, seed: str) -> dict[str, int]:
    """What would be curtailed without a market: the same energy, pro rata of what each plant wanted to feed in."""
    curtailable = [(order, trade) for order, trade in outcomes if order.firmness is Firmness.CURTAILABLE]
    total_wh = sum(trade.curtailed_wh for _, trade in curtailable)
    if not total_wh:
        return {}
    shares = share_out(
        total_wh,
        [order.quantity_wh for order, _ in curtailable],
        [order.order_id for order, _ in curtailable],
        seed=f"{seed}/reference",
    )
    reference: dict[str, int] = {}
    for (order, _), share in zip(curtailable, shares, strict=True):
        reference[order.metering_point] = reference.get(order.metering_point, 0) + share
    return reference


def _prepared(
    connection: Connection,
    desk: SettlementDesk,
    period: Period,
    settled: Sequence[_SettledRound],
    transfers: Sequence[Transfer],
) -> PreparedBatch:
    before = last_batch(connection)
    sequence = 1 if before is None else before.sequence + 1
    lanes = {person.id: person.lane for person in participants(connection) if person.lane is not None}
    contents = BatchContents(
        transfers=transfers,
        allocations=[allocation for each in settled for allocation in each.result.allocations],
        orders=[
            TradedOrder(interval=each.evidence.interval, order=order, trade=trade)
            for each in settled
            for order, trade in each.outcomes
        ],
        rounds=[each.evidence for each in settled],
        heads=device_heads(connection, () if before is None else heads_of(connection, before.sequence)),
    )
    return prepare_batch(
        contents,
        sequence=sequence,
        first_start_s=period.first_start_s,
        end_s=period.end_s,
        lanes=lanes,
        salts={participant: desk.salt(participant, sequence) for participant in lanes},
        previous_evidence_hash=NO_EVIDENCE if before is None else bytes.fromhex(before.evidence_hash[2:]),
        shorter_than_a_day=desk.period_minutes is not None,
    )


def _store(connection: Connection, desk: SettlementDesk, batch: PreparedBatch, transfer_ids: Sequence[str]) -> None:
    net: Mapping[str, Mapping[str, int]] = {
        "members": {str(lane): delta for lane, delta in batch.member_deltas_nano.items()},
        "system": dict(batch.system_deltas_nano),
    }
    record = BatchRecord(
        sequence=batch.sequence,
        first_start_s=batch.first_start_s,
        end_s=batch.end_s,
        trades_root="0x" + batch.trades_root.hex(),
        readings_root="0x" + batch.readings_root.hex(),
        evidence_hash="0x" + batch.evidence_hash.hex(),
        net_json=json.dumps(net, sort_keys=True),
        prepared_s=int(desk.clock().timestamp()),
    )
    salts = {part.participant: part.salt for part in batch.members}
    store_batch(connection, record, transfer_ids, salts=salts)
    save_proofs(connection, batch)
