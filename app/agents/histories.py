"""Every agent's memory: the readings of its own home as they were known when it decided.

One memory serves all agents of a process, but each home's history is its own; what a home could not feed in because
it was told not to counts as if it had, and what its battery, car or heat pump did for the market does not count.
"""

from sqlalchemy import Engine

from app.agents.forecast import DAYS_OF_MEMORY, Forecast, History, forecast
from app.storage.database import reading
from app.storage.store.outcomes import limited_offers_between
from app.storage.store.readings import energy_history
from app.storage.store.windows import device_energy_between
from meters.interval import DeliveryInterval

MEMORY_S = (DAYS_OF_MEMORY + 1) * 86_400
BOUND_SHARE = 0.97
"""A limit was felt if at least this share of what it allowed was fed in."""


class Histories:
    """Histories of all metering points, brought up to date from the database at each decision."""

    def __init__(self, engine: Engine, *, minutes: int) -> None:
        self._engine = engine
        self._minutes = minutes
        self._by_point: dict[str, History] = {}
        self._known_by_s = -1

    def refresh(self, decided_s: int) -> None:
        """Learn what was received before `decided_s` and is not known yet, late values and corrections included."""
        since_s = decided_s - MEMORY_S
        with reading(self._engine) as connection:
            rows = energy_history(
                connection,
                start_s=since_s,
                minutes=self._minutes,
                received_after_s=self._known_by_s,
                received_by_s=decided_s - 1,
            )
            earliest_s = min((start_s for _, start_s, _, _ in rows), default=decided_s)
            limited = limited_offers_between(connection, start_s=earliest_s, end_s=decided_s)
            moved_wh = device_energy_between(connection, start_s=earliest_s, end_s=decided_s)
        for history in self._by_point.values():
            history.forget_before(since_s)
        for point, start_s, import_wh, export_wh in rows:
            limit_w, offered_wh = limited.get((point, start_s), (None, 0))
            felt = limit_w is not None and export_wh >= limit_w * self._minutes / 60 * BOUND_SHARE
            self._by_point.setdefault(point, History()).learn(
                start_s,
                import_wh=import_wh,
                export_wh=export_wh,
                offered_wh=offered_wh if felt else 0,
                moved_wh=moved_wh.get((point, start_s), 0),
            )
        self._known_by_s = decided_s - 1

    def forecast(self, metering_point: str, interval: DeliveryInterval, *, decided_s: int) -> Forecast:
        """What a metering point is expected to draw or feed in, decided at `decided_s`."""
        history = self._by_point.get(metering_point, History())
        return forecast(history, interval.start_s, minutes=interval.minutes, known_before_s=decided_s)

    def daily_export_wh(self, metering_point: str, *, decided_s: int) -> int:
        """What a metering point fed in on a day before `decided_s`, on average."""
        return self._by_point.get(metering_point, History()).daily_export_wh(decided_s)
