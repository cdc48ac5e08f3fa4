"""Totals of a community that anybody may see."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from app.storage.store.members import PARTICIPANTS, POINTS
from app.storage.store.orders import ROUNDS
from app.web.read_models.energy import ALLOCATIONS, ENERGY

# A total over fewer homes could tell about one of them.
FEWEST_HOMES_IN_A_TOTAL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTotals:
    """Sums over all homes of the settled intervals of a span; energies in Wh."""

    homes: int
    homes_with_generation: int
    shared_wh: int
    import_wh: int
    lowest_price_micro_per_kwh: int | None
    highest_price_micro_per_kwh: int | None

    @property
    def shared_share(self) -> float:
        """Part of what the homes drew that came from neighbours."""
        return self.shared_wh / self.import_wh if self.import_wh else 0.0


def public_totals(connection: Connection, *, start_s: int, end_s: int) -> PublicTotals | None:
    """Totals of [start_s, end_s), None when too few homes stand behind them or nothing is settled yet."""
    homes = connection.execute(
        select(func.count()).where(PARTICIPANTS.c.role == "household", PARTICIPANTS.c.status == "active")
    ).scalar_one()
    generating = connection.execute(
        select(func.count(POINTS.c.participant_id.distinct())).where(POINTS.c.generation_w > 0)
    ).scalar_one()
    energy = connection.execute(
        select(
            func.sum(ALLOCATIONS.c.bought_wh),
            func.sum(ENERGY.c.import_wh),
            func.count(ALLOCATIONS.c.metering_point_id.distinct()),
        )
        .join(
            ENERGY,
            (ENERGY.c.metering_point_id == ALLOCATIONS.c.metering_point_id)
            & (ENERGY.c.start_s == ALLOCATIONS.c.start_s),
        )
        .where(ALLOCATIONS.c.start_s >= start_s, ALLOCATIONS.c.start_s < end_s)
    ).one()
    if homes < FEWEST_HOMES_IN_A_TOTAL or energy[2] < FEWEST_HOMES_IN_A_TOTAL:
        return None
    lowest, highest = connection.execute(
        select(func.min(ROUNDS.c.clearing_price_micro_per_kwh), func.max(ROUNDS.c.clearing_price_micro_per_kwh)).where(
            ROUNDS.c.start_s >= start_s, ROUNDS.c.start_s < end_s, ROUNDS.c.traded_wh > 0
        )
    ).one()
    return PublicTotals(
        homes=homes,
        homes_with_generation=generating if generating >= FEWEST_HOMES_IN_A_TOTAL else 0,
        shared_wh=int(energy[0] or 0),
        import_wh=int(energy[1] or 0),
        lowest_price_micro_per_kwh=lowest,
        highest_price_micro_per_kwh=highest,
    )
