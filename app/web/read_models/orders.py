"""A household's orders with what became of them."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from app.market_choice import choice_at
from app.storage.store.orders import ORDERS, ROUNDS
from app.storage.store.rounds import TRADES


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """One order; `outcome` is waiting, sealed, traded, part, none, curtailed or cancelled."""

    order_id: str
    start_s: int
    side: str
    quantity_wh: int
    limit_micro_per_kwh: int
    firmness: str
    origin: str
    reason: str
    placed_s: int
    accepted_wh: int
    curtailed_wh: int
    price_micro_per_kwh: int | None
    amount_nano: int
    outcome: str


def order_outcomes(
    connection: Connection, participant_id: str, *, start_s: int, end_s: int, newest: int | None = None
) -> tuple[OrderOutcome, ...]:
    """A participant's orders for intervals that start in [start_s, end_s), the latest interval first."""
    query = (
        select(
            ORDERS,
            TRADES.c.accepted_wh,
            TRADES.c.curtailed_wh,
            TRADES.c.price_micro_per_kwh,
            TRADES.c.amount_nano,
            ROUNDS.c.state,
        )
        .outerjoin(TRADES, TRADES.c.order_id == ORDERS.c.order_id)
        .outerjoin(ROUNDS, ROUNDS.c.start_s == ORDERS.c.start_s)
        .where(ORDERS.c.participant_id == participant_id, ORDERS.c.start_s >= start_s, ORDERS.c.start_s < end_s)
        .order_by(ORDERS.c.start_s.desc(), ORDERS.c.order_id)
        .limit(newest)
    )
    return tuple(
        OrderOutcome(
            order_id=row["order_id"],
            start_s=row["start_s"],
            side=row["side"],
            quantity_wh=row["quantity_wh"],
            limit_micro_per_kwh=row["limit_micro_per_kwh"],
            firmness=row["firmness"],
            origin=row["origin"],
            reason=row["reason"],
            placed_s=row["placed_s"],
            accepted_wh=row["accepted_wh"] or 0,
            curtailed_wh=row["curtailed_wh"] or 0,
            price_micro_per_kwh=row["price_micro_per_kwh"],
            amount_nano=row["amount_nano"] or 0,
            outcome=_outcome(
                cancelled=row["cancelled_s"] is not None,
                state=row["state"],
                quantity_wh=row["quantity_wh"],
                accepted_wh=row["accepted_wh"],
                curtailed_wh=row["curtailed_wh"] or 0,
            ),
        )
        for row in connection.execute(query).mappings()
    )


def open_starts_s(connection: Connection, *, now_s: int) -> tuple[int, ...]:
    """Intervals whose book is open now, in order; none where energy is shared after delivery."""
    query = select(ROUNDS.c.start_s).where(ROUNDS.c.state == "open", ROUNDS.c.start_s > now_s)
    starts = connection.execute(query.order_by(ROUNDS.c.start_s)).scalars()
    return tuple(start_s for start_s in starts if not choice_at(connection, start_s).shares_after_delivery)


def _outcome(
    *, cancelled: bool, state: str | None, quantity_wh: int, accepted_wh: int | None, curtailed_wh: int
) -> str:
    if cancelled:
        return "cancelled"
    if accepted_wh is None:
        return "waiting" if state in {None, "open"} else "sealed"
    if accepted_wh >= quantity_wh:
        return "traded"
    if accepted_wh:
        return "part"
    return "curtailed" if curtailed_wh else "none"
