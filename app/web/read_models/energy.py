"""A household's metered energy and how it was shared, interval by interval."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, and_, func, select

from app.storage.store.findings import QUALITY
from app.storage.store.members import POINTS
from app.storage.store.orders import ORDERS, ROUNDS
from app.storage.store.rounds import TRADES
from app.storage.tables import AllocationRow, IntervalEnergyRow, core_table
from meters.interval import Quality

ENERGY = core_table(IntervalEnergyRow)
ALLOCATIONS = core_table(AllocationRow)
_TRUST = tuple(quality.value for quality in Quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyRow:
    """One interval of a household, all its metering points together, Wh.

    bought_wh, sold_wh  exchanged with neighbours; while not `settled`, what the own trades promise, at most the metered
    quality             the least trusted of its values
    complete            whether the whole interval is metered
    """

    start_s: int
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    curtailed_wh: int
    settled: bool
    complete: bool
    quality: str
    clearing_price_micro_per_kwh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyOfSpan:
    """Rows of a span of time in order, and their sums; `expected` is how many rows there could be by now."""

    rows: tuple[EnergyRow, ...]
    expected: int

    @property
    def measured(self) -> int:
        return sum(row.complete for row in self.rows)

    @property
    def import_wh(self) -> int:
        return sum(row.import_wh for row in self.rows)

    @property
    def export_wh(self) -> int:
        return sum(row.export_wh for row in self.rows)

    @property
    def bought_wh(self) -> int:
        return sum(row.bought_wh for row in self.rows)

    @property
    def sold_wh(self) -> int:
        return sum(row.sold_wh for row in self.rows)

    @property
    def residual_import_wh(self) -> int:
        return sum(row.import_wh - row.bought_wh for row in self.rows)

    @property
    def residual_export_wh(self) -> int:
        return sum(row.export_wh - row.sold_wh for row in self.rows)

    @property
    def provisional(self) -> tuple[EnergyRow, ...]:
        """Rows that no settlement has shared out yet."""
        return tuple(row for row in self.rows if not row.settled)


def energy_of(
    connection: Connection, participant_id: str, *, start_s: int, end_s: int, now_s: int, interval_s: int
) -> EnergyOfSpan:
    """A participant's energy of the intervals that start in [start_s, end_s)."""
    same = and_(
        ALLOCATIONS.c.metering_point_id == ENERGY.c.metering_point_id, ALLOCATIONS.c.start_s == ENERGY.c.start_s
    )
    query = (
        select(
            ENERGY.c.start_s,
            ENERGY.c.import_wh,
            ENERGY.c.export_wh,
            QUALITY,
            ENERGY.c.covered_s,
            ALLOCATIONS.c.bought_wh,
            ALLOCATIONS.c.sold_wh,
            ALLOCATIONS.c.curtailed_wh,
            ROUNDS.c.clearing_price_micro_per_kwh,
        )
        .join(POINTS, POINTS.c.id == ENERGY.c.metering_point_id)
        .outerjoin(ALLOCATIONS, same)
        .outerjoin(ROUNDS, ROUNDS.c.start_s == ENERGY.c.start_s)
        .where(POINTS.c.participant_id == participant_id, ENERGY.c.start_s >= start_s, ENERGY.c.start_s < end_s)
        .order_by(ENERGY.c.start_s)
    )
    promised = _accepted(connection, participant_id, start_s=start_s, end_s=end_s)
    by_start: dict[int, EnergyRow] = {}
    for row in connection.execute(query):
        found = EnergyRow(
            start_s=row.start_s,
            import_wh=row.import_wh,
            export_wh=row.export_wh,
            bought_wh=row.bought_wh or 0,
            sold_wh=row.sold_wh or 0,
            curtailed_wh=row.curtailed_wh or 0,
            settled=row.bought_wh is not None,
            complete=row.covered_s >= interval_s,
            quality=row.quality,
            clearing_price_micro_per_kwh=row.clearing_price_micro_per_kwh,
        )
        before = by_start.get(row.start_s)
        by_start[row.start_s] = found if before is None else _together(before, found)
    expected = max(0, (min(end_s, now_s) - start_s) // interval_s)
    rows = tuple(row if row.settled else _promised(row, promised) for row in by_start.values())
    return EnergyOfSpan(rows=rows, expected=expected)


def _accepted(connection: Connection, participant_id: str, *, start_s: int, end_s: int) -> dict[tuple[int, str], int]:
    """Wh accepted by (interval start, side) in a participant's trades."""
    query = (
        select(ORDERS.c.start_s, ORDERS.c.side, func.sum(TRADES.c.accepted_wh))
        .join(TRADES, TRADES.c.order_id == ORDERS.c.order_id)
        .where(ORDERS.c.participant_id == participant_id, ORDERS.c.start_s >= start_s, ORDERS.c.start_s < end_s)
        .group_by(ORDERS.c.start_s, ORDERS.c.side)
    )
    return {(at_s, side): int(energy_wh) for at_s, side, energy_wh in connection.execute(query)}


def _promised(row: EnergyRow, accepted: dict[tuple[int, str], int]) -> EnergyRow:
    return replace(
        row,
        bought_wh=min(row.import_wh, accepted.get((row.start_s, "buy"), 0)),
        sold_wh=min(row.export_wh, accepted.get((row.start_s, "sell"), 0)),
    )


def _together(one: EnergyRow, other: EnergyRow) -> EnergyRow:
    return EnergyRow(
        start_s=one.start_s,
        import_wh=one.import_wh + other.import_wh,
        export_wh=one.export_wh + other.export_wh,
        bought_wh=one.bought_wh + other.bought_wh,
        sold_wh=one.sold_wh + other.sold_wh,
        curtailed_wh=one.curtailed_wh + other.curtailed_wh,
        settled=one.settled and other.settled,
        complete=one.complete and other.complete,
        quality=max(one.quality, other.quality, key=_TRUST.index),
        clearing_price_micro_per_kwh=one.clearing_price_micro_per_kwh,
    )
