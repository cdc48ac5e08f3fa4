"""Whether everything of a span was metered: what settlement waits for."""

from collections.abc import Mapping

from sqlalchemy import Connection, Engine

from app.storage.database import reading
from app.storage.store.community import the_community
from app.storage.store.members import contracts_at, metering_points
from app.storage.store.readings import energies_at
from app.storage.store.rounds import rounds_between
from meters.interval import DeliveryInterval


def is_metered(engine: Engine, *, start_s: int, end_s: int) -> bool:
    """Whether every round that starts in [start_s, end_s) has the energy of every home that had a contract then."""
    with reading(engine) as connection:
        minutes = the_community(connection).market_time_unit_minutes
        owners = {point.id: point.participant_id for point in metering_points(connection)}
        rounds = rounds_between(connection, start_s=start_s, end_s=end_s)
        # The newest first: a meter that is silent now is found at once.
        return all(
            energies_at(connection, DeliveryInterval.at(each.start_s, minutes)).keys()
            >= _points_at(connection, owners, each.start_s)
            for each in reversed(rounds)
        )


def _points_at(connection: Connection, owners: Mapping[str, str], start_s: int) -> frozenset[str]:
    """Metering points whose owner has a contract then: members join and leave in the middle of a day."""
    contracts = contracts_at(connection, start_s)
    return frozenset(point for point, owner in owners.items() if owner in contracts)
