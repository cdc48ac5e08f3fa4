"""What goes into the next batch: a period that was settled, and corrections of earlier ones.

Corrections never have a batch of their own: the money of one corrected quarter-hour would tell a home's energy.
"""

import json
from collections.abc import Callable, Collection, Mapping

from sqlalchemy import Connection

from app.community import community_at
from app.settled_rounds import RoundStory, story_of
from app.storage.store.batch_inputs import device_heads
from app.storage.store.community import the_community
from app.storage.store.members import metering_points, participants
from app.storage.store.proofs import heads_of, save_proofs
from app.storage.store.rounds import find_round
from app.storage.store.settlement import (
    BatchRecord,
    allocations_between,
    last_batch,
    transfers_outside_batches,
)
from app.storage.store.settlement import prepare_batch as store_batch
from app.storage.store.settlement_runs import mark_batched, pending_starts
from contracts.batches import BatchContents, PreparedBatch, TradedOrder, prepare_batch
from contracts.evidence import NO_EVIDENCE
from contracts.settlement import Allocation
from contracts.transfers import Transfer, TransferKind
from meters.interval import DeliveryInterval, IntervalEnergy

SaltSource = Callable[[str, int], bytes]


def prepare_next_batch(
    connection: Connection,
    *,
    first_start_s: int,
    end_s: int,
    known: Mapping[int, RoundStory],
    salt: SaltSource,
    now_s: int,
    shorter_than_a_day: bool,
) -> PreparedBatch:
    """Prepare the batch of [first_start_s, end_s) with all that no batch holds; `known` are stories by start."""
    community = the_community(connection)
    minutes = community.market_time_unit_minutes
    transfers = [
        each
        for each in transfers_outside_batches(connection, before_s=end_s, minutes=minutes)
        if each.kind is not TransferKind.PAYMENT
    ]
    shared = pending_starts(connection, before_s=end_s)
    corrected = (shared | {each.interval.start_s for each in transfers}) - known.keys()
    found = {start_s: _story(connection, start_s, minutes) for start_s in sorted(corrected)}
    stories = {**known, **{start_s: story for start_s, story in found.items() if story is not None}}
    before = last_batch(connection)
    sequence = 1 if before is None else before.sequence + 1
    lanes = {person.id: person.lane for person in participants(connection) if person.lane is not None}
    batch = prepare_batch(
        BatchContents(
            transfers=transfers,
            allocations=_allocations(connection, shared, minutes),
            orders=[
                TradedOrder(interval=story.evidence.interval, order=order, trade=trade)
                for story in stories.values()
                for order, trade in story.outcomes
            ],
            rounds=[story.evidence for story in stories.values()],
            heads=device_heads(connection, () if before is None else heads_of(connection, before.sequence)),
        ),
        sequence=sequence,
        first_start_s=first_start_s,
        end_s=end_s,
        lanes=lanes,
        salts={participant: salt(participant, sequence) for participant in lanes},
        previous_evidence_hash=NO_EVIDENCE if before is None else bytes.fromhex(before.evidence_hash[2:]),
        shorter_than_a_day=shorter_than_a_day,
    )
    _store(connection, batch, transfers, earliest_s=min([*corrected, first_start_s]), now_s=now_s)
    mark_batched(connection, before_s=end_s)
    return batch


def _allocations(connection: Connection, starts_s: Collection[int], minutes: int) -> list[Allocation]:
    """The latest allocations of these intervals, all of them: who shares anew changes what others got."""
    owners = {point.id: point.participant_id for point in metering_points(connection)}
    return [
        Allocation(
            metering_point=each.metering_point,
            participant=owners[each.metering_point],
            interval=DeliveryInterval.at(start_s, minutes),
            bought_wh=each.bought_wh,
            sold_wh=each.sold_wh,
            residual_import_wh=each.residual_import_wh,
            residual_export_wh=each.residual_export_wh,
            curtailed_wh=each.curtailed_wh,
        )
        for start_s in sorted(starts_s)
        for each in allocations_between(connection, start_s=start_s, end_s=start_s + 1)
    ]


def _story(connection: Connection, start_s: int, minutes: int) -> RoundStory | None:
    """The story of a round that was settled before, by the energy it was settled with; None without a round."""
    found = find_round(connection, start_s)
    if found is None:
        return None
    interval = DeliveryInterval.at(start_s, minutes)
    energies = {
        each.metering_point: IntervalEnergy(
            metering_point=each.metering_point,
            interval=interval,
            import_wh=each.import_wh,
            export_wh=each.export_wh,
        )
        for each in _allocations(connection, [start_s], minutes)
    }
    return story_of(connection, community_at(connection, start_s), found, energies)


def _store(
    connection: Connection, batch: PreparedBatch, transfers: Collection[Transfer], *, earliest_s: int, now_s: int
) -> None:
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
        prepared_s=now_s,
        corrects_from_s=earliest_s if earliest_s < batch.first_start_s else None,
    )
    salts = {part.participant: part.salt for part in batch.members}
    store_batch(connection, record, [each.transfer_id for each in transfers], salts=salts)
    save_proofs(connection, batch)
