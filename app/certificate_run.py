"""Energy certificates: prepared when a month has its final run, and brought to the chain; the story in two steps.

    prepare_certificates  after SF, what was generated and consumed in the intervals of one settlement batch, in one
                          database transaction; after R1 and RF, what was too much of it
    bring_certificates    what is prepared is attested, minted and retired, and what was too much is burned; each once,
                          whatever is killed in between, and later while the chain is away

Only energy that meters have given is certified, and only totals are told (`contracts.certificates`). Members' shares
lie under roots that are salted with the secrets of the settlement batch, so that erasing those unlinks both.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import structlog
from sqlalchemy import Connection, Engine

from app.storage.database import reading, writing
from app.storage.store.certificates import (
    CertificateBatch,
    CertificatePart,
    Correction,
    DueRun,
    Plant,
    add_certificates,
    add_corrections,
    add_plants,
    certificates_of,
    corrections_to_burn,
    mark_admitted,
    mark_burned,
    mark_run_done,
    metered_wh,
    next_due,
    parts_of,
    plants_to_admit,
    replace_consumed,
    set_run,
    set_state,
    unfinished_certificates,
    validated_exports,
)
from app.storage.store.community import the_community
from app.storage.store.members import MeteringPoint, metering_points
from app.storage.store.settlement import BatchRecord, allocations_between, salts_of
from contracts.certificate_contract import CertificateRecord
from contracts.certificates import CertifiedInterval, Source, certify, corrections, shares_leaf, shares_of, shares_root
from contracts.evidence import SALT_BYTES
from contracts.published import ContractRefusedError
from contracts.settlement import Allocation
from contracts.shares import share_out
from meters.interval import DeliveryInterval

PSEUDONYM_BYTES = 32

log = structlog.get_logger(__name__)


class Certifies(Protocol):
    """Does each business once, as `contracts.certificate_contract.EnergyCertificates`. Raises ChainUnreachable."""

    def admit_plant(self, pseudonym: bytes, source: Source) -> object: ...
    def attest(self, batch: str, metered_wh: Mapping[int, int], readings_root: bytes) -> None: ...
    def mint(self, batch: str, generated_wh: Mapping[int, int], generated_root: bytes) -> None: ...
    def retire(self, batch: str, consumed_wh: Mapping[int, int], consumed_root: bytes) -> None: ...
    def correct(self, run: str, certificate_id: int, metered_wh: int) -> object: ...
    def record(self, certificate_id: int) -> CertificateRecord: ...


def source_of(point: MeteringPoint) -> Source | None:
    """What a connection's feed-in is certified as, None without a plant.

    Behind a battery the meter cannot tell what the plant made from what was bought and stored.
    """
    if point.battery_wh:
        return Source.STORED
    return Source[point.generation_source.upper()] if point.generation_w else None


def prepare_certificates(engine: Engine) -> int | None:
    """Look at the next batch that a month's run asks for; its sequence, None where nothing is left to do."""
    with reading(engine) as connection:
        due = next_due(connection)
    if due is None:
        return None
    with writing(engine) as connection:
        if due.batch is None:
            mark_run_done(connection, due)
            return None
        known = certificates_of(connection, due.batch.sequence)
        if known is None:
            _certify(connection, due, due.batch)
        else:
            _correct(connection, due, due.batch, known)
    return due.batch.sequence


def _certify(connection: Connection, due: DueRun, batch: BatchRecord) -> None:
    certified = _certified(connection, batch)
    known = salts_of(connection, batch.sequence)
    people = {name for each in certified for name in (*each.generated_wh, *each.consumed_wh)}
    # Whose secrets were erased gets leaves that nobody can ever open.
    salts = {name: known.get(name) or os.urandom(SALT_BYTES) for name in people}
    parts = _parts(certified, salts)
    add_certificates(
        connection,
        CertificateBatch(
            sequence=batch.sequence,
            first_start_s=batch.first_start_s,
            run=due.name,
            state="prepared" if certified else "final",
            totals_wh={each.certificate_id: (each.total_generated_wh, each.total_consumed_wh) for each in certified},
            generated_root=shares_root(part.generated_leaf for part in parts if part.generated_leaf),
            consumed_root=shares_root(part.consumed_leaf for part in parts if part.consumed_leaf),
            readings_root=bytes.fromhex(batch.readings_root[2:]),
        ),
        parts,
    )
    sources = {each.source for each in certified}
    add_plants(
        connection,
        (
            Plant(metering_point=point.id, source=source, pseudonym=os.urandom(PSEUDONYM_BYTES))
            for point in metering_points(connection)
            if (source := source_of(point)) in sources and source is not None
        ),
    )


def _correct(connection: Connection, due: DueRun, batch: BatchRecord, known: CertificateBatch) -> None:
    lowered = corrections(metered_wh(connection, known), _certified(connection, batch)) if known.totals_wh else {}
    add_corrections(
        connection,
        (
            Correction(certificate_id=identity, run=due.name, sequence=batch.sequence, metered_wh=wh)
            for identity, wh in lowered.items()
        ),
    )
    set_run(connection, batch.sequence, due.name)


def _certified(connection: Connection, batch: BatchRecord) -> tuple[CertifiedInterval, ...]:
    """What is certified of a batch's intervals as they are settled now."""
    community = the_community(connection)
    points = {point.id: point for point in metering_points(connection)}
    start_s, end_s = batch.first_start_s, batch.end_s
    validated = validated_exports(connection, start_s=start_s, end_s=end_s)
    by_start: dict[int, list[Allocation]] = defaultdict(list)
    for each in allocations_between(connection, start_s=start_s, end_s=end_s):
        allocation = Allocation(
            metering_point=each.metering_point,
            participant=points[each.metering_point].participant_id,
            interval=DeliveryInterval.at(each.start_s, community.market_time_unit_minutes),
            bought_wh=each.bought_wh,
            sold_wh=each.sold_wh,
            residual_import_wh=each.residual_import_wh,
            residual_export_wh=each.residual_export_wh,
        )
        by_start[each.start_s].append(allocation)
    return tuple(
        certified
        for at_s, settled in sorted(by_start.items())
        for certified in certify(settled, _sources(points, settled, validated, at_s), seed=community.tie_seed)
    )


def _sources(
    points: Mapping[str, MeteringPoint],
    settled: Sequence[Allocation],
    validated: frozenset[tuple[str, int]],
    start_s: int,
) -> dict[str, Source]:
    """Sources of the plants whose feed-in of the interval is validated."""
    found = {each.metering_point: source_of(points[each.metering_point]) for each in settled}
    return {point: source for point, source in found.items() if source is not None and (point, start_s) in validated}


def _parts(certified: Sequence[CertifiedInterval], salts: Mapping[str, bytes]) -> tuple[CertificatePart, ...]:
    parts = {name: CertificatePart(participant=name) for name in salts}
    for each in shares_of(certified, salts, purpose="generated"):
        parts[each.participant] = replace(parts[each.participant], generated_wh=each.wh, generated_leaf=each.leaf)
    for each in shares_of(certified, salts, purpose="consumed"):
        parts[each.participant] = replace(parts[each.participant], consumed_wh=each.wh, consumed_leaf=each.leaf)
    return tuple(parts.values())


def bring_certificates(engine: Engine, contract: Callable[[], Certifies]) -> list[int]:
    """Bring to the chain what is prepared, oldest first; the sequences that are there as a whole now.

    `contract` opens the contract where there is something to do. What it refuses, because it is paused, waits.
    Raises ChainUnreachable.
    """
    with reading(engine) as connection:
        plants, batches = plants_to_admit(connection), unfinished_certificates(connection)
        burns = corrections_to_burn(connection)
    if not (plants or batches or burns):
        return []
    certifier, done = contract(), list[int]()
    try:
        for plant in plants:
            certifier.admit_plant(plant.pseudonym, Source(plant.source))
            with writing(engine) as connection:
                mark_admitted(connection, plant)
        for batch in batches:
            _mint_and_retire(engine, certifier, batch)
            done.append(batch.sequence)
        for burn in burns:
            certifier.correct(burn.run, burn.certificate_id, burn.metered_wh)
            with writing(engine) as connection:
                mark_burned(connection, burn)
    except ContractRefusedError as error:
        log.warning("certificates wait for their contract", reason=str(error))
    return done


def _mint_and_retire(engine: Engine, certifier: Certifies, batch: CertificateBatch) -> None:
    name = str(batch.sequence)
    if batch.state == "prepared":
        certifier.attest(name, batch.generated_wh, batch.readings_root)
        certifier.mint(name, batch.generated_wh, batch.generated_root)
        minted_wh = {identity: certifier.record(identity).minted_wh for identity in batch.consumed_wh}
        with writing(engine) as connection:
            batch = _held_back(connection, batch, minted_wh)
    if batch.consumed_wh:
        certifier.retire(name, batch.consumed_wh, batch.consumed_root)
    with writing(engine) as connection:
        set_state(connection, batch.sequence, "final")


def _held_back(connection: Connection, batch: CertificateBatch, minted_wh: Mapping[int, int]) -> CertificateBatch:
    """The batch as minted: where earlier corrections came too late, less is retired than members consumed."""
    short = {identity: wh for identity, wh in batch.consumed_wh.items() if minted_wh[identity] < wh}
    if not short:
        set_state(connection, batch.sequence, "minted")
        return replace(batch, state="minted")
    seed, salts = the_community(connection).tie_seed, salts_of(connection, batch.sequence)
    parts = parts_of(connection, batch.sequence)
    consumed = {part.participant: dict(part.consumed_wh) for part in parts}
    for identity in short:
        wanted = {name: wh[identity] for name, wh in consumed.items() if identity in wh}
        shares = share_out(minted_wh[identity], list(wanted.values()), list(wanted), seed=f"{seed}:{identity}")
        for name, share in zip(wanted, shares, strict=True):
            consumed[name][identity] = share
    cut = tuple(_with_consumed(part, consumed[part.participant], salts.get(part.participant)) for part in parts)
    totals = {
        identity: (generated, min(consumed_wh, minted_wh.get(identity, 0)))
        for identity, (generated, consumed_wh) in batch.totals_wh.items()
    }
    root = shares_root(part.consumed_leaf for part in cut if part.consumed_leaf)
    batch = replace(batch, state="minted", totals_wh=totals, consumed_root=root)
    replace_consumed(connection, batch, cut)
    return batch


def _with_consumed(part: CertificatePart, consumed_wh: Mapping[int, int], salt: bytes | None) -> CertificatePart:
    wh = {identity: wh for identity, wh in consumed_wh.items() if wh}
    leaf = shares_leaf(salt or os.urandom(SALT_BYTES), purpose="consumed", wh=wh) if wh else b""
    return replace(part, consumed_wh=wh, consumed_leaf=leaf)
