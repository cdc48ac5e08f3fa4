"""A month's shared energy by kind of home, and one member's part of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, func, select

from app.local_time import LocalMonth
from app.sharing import (
    Group,
    HomeKind,
    KindEnergy,
    KindTotals,
    Sharing,
    groups_of,
    own_sources,
    sharing_of,
)
from app.storage.store.members import POINTS
from app.storage.store.settlement import ALLOCATIONS
from app.storage.store.settlement_runs import RUNS

MONTHS_KEPT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMonth:
    """What all homes of each kind shared, interval by interval and in total. `runs` is what it was added up after."""

    energies: tuple[KindEnergy, ...]
    totals: tuple[KindTotals, ...]
    runs: tuple[int, int]

    @property
    def sharing(self) -> Sharing | None:
        return sharing_of(self.energies, self.totals)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSharing:
    """One member's month: bought by who filled the pool, sold by who drew from it, and the suppliers' part, Wh.

    A group of None is all neighbours together: too few took part to tell them apart.
    """

    bought: tuple[tuple[Group | None, int], ...]
    sold: tuple[tuple[Group | None, int], ...]
    residual_import_wh: int
    residual_export_wh: int


def shared_month(connection: Connection, month: LocalMonth, kept: dict[str, SharedMonth]) -> SharedMonth:
    """A month's energies by kind; those in `kept` are added up again only after another settlement run."""
    count, newest_s = connection.execute(select(func.count(), func.max(RUNS.c.ran_s))).one()
    runs = (int(count), int(newest_s or 0))
    found = kept.get(month.key)
    if found is None or found.runs != runs:
        found = SharedMonth(energies=_energies(connection, month), totals=_totals(connection, month), runs=runs)
        kept[month.key] = found
        for key in sorted(kept)[:-MONTHS_KEPT]:
            del kept[key]
    return found


def own_sharing(connection: Connection, participant_id: str, month: LocalMonth, shared: SharedMonth) -> OwnSharing:
    """A member's month against the same pools."""
    query = (
        select(
            ALLOCATIONS.c.start_s,
            func.sum(ALLOCATIONS.c.bought_wh),
            func.sum(ALLOCATIONS.c.sold_wh),
            func.sum(ALLOCATIONS.c.residual_import_wh),
            func.sum(ALLOCATIONS.c.residual_export_wh),
        )
        .join(POINTS, POINTS.c.id == ALLOCATIONS.c.metering_point_id)
        .where(POINTS.c.participant_id == participant_id, *_within(month))
        .group_by(ALLOCATIONS.c.start_s)
    )
    rows = connection.execute(query).all()
    bought = {start_s: int(wh) for start_s, wh, _, _, _ in rows}
    sold = {start_s: int(wh) for start_s, _, wh, _, _ in rows}
    sellers = groups_of({each.kind: each.homes_feeding for each in shared.totals})
    buyers = groups_of({each.kind: each.homes_drawing for each in shared.totals})
    return OwnSharing(
        bought=_by_group(shared.energies, bought, sellers, selling=False),
        sold=_by_group(shared.energies, sold, buyers, selling=True),
        residual_import_wh=sum(int(row[3]) for row in rows),
        residual_export_wh=sum(int(row[4]) for row in rows),
    )


def _by_group(
    energies: Sequence[KindEnergy], own_wh: dict[int, int], groups: Sequence[Group], *, selling: bool
) -> tuple[tuple[Group | None, int], ...]:
    if len(groups) < 2:
        return ((groups[0] if groups else None, sum(own_wh.values())),)
    return tuple(own_sources(energies, own_wh, groups, selling=selling).items())


def _within(month: LocalMonth) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return ALLOCATIONS.c.start_s >= month.start_s, ALLOCATIONS.c.start_s < month.end_s


_KIND = case(
    (POINTS.c.battery_wh > 0, HomeKind.STORAGE.value),
    (POINTS.c.generation_w > 0, HomeKind.SOLAR.value),
    else_=HomeKind.PLAIN.value,
).label("kind")


def _energies(connection: Connection, month: LocalMonth) -> tuple[KindEnergy, ...]:
    query = (
        select(ALLOCATIONS.c.start_s, _KIND, func.sum(ALLOCATIONS.c.bought_wh), func.sum(ALLOCATIONS.c.sold_wh))
        .join(POINTS, POINTS.c.id == ALLOCATIONS.c.metering_point_id)
        .where(*_within(month))
        .group_by(ALLOCATIONS.c.start_s, "kind")
        .having(func.sum(ALLOCATIONS.c.bought_wh) + func.sum(ALLOCATIONS.c.sold_wh) > 0)
    )
    return tuple(
        KindEnergy(start_s=start_s, kind=HomeKind(kind), bought_wh=int(bought_wh), sold_wh=int(sold_wh))
        for start_s, kind, bought_wh, sold_wh in connection.execute(query)
    )


def _totals(connection: Connection, month: LocalMonth) -> tuple[KindTotals, ...]:
    drawn_wh = ALLOCATIONS.c.bought_wh + ALLOCATIONS.c.residual_import_wh
    fed_wh = ALLOCATIONS.c.sold_wh + ALLOCATIONS.c.residual_export_wh
    query = (
        select(
            _KIND,
            func.count(case((drawn_wh > 0, POINTS.c.participant_id)).distinct()),
            func.count(case((fed_wh > 0, POINTS.c.participant_id)).distinct()),
            func.sum(ALLOCATIONS.c.residual_import_wh),
            func.sum(ALLOCATIONS.c.residual_export_wh),
        )
        .join(POINTS, POINTS.c.id == ALLOCATIONS.c.metering_point_id)
        .where(*_within(month))
        .group_by("kind")
    )
    return tuple(
        KindTotals(
            kind=HomeKind(kind),
            homes_drawing=drawing,
            homes_feeding=feeding,
            residual_import_wh=int(import_wh),
            residual_export_wh=int(export_wh),
        )
        for kind, drawing, feeding, import_wh, export_wh in connection.execute(query)
    )
