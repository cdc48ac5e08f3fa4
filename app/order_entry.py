"""Orders that people place by hand: the rules of the market, each with the sentence that explains a refusal.

Firmness comes from the device class, never from the person: energy promised by hand is flexible. The one exception
would be a forecast, and forecasts are the agent's.
"""

from dataclasses import dataclass

from flask_babel import gettext as _
from sqlalchemy import Connection

from app.credit import beyond_limit_nano, credit_limit_nano
from app.errors import InputError
from app.market_choice import choice_at
from app.storage.store.community import envelopes, the_community
from app.storage.store.members import MeteringPoint, contract_at, locked_metering_point, participant
from app.storage.store.orders import (
    GateClosedError,
    NoRoundError,
    PlacedOrder,
    cancel_order,
    find_order,
    place_orders,
    require_open_gate,
    standing_steps,
)
from contracts.bills import NANO_PER_CENT
from matching.orders import PRICE_TICK_MICRO_PER_KWH, Firmness, Order, Side

STEPS_MAX = 5
SECONDS_PER_HOUR = 3_600
PRICE_MICRO_PER_KWH_MAX = 10_000_000


class OrderRefusedError(InputError):
    """An order the market does not take. `slug` names the rule for programs, the message explains it to people."""

    def __init__(self, slug: str, message: str) -> None:
        super().__init__(message)
        self.slug = slug


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOrder:
    """What a person asks for. order_id is the caller's, and the same id again is the same order."""

    order_id: str
    participant: str
    metering_point: str
    start_s: int
    side: Side
    quantity_wh: int
    limit_micro_per_kwh: int


def place_by_hand(connection: Connection, wish: HandOrder, *, now_s: int) -> PlacedOrder:
    """Place an order in the caller's transaction, or raise OrderRefusedError with the first rule it breaks.

    The gate closes one market time unit before the interval starts, by this clock, even if nobody closed the book yet.
    """
    known = find_order(connection, wish.order_id)
    if known is not None:
        return _same_again(known, wish)
    require_open_order_gate(connection, wish.start_s, now_s=now_s)
    require_member(connection, wish.participant, at_s=wish.start_s)
    point = require_point(connection, wish.metering_point, participant_id=wish.participant)
    require_price(wish.limit_micro_per_kwh)
    _require_firm_first(connection, wish)
    _require_quantity(connection, wish, point)
    if wish.side is Side.BUY:
        require_credit(connection, wish.participant, at_s=wish.start_s)
    order = Order(
        order_id=wish.order_id,
        participant=wish.participant,
        metering_point=wish.metering_point,
        side=wish.side,
        quantity_wh=wish.quantity_wh,
        limit_micro_per_kwh=wish.limit_micro_per_kwh,
        firmness=Firmness.FLEXIBLE,
        bus=point.bus,
    )
    place_orders(connection, [order], start_s=wish.start_s, origin="person", placed_s=now_s)
    placed = find_order(connection, wish.order_id)
    assert placed is not None
    return placed


def cancel_by_hand(connection: Connection, order_id: str, *, participant_id: str, now_s: int) -> PlacedOrder:
    """Cancel one's own order while the gate is open. Raises OrderRefusedError; cancelling twice is cancelling."""
    placed = find_order(connection, order_id)
    if placed is None or placed.order.participant != participant_id:
        raise OrderRefusedError("unknown-order", _("You have no order %(order_id)s.", order_id=order_id))
    if placed.cancelled_s is not None:
        return placed
    require_open_order_gate(connection, placed.start_s, now_s=now_s)
    return cancel_order(connection, order_id, cancelled_s=now_s)


def _same_again(known: PlacedOrder, wish: HandOrder) -> PlacedOrder:
    order = known.order
    same = (
        order.participant == wish.participant
        and order.metering_point == wish.metering_point
        and known.start_s == wish.start_s
        and order.side is wish.side
        and order.quantity_wh == wish.quantity_wh
        and order.limit_micro_per_kwh == wish.limit_micro_per_kwh
    )
    if not same:
        raise OrderRefusedError("order-id-used", _("This order id was used before: take a new one."))
    return known


def require_open_order_gate(connection: Connection, start_s: int, *, now_s: int) -> None:
    """Raises OrderRefusedError for an interval that takes no orders, or no more by this clock."""
    interval_s = the_community(connection).market_time_unit_s
    if start_s % interval_s:
        raise OrderRefusedError("unknown-interval", _("No interval starts at that moment."))
    if now_s >= start_s - interval_s:
        raise OrderRefusedError(
            "gate-closed",
            _(
                "The gate closed %(interval_s)s minutes before the interval. Choose a later one.",
                interval_s=interval_s // 60,
            ),
        )
    require_orders_taken(connection, start_s)
    try:
        require_open_gate(connection, start_s)
    except NoRoundError as error:
        raise OrderRefusedError(
            "unknown-interval", _("This interval is not open for orders. Choose one that is.")
        ) from error
    except GateClosedError as error:
        raise OrderRefusedError(
            "gate-closed", _("The gate is closed for this interval. Choose a later one.")
        ) from error


def require_orders_taken(connection: Connection, start_s: int) -> None:
    """Raises OrderRefusedError where the community shares after delivery: nobody orders what was metered."""
    if choice_at(connection, start_s).shares_after_delivery:
        raise OrderRefusedError(
            "after-delivery",
            _(
                "Your community shares energy after delivery, by what meters measured and by your limits:"
                " there is nothing to order beforehand."
            ),
        )


def require_member(connection: Connection, participant_id: str, *, at_s: int) -> None:
    """Raises OrderRefusedError for whoever is no member in good standing with a supply contract at `at_s`."""
    person = participant(connection, participant_id)
    if person is None or person.role != "household":
        raise OrderRefusedError("not-a-member", _("Only members can place orders."))
    if person.is_suspended:
        raise OrderRefusedError("suspended", _("Your membership is suspended. Your operator can tell you why."))
    if contract_at(connection, participant_id, at_s) is None:
        raise OrderRefusedError("no-contract", _("You have no active supply contract for this interval."))


def require_point(connection: Connection, point_id: str, *, participant_id: str) -> MeteringPoint:
    """The member's own metering point, held until this transaction ends. Raises OrderRefusedError."""
    point = locked_metering_point(connection, point_id)
    if point is None or point.participant_id != participant_id:
        raise OrderRefusedError(
            "unknown-metering-point", _("You have no metering point %(point_id)s.", point_id=point_id)
        )
    return point


def require_credit(connection: Connection, participant_id: str, *, at_s: int) -> None:
    """Raises OrderRefusedError for who owes more than the credit limit; selling is always possible, and so is use."""
    beyond_nano = beyond_limit_nano(connection, participant_id, at_s=at_s)
    if beyond_nano:
        currency = the_community(connection).currency
        limit_cents = credit_limit_nano(connection, participant_id, at_s=at_s) // NANO_PER_CENT
        beyond_cents = -(-beyond_nano // NANO_PER_CENT)
        raise OrderRefusedError(
            "credit-limit",
            _(
                "You owe %(beyond_cents)s more than your credit limit of %(limit_cents)s: pay your "
                "invoice first. Your supplier delivers meanwhile, and you can sell.",
                beyond_cents=_money(beyond_cents, currency),
                limit_cents=_money(limit_cents, currency),
            ),
        )


def _money(cents: int, currency: str) -> str:
    return f"{cents // 100}.{cents % 100:02d} {currency}"


def require_price(limit_micro_per_kwh: int) -> None:
    """Raises OrderRefusedError for a price off the tick or out of any reason."""
    if limit_micro_per_kwh % PRICE_TICK_MICRO_PER_KWH:
        raise OrderRefusedError(
            "off-tick",
            _(
                "Prices are multiples of %(PRICE_TICK_MICRO_PER_KWH)s micro-units per kWh (0.01 ct).",
                PRICE_TICK_MICRO_PER_KWH=PRICE_TICK_MICRO_PER_KWH,
            ),
        )
    if abs(limit_micro_per_kwh) > PRICE_MICRO_PER_KWH_MAX:
        raise OrderRefusedError(
            "price-range",
            _(
                "Prices go from -%(PRICE_MICRO_PER_KWH_MAX)s to %(PRICE_MICRO_PER_KWH_MAX)s micro-units per kWh.",
                PRICE_MICRO_PER_KWH_MAX=PRICE_MICRO_PER_KWH_MAX,
            ),
        )


def _require_firm_first(connection: Connection, wish: HandOrder) -> None:
    """On an island firm demand comes before what a person asks for, and nobody asks more than it is worth."""
    island = choice_at(connection, wish.start_s).island
    if island is None:
        return
    lost_load = island.lost_load_micro_per_kwh
    if wish.limit_micro_per_kwh > lost_load or (wish.side is Side.BUY and wish.limit_micro_per_kwh == lost_load):
        raise OrderRefusedError(
            "price-range",
            _("On an island bids stay below %(lost_load)s, and offers not above it.", lost_load=lost_load),
        )


def _require_quantity(connection: Connection, wish: HandOrder, point: MeteringPoint) -> None:
    if wish.quantity_wh <= 0:
        raise OrderRefusedError("quantity", _("The energy has to be more than nothing."))
    steps, standing_wh = standing_steps(connection, point.id, start_s=wish.start_s, side=wish.side)
    if steps >= STEPS_MAX:
        raise OrderRefusedError(
            "too-many-steps", _("At most %(STEPS_MAX)s orders per side and interval.", STEPS_MAX=STEPS_MAX)
        )
    _require_room(connection, wish, point, standing_wh=standing_wh)


def _require_room(connection: Connection, wish: HandOrder, point: MeteringPoint, *, standing_wh: int) -> None:
    """Within the connection's rating, and within the envelope that was published for the interval."""
    interval_s = the_community(connection).market_time_unit_s
    wanted_wh = standing_wh + wish.quantity_wh
    rating_wh = point.connection_w * interval_s // SECONDS_PER_HOUR
    if wanted_wh > rating_wh:
        raise OrderRefusedError(
            "above-rating",
            _(
                "Your connection carries %(rating_wh)s Wh in this interval, and %(standing_wh)s Wh are "
                "ordered already.",
                rating_wh=rating_wh,
                standing_wh=standing_wh,
            ),
        )
    for envelope in envelopes(connection, start_s=wish.start_s, end_s=wish.start_s + 1, points=[point.id]):
        limit_w = envelope.export_limit_w if wish.side is Side.SELL else envelope.import_limit_w
        room_wh = limit_w * interval_s // SECONDS_PER_HOUR
        if wanted_wh > room_wh:
            raise OrderRefusedError(
                "above-envelope",
                _(
                    "The network has room for %(room_wh)s Wh of yours in this interval, and %(standing_wh)s "
                    "Wh are ordered already.",
                    room_wh=room_wh,
                    standing_wh=standing_wh,
                ),
            )
