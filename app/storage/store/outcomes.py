"""What rounds did to the homes: results joined with the orders they came from, and what batteries held."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, func, select

from app.agents.battery import BatteryLook
from app.storage import tables
from app.storage.store.bulk import insert_new
from app.storage.store.orders import ORDERS
from app.storage.store.rounds import SET_POINTS, TRADES
from app.storage.tables import core_table
from matching.orders import Firmness, Order, Side, Trade

BATTERY_LOOKS = core_table(tables.BatteryLookRow)


def outcomes_of(orders: Iterable[Order], trades: Iterable[Trade]) -> tuple[tuple[Order, Trade], ...]:
    """Each order with its trade, in the orders' order."""
    by_id: Mapping[str, Trade] = {trade.order_id: trade for trade in trades}
    return tuple((order, by_id[order.order_id]) for order in orders)


def limited_offers_between(
    connection: Connection, *, start_s: int, end_s: int
) -> dict[tuple[str, int], tuple[int, int]]:
    """(feed-in limit W, offered Wh) by metering point and interval start, where a point had a limit and an offer."""
    query = (
        select(
            SET_POINTS.c.metering_point_id,
            SET_POINTS.c.start_s,
            SET_POINTS.c.generation_limit_w,
            func.sum(ORDERS.c.quantity_wh),
        )
        .join(
            ORDERS,
            (ORDERS.c.metering_point_id == SET_POINTS.c.metering_point_id) & (ORDERS.c.start_s == SET_POINTS.c.start_s),
        )
        .where(
            SET_POINTS.c.start_s >= start_s,
            SET_POINTS.c.start_s < end_s,
            SET_POINTS.c.generation_limit_w.is_not(None),
            ORDERS.c.firmness == Firmness.CURTAILABLE.value,
            ORDERS.c.cancelled_s.is_(None),
        )
        .group_by(SET_POINTS.c.metering_point_id, SET_POINTS.c.start_s, SET_POINTS.c.generation_limit_w)
    )
    return {(point, start): (limit_w, int(offered)) for point, start, limit_w, offered in connection.execute(query)}


def battery_sales_between(connection: Connection, *, start_s: int, end_s: int) -> dict[str, int]:
    """Wh each metering point's flexible orders sold in intervals that start in [start_s, end_s)."""
    query = (
        select(ORDERS.c.metering_point_id, func.sum(TRADES.c.accepted_wh))
        .join(TRADES, TRADES.c.order_id == ORDERS.c.order_id)
        .where(
            ORDERS.c.start_s >= start_s,
            ORDERS.c.start_s < end_s,
            ORDERS.c.firmness == Firmness.FLEXIBLE.value,
            ORDERS.c.side == Side.SELL.value,
        )
        .group_by(ORDERS.c.metering_point_id)
    )
    return {point: int(sold) for point, sold in connection.execute(query)}


def save_battery_looks(connection: Connection, looks: Mapping[str, BatteryLook]) -> None:
    """Keep what batteries held, by metering point; a second report for the same moment changes nothing."""
    insert_new(
        connection,
        BATTERY_LOOKS,
        [{"metering_point_id": point, "at_s": look.at_s, "stored_wh": look.stored_wh} for point, look in looks.items()],
    )


def battery_looks_since(connection: Connection, *, since_s: int, until_s: int) -> dict[str, list[BatteryLook]]:
    """What batteries held at moments in [since_s, until_s), by metering point, oldest first."""
    query = (
        select(BATTERY_LOOKS)
        .where(BATTERY_LOOKS.c.at_s >= since_s, BATTERY_LOOKS.c.at_s < until_s)
        .order_by(BATTERY_LOOKS.c.metering_point_id, BATTERY_LOOKS.c.at_s)
    )
    found: dict[str, list[BatteryLook]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["metering_point_id"], []).append(BatteryLook(at_s=row["at_s"], stored_wh=row["stored_wh"]))
    return found
