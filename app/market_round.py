"""The story of one delivery interval T, in the order in which it happens.

    publish_envelopes      what each connection may count on
    open_gate              the sealed book opens, people and agents may place orders
    place_agent_orders     agents decide on what was metered by now
    close_gate             the book is frozen and hashed
    clear_and_publish      auction under the network's limits; trades, prices and set-points in one transaction
    (delivery)             gateways enforce set-points and meter what flows
    settle, anchor         `app.settlement_run`: metered energy becomes transfers, transfers become a proof

Where a community shares after delivery, orders and result follow it (`app.after_delivery`).

Every step may be repeated: what was done stays as it was done.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module

from sqlalchemy import Engine

from app.agent_orders import agent_orders, knowledge_at
from app.agents.flexible import without_own_use
from app.agents.forecast import Forecast
from app.agents.histories import Histories
from app.community import Snapshot, community_at
from app.credit import members_beyond_limit
from app.island_round import FOLLOWS, island_agents, island_set_points, network_of, served_w
from app.phase_check import with_phases
from app.round_inputs import (
    baseline_of_the_rest,
    controlled_points,
    drawn,
    market_injection_w,
    needed_wh,
)
from app.set_points import PointRoom, PointSetPoints, decide_set_points, shared_room
from app.storage.database import reading, writing
from app.storage.store.community import Envelope, save_envelopes
from app.storage.store.orders import book_of, place_orders
from app.storage.store.outcomes import outcomes_of
from app.storage.store.rounds import PublishedClearing, SetPoint, close_round, find_round, open_rounds, save_clearing
from app.storage.store.windows import needed_orders_at, own_use_at, save_own_use
from grid.limits import FloatArray
from grid.network import GridNetwork
from matching.book import OrderBook
from matching.clearing import Clearing, clear
from matching.orders import Order, Side, Trade
from matching.welfare import load_solver
from meters.clock import Clock
from meters.interval import DeliveryInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDesk:
    """Who does the work: the database, the clock, the network (None where there is none) and the agents' memory."""

    engine: Engine
    clock: Clock
    network: GridNetwork | None
    histories: Histories

    def now_s(self) -> int:
        return int(self.clock().timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Forecast of every home for one interval, and the network it is on: cut off where the community is an island."""

    snapshot: Snapshot
    interval: DeliveryInterval
    by_point: Mapping[str, Forecast]
    network: GridNetwork | None


def load_solvers() -> None:
    """Import solver and power flow now, in whatever thread: the first rounds then take no longer than the others."""
    load_solver()
    import_module("grid.judge")


def is_announced(desk: MarketDesk, interval: DeliveryInterval) -> bool:
    """Whether there is a round for the interval, open or later."""
    with reading(desk.engine) as connection:
        return find_round(connection, interval.start_s) is not None


def open_gate(desk: MarketDesk, interval: DeliveryInterval) -> None:
    """From now until gate closure orders for `interval` are taken; a round that is there already stays as it is."""
    with writing(desk.engine) as connection:
        open_rounds(connection, [interval.start_s])


def expect(desk: MarketDesk, interval: DeliveryInterval, *, decided_s: int) -> Expectation:
    """What each home is expected to draw or feed in, from what was received before `decided_s`."""
    desk.histories.refresh(decided_s)
    with reading(desk.engine) as connection:
        snapshot = community_at(connection, interval.start_s)
    by_point = {point: desk.histories.forecast(point, interval, decided_s=decided_s) for point in snapshot.homes}
    unit = snapshot.grid_forming
    if unit is not None:
        by_point[unit.point.id] = FOLLOWS
    network = network_of(desk.network, unit)
    return Expectation(snapshot=snapshot, interval=interval, by_point=by_point, network=network)


def publish_envelopes(desk: MarketDesk, expected: Expectation) -> None:
    """What each connection may draw and feed in: controllable plants share the network's room, others their rating."""
    homes, minutes = expected.snapshot.homes, expected.interval.minutes
    points = controlled_points(homes, expected.by_point, minutes)
    rooms = shared_room(expected.network, points, *drawn(expected.network, homes, expected.by_point, minutes))
    with writing(desk.engine) as connection:
        save_envelopes(connection, _envelopes(expected, rooms))


def _envelopes(
    expected: Expectation, rooms: Sequence[PointRoom], served_w: Mapping[str, int] | None = None
) -> Iterator[Envelope]:
    """`served_w`: what may be drawn where demand is shed."""
    by_point = {room.metering_point: room for room in rooms}
    for point, home in expected.snapshot.homes.items():
        room = by_point.get(point, PointRoom(metering_point=point, limit_w=home.point.connection_w))
        yield Envelope(
            metering_point_id=point,
            start_s=expected.interval.start_s,
            import_limit_w=(served_w or {}).get(point, home.point.connection_w),
            export_limit_w=room.limit_w,
            stopped_by_kind=None if room.stopped_by is None else str(room.stopped_by.kind),
            stopped_by_element=None if room.stopped_by is None else room.stopped_by.element,
        )


def place_agent_orders(desk: MarketDesk, expected: Expectation) -> None:
    """Each agent's orders within its owner's limits, with the reason it gives; beyond the credit limit only sales."""
    interval, now_s = expected.interval, desk.now_s()
    with reading(desk.engine) as connection:
        known = knowledge_at(connection, interval, decided_s=now_s)
        overdrawn = members_beyond_limit(connection, at_s=interval.start_s)
        island = island_agents(connection, expected.snapshot, known.looks, interval)
    decided = agent_orders(expected.snapshot.homes, expected.by_point, known, desk.histories, interval, island)
    with writing(desk.engine) as connection:
        for each in decided.placements:
            place_orders(
                connection,
                [order for order in each.orders if order.side is Side.SELL or order.participant not in overdrawn],
                start_s=interval.start_s,
                origin="agent",
                reason=each.reason,
                placed_s=now_s,
                window_id=each.window_id,
            )
        save_own_use(connection, decided.own_wh, start_s=interval.start_s)


def close_gate(desk: MarketDesk, interval: DeliveryInterval) -> None:
    """Freeze and hash the book; from here nobody can place or cancel."""
    with writing(desk.engine) as connection:
        close_round(connection, interval.start_s, closed_s=desk.now_s(), digest=book_digest)


def clear_and_publish(desk: MarketDesk, expected: Expectation) -> Clearing:
    """Clear the frozen book under the network's limits; result and set-points are published in one transaction."""
    interval, homes, minutes = expected.interval, expected.snapshot.homes, expected.interval.minutes
    network, unit = expected.network, expected.snapshot.grid_forming
    with reading(desk.engine) as connection:
        orders = book_of(connection, interval.start_s)
        own_wh, needed = own_use_at(connection, interval.start_s), needed_orders_at(connection, interval.start_s)
    forecasts = {point: without_own_use(each, own_wh.get(point, 0)) for point, each in expected.by_point.items()}
    cleared = clear_orders(replace(expected, by_point=forecasts), orders)
    clearing, outcomes = cleared.clearing, cleared.outcomes
    points = controlled_points(homes, forecasts, minutes)
    drawn_anyway_wh = Counter(own_wh) + needed_wh(outcomes, needed)
    if unit is not None:
        set_points = island_set_points(
            points, outcomes, drawn_anyway_wh=drawn_anyway_wh, minutes=minutes, grid_forming_point=unit.point.id
        )
    else:
        set_points = decide_set_points(
            points,
            outcomes,
            drawn_anyway_wh=drawn_anyway_wh,
            minutes=minutes,
            limits=network,
            injection_w=cleared.injection_w,
            injection_var=cleared.injection_var,
        )
    _publish(desk, expected, clearing, set_points, {} if unit is None else served_w(outcomes, minutes))
    return clearing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClearedOrders:
    """A result with what came of each order; the injections [n_bus], W and var, are of the published result."""

    clearing: Clearing
    outcomes: tuple[tuple[Order, Trade], ...]
    injection_w: FloatArray
    injection_var: FloatArray


def clear_orders(expected: Expectation, orders: Sequence[Order]) -> ClearedOrders:
    """Clear these orders by the community's rules, beside what homes without an order are expected to do."""
    homes, forecasts, minutes = expected.snapshot.homes, expected.by_point, expected.interval.minutes
    network = expected.network
    _, drawn_var = drawn(network, homes, forecasts, minutes)
    rest_w = baseline_of_the_rest(network, homes, forecasts, orders, minutes)
    clearing = clear(
        OrderBook.from_orders(orders),
        interval_minutes=minutes,
        rules=expected.snapshot.market_rules(with_network=network is not None),
        limits=network,
        baseline_w=rest_w,
        baseline_var=drawn_var,
    )
    outcomes = outcomes_of(orders, clearing.trades())
    return ClearedOrders(
        clearing=with_phases(clearing, network, homes, forecasts, outcomes),
        outcomes=outcomes,
        injection_w=rest_w + market_injection_w(network, outcomes, minutes),
        injection_var=drawn_var,
    )


def published(clearing: Clearing, network: GridNetwork | None) -> PublishedClearing:
    """What everybody may know of a result."""
    return PublishedClearing(
        status=clearing.status,
        clearing_price_micro_per_kwh=clearing.clearing_price_micro_per_kwh,
        traded_wh=clearing.traded_wh,
        binding_count=len(clearing.binding),
        document=clearing.document(),
        clearing_hash=clearing.digest(),
        network=None if network is None or clearing.point is None else network.state_by_id(clearing.point),
    )


def _publish(
    desk: MarketDesk,
    expected: Expectation,
    clearing: Clearing,
    set_points: Sequence[PointSetPoints],
    served: Mapping[str, int],
) -> None:
    start_s, network = expected.interval.start_s, expected.network
    told = [
        SetPoint(
            metering_point_id=point.metering_point,
            start_s=start_s,
            generation_limit_w=point.export_limit_w,
            battery_w=point.battery_w,
        )
        for point in set_points
    ]
    rooms = [point.room for point in set_points if point.room is not None]
    with writing(desk.engine) as connection:
        save_clearing(
            connection,
            start_s,
            published(clearing, network),
            trades=clearing.trades(),
            set_points=told,
            cleared_s=desk.now_s(),
        )
        save_envelopes(connection, _envelopes(expected, rooms, served))


def run_gate_closure(desk: MarketDesk, interval: DeliveryInterval) -> Clearing | None:
    """Everything due when the gate of `interval` closes; None if its result is published already."""
    with reading(desk.engine) as connection:
        found = find_round(connection, interval.start_s)
    if found is not None and found.state in {"cleared", "settled"}:
        return None
    if found is None:
        open_gate(desk, interval)
    # A round that was closed and not cleared is decided on what was known when it closed.
    closed_s = None if found is None else found.closed_s
    expected = expect(desk, interval, decided_s=desk.now_s() if closed_s is None else closed_s)
    if closed_s is None:
        place_agent_orders(desk, expected)
        close_gate(desk, interval)
    return clear_and_publish(desk, expected)


def book_digest(orders: tuple[Order, ...]) -> str:
    """The hash that is kept of a frozen book."""
    return OrderBook.from_orders(orders).digest()
