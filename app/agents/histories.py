"""Every agent's memory: the readings of its own home as they were known when it decided.

One memory serves all agents of a process, but each home's history is its own; what a home could not feed in because
it was told not to counts as if it had.
"""

from sqlalchemy import Engine

from app.agents.forecast import DAYS_OF_MEMORY, RECENT_SLOTS, Forecast, History, forecast
from app.storage.database import reading
from app.storage.store.outcomes import curtailments_between
from app.storage.store.readings import energy_history
from meters.interval import DeliveryInterval

MEMORY_S = (DAYS_OF_MEMORY + 1) * 86_400
RECENT_S = 2 * 3600
FULL_REFRESH_S = 24 * 3600
BOUND_SHARE = 0.97
"""A limit was felt if at least this share of what it allowed was fed in."""


class Histories:
    """Histories of all metering points, refreshed from the database at each decision."""

    def __init__(self, engine: Engine, *, minutes: int) -> None:
        self._engine = engine
        self._minutes = minutes
        self._by_point: dict[str, History] = {}
        self._full_at_s: int | None = None

    def refresh(self, decided_s: int) -> None:
        """Learn what was received before `decided_s`; late values of the last hours at once, older ones once a day."""
        full = self._full_at_s is None or decided_s - self._full_at_s >= FULL_REFRESH_S
        since_s = decided_s - (MEMORY_S if full else RECENT_S + RECENT_SLOTS * self._minutes * 60)
        with reading(self._engine) as connection:
            rows = energy_history(
                connection, start_s=since_s, end_s=decided_s, minutes=self._minutes, received_by_s=decided_s - 1
            )
            curtailed = curtailments_between(connection, start_s=since_s, end_s=decided_s)
        if full:
            self._full_at_s = decided_s
            for history in self._by_point.values():
                history.forget_before(since_s)
        for point, start_s, import_wh, export_wh in rows:
            permitted_wh, curtailed_wh = curtailed.get((point, start_s), (0, 0))
            felt = curtailed_wh > 0 and export_wh >= permitted_wh * BOUND_SHARE
            self._by_point.setdefault(point, History()).learn(
                start_s, import_wh=import_wh, export_wh=export_wh, curtailed_wh=curtailed_wh if felt else 0
            )

    def forecast(self, metering_point: str, interval: DeliveryInterval, *, decided_s: int) -> Forecast:
        """What a metering point is expected to draw or feed in, decided at `decided_s`."""
        history = self._by_point.get(metering_point, History())
        return forecast(history, interval.start_s, minutes=interval.minutes, known_before_s=decided_s)
