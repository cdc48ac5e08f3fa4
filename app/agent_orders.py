"""What all agents place when a gate closes: homes by forecast, batteries by rule, devices by their windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from app.agents.battery import EVENING_S, LOOK_BACK_S, BatteryLook, battery_orders, sellable_wh
from app.agents.flexible import WindowDecision, buy_at_most, decide, sell_at_least, without_own_use
from app.agents.forecast import Forecast
from app.agents.grid_forming import grid_forming_orders
from app.agents.histories import Histories
from app.agents.household import forecast_order
from app.agents.prices import DAY_S, DAYS_OF_MEMORY, expected_prices
from app.agents.windows import NOTHING_YET, DeviceClass, Traded, WindowOrder
from app.community import Home
from app.island_round import IslandAgents
from app.storage.store.outcomes import battery_looks_since, battery_sales_between
from app.storage.store.windows import known_prices, standing_windows, traded_by_window
from matching.orders import Order
from meters.interval import DeliveryInterval

SPARE_REASON = "energy in the battery that the home did not need in the last day"
FORMING_REASON = "your battery forms the island's grid"
WINDOW_REASONS = {
    DeviceClass.BATTERY: "planned with your battery",
    DeviceClass.CAR: "planned for your car",
    DeviceClass.HEAT_PUMP: "planned for your heat pump",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Orders with the reason that their agent gives, and the window that they were made for, if any."""

    orders: tuple[Order, ...]
    reason: str
    window_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOrders:
    """Everything the agents decided for one interval; `own_wh` is what devices take of their homes' surplus."""

    placements: tuple[Placement, ...]
    own_wh: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What was known when the gate closed: of batteries, of windows and what they traded, and of prices."""

    looks: Mapping[str, Sequence[BatteryLook]]
    sold_wh: Mapping[str, int]
    windows: Mapping[str, WindowOrder]
    traded: Mapping[str, Traded]
    prices: Mapping[int, int]
    decided_s: int


def knowledge_at(connection: Connection, interval: DeliveryInterval, *, decided_s: int) -> Knowledge:
    """What the agents may know that decide for `interval` at `decided_s`; windows by metering point."""
    start_s = interval.start_s
    windows = standing_windows(connection, start_s=start_s, end_s=start_s + interval.minutes * 60)
    return Knowledge(
        looks=battery_looks_since(connection, since_s=decided_s - LOOK_BACK_S, until_s=decided_s),
        sold_wh=battery_sales_between(connection, start_s=decided_s - LOOK_BACK_S, end_s=start_s),
        windows={window.metering_point: window for window in windows},
        traded=traded_by_window(connection, [window.window_id for window in windows], before_s=start_s),
        prices=known_prices(connection, start_s=decided_s - (DAYS_OF_MEMORY + 1) * DAY_S, decided_s=decided_s),
        decided_s=decided_s,
    )


def agent_orders(
    homes: Mapping[str, Home],
    forecasts: Mapping[str, Forecast],
    known: Knowledge,
    histories: Histories,
    interval: DeliveryInterval,
    island: IslandAgents | None = None,
) -> AgentOrders:
    """Orders of every home that trades, each within its owner's limits.

    On an island homes that do not trade are in the book with what they use or make: nobody else serves them.
    """
    placements: list[Placement] = []
    own_wh: dict[str, int] = {}
    for point, home in homes.items():
        forecast = forecasts[point]
        if not home.agent_trades:
            placements.extend(_passive(home, forecast, interval) if island is not None else ())
            continue
        if point in known.windows:
            decision = window_decision(home, known.windows[point], forecast, known, interval)
            own_wh[decision.window.window_id] = decision.own_wh
            forecast = without_own_use(forecast, decision.own_wh)
            reason = WINDOW_REASONS[decision.window.device]
            placements.append(Placement(orders=decision.orders, reason=reason, window_id=decision.window.window_id))
        placements.extend(_passive(home, forecast, interval))
        if point in known.windows:
            continue
        if island is not None and point == island.unit.metering_point:
            placements.append(_forming(home, island, interval))
        elif point in known.looks and home.agent_sells_spare:
            placements.extend(_spare(home, forecast, known, histories, interval))
    if island is not None:
        placements = [replace(each, orders=tuple(map(island.within, each.orders))) for each in placements]
    return AgentOrders(placements=_together(placements), own_wh=own_wh)


def window_decision(
    home: Home, window: WindowOrder, forecast: Forecast, known: Knowledge, interval: DeliveryInterval
) -> WindowDecision:
    """What a window does in `interval`, against the prices that are expected until it ends."""
    prices = _expected(home, known, interval, until_s=window.latest_s)
    return decide(
        home.facts,
        window,
        known.traded.get(window.window_id, NOTHING_YET),
        expected=forecast,
        prices=prices,
        bounds=home.bounds,
        interval=interval,
    )


def _passive(home: Home, forecast: Forecast, interval: DeliveryInterval) -> Iterator[Placement]:
    order = forecast_order(home.facts, forecast, home.limits, home.bounds, start_s=interval.start_s)
    if order is not None:
        yield Placement(orders=(order,), reason=f"forecast: {forecast.basis}")


def _forming(home: Home, island: IslandAgents, interval: DeliveryInterval) -> Placement:
    orders = grid_forming_orders(home.facts, island.unit, home.limits, home.bounds, interval)
    return Placement(orders=orders, reason=FORMING_REASON)


def _spare(
    home: Home, forecast: Forecast, known: Knowledge, histories: Histories, interval: DeliveryInterval
) -> Iterator[Placement]:
    point = home.point.id
    sellable = sellable_wh(
        home.facts,
        looks=known.looks[point],
        sold_wh=known.sold_wh.get(point, 0),
        daily_export_wh=histories.daily_export_wh(point, decided_s=known.decided_s),
        expected=forecast,
        now_s=known.decided_s,
    )
    orders = battery_orders(
        home.facts,
        sellable_wh=sellable,
        prices=_expected(home, known, interval, until_s=interval.start_s + EVENING_S),
        limits=home.limits,
        bounds=home.bounds,
        interval=interval,
    )
    if orders:
        yield Placement(orders=orders, reason=SPARE_REASON)


def _expected(home: Home, known: Knowledge, interval: DeliveryInterval, *, until_s: int) -> list[int]:
    """Expected prices of the intervals from `interval` to `until_s`."""
    return expected_prices(
        known.prices,
        range(interval.start_s, until_s, interval.minutes * 60),
        decided_s=known.decided_s,
        lowest=sell_at_least(home.bounds),
        highest=buy_at_most(home.bounds),
    )


def _together(placements: list[Placement]) -> tuple[Placement, ...]:
    """Placements with the same reason and window as one, so that they are written at once."""
    grouped: dict[tuple[str, str | None], list[Order]] = {}
    for each in placements:
        grouped.setdefault((each.reason, each.window_id), []).extend(each.orders)
    return tuple(
        Placement(orders=tuple(orders), reason=reason, window_id=window_id)
        for (reason, window_id), orders in grouped.items()
    )
