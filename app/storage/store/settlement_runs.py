"""Settlement runs: what was run, what changed since, and what no batch holds yet."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, and_, func, or_, select, update

from app.storage import tables
from app.storage.store.bulk import insert_all
from app.storage.store.findings import QUALITY
from app.storage.store.grid_quantities import QUANTITIES
from app.storage.store.orders import ROUNDS
from app.storage.store.readings import ENERGY
from app.storage.store.settlement import ALLOCATIONS
from app.storage.tables import core_table
from meters.interval import Quality

RUNS = core_table(tables.SettlementRunRow)
KINDS = ("D1", "SF", "R1", "RF")
COMPLETE_QUALITIES = tuple(
    each.value for each in (Quality.MEASURED, Quality.INTERPOLATED, Quality.MANUAL, Quality.ESTIMATED)
)
"""Between readings of a meter that lie close enough; everything else, and what a rule doubts, is a guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Settled intervals of a metering point without a value (missing), or with one that no meter gave (guessed)."""

    metering_point: str
    missing: int
    guessed: int
    first_start_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementRun:
    """One run over [first_start_s, end_s).

    name        its transfers carry it: the kind, and its number where it was run again
    moved_nano  sum of the posted transfers
    gaps        data that was missing when it ran; empty for a complete run
    """

    kind: str
    name: str
    first_start_s: int
    end_s: int
    ran_s: int
    actor: str
    intervals_changed: int
    transfers_posted: int
    moved_nano: int
    gaps: tuple[Gap, ...] = ()

    @property
    def is_complete(self) -> bool:
        return not self.gaps


def record_run(connection: Connection, run: SettlementRun) -> None:
    """Keep what a run did; the same run of the same period twice raises IntegrityError."""
    values = {name: getattr(run, name) for name in SettlementRun.__dataclass_fields__ if name != "gaps"}
    gaps = [{name: getattr(gap, name) for name in Gap.__dataclass_fields__} for gap in run.gaps]
    insert_all(connection, RUNS, [values | {"missing_json": json.dumps(gaps)}])


def runs_between(connection: Connection, *, start_s: int, end_s: int) -> tuple[SettlementRun, ...]:
    """The runs of periods that begin in [start_s, end_s), in the order in which they ran."""
    query = select(RUNS).where(RUNS.c.first_start_s >= start_s, RUNS.c.first_start_s < end_s)
    found = (_run(row) for row in connection.execute(query).mappings())
    return tuple(sorted(found, key=lambda run: (run.ran_s, run.first_start_s, KINDS.index(run.kind), run.name)))


def next_name(connection: Connection, kind: str, *, first_start_s: int) -> str:
    """What the next run of a kind over a period is called: the kind, and a number from the second on."""
    query = select(func.count()).where(RUNS.c.kind == kind, RUNS.c.first_start_s == first_start_s)
    before = int(connection.execute(query).scalar_one())
    return kind if before == 0 else f"{kind}.{before + 1}"


def _run(row: RowMapping) -> SettlementRun:
    values = {name: row[name] for name in SettlementRun.__dataclass_fields__ if name != "gaps"}
    return SettlementRun(**values, gaps=tuple(Gap(**each) for each in json.loads(row["missing_json"])))


def changed_starts(connection: Connection, *, start_s: int, end_s: int, interval_s: int) -> tuple[int, ...]:
    """Starts of settled intervals in [start_s, end_s) whose energy is not what they were settled with."""
    settled = and_(ROUNDS.c.state == "settled", ROUNDS.c.start_s >= start_s, ROUNDS.c.start_s < end_s)
    same_point = and_(
        ALLOCATIONS.c.start_s == ENERGY.c.start_s, ALLOCATIONS.c.metering_point_id == ENERGY.c.metering_point_id
    )
    metered = (
        select(ENERGY.c.start_s)
        .join(ROUNDS, ROUNDS.c.start_s == ENERGY.c.start_s)
        .outerjoin(ALLOCATIONS, same_point)
        .where(
            settled,
            ENERGY.c.covered_s >= interval_s,
            or_(
                ALLOCATIONS.c.run.is_(None),
                ALLOCATIONS.c.bought_wh + ALLOCATIONS.c.residual_import_wh != ENERGY.c.import_wh,
                ALLOCATIONS.c.sold_wh + ALLOCATIONS.c.residual_export_wh != ENERGY.c.export_wh,
            ),
        )
    )
    given = (
        select(QUANTITIES.c.start_s)
        .join(ROUNDS, ROUNDS.c.start_s == QUANTITIES.c.start_s)
        .where(settled, QUANTITIES.c.received_s > ROUNDS.c.cleared_s)
    )
    return tuple(sorted({int(found) for query in (metered, given) for found in connection.execute(query).scalars()}))


def gaps_of(
    connection: Connection, points: Mapping[str, Sequence[tuple[int, int]]], *, start_s: int, end_s: int
) -> tuple[Gap, ...]:
    """What is missing in the settled intervals of [start_s, end_s), by point, where anything is.

    `points` says for each point in which [from, to) its owner had a contract.
    """
    settled = select(ROUNDS.c.start_s).where(
        ROUNDS.c.state == "settled", ROUNDS.c.start_s >= start_s, ROUNDS.c.start_s < end_s
    )
    starts = sorted(connection.execute(settled).scalars())
    same = and_(
        ALLOCATIONS.c.start_s == ENERGY.c.start_s, ALLOCATIONS.c.metering_point_id == ENERGY.c.metering_point_id
    )
    query = (
        select(ALLOCATIONS.c.metering_point_id, ALLOCATIONS.c.start_s, QUALITY)
        .outerjoin(ENERGY, same)
        .where(ALLOCATIONS.c.start_s >= start_s, ALLOCATIONS.c.start_s < end_s)
    )
    known: dict[str, dict[int, str | None]] = defaultdict(dict)
    for point, at_s, quality in connection.execute(query):
        known[point][at_s] = quality
    gaps = (_gap(point, known[point], starts, points[point]) for point in sorted(points))
    return tuple(gap for gap in gaps if gap is not None)


def _gap(
    point: str, known: Mapping[int, str | None], starts: Sequence[int], spans: Sequence[tuple[int, int]]
) -> Gap | None:
    due = [at_s for at_s in starts if any(since <= at_s < until for since, until in spans)]
    missing = [at_s for at_s in due if at_s not in known]
    guessed = [at_s for at_s in due if at_s in known and known[at_s] not in COMPLETE_QUALITIES]
    if not missing and not guessed:
        return None
    first_s = min([*missing, *guessed])
    return Gap(metering_point=point, missing=len(missing), guessed=len(guessed), first_start_s=first_s)


def pending_starts(connection: Connection, *, before_s: int) -> frozenset[int]:
    """Starts before `before_s` whose energy was shared, or shared anew, since the last batch."""
    query = select(ALLOCATIONS.c.start_s).where(ALLOCATIONS.c.pending, ALLOCATIONS.c.start_s < before_s).distinct()
    return frozenset(connection.execute(query).scalars())


def mark_batched(connection: Connection, *, before_s: int) -> None:
    """A batch holds everything that was pending before `before_s`."""
    connection.execute(
        update(ALLOCATIONS).where(ALLOCATIONS.c.pending, ALLOCATIONS.c.start_s < before_s).values(pending=False)
    )
