"""What an operator sees: rounds, batches and how the community stands. No home's consumption."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, select

from app.storage.store.member_choices import who_asks_to_leave
from app.storage.store.members import PARTICIPANTS, POINTS
from app.storage.store.orders import ORDERS, ROUNDS
from app.storage.store.rounds import DEVICES, TRADES, MarketRound, find_round
from app.storage.tables import ChainOutbox, SettlementBatch, core_table
from app.web.read_models.devices import ALARMS, GATEWAYS

BATCHES = core_table(SettlementBatch)
OUTBOX = core_table(ChainOutbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityState:
    """Counts that tell whether the community is well; `rounds` by state, `statuses` of the day by colour."""

    members: int
    suspended: int
    points: int
    generation_w: int
    battery_wh: int
    devices: int
    gateways_pending: int
    gateways_approved: int
    alarms_today: int
    rounds: dict[str, int]
    statuses: dict[str, int]
    unsettled_before_now: int
    batches: int
    batches_waiting: int
    leaving: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRow:
    """One round in a list."""

    start_s: int
    state: str
    status: str | None
    clearing_price_micro_per_kwh: int | None
    traded_wh: int | None
    binding_count: int | None
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointLimit:
    """One order's part in a round without a name: where it is, what was asked, accepted and curtailed, Wh."""

    metering_point_id: str
    bus: int | None
    side: str
    firmness: str
    quantity_wh: int
    accepted_wh: int
    curtailed_wh: int
    price_micro_per_kwh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundDetail:
    """A round with its result document and the orders that the network touched."""

    round: MarketRound
    document: dict[str, Any]
    limited: tuple[PointLimit, ...]
    orders: int
    homes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One settlement batch; the last three are None until it is in a block."""

    sequence: int
    first_start_s: int
    end_s: int
    state: str
    members: int
    trades_root: str
    readings_root: str
    evidence_hash: str
    tx_hash: str | None
    block_number: int | None
    block_hash: str | None
    gas_used: int | None


def community_state(connection: Connection, *, day_start_s: int, day_end_s: int, now_s: int) -> CommunityState:
    """Counts of the community and of the local day."""
    today = ROUNDS.c.start_s.between(day_start_s, day_end_s - 1)

    def count(query: Any) -> int:  # noqa: ANN401  select() of one number has no common type
        return int(connection.execute(query).scalar() or 0)

    households = PARTICIPANTS.c.role == "household"
    statuses = (
        select(ROUNDS.c.status, func.count()).where(today, ROUNDS.c.status.is_not(None)).group_by(ROUNDS.c.status)
    )
    states = select(ROUNDS.c.state, func.count()).where(today).group_by(ROUNDS.c.state)
    equipment = connection.execute(
        select(func.count(), func.sum(POINTS.c.generation_w), func.sum(POINTS.c.battery_wh))
    ).one()
    return CommunityState(
        members=count(select(func.count()).where(households)),
        suspended=count(select(func.count()).where(households, PARTICIPANTS.c.status != "active")),
        points=equipment[0],
        generation_w=int(equipment[1] or 0),
        battery_wh=int(equipment[2] or 0),
        devices=count(select(func.count()).select_from(DEVICES)),
        gateways_pending=count(select(func.count()).where(GATEWAYS.c.status == "pending")),
        gateways_approved=count(select(func.count()).where(GATEWAYS.c.status == "approved")),
        alarms_today=count(select(func.count()).where(ALARMS.c.at_s >= day_start_s, ALARMS.c.at_s < day_end_s)),
        rounds=_counts(connection, states),
        statuses=_counts(connection, statuses),
        unsettled_before_now=count(
            select(func.count()).where(ROUNDS.c.state != "settled", ROUNDS.c.start_s < now_s - 86_400)
        ),
        batches=count(select(func.count()).select_from(BATCHES)),
        batches_waiting=count(select(func.count()).where(BATCHES.c.state != "final")),
        leaving=who_asks_to_leave(connection),
    )


def _counts(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return {str(name): int(number) for name, number in connection.execute(query)}


def rounds_of_day(connection: Connection, *, start_s: int, end_s: int) -> tuple[RoundRow, ...]:
    """Rounds of the intervals that start in [start_s, end_s), latest first."""
    standing = (
        select(ORDERS.c.start_s, func.count().label("orders"))
        .where(ORDERS.c.start_s >= start_s, ORDERS.c.start_s < end_s, ORDERS.c.cancelled_s.is_(None))
        .group_by(ORDERS.c.start_s)
        .subquery()
    )
    query = (
        select(
            ROUNDS.c.start_s,
            ROUNDS.c.state,
            ROUNDS.c.status,
            ROUNDS.c.clearing_price_micro_per_kwh,
            ROUNDS.c.traded_wh,
            ROUNDS.c.binding_count,
            func.coalesce(standing.c.orders, 0).label("orders"),
        )
        .outerjoin(standing, standing.c.start_s == ROUNDS.c.start_s)
        .where(ROUNDS.c.start_s >= start_s, ROUNDS.c.start_s < end_s)
        .order_by(ROUNDS.c.start_s.desc())
    )
    return tuple(RoundRow(**row) for row in connection.execute(query).mappings())


def round_detail(connection: Connection, start_s: int) -> RoundDetail | None:
    """One round in full, None if the interval has none."""
    found = find_round(connection, start_s)
    if found is None:
        return None
    touched = (TRADES.c.curtailed_wh > 0) | (ORDERS.c.firmness == "flexible")
    query = (
        select(
            ORDERS.c.metering_point_id,
            POINTS.c.bus,
            ORDERS.c.side,
            ORDERS.c.firmness,
            ORDERS.c.quantity_wh,
            TRADES.c.accepted_wh,
            TRADES.c.curtailed_wh,
            TRADES.c.price_micro_per_kwh,
        )
        .join(TRADES, TRADES.c.order_id == ORDERS.c.order_id)
        .outerjoin(POINTS, POINTS.c.id == ORDERS.c.metering_point_id)
        .where(ORDERS.c.start_s == start_s, touched)
        .order_by(TRADES.c.curtailed_wh.desc(), ORDERS.c.metering_point_id)
    )
    counted = select(func.count(), func.count(ORDERS.c.participant_id.distinct())).where(
        ORDERS.c.start_s == start_s, ORDERS.c.cancelled_s.is_(None)
    )
    orders, homes = connection.execute(counted).one()
    return RoundDetail(
        round=found,
        document=found.clearing_document(),
        limited=tuple(PointLimit(**row) for row in connection.execute(query).mappings()),
        orders=orders,
        homes=homes,
    )


def latest_round_with_state(connection: Connection) -> int | None:
    """Start of the newest round whose network state was kept, None without one."""
    query = select(func.max(ROUNDS.c.start_s)).where(ROUNDS.c.network_json.is_not(None))
    return connection.execute(query).scalar()


def worst_round_of_day(connection: Connection, *, start_s: int, end_s: int) -> int | None:
    """Start of the round of the day whose network was used most: red, then amber, then most limits."""
    rank = case((ROUNDS.c.status == "red", 2), (ROUNDS.c.status == "amber", 1), else_=0)
    query = (
        select(ROUNDS.c.start_s)
        .where(ROUNDS.c.start_s >= start_s, ROUNDS.c.start_s < end_s, ROUNDS.c.network_json.is_not(None))
        .order_by(rank.desc(), ROUNDS.c.binding_count.desc(), ROUNDS.c.start_s.desc())
        .limit(1)
    )
    return connection.execute(query).scalar()


def batches(connection: Connection, *, newest: int) -> tuple[BatchRow, ...]:
    """The newest settlement batches, latest first."""
    query = select(BATCHES).order_by(BATCHES.c.sequence.desc()).limit(newest)
    return tuple(batch_row(row) for row in connection.execute(query))


def batch_row(row: Row[Any]) -> BatchRow:
    """A row of the batches' table as it is shown."""
    return BatchRow(
        sequence=row.sequence,
        first_start_s=row.first_start_s,
        end_s=row.end_s,
        state=row.state,
        members=len(json.loads(row.net_json)["members"]),
        trades_root=row.trades_root,
        readings_root=row.readings_root,
        evidence_hash=row.evidence_hash,
        tx_hash=row.tx_hash,
        block_number=row.block_number,
        block_hash=row.block_hash,
        gas_used=row.gas_used,
    )
