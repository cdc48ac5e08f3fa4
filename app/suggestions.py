"""What an agent would order that may only suggest, and placing it when its owner says so.

The same forecast and the same limits as an agent that acts on its own; the order is a firm one of the home's own
need or surplus, so that placing it is never a promise that costs anything.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from app.agents.forecast import DAYS_OF_MEMORY, History, forecast
from app.agents.household import forecast_order
from app.community import Home, community_at
from app.order_entry import OrderRefusedError, require_credit, require_member, require_open_order_gate
from app.storage.store.community import the_community
from app.storage.store.orders import find_order, place_orders
from app.storage.store.readings import energies_of_points
from matching.orders import Order, Side

MEMORY_S = (DAYS_OF_MEMORY + 1) * 86_400
REASON = "suggested by your agent and placed by you"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """An order for the interval at `start_s`, and what its quantity rests on."""

    start_s: int
    order: Order
    basis: str


def suggestions(
    connection: Connection, participant_id: str, starts_s: tuple[int, ...], *, now_s: int
) -> tuple[Suggestion, ...]:
    """What the member's agent would order for these intervals, without what is ordered already."""
    found = []
    for start_s in starts_s:
        homes = community_at(connection, start_s).homes.values()
        for home in (each for each in homes if each.owner.id == participant_id and each.trades):
            each = _suggestion(connection, home, start_s, now_s=now_s)
            if each is not None and find_order(connection, each.order.order_id) is None:
                found.append(each)
    return tuple(found)


def place_suggested(connection: Connection, participant_id: str, order_id: str, start_s: int, *, now_s: int) -> Order:
    """Place the suggestion of that id in the caller's transaction. Raises OrderRefusedError where there is none."""
    require_open_order_gate(connection, start_s, now_s=now_s)
    require_member(connection, participant_id, at_s=start_s)
    waiting = suggestions(connection, participant_id, (start_s,), now_s=now_s)
    order = next((each.order for each in waiting if each.order.order_id == order_id), None)
    if order is None:
        raise OrderRefusedError("no-suggestion", "This suggestion is gone: it was placed, or your limits changed.")
    if order.side is Side.BUY:
        require_credit(connection, participant_id, at_s=start_s)
    place_orders(connection, [order], start_s=start_s, origin="person", reason=REASON, placed_s=now_s)
    return order


def _suggestion(connection: Connection, home: Home, start_s: int, *, now_s: int) -> Suggestion | None:
    minutes = the_community(connection).market_time_unit_minutes
    history = History()
    for each in energies_of_points(connection, [home.point.id], start_s=now_s - MEMORY_S, end_s=now_s, minutes=minutes):
        history.learn(each.interval.start_s, import_wh=each.import_wh, export_wh=each.export_wh)
    expected = forecast(history, start_s, minutes=minutes, known_before_s=now_s)
    order = forecast_order(home.facts, expected, home.limits, home.bounds, start_s=start_s)
    return None if order is None else Suggestion(start_s=start_s, order=order, basis=expected.basis)
