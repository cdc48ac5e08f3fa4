"""Prices of rounds, and what stands behind one of them."""

from dataclasses import dataclass

from flask_babel import lazy_gettext
from sqlalchemy import Connection, RowMapping, func, select

from app.storage.store.orders import ORDERS, ROUNDS
from app.storage.store.rounds import ISLAND_MARK, TRADES, MarketRound, find_round
from app.web.charts.merit_order import merged_steps

# Below this many homes on one side a curve could be read as somebody's own wish.
FEWEST_HOMES_SHOWN = 3
LIGHT_TEXT = {
    False: {
        "green": lazy_gettext("free"),
        "amber": lazy_gettext("full in places"),
        "red": lazy_gettext("overloaded"),
    },
    True: {
        "green": lazy_gettext("all served"),
        "amber": lazy_gettext("some held back"),
        "red": lazy_gettext("some not served"),
    },
}
"""By whether the community is an island."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPrice:
    """Price of one interval; None where nothing was traded or the round is not cleared. `is_island`: no suppliers."""

    start_s: int
    state: str
    status: str | None
    clearing_price_micro_per_kwh: int | None
    traded_wh: int | None
    is_island: bool

    @property
    def network_text(self) -> str:
        """What the round's light means to a home, in two or three words."""
        return str(LIGHT_TEXT[self.is_island].get(self.status or "", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPart:
    """What the reader's own orders were in the round, one side: energy in Wh and the limit closest to the price."""

    side: str
    quantity_wh: int
    accepted_wh: int
    curtailed_wh: int
    limit_micro_per_kwh: int
    price_micro_per_kwh: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceStory:
    """One round as a reader may see it: their own part, and the whole book without names.

    demand, supply  (limit, Wh) in merit order, merged by limit; empty if too few homes took part (`too_few`)
    """

    round: MarketRound
    own: tuple[OwnPart, ...]
    demand: tuple[tuple[int, int], ...]
    supply: tuple[tuple[int, int], ...]
    demand_wh: int
    supply_wh: int
    homes_buying: int
    homes_selling: int
    too_few: bool


def prices_between(connection: Connection, *, start_s: int, end_s: int) -> tuple[RoundPrice, ...]:
    """Cleared rounds of the intervals that start in [start_s, end_s), in order."""
    query = (
        select(
            ROUNDS.c.start_s,
            ROUNDS.c.state,
            ROUNDS.c.status,
            ROUNDS.c.clearing_price_micro_per_kwh,
            ROUNDS.c.traded_wh,
            ROUNDS.c.clearing_json.contains(ISLAND_MARK, autoescape=True).label("is_island"),
        )
        .where(ROUNDS.c.start_s >= start_s, ROUNDS.c.start_s < end_s, ROUNDS.c.cleared_s.is_not(None))
        .order_by(ROUNDS.c.start_s)
    )
    return tuple(RoundPrice(**row) for row in connection.execute(query).mappings())


def latest_cleared_start_s(connection: Connection, *, until_s: int) -> int | None:
    """Start of the newest cleared round that starts by `until_s`, None before the first."""
    query = select(func.max(ROUNDS.c.start_s)).where(ROUNDS.c.cleared_s.is_not(None), ROUNDS.c.start_s <= until_s)
    return connection.execute(query).scalar()


def price_story(connection: Connection, participant_id: str, start_s: int) -> PriceStory | None:
    """The round of an interval for one reader; None if there is no round.

    The book stays sealed, so empty, until the round is cleared.
    """
    found = find_round(connection, start_s)
    if found is None:
        return None
    query = (
        select(
            ORDERS.c.participant_id,
            ORDERS.c.side,
            ORDERS.c.quantity_wh,
            ORDERS.c.limit_micro_per_kwh,
            ORDERS.c.reason,
            TRADES.c.accepted_wh,
            TRADES.c.curtailed_wh,
            TRADES.c.price_micro_per_kwh,
        )
        .outerjoin(TRADES, TRADES.c.order_id == ORDERS.c.order_id)
        .where(ORDERS.c.start_s == start_s, ORDERS.c.cancelled_s.is_(None))
        .order_by(ORDERS.c.order_id)
    )
    rows = connection.execute(query).mappings().all()
    sealed = found.cleared_s is None
    buys = [row for row in rows if row["side"] == "buy" and not sealed]
    sells = [row for row in rows if row["side"] == "sell" and not sealed]
    homes_buying, homes_selling = (len({row["participant_id"] for row in side}) for side in (buys, sells))
    too_few = min(homes_buying, homes_selling) < FEWEST_HOMES_SHOWN
    demand = merged_steps(((row["limit_micro_per_kwh"], row["quantity_wh"]) for row in buys), descending=True)
    supply = merged_steps(((row["limit_micro_per_kwh"], row["quantity_wh"]) for row in sells), descending=False)
    return PriceStory(
        round=found,
        own=tuple(_own_part(row) for row in rows if row["participant_id"] == participant_id),
        demand=() if too_few else tuple(demand),
        supply=() if too_few else tuple(supply),
        demand_wh=sum(wh for _, wh in demand),
        supply_wh=sum(wh for _, wh in supply),
        homes_buying=homes_buying,
        homes_selling=homes_selling,
        too_few=too_few,
    )


def _own_part(row: RowMapping) -> OwnPart:
    return OwnPart(
        side=row["side"],
        quantity_wh=row["quantity_wh"],
        accepted_wh=row["accepted_wh"] or 0,
        curtailed_wh=row["curtailed_wh"] or 0,
        limit_micro_per_kwh=row["limit_micro_per_kwh"],
        price_micro_per_kwh=row["price_micro_per_kwh"],
        reason=row["reason"],
    )
