"""The sealed order book of each interval."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, Select, func, select, update

from app.errors import InputError
from app.storage import tables
from app.storage.store.bulk import insert_new
from app.storage.store.members import POINTS
from app.storage.tables import core_table
from matching.orders import Firmness, Order, Side

ORDERS = core_table(tables.MarketOrder)
ROUNDS = core_table(tables.MarketRound)


class GateClosedError(InputError):
    """The book of this interval is not open: orders can neither be placed nor cancelled."""


class NoRoundError(GateClosedError):
    """There is no market round for this interval: its gate has not opened yet, or never will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order with its history. origin is agent or person; cancelled_s is None while it stands."""

    order: Order
    start_s: int
    origin: str
    reason: str
    placed_s: int
    cancelled_s: int | None


def require_open_gate(connection: Connection, start_s: int) -> None:
    """Hold the interval's book open until this transaction ends. Raises GateClosedError if it is not open."""
    query = select(ROUNDS.c.state).where(ROUNDS.c.start_s == start_s).with_for_update(read=True)
    state = connection.execute(query).scalar()
    if state is None:
        raise NoRoundError(f"interval {start_s}: there is no market round for it")
    if state != "open":
        raise GateClosedError(f"interval {start_s}: the gate is closed, the book is {state}")


def place_orders(
    connection: Connection,
    orders: Iterable[Order],
    *,
    start_s: int,
    origin: str,
    reason: str = "",
    placed_s: int,
    window_id: str | None = None,
) -> None:
    """Add orders to an interval's open book; an order_id that is there already stays as it was placed.

    `window_id` names the window that they were made for.
    Raises GateClosedError if the book is not open. The rules of the market are checked before (order_entry).
    """
    assert origin in {"agent", "person"}
    require_open_gate(connection, start_s)
    insert_new(
        connection,
        ORDERS,
        (
            {
                "order_id": order.order_id,
                "start_s": start_s,
                "participant_id": order.participant,
                "metering_point_id": order.metering_point,
                "side": order.side.value,
                "quantity_wh": order.quantity_wh,
                "limit_micro_per_kwh": order.limit_micro_per_kwh,
                "firmness": order.firmness.value,
                "origin": origin,
                "reason": reason,
                "placed_s": placed_s,
                "window_id": window_id,
            }
            for order in orders
        ),
    )


def cancel_order(connection: Connection, order_id: str, *, cancelled_s: int) -> PlacedOrder:
    """Take an order out of the open book; its row stays. Raises GateClosedError, or InputError if unknown."""
    placed = find_order(connection, order_id)
    if placed is None:
        raise InputError(f"there is no order {order_id!r}")
    require_open_gate(connection, placed.start_s)
    connection.execute(
        update(ORDERS)
        .where(ORDERS.c.order_id == order_id, ORDERS.c.cancelled_s.is_(None))
        .values(cancelled_s=cancelled_s)
    )
    cancelled = find_order(connection, order_id)
    assert cancelled is not None
    return cancelled


def book_of(connection: Connection, start_s: int) -> tuple[Order, ...]:
    """The standing orders of an interval, by order id."""
    query = _orders().where(ORDERS.c.start_s == start_s, ORDERS.c.cancelled_s.is_(None)).order_by(ORDERS.c.order_id)
    return tuple(_order(row) for row in connection.execute(query).mappings())


def find_order(connection: Connection, order_id: str) -> PlacedOrder | None:
    """One order, cancelled or not; None if unknown."""
    row = connection.execute(_orders().where(ORDERS.c.order_id == order_id)).mappings().first()
    return None if row is None else _placed(row)


def orders_of(connection: Connection, participant_id: str, *, start_s: int, end_s: int) -> tuple[PlacedOrder, ...]:
    """A participant's orders, cancelled ones included, for intervals that start in [start_s, end_s)."""
    query = _orders().where(
        ORDERS.c.participant_id == participant_id, ORDERS.c.start_s >= start_s, ORDERS.c.start_s < end_s
    )
    rows = connection.execute(query.order_by(ORDERS.c.start_s, ORDERS.c.order_id)).mappings()
    return tuple(_placed(row) for row in rows)


def standing_steps(connection: Connection, point_id: str, *, start_s: int, side: Side) -> tuple[int, int]:
    """How many standing orders a point has on one side of an interval's book, and their total in Wh."""
    query = select(func.count(), func.coalesce(func.sum(ORDERS.c.quantity_wh), 0)).where(
        ORDERS.c.metering_point_id == point_id,
        ORDERS.c.start_s == start_s,
        ORDERS.c.side == side.value,
        ORDERS.c.cancelled_s.is_(None),
    )
    count, quantity_wh = connection.execute(query).one()
    return int(count), int(quantity_wh)


def _orders() -> Select[tuple[object, ...]]:
    return select(ORDERS, POINTS.c.bus).outerjoin(POINTS, POINTS.c.id == ORDERS.c.metering_point_id)


def _order(row: RowMapping) -> Order:
    return Order(
        order_id=row["order_id"],
        participant=row["participant_id"],
        metering_point=row["metering_point_id"],
        side=Side(row["side"]),
        quantity_wh=row["quantity_wh"],
        limit_micro_per_kwh=row["limit_micro_per_kwh"],
        firmness=Firmness(row["firmness"]),
        bus=row["bus"],
    )


def _placed(row: RowMapping) -> PlacedOrder:
    return PlacedOrder(
        order=_order(row),
        start_s=row["start_s"],
        origin=row["origin"],
        reason=row["reason"],
        placed_s=row["placed_s"],
        cancelled_s=row["cancelled_s"],
    )
