"""A household's orders: see, place, cancel."""

import secrets

from apiflask import APIBlueprint
from sqlalchemy import Connection

from app.access import Access, access, viewer
from app.api.idempotency import once, takes_key
from app.api.schemas import OrderAnswer, OrderRequest, OrdersAnswer, SpanQuery, TradeAnswer
from app.api.spans import checked
from app.audit import AuditEntry, record
from app.order_entry import HandOrder, OrderRefusedError, cancel_by_hand, place_by_hand
from app.platform import platform
from app.problems import ProblemError
from app.scopes import Scope
from app.storage.database import reading, writing
from app.storage.store.orders import PlacedOrder, orders_of
from app.storage.store.rounds import trades_of_participant
from matching.orders import Side, Trade

STATUS = {"unknown-order": 404, "unknown-metering-point": 404, "suspended": 403, "not-a-member": 403}

REFUSED = {
    403: "You are suspended, or no member",
    404: "You have no such order or metering point",
    409: "The market cannot take it: the detail says why",
}

order_api = APIBlueprint("order_api", __name__, tag="Orders")


@order_api.get("/orders")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@order_api.input(SpanQuery, location="query")
@order_api.output(OrdersAnswer)
def list_orders(query_data: SpanQuery) -> OrdersAnswer:
    """Your orders, cancelled ones included, with what became of them."""
    span, member = checked(query_data), viewer().id
    with reading(platform().engine) as connection:
        placed = orders_of(connection, member, start_s=span.start_s, end_s=span.end_s)
        outcomes = trades_of_participant(connection, member, start_s=span.start_s, end_s=span.end_s)
    trades = {trade.order_id: trade for _, trade in outcomes}
    return OrdersAnswer(orders=[_answer(order, trades.get(order.order.order_id)) for order in placed])


@order_api.post("/orders")
@access(Access.HOUSEHOLD, Scope.OWN_TRADE)
@order_api.input(OrderRequest)
@order_api.output(OrderAnswer, status_code=201)
@order_api.doc(responses=REFUSED)
@takes_key
def place_order(json_data: OrderRequest) -> OrderAnswer:
    """Place an order by hand.

    It is flexible: its energy flows only if it is accepted. Refused after gate closure, without an active contract, for
    suspended members, above the connection's rating, off the price tick, and for unknown intervals.
    """
    member = viewer().id
    # The member's own name space: nobody can take, or probe for, another's order ids.
    order_id = f"{member}:{json_data.order_id or secrets.token_hex(8)}"
    wish = HandOrder(
        order_id=order_id,
        participant=member,
        metering_point=json_data.metering_point,
        start_s=json_data.start_s,
        side=Side(json_data.side),
        quantity_wh=json_data.quantity_wh,
        limit_micro_per_kwh=json_data.limit_micro_per_kwh,
    )
    now_s = platform().now_s()

    def placed(connection: Connection) -> OrderAnswer:
        order = place_by_hand(connection, wish, now_s=now_s)
        record(connection, AuditEntry(at_s=now_s, actor=member, action="order placed", subject=order_id))
        return _answer(order, None)

    try:
        return once(OrderAnswer, placed)
    except OrderRefusedError as error:
        raise problem_of(error) from error


@order_api.delete("/orders/<order_id>")
@access(Access.HOUSEHOLD, Scope.OWN_TRADE)
@order_api.output(OrderAnswer)
@order_api.doc(responses=REFUSED)
def delete_order(order_id: str) -> OrderAnswer:
    """Cancel your order while the gate is open."""
    member, now_s = viewer().id, platform().now_s()
    try:
        with writing(platform().engine) as connection:
            cancelled = cancel_by_hand(connection, order_id, participant_id=member, now_s=now_s)
            record(connection, AuditEntry(at_s=now_s, actor=member, action="order cancelled", subject=order_id))
    except OrderRefusedError as error:
        raise problem_of(error) from error
    return _answer(cancelled, None)


def problem_of(error: OrderRefusedError) -> ProblemError:
    """The answer to a refused order."""
    return ProblemError(STATUS.get(error.slug, 409), error.slug, str(error))


def _answer(placed: PlacedOrder, trade: Trade | None) -> OrderAnswer:
    order = placed.order
    return OrderAnswer(
        order_id=order.order_id,
        metering_point=order.metering_point,
        start_s=placed.start_s,
        side=order.side.value,
        quantity_wh=order.quantity_wh,
        limit_micro_per_kwh=order.limit_micro_per_kwh,
        firmness=order.firmness.value,
        origin=placed.origin,
        reason=placed.reason,
        placed_s=placed.placed_s,
        cancelled_s=placed.cancelled_s,
        trade=None if trade is None else _trade(trade),
    )


def _trade(trade: Trade) -> TradeAnswer:
    return TradeAnswer(
        accepted_wh=trade.accepted_wh,
        curtailed_wh=trade.curtailed_wh,
        price_micro_per_kwh=trade.price_micro_per_kwh,
        amount_nano=trade.amount_nano,
    )
