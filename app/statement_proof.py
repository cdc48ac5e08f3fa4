"""The statement as a file that a stranger can verify: what storage knows, put into `contracts.statement`."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from app.errors import InputError
from app.local_time import LocalMonth
from app.storage.store.community import Community, tariff_versions, the_community
from app.storage.store.members import participant
from app.storage.store.proofs import load_prepared
from app.storage.store.readings import READINGS, batches_of_device
from app.storage.store.settlement import BatchRecord, batches
from app.storage.store.vat_classes import vat_history
from contracts.batches import PreparedBatch
from contracts.evidence import DeviceHead
from contracts.statement import (
    ChainIdentity,
    Checkpoint,
    SettledEntry,
    StatementInputs,
    build_statement,
    member_entry,
)
from contracts.statement_form import Month
from contracts.tariff import Tariff
from meters.signing import ReadingBatch


def proof_document(connection: Connection, participant_id: str, month: LocalMonth) -> dict[str, object]:
    """The statement document of a member's month, ready for JSON; it covers what is final on the chain.

    Raises InputError for an unknown member and before anything of the month is on the chain.
    """
    member = participant(connection, participant_id)
    if member is None or member.role != "household":
        raise InputError(f"there is no member {participant_id!r}")
    community = the_community(connection)
    final = [record for record in batches(connection) if record.block_number is not None]
    touching = _touching(final, month)
    prepared = [
        (record, batch)
        for record, batch in ((each, load_prepared(connection, each.sequence)) for each in touching)
        if any(part.participant == member.id for part in batch.members)
    ]
    if not prepared:
        raise InputError(f"nothing of {month.key} is in the ledger for {member.id} yet: try again after the next batch")
    erased = [
        batch.sequence
        for _, batch in prepared
        if any(part.participant == member.id and not part.salt for part in batch.members)
    ]
    if erased:
        raise InputError(
            f"the proofs of {member.id} for batches {erased[0]} to {erased[-1]} were erased at the member's request: "
            f"{month.key} can no longer be proved"
        )
    taxed = vat_history(connection, member.id)
    entries = [
        SettledEntry(entry=member_entry(batch, member.id, vat_class_at=taxed.at), block_number=_block_number(record))
        for record, batch in prepared
    ]
    own = [batch for _, batch in prepared]
    return build_statement(
        StatementInputs(
            participant=member.id,
            month=Month.of(month.key, community.timezone),
            chain=_chain(community),
            checkpoint=_checkpoint(final[-1]),
            tariffs=_tariffs(connection, own),
            batches=tuple(entries),
            readings=_readings(connection, member.id, own),
        )
    )


def _touching(final: Sequence[BatchRecord], month: LocalMonth) -> Sequence[BatchRecord]:
    """From the first batch of the month to the last that is of it or corrects it; nothing in between is left out."""

    def is_touching(each: BatchRecord) -> bool:
        first_s = each.first_start_s if each.corrects_from_s is None else min(each.first_start_s, each.corrects_from_s)
        return first_s < month.end_s and each.end_s > month.start_s

    places = [place for place, each in enumerate(final) if is_touching(each)]
    return final[places[0] : places[-1] + 1] if places else ()


def _chain(community: Community) -> ChainIdentity:
    assert community.chain_id is not None
    assert community.ledger_address is not None
    return ChainIdentity(
        chain_id=community.chain_id,
        ledger=community.ledger_address,
        ledger_code_hash=_octets(community.ledger_code_hash),
        genesis_hash=_octets(community.genesis_hash),
    )


def _checkpoint(newest: BatchRecord) -> Checkpoint:
    return Checkpoint(block_number=_block_number(newest), block_hash=_octets(newest.block_hash))


def _block_number(record: BatchRecord) -> int:
    assert record.block_number is not None
    return record.block_number


def _octets(text: str | None) -> bytes:
    assert text is not None
    return bytes.fromhex(text.removeprefix("0x"))


def _tariffs(connection: Connection, own: Sequence[PreparedBatch]) -> tuple[Tariff, ...]:
    """The versions that the rounds of these batches name, oldest first."""
    named = {each.tariff_digest for batch in own for each in batch.rounds}
    versions = (Tariff.from_json(text) for _, text in tariff_versions(connection))
    return tuple(version for version in versions if version.digest() in named)


def _readings(connection: Connection, participant_id: str, own: Sequence[PreparedBatch]) -> tuple[ReadingBatch, ...]:
    """Signed batches of the member's devices, from the last reading before the first batch to the anchored heads."""
    anchored = [head for head, _ in own[-1].devices if head.participant == participant_id]
    found: list[ReadingBatch] = []
    for device in sorted({head.device for head in anchored}):
        heads = [head for head in anchored if head.device == device]
        first_s = _opening_start_s(connection, device, own[0].first_start_s)
        last_s = max(_start_s(connection, head) for head in heads)
        found.extend(batches_of_device(connection, device, start_s=first_s, end_s=last_s + 1))
    return tuple(found)


def _opening_start_s(connection: Connection, device: str, before_s: int) -> int:
    """Start of the last reading before `before_s`, or `before_s` itself where there is none."""
    query = select(READINGS.c.start_s).where(READINGS.c.device_id == device, READINGS.c.start_s < before_s)
    found = connection.execute(query.order_by(READINGS.c.start_s.desc()).limit(1)).scalar()
    return before_s if found is None else int(found)


def _start_s(connection: Connection, head: DeviceHead) -> int:
    query = select(READINGS.c.start_s).where(
        READINGS.c.device_id == head.device, READINGS.c.epoch == head.epoch, READINGS.c.seq == head.seq
    )
    return int(connection.execute(query).scalar_one())
