"""Energy over a window: what devices ask for, and what they have had of it."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, RowMapping, Select, and_, case, func, or_, select, update

from app.agents.windows import DeviceClass, Traded, WindowOrder
from app.storage import tables
from app.storage.store.bulk import insert_all, insert_new
from app.storage.store.orders import ORDERS, ROUNDS
from app.storage.store.rounds import TRADES
from app.storage.tables import core_table
from matching.orders import Firmness, Side

WINDOWS = core_table(tables.WindowOrderRow)
OWN_USE = core_table(tables.WindowOwnUse)
_FLOWS = case(
    (ORDERS.c.firmness == Firmness.FIRM.value, ORDERS.c.quantity_wh - TRADES.c.curtailed_wh),
    else_=TRADES.c.accepted_wh,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedWindow:
    """A window with its history; cancelled_s is None while it stands."""

    window: WindowOrder
    placed_s: int
    cancelled_s: int | None


def place_window(connection: Connection, window: WindowOrder, *, placed_s: int) -> None:
    """Add a window; a known id raises IntegrityError. The rules are checked before (window_entry)."""
    row = asdict(window)
    row |= {"participant_id": row.pop("participant"), "metering_point_id": row.pop("metering_point")}
    insert_all(connection, WINDOWS, [row | {"device": window.device.value, "placed_s": placed_s}])


def cancel_window(connection: Connection, window_id: str, *, cancelled_s: int) -> None:
    """From now on nothing more is done for a window; what was traded for it stays."""
    standing = and_(WINDOWS.c.window_id == window_id, WINDOWS.c.cancelled_s.is_(None))
    connection.execute(update(WINDOWS).where(standing).values(cancelled_s=cancelled_s))


def find_window(connection: Connection, window_id: str) -> PlacedWindow | None:
    """One window, cancelled or not; None if unknown."""
    row = connection.execute(select(WINDOWS).where(WINDOWS.c.window_id == window_id)).mappings().first()
    return None if row is None else _placed(row)


def windows_of(connection: Connection, participant_id: str, *, start_s: int, end_s: int) -> tuple[PlacedWindow, ...]:
    """A participant's windows, cancelled ones included, that reach into [start_s, end_s), by their begin."""
    query = _reaching(start_s, end_s).where(WINDOWS.c.participant_id == participant_id)
    return tuple(_placed(row) for row in connection.execute(query).mappings())


def standing_windows(
    connection: Connection, *, start_s: int, end_s: int, metering_point_id: str | None = None
) -> tuple[WindowOrder, ...]:
    """Windows that reach into [start_s, end_s) and are not cancelled, of one metering point or of all."""
    query = _reaching(start_s, end_s).where(WINDOWS.c.cancelled_s.is_(None))
    if metering_point_id is not None:
        query = query.where(WINDOWS.c.metering_point_id == metering_point_id)
    return tuple(_placed(row).window for row in connection.execute(query).mappings())


def traded_by_window(connection: Connection, window_ids: Collection[str], *, before_s: int) -> dict[str, Traded]:
    """What each window's device draws and gives back in the intervals before `before_s` that are decided.

    What is firm flows, if it is not shed, of what is flexible the accepted part; its home's own surplus on top. None of
    it: no entry.
    """
    query = (
        select(ORDERS.c.window_id, ORDERS.c.side, func.sum(_FLOWS))
        .join(TRADES, TRADES.c.order_id == ORDERS.c.order_id)
        .where(ORDERS.c.window_id.in_(window_ids), ORDERS.c.start_s < before_s)
        .group_by(ORDERS.c.window_id, ORDERS.c.side)
    )
    own = (
        select(OWN_USE.c.window_id, func.sum(OWN_USE.c.own_wh))
        .where(OWN_USE.c.window_id.in_(window_ids), OWN_USE.c.start_s < before_s)
        .group_by(OWN_USE.c.window_id)
    )
    drawn: dict[str, int] = {window_id: int(own_wh) for window_id, own_wh in connection.execute(own)}
    given: dict[str, int] = {}
    for window_id, side, energy_wh in connection.execute(query):
        total = drawn if side == Side.BUY.value else given
        total[window_id] = total.get(window_id, 0) + int(energy_wh)
    return {
        window_id: Traded(drawn_wh=drawn.get(window_id, 0), given_wh=given.get(window_id, 0))
        for window_id in drawn.keys() | given.keys()
    }


def save_own_use(connection: Connection, own_wh: Mapping[str, int], *, start_s: int) -> None:
    """Keep what each window's device takes of its home's own surplus in an interval; what is there stays."""
    rows = [{"window_id": window_id, "start_s": start_s, "own_wh": wh} for window_id, wh in own_wh.items() if wh]
    insert_new(connection, OWN_USE, rows)


def own_use_at(connection: Connection, start_s: int) -> dict[str, int]:
    """Wh that devices take of their home's own surplus in an interval, by metering point."""
    query = (
        select(WINDOWS.c.metering_point_id, func.sum(OWN_USE.c.own_wh))
        .join(WINDOWS, WINDOWS.c.window_id == OWN_USE.c.window_id)
        .where(OWN_USE.c.start_s == start_s)
        .group_by(WINDOWS.c.metering_point_id)
    )
    return {point: int(own_wh) for point, own_wh in connection.execute(query)}


def needed_orders_at(connection: Connection, start_s: int) -> frozenset[str]:
    """Ids of the orders by which devices draw energy in an interval that cannot wait."""
    query = select(ORDERS.c.order_id).where(
        ORDERS.c.start_s == start_s,
        ORDERS.c.window_id.is_not(None),
        ORDERS.c.firmness == Firmness.FIRM.value,
        ORDERS.c.cancelled_s.is_(None),
    )
    return frozenset(connection.execute(query).scalars())


def known_prices(connection: Connection, *, start_s: int, decided_s: int) -> dict[int, int]:
    """Clearing prices published before `decided_s`, by the start of their interval, from `start_s` on."""
    price = ROUNDS.c.clearing_price_micro_per_kwh
    query = select(ROUNDS.c.start_s, price).where(
        ROUNDS.c.start_s >= start_s, ROUNDS.c.cleared_s < decided_s, price.is_not(None)
    )
    return {int(row.start_s): int(row.clearing_price_micro_per_kwh) for row in connection.execute(query)}


def device_energy_between(connection: Connection, *, start_s: int, end_s: int) -> dict[tuple[str, int], int]:
    """Net Wh (+ fed in) that devices moved at a point in an interval: no part of what the home does by itself."""
    signed = case((ORDERS.c.side == Side.SELL.value, _FLOWS), else_=-_FLOWS)
    traded = (
        select(ORDERS.c.metering_point_id, ORDERS.c.start_s, func.sum(signed))
        .join(TRADES, TRADES.c.order_id == ORDERS.c.order_id)
        .where(
            ORDERS.c.start_s >= start_s,
            ORDERS.c.start_s < end_s,
            or_(ORDERS.c.window_id.is_not(None), ORDERS.c.firmness == Firmness.FLEXIBLE.value),
        )
        .group_by(ORDERS.c.metering_point_id, ORDERS.c.start_s)
    )
    own = (
        select(WINDOWS.c.metering_point_id, OWN_USE.c.start_s, -func.sum(OWN_USE.c.own_wh))
        .join(WINDOWS, WINDOWS.c.window_id == OWN_USE.c.window_id)
        .where(OWN_USE.c.start_s >= start_s, OWN_USE.c.start_s < end_s)
        .group_by(WINDOWS.c.metering_point_id, OWN_USE.c.start_s)
    )
    moved: dict[tuple[str, int], int] = {}
    for query in (traded, own):
        for point, at_s, net_wh in connection.execute(query):
            moved[point, at_s] = moved.get((point, at_s), 0) + int(net_wh)
    return moved


def _reaching(start_s: int, end_s: int) -> Select[tuple[object, ...]]:
    reaches = and_(WINDOWS.c.latest_s > start_s, WINDOWS.c.earliest_s < end_s)
    return select(WINDOWS).where(reaches).order_by(WINDOWS.c.earliest_s, WINDOWS.c.window_id)


def _placed(row: RowMapping) -> PlacedWindow:
    own = {name: row[name] for name in WindowOrder.__dataclass_fields__ if name in row}
    own |= {"participant": row["participant_id"], "metering_point": row["metering_point_id"]}
    window = WindowOrder(**(own | {"device": DeviceClass(row["device"])}))
    return PlacedWindow(window=window, placed_s=row["placed_s"], cancelled_s=row["cancelled_s"])
