"""Certificates: what is prepared, minted and retired for which intervals, and each member's shares of it."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, exists, or_, select, update

from app.storage import certificate_tables
from app.storage.store.bulk import insert_all, insert_new, upsert
from app.storage.store.members import POINTS
from app.storage.store.readings import ENERGY
from app.storage.store.settlement import BATCHES, BatchRecord
from app.storage.store.settlement_runs import COMPLETE_QUALITIES, KINDS, RUNS
from app.storage.tables import core_table

PLANTS = core_table(certificate_tables.CertifiedPlantRow)
CERTIFIED = core_table(certificate_tables.CertificateBatchRow)
PARTS = core_table(certificate_tables.CertificatePartRow)
CORRECTIONS = core_table(certificate_tables.CertificateCorrectionRow)
DONE = core_table(certificate_tables.CertifiedRunRow)

WhById = Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateBatch:
    """Certificates of the intervals of the settlement batch `sequence`.

    run         the newest run of a month that looked at them
    state       prepared, then minted, then final
    totals_wh   by certificate id: generated, and of that consumed by members
    """

    sequence: int
    first_start_s: int
    run: str
    state: str
    totals_wh: Mapping[int, tuple[int, int]]
    generated_root: bytes
    consumed_root: bytes
    readings_root: bytes

    @property
    def generated_wh(self) -> dict[int, int]:
        return {identity: generated for identity, (generated, _) in self.totals_wh.items()}

    @property
    def consumed_wh(self) -> dict[int, int]:
        """Without the intervals of which nothing is retired."""
        return {identity: consumed for identity, (_, consumed) in self.totals_wh.items() if consumed}


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificatePart:
    """A member's shares of a batch, Wh by certificate id, and their leaves, empty where there is no share."""

    participant: str
    generated_wh: WhById = field(default_factory=dict)
    consumed_wh: WhById = field(default_factory=dict)
    generated_leaf: bytes = b""
    consumed_leaf: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What is metered of an interval after `run`, less than before; `burned` once the chain knows."""

    certificate_id: int
    run: str
    sequence: int
    metered_wh: int
    burned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A plant behind a metering point, by the pseudonym under which the chain knows it."""

    metering_point: str
    source: int
    pseudonym: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRun:
    """A month's run whose certificates are not prepared, and the next batch to look at; None where none is left."""

    first_start_s: int
    name: str
    batch: BatchRecord | None


def next_due(connection: Connection) -> DueRun | None:
    """The oldest run of a month that certificates have not followed yet."""
    done = exists().where(DONE.c.first_start_s == RUNS.c.first_start_s, DONE.c.name == RUNS.c.name)
    waiting = connection.execute(select(RUNS).where(RUNS.c.kind != KINDS[0], ~done)).mappings().all()
    if not waiting:
        return None
    run = min(waiting, key=lambda run: (run["ran_s"], run["first_start_s"], KINDS.index(run["kind"]), run["name"]))
    query = (
        select(BATCHES)
        .outerjoin(CERTIFIED, CERTIFIED.c.sequence == BATCHES.c.sequence)
        .where(
            BATCHES.c.first_start_s >= run["first_start_s"],
            BATCHES.c.first_start_s < run["end_s"],
            or_(CERTIFIED.c.sequence.is_(None), CERTIFIED.c.run != run["name"]),
        )
        .order_by(BATCHES.c.sequence)
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    batch = None if row is None else BatchRecord(**row)
    return DueRun(first_start_s=run["first_start_s"], name=run["name"], batch=batch)


def mark_run_done(connection: Connection, run: DueRun) -> None:
    """Certificates have followed the run."""
    insert_new(connection, DONE, [{"first_start_s": run.first_start_s, "name": run.name}])


def validated_exports(connection: Connection, *, start_s: int, end_s: int) -> frozenset[tuple[str, int]]:
    """(metering point, start) of the intervals whose export a meter gave, between readings that lie close enough."""
    query = select(ENERGY.c.metering_point_id, ENERGY.c.start_s).where(
        ENERGY.c.start_s >= start_s,
        ENERGY.c.start_s < end_s,
        ENERGY.c.export_wh > 0,
        ENERGY.c.quality.in_(COMPLETE_QUALITIES),
    )
    return frozenset((str(point), int(at_s)) for point, at_s in connection.execute(query))


def add_plants(connection: Connection, plants: Iterable[Plant]) -> None:
    """Keep plants that are not known yet; a known one keeps its pseudonym."""
    rows = (
        {"metering_point_id": each.metering_point, "source": each.source, "pseudonym": each.pseudonym}
        for each in plants
    )
    insert_new(connection, PLANTS, rows)


def plants_to_admit(connection: Connection) -> tuple[Plant, ...]:
    """The plants that the chain does not know, by metering point."""
    query = select(PLANTS).where(~PLANTS.c.admitted).order_by(PLANTS.c.metering_point_id, PLANTS.c.source)
    return tuple(
        Plant(metering_point=row["metering_point_id"], source=row["source"], pseudonym=bytes(row["pseudonym"]))
        for row in connection.execute(query).mappings()
    )


def mark_admitted(connection: Connection, plant: Plant) -> None:
    """The chain knows the plant."""
    same = and_(PLANTS.c.metering_point_id == plant.metering_point, PLANTS.c.source == plant.source)
    connection.execute(update(PLANTS).where(same).values(admitted=True))


def forget_plants(connection: Connection, participant_id: str) -> None:
    """Forget the pseudonyms of a member's plants: nobody can tell any more which of the chain's plants were theirs."""
    own = select(POINTS.c.id).where(POINTS.c.participant_id == participant_id)
    connection.execute(delete(PLANTS).where(PLANTS.c.metering_point_id.in_(own)))


def add_certificates(connection: Connection, batch: CertificateBatch, parts: Iterable[CertificatePart]) -> None:
    """Keep what was certified; the same settlement batch twice raises IntegrityError."""
    insert_all(connection, CERTIFIED, [_batch_row(batch)])
    insert_all(connection, PARTS, (_part_row(batch.sequence, part) for part in parts))


def replace_consumed(connection: Connection, batch: CertificateBatch, parts: Iterable[CertificatePart]) -> None:
    """Keep what is retired where less could be minted than was generated."""
    upsert(connection, CERTIFIED, [_batch_row(batch)], replacing=("state", "totals_json", "consumed_root"))
    rows = (_part_row(batch.sequence, part) for part in parts)
    upsert(connection, PARTS, rows, replacing=("shares_z", "consumed_leaf"))


def set_state(connection: Connection, sequence: int, state: str) -> None:
    """The batch is prepared, minted or final."""
    connection.execute(update(CERTIFIED).where(CERTIFIED.c.sequence == sequence).values(state=state))


def set_run(connection: Connection, sequence: int, run: str) -> None:
    """A later run has looked at the batch."""
    connection.execute(update(CERTIFIED).where(CERTIFIED.c.sequence == sequence).values(run=run))


def add_corrections(connection: Connection, corrections: Iterable[Correction]) -> None:
    """Keep what is to be burned; the same interval and run twice raises IntegrityError."""
    insert_all(connection, CORRECTIONS, (asdict(each) for each in corrections))


def corrections_to_burn(connection: Connection) -> tuple[Correction, ...]:
    """Corrections of final batches that the chain does not know, each interval's in the order of the runs."""
    query = (
        select(CORRECTIONS)
        .join(CERTIFIED, CERTIFIED.c.sequence == CORRECTIONS.c.sequence)
        .where(~CORRECTIONS.c.burned, CERTIFIED.c.state == "final")
        .order_by(CORRECTIONS.c.certificate_id, CORRECTIONS.c.metered_wh.desc())
    )
    return tuple(Correction(**row) for row in connection.execute(query).mappings())


def mark_burned(connection: Connection, correction: Correction) -> None:
    """The chain knows the correction."""
    same = and_(CORRECTIONS.c.certificate_id == correction.certificate_id, CORRECTIONS.c.run == correction.run)
    connection.execute(update(CORRECTIONS).where(same).values(burned=True))


def certificates_of(connection: Connection, sequence: int) -> CertificateBatch | None:
    """The certificates of a settlement batch, None before its month's final run."""
    row = connection.execute(select(CERTIFIED).where(CERTIFIED.c.sequence == sequence)).mappings().first()
    return None if row is None else _batch(row)


def certificates_between(connection: Connection, *, start_s: int, end_s: int) -> tuple[CertificateBatch, ...]:
    """The certificates of batches that begin in [start_s, end_s), in their order."""
    query = select(CERTIFIED).where(CERTIFIED.c.first_start_s >= start_s, CERTIFIED.c.first_start_s < end_s)
    rows = connection.execute(query.order_by(CERTIFIED.c.sequence)).mappings()
    return tuple(_batch(row) for row in rows)


def unfinished_certificates(connection: Connection) -> tuple[CertificateBatch, ...]:
    """What is not on the chain as a whole, in its order."""
    query = select(CERTIFIED).where(CERTIFIED.c.state != "final").order_by(CERTIFIED.c.sequence)
    return tuple(_batch(row) for row in connection.execute(query).mappings())


def metered_wh(connection: Connection, batch: CertificateBatch) -> dict[int, int]:
    """What is metered by certificate id, less the corrections so far."""
    found = batch.generated_wh
    rows = connection.execute(select(CORRECTIONS).where(CORRECTIONS.c.sequence == batch.sequence)).mappings()
    for row in rows:
        found[row["certificate_id"]] = min(found[row["certificate_id"]], row["metered_wh"])
    return found


def parts_of(connection: Connection, sequence: int) -> tuple[CertificatePart, ...]:
    """Everybody's shares of a batch."""
    return tuple(part for _, part in _parts(connection, PARTS.c.sequence == sequence))


def parts_of_member(
    connection: Connection, participant_id: str, sequences: Sequence[int]
) -> tuple[tuple[int, CertificatePart], ...]:
    """A member's shares of some batches, each with its sequence."""
    return tuple(_parts(connection, and_(PARTS.c.participant_id == participant_id, PARTS.c.sequence.in_(sequences))))


def _parts(connection: Connection, which: ColumnElement[bool]) -> Iterator[tuple[int, CertificatePart]]:
    query = select(PARTS).where(which).order_by(PARTS.c.sequence, PARTS.c.participant_id)
    for row in connection.execute(query).mappings():
        shares = json.loads(zlib.decompress(row["shares_z"]))
        yield (
            row["sequence"],
            CertificatePart(
                participant=row["participant_id"],
                generated_wh={int(identity): wh for identity, wh in shares["generated"].items()},
                consumed_wh={int(identity): wh for identity, wh in shares["consumed"].items()},
                generated_leaf=bytes(row["generated_leaf"]),
                consumed_leaf=bytes(row["consumed_leaf"]),
            ),
        )


def _part_row(sequence: int, part: CertificatePart) -> dict[str, object]:
    shares = {"generated": dict(part.generated_wh), "consumed": dict(part.consumed_wh)}
    return {
        "sequence": sequence,
        "participant_id": part.participant,
        "shares_z": zlib.compress(json.dumps(shares, separators=(",", ":")).encode(), 6),
        "generated_leaf": part.generated_leaf,
        "consumed_leaf": part.consumed_leaf,
    }


def _batch_row(batch: CertificateBatch) -> dict[str, object]:
    values = {name: getattr(batch, name) for name in CertificateBatch.__dataclass_fields__ if name != "totals_wh"}
    return values | {"totals_json": json.dumps(batch.totals_wh, separators=(",", ":"))}


def _batch(row: RowMapping) -> CertificateBatch:
    totals = {int(identity): (both[0], both[1]) for identity, both in json.loads(row["totals_json"]).items()}
    values = {name: row[name] for name in CertificateBatch.__dataclass_fields__ if name != "totals_wh"}
    for name in ("generated_root", "consumed_root", "readings_root"):
        values[name] = bytes(values[name])
    return CertificateBatch(**values, totals_wh=totals)
