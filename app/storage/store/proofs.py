"""A prepared batch as it was hashed: kept whole, because what it was made of may be corrected later."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from app.storage import tables
from app.storage.store.bulk import insert_all
from app.storage.store.settlement import BATCHES, salts_of
from app.storage.tables import core_table
from contracts.batches import MemberPart, PreparedBatch
from contracts.evidence import DeviceHead, EarlierKey, RoundEvidence
from contracts.island import IslandTerms
from matching.mechanisms import DEFAULT_MECHANISM
from meters.interval import DeliveryInterval

PARTS = core_table(tables.BatchPart)
PUBLIC = core_table(tables.BatchPublic)


def save_proofs(connection: Connection, batch: PreparedBatch) -> None:
    """Keep everything that proofs of this batch need; the salts are kept apart, so that they can be erased."""
    insert_all(
        connection,
        PARTS,
        [
            {
                "sequence": batch.sequence,
                "participant_id": part.participant,
                "lane": part.lane,
                "delta_nano": part.delta_nano,
                "leaf": part.leaf,
                "intervals_z": _packed(part.intervals),
            }
            for part in batch.members
        ],
    )
    heads = [{**head.to_json(), "participant": head.participant, "leaf": leaf.hex()} for head, leaf in batch.devices]
    rounds = [evidence.to_json() for evidence in batch.rounds]
    public = {
        "sequence": batch.sequence,
        "previous_evidence_hash": batch.previous_evidence_hash,
        "heads_z": _packed(heads),
        "rounds_z": _packed(rounds),
    }
    insert_all(connection, PUBLIC, [public])


def load_prepared(connection: Connection, sequence: int) -> PreparedBatch:
    """The batch as it was prepared; a member whose salt was erased has an empty one."""
    salts = salts_of(connection, sequence)
    record = connection.execute(select(BATCHES).where(BATCHES.c.sequence == sequence)).mappings().one()
    public = connection.execute(select(PUBLIC).where(PUBLIC.c.sequence == sequence)).mappings().one()
    net: Mapping[str, Mapping[str, int]] = json.loads(record["net_json"])
    rows = connection.execute(select(PARTS).where(PARTS.c.sequence == sequence).order_by(PARTS.c.leaf)).mappings()
    return PreparedBatch(
        sequence=sequence,
        first_start_s=record["first_start_s"],
        end_s=record["end_s"],
        system_deltas_nano=dict(net["system"]),
        trades_root=_bytes(record["trades_root"]),
        readings_root=_bytes(record["readings_root"]),
        evidence_hash=_bytes(record["evidence_hash"]),
        previous_evidence_hash=bytes(public["previous_evidence_hash"]),
        members=tuple(
            MemberPart(
                participant=row["participant_id"],
                lane=row["lane"],
                salt=salts.get(row["participant_id"], b""),
                delta_nano=row["delta_nano"],
                intervals=tuple(_unpacked(row["intervals_z"])),
                leaf=bytes(row["leaf"]),
            )
            for row in rows
        ),
        devices=tuple((_head(each), bytes.fromhex(each["leaf"])) for each in _unpacked(public["heads_z"])),
        rounds=tuple(_round(each) for each in _unpacked(public["rounds_z"])),
    )


def heads_of(connection: Connection, sequence: int) -> tuple[DeviceHead, ...]:
    """The heads that a batch anchored."""
    packed = connection.execute(select(PUBLIC.c.heads_z).where(PUBLIC.c.sequence == sequence)).scalar_one()
    return tuple(_head(each) for each in _unpacked(packed))


def load_part(connection: Connection, sequence: int, participant_id: str) -> MemberPart | None:
    """One member's part of a batch without loading the others'; None without one. An erased salt is empty."""
    query = select(PARTS).where(PARTS.c.sequence == sequence, PARTS.c.participant_id == participant_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return MemberPart(
        participant=participant_id,
        lane=row["lane"],
        salt=salts_of(connection, sequence).get(participant_id, b""),
        delta_nano=row["delta_nano"],
        intervals=tuple(_unpacked(row["intervals_z"])),
        leaf=bytes(row["leaf"]),
    )


def leaves_of(connection: Connection, sequence: int) -> tuple[bytes, ...]:
    """The members' leaves of a batch in the order of its tree."""
    query = select(PARTS.c.leaf).where(PARTS.c.sequence == sequence).order_by(PARTS.c.leaf)
    return tuple(bytes(leaf) for leaf in connection.execute(query).scalars())


def _packed(values: Sequence[Mapping[str, object]]) -> bytes:
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 6)


def _unpacked(packed: bytes) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = json.loads(zlib.decompress(packed))
    return values


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _head(values: Mapping[str, Any]) -> DeviceHead:
    return DeviceHead(
        device=values["device"],
        metering_point=values["metering_point"],
        participant=values["participant"],
        epoch=values["epoch"],
        seq=values["seq"],
        head=_bytes(values["head"]),
        signer=values["signer"],
        earlier_keys=tuple(EarlierKey(**key) for key in values.get("earlier_keys", [])),
    )


def _round(values: Mapping[str, Any]) -> RoundEvidence:
    return RoundEvidence(
        interval=DeliveryInterval.at(values["start_s"], values["minutes"]),
        clearing_price_micro_per_kwh=values.get("clearing_price_micro_per_kwh"),
        clearing_digest=values["clearing_digest"],
        tariff_digest=_bytes(values["tariff_digest"]),
        mechanism=values.get("mechanism", DEFAULT_MECHANISM),
        island=IslandTerms(**values["island"]) if "island" in values else None,
    )
