"""Market rounds: open, closed, cleared, settled; and what a clearing publishes."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from app.errors import InputError
from app.storage import tables
from app.storage.store.bulk import insert_all, insert_new
from app.storage.store.orders import ORDERS, ROUNDS, book_of
from app.storage.tables import core_table
from matching.mechanisms import DEFAULT_MECHANISM
from matching.orders import Order, Trade

TRADES = core_table(tables.TradeRow)
SET_POINTS = core_table(tables.SetPoint)
DEVICES = core_table(tables.Device)
ISLAND_MARK = '"island": {'
"""In the stored result of a round without suppliers, so that others need not be read to know."""


class RoundStateError(InputError):
    """A round is not in the state this step needs; in particular it is cleared at most once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRound:
    """One round as published; figures are None until it is cleared. `clearing_document()` is the full result."""

    start_s: int
    state: str
    closed_s: int | None
    cleared_s: int | None
    book_hash: str | None
    status: str | None
    clearing_price_micro_per_kwh: int | None
    traded_wh: int | None
    binding_count: int | None
    clearing_json: str | None
    clearing_hash: str | None
    network_json: str | None

    def clearing_document(self) -> dict[str, Any]:
        """The stored clearing result; empty before the round is cleared."""
        return {} if self.clearing_json is None else dict(json.loads(self.clearing_json))

    @property
    def mechanism(self) -> str:
        """How the round was cleared, whatever the community has chosen since."""
        return str(self.clearing_document().get("mechanism", DEFAULT_MECHANISM))

    @property
    def island(self) -> dict[str, Any] | None:
        """What was shed, spilled and lost (`matching.island.outcome`); None where members have suppliers."""
        if self.clearing_json is None or ISLAND_MARK not in self.clearing_json:
            return None
        document = self.clearing_document()
        return {**document["island"], "loss_wh": document["loss_wh"]}

    def network_state(self) -> dict[str, Any]:
        """Voltages and loadings of the published result; empty without a network."""
        return {} if self.network_json is None else dict(json.loads(self.network_json))


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedClearing:
    """What a clearing makes public. `document` is JSON-able, `network` is None where there is no network."""

    status: str
    clearing_price_micro_per_kwh: int | None
    traded_wh: int
    binding_count: int
    document: Mapping[str, Any]
    clearing_hash: str
    network: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint:
    """What a gateway enforces at a point in an interval; None means free; battery_w > 0 charges."""

    metering_point_id: str
    start_s: int
    generation_limit_w: int | None = None
    battery_w: int | None = None


def open_rounds(connection: Connection, starts_s: Iterable[int]) -> None:
    """Open the books of the given intervals; those that exist stay as they are."""
    insert_new(connection, ROUNDS, [{"start_s": start_s, "state": "open"} for start_s in starts_s])


def last_round_start_s(connection: Connection) -> int | None:
    """Start of the latest interval whose gate was ever opened, None before the first."""
    return connection.execute(select(func.max(ROUNDS.c.start_s))).scalar()


def first_settled_from_s(connection: Connection, from_s: int) -> int | None:
    """Start of the first settled interval that starts at `from_s` or later."""
    settled = select(func.min(ROUNDS.c.start_s)).where(ROUNDS.c.state == "settled", ROUNDS.c.start_s >= from_s)
    return connection.execute(settled).scalar()


def last_settled_before_s(connection: Connection, end_s: int) -> int | None:
    """Start of the last settled interval that starts before `end_s`."""
    settled = select(func.max(ROUNDS.c.start_s)).where(ROUNDS.c.state == "settled", ROUNDS.c.start_s < end_s)
    return connection.execute(settled).scalar()


def last_cleared_start_s(connection: Connection) -> int | None:
    """Start of the latest interval whose result was published, None before the first."""
    cleared = ROUNDS.c.clearing_hash.is_not(None)
    return connection.execute(select(func.max(ROUNDS.c.start_s)).where(cleared)).scalar()


def close_round(
    connection: Connection, start_s: int, *, closed_s: int, digest: Callable[[tuple[Order, ...]], str]
) -> tuple[Order, ...]:
    """Close the gate: freeze the book, keep its hash, return it.

    Raises RoundStateError if the round is not open.
    """
    _step(connection, start_s, before="open", state="closed", closed_s=closed_s)
    book = book_of(connection, start_s)
    connection.execute(update(ROUNDS).where(ROUNDS.c.start_s == start_s).values(book_hash=digest(book)))
    return book


def save_clearing(
    connection: Connection,
    start_s: int,
    clearing: PublishedClearing,
    *,
    trades: Iterable[Trade],
    set_points: Iterable[SetPoint],
    cleared_s: int,
) -> None:
    """Publish a clearing with its trades and set-points, all in the caller's one transaction.

    Raises RoundStateError if the round is not closed: nothing is ever cleared twice.
    """
    _step(
        connection,
        start_s,
        before="closed",
        state="cleared",
        cleared_s=cleared_s,
        status=clearing.status,
        clearing_price_micro_per_kwh=clearing.clearing_price_micro_per_kwh,
        traded_wh=clearing.traded_wh,
        binding_count=clearing.binding_count,
        clearing_json=json.dumps(clearing.document, sort_keys=True),
        clearing_hash=clearing.clearing_hash,
        network_json=None if clearing.network is None else json.dumps(clearing.network),
    )
    insert_all(connection, TRADES, ({**asdict(trade), "start_s": start_s} for trade in trades))
    insert_all(connection, SET_POINTS, (asdict(point) for point in set_points))


def save_set_points(connection: Connection, set_points: Iterable[SetPoint]) -> None:
    """What gateways keep to in an interval whose round is cleared after delivery; what was told stays."""
    insert_new(connection, SET_POINTS, (asdict(point) for point in set_points))


def mark_settled(connection: Connection, start_s: int) -> None:
    """The round's transfers are posted. Raises RoundStateError if it is not cleared."""
    _step(connection, start_s, before="cleared", state="settled")


def find_round(connection: Connection, start_s: int) -> MarketRound | None:
    """One round, None if the interval has none."""
    row = connection.execute(select(ROUNDS).where(ROUNDS.c.start_s == start_s)).mappings().first()
    return None if row is None else MarketRound(**row)


def rounds_between(connection: Connection, *, start_s: int, end_s: int) -> tuple[MarketRound, ...]:
    """Rounds of the intervals that start in [start_s, end_s), in order of time."""
    query = select(ROUNDS).where(ROUNDS.c.start_s >= start_s, ROUNDS.c.start_s < end_s).order_by(ROUNDS.c.start_s)
    return tuple(MarketRound(**row) for row in connection.execute(query).mappings())


def rounds_in_state(connection: Connection, state: str, *, until_s: int) -> tuple[int, ...]:
    """Starts of the rounds in `state` that start before `until_s`, oldest first."""
    query = select(ROUNDS.c.start_s).where(ROUNDS.c.state == state, ROUNDS.c.start_s < until_s)
    return tuple(connection.execute(query.order_by(ROUNDS.c.start_s)).scalars())


def trades_of(connection: Connection, start_s: int) -> tuple[Trade, ...]:
    """The outcome of every order of an interval, by order id."""
    rows = connection.execute(select(TRADES).where(TRADES.c.start_s == start_s).order_by(TRADES.c.order_id)).mappings()
    return tuple(_trade(row) for row in rows)


def trades_of_participant(
    connection: Connection, participant_id: str, *, start_s: int, end_s: int
) -> tuple[tuple[int, Trade], ...]:
    """(interval start, trade) of one participant's orders for intervals that start in [start_s, end_s)."""
    query = (
        select(TRADES)
        .join(ORDERS, ORDERS.c.order_id == TRADES.c.order_id)
        .where(ORDERS.c.participant_id == participant_id, TRADES.c.start_s >= start_s, TRADES.c.start_s < end_s)
        .order_by(TRADES.c.start_s, TRADES.c.order_id)
    )
    return tuple((row["start_s"], _trade(row)) for row in connection.execute(query).mappings())


def set_points_of(connection: Connection, start_s: int) -> tuple[SetPoint, ...]:
    """Set-points of an interval by metering point."""
    query = select(SET_POINTS).where(SET_POINTS.c.start_s == start_s).order_by(SET_POINTS.c.metering_point_id)
    return tuple(SetPoint(**row) for row in connection.execute(query).mappings())


def set_points_for_gateway(
    connection: Connection, gateway_id: str, *, start_s: int
) -> tuple[tuple[str, SetPoint], ...]:
    """(device id, set-point) of an interval for the devices of one gateway."""
    query = (
        select(SET_POINTS, DEVICES.c.id.label("device_id"))
        .join(DEVICES, DEVICES.c.metering_point_id == SET_POINTS.c.metering_point_id)
        .where(DEVICES.c.gateway_id == gateway_id, SET_POINTS.c.start_s == start_s)
        .order_by(DEVICES.c.id)
    )
    return tuple(
        (row["device_id"], SetPoint(**{name: row[name] for name in SetPoint.__dataclass_fields__}))
        for row in connection.execute(query).mappings()
    )


def _step(connection: Connection, start_s: int, *, before: str, state: str, **values: object) -> None:
    moved = connection.execute(
        update(ROUNDS).where(ROUNDS.c.start_s == start_s, ROUNDS.c.state == before).values(state=state, **values)
    ).rowcount
    if not moved:
        found = find_round(connection, start_s)
        now = "does not exist" if found is None else f"is {found.state}"
        raise RoundStateError(f"round {start_s} {now}: only a round that is {before} can become {state}")


def _trade(row: RowMapping) -> Trade:
    return Trade(**{name: row[name] for name in Trade.__dataclass_fields__})
