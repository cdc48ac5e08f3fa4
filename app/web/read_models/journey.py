"""One interval of one member from the meter's registers to the proof: "Follow one kWh"."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from app.storage.store.community import Community
from app.storage.store.members import POINTS
from app.storage.store.proofs import leaves_of, load_part
from app.storage.store.readings import batches_of_device, readings_of_device
from app.storage.store.rounds import DEVICES, MarketRound, find_round
from app.storage.store.settlement import TRANSFERS, transfers_between
from app.web.read_models.energy import EnergyRow, energy_of
from app.web.read_models.operations import BATCHES, BatchRow, batch_row
from app.web.read_models.orders import OrderOutcome, order_outcomes
from contracts.evidence import interval_leaf
from contracts.merkle import MerkleTree
from contracts.transfers import Transfer, member_account
from meters.signing import RegisterReading, batch_signer, chain_head, reading_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedReading:
    """A register reading with the chain of hashes that makes it tamper-evident.

    before         the reading just before it, None for the first of its epoch
    reading_hash   hash of this reading and, through it, of all before
    batch_head     hash that the gateway signed; batch_count readings lie under it
    signer         address recovered from the signature, None while the platform has no ledger
    """

    reading: RegisterReading
    before: RegisterReading | None
    gateway_id: str
    reading_hash: bytes
    batch_head: bytes
    batch_count: int
    signature: bytes
    signer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalProof:
    """How an interval of a member hangs together with the root in the ledger.

    interval_leaf  fingerprint of the interval as the batch anchored it; None where its salt was erased
    member_leaf    fingerprint of all the member's intervals of the batch
    leads_to_root  whether the members' fingerprints, hashed together now, give the root that is anchored
    """

    interval_leaf: bytes | None
    member_leaf: bytes
    members: int
    leads_to_root: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Everything known of one interval of one member; what has not happened yet is empty or None."""

    start_s: int
    readings: tuple[SignedReading, ...]
    energy: EnergyRow | None
    orders: tuple[OrderOutcome, ...]
    round: MarketRound | None
    transfers: tuple[Transfer, ...]
    batch: BatchRow | None
    proof: IntervalProof | None


def journey(connection: Connection, participant_id: str, community: Community, start_s: int) -> Journey:
    """Follow the energy of a participant in the interval that starts at `start_s`."""
    interval_s = community.market_time_unit_s
    end_s = start_s + interval_s
    energy = energy_of(
        connection, participant_id, start_s=start_s, end_s=end_s, now_s=end_s, interval_s=interval_s
    ).rows
    transfers = transfers_between(
        connection,
        start_s=start_s,
        end_s=end_s,
        account=member_account(participant_id),
        minutes=community.market_time_unit_minutes,
    )
    batch = _batch(connection, [transfer.transfer_id for transfer in transfers])
    return Journey(
        start_s=start_s,
        readings=_readings(connection, participant_id, community, start_s),
        energy=energy[0] if energy else None,
        orders=order_outcomes(connection, participant_id, start_s=start_s, end_s=end_s),
        round=find_round(connection, start_s),
        transfers=transfers,
        batch=batch,
        proof=None if batch is None else _proof(connection, participant_id, start_s, batch),
    )


def _proof(connection: Connection, participant_id: str, start_s: int, batch: BatchRow) -> IntervalProof | None:
    part = load_part(connection, batch.sequence, participant_id)
    if part is None:
        return None
    own = [interval for interval in part.intervals if interval["start_s"] == start_s]
    leaves = leaves_of(connection, batch.sequence)
    root = MerkleTree(leaves).root
    return IntervalProof(
        interval_leaf=interval_leaf(part.salt, own[0]) if own and part.salt else None,
        member_leaf=part.leaf,
        members=len(leaves),
        leads_to_root=part.leaf in leaves and "0x" + root.hex() == batch.trades_root,
    )


def latest_settled_start_s(connection: Connection, participant_id: str) -> int | None:
    """Start of the newest interval in which the member paid or earned something, None before the first."""
    account = member_account(participant_id)
    found = [
        connection.execute(
            select(TRANSFERS.c.start_s)
            .where(side == account, TRANSFERS.c.kind == "energy")
            .order_by(TRANSFERS.c.start_s.desc())
            .limit(1)
        ).scalar()
        for side in (TRANSFERS.c.debit, TRANSFERS.c.credit)
    ]
    return max((start_s for start_s in found if start_s is not None), default=None)


def _readings(
    connection: Connection, participant_id: str, community: Community, start_s: int
) -> tuple[SignedReading, ...]:
    devices = connection.execute(
        select(DEVICES.c.id, DEVICES.c.gateway_id)
        .join(POINTS, POINTS.c.id == DEVICES.c.metering_point_id)
        .where(POINTS.c.participant_id == participant_id)
        .order_by(DEVICES.c.id)
    ).all()
    found = []
    for device_id, gateway_id in devices:
        found.extend(_signed(connection, device_id, gateway_id, community, start_s))
    return tuple(found)


def _signed(
    connection: Connection, device_id: str, gateway_id: str, community: Community, start_s: int
) -> list[SignedReading]:
    step_s = community.market_time_unit_s
    near = readings_of_device(connection, device_id, start_s=start_s - 2 * step_s, end_s=start_s + step_s)
    domain = community.signing_domain
    found = []
    for batch in batches_of_device(connection, device_id, start_s=start_s, end_s=start_s + step_s):
        for index, reading in enumerate(batch.readings):
            if not start_s <= reading.start_s < start_s + step_s:
                continue
            earlier = [each for each in near if each.epoch == reading.epoch and each.seq == reading.seq - 1]
            found.append(
                SignedReading(
                    reading=reading,
                    before=earlier[0] if earlier else None,
                    gateway_id=gateway_id,
                    reading_hash=reading_hash(chain_head(batch.previous_hash, batch.readings[:index]), reading),
                    batch_head=batch.head,
                    batch_count=len(batch.readings),
                    signature=batch.signature,
                    signer=None if domain is None else batch_signer(batch, domain),
                )
            )
    return found


def _batch(connection: Connection, transfer_ids: list[str]) -> BatchRow | None:
    """The newest batch that anchors any of these transfers."""
    query = (
        select(BATCHES)
        .join(TRANSFERS, TRANSFERS.c.batch_sequence == BATCHES.c.sequence)
        .where(TRANSFERS.c.transfer_id.in_(transfer_ids))
        .order_by(BATCHES.c.sequence.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else batch_row(row)
