"""What is planned for windows: what their members see of the agent's plan between two rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.agents.flexible import buy_at_most, sell_at_least
from app.agents.household import PriceBounds
from app.agents.prices import DAY_S, DAYS_OF_MEMORY, expected_prices
from app.agents.reservoir import planned_wh
from app.agents.windows import NOTHING_YET, Traded, content_mwh, reservoir_of
from app.community import community_at
from app.storage.store.community import the_community
from app.storage.store.windows import PlacedWindow, known_prices, traded_by_window
from app.window_entry import first_open_s


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """A window, what is decided for it already, and Wh (+ drawn) planned by start of the intervals to come.

    expected_micro_per_kwh  the prices that the plan was made with, of all intervals that are left of the window
    """

    placed: PlacedWindow
    traded: Traded
    planned_wh: Mapping[int, int]
    expected_micro_per_kwh: Mapping[int, int]


def window_plans(connection: Connection, windows: Sequence[PlacedWindow], *, now_s: int) -> tuple[WindowPlan, ...]:
    """Plans of windows as the agent would make them at `now_s`, if all prices come as it expects."""
    if not windows:
        return ()
    interval_s = the_community(connection).market_time_unit_s
    homes = community_at(connection, now_s).homes
    known = known_prices(connection, start_s=now_s - (DAYS_OF_MEMORY + 1) * DAY_S, decided_s=now_s)
    open_s = first_open_s(now_s, interval_s)
    traded = traded_by_window(connection, [each.window.window_id for each in windows], before_s=open_s)
    plans = []
    for each in windows:
        window = each.window
        planned: dict[int, int] = {}
        expected: dict[int, int] = {}
        if window.metering_point in homes and each.cancelled_s is None:
            planned, expected = _planned(each, traded, known, homes[window.metering_point].bounds, now_s, interval_s)
        plans.append(
            WindowPlan(
                placed=each,
                traded=traded.get(window.window_id, NOTHING_YET),
                planned_wh=planned,
                expected_micro_per_kwh=expected,
            )
        )
    return tuple(plans)


def _planned(
    placed: PlacedWindow,
    traded: Mapping[str, Traded],
    known: Mapping[int, int],
    bounds: PriceBounds,
    now_s: int,
    interval_s: int,
) -> tuple[dict[int, int], dict[int, int]]:
    """(Wh planned where anything is, expected price everywhere) by start of the intervals to come."""
    window = placed.window
    first_s = max(window.earliest_s, first_open_s(now_s, interval_s))
    starts = range(first_s, window.latest_s, interval_s)
    if not starts:
        return {}, {}
    prices = expected_prices(known, starts, decided_s=now_s, lowest=sell_at_least(bounds), highest=buy_at_most(bounds))
    reservoir = reservoir_of(window, start_s=first_s, minutes=interval_s // 60)
    content = content_mwh(window, traded.get(window.window_id, NOTHING_YET))
    plan = planned_wh(reservoir, prices, content)
    planned = {start_s: wh for start_s, wh in zip(starts, plan, strict=True) if wh}
    return planned, dict(zip(starts, prices, strict=True))
