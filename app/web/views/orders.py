"""Trades and orders: what the agent did, and orders by hand."""

import re
import secrets
from dataclasses import dataclass

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from app.audit import AuditEntry, record
from app.local_time import LocalDay
from app.order_entry import HandOrder, OrderRefusedError, cancel_by_hand, place_by_hand
from app.storage.database import reading, writing
from app.storage.store.members import metering_points, preference_of
from app.suggestions import place_suggested, suggestions
from app.web.context import day_asked_for, engine, page
from app.web.numbers import TypedNumberError, typed_energy_wh, typed_price_micro
from app.web.read_models.orders import open_starts_s, order_outcomes
from app.web.views.household_access import household, participant_id
from matching.orders import Side

HAND_ORDER_ID = re.compile(r"hand-[0-9a-f]{32}")
ORDERS_AHEAD_INTERVALS = 8
SUGGESTED_AHEAD = 4
LONGEST_INSTANT = 11
"""Digits of an instant in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderForm:
    """The form as it was filled in. order_id makes a second click the same order."""

    order_id: str
    side: str = "buy"
    start: str = ""
    point: str = ""
    energy: str = ""
    limit: str = ""


@household.get("/orders")
def orders() -> str:
    """The orders of a day, the next intervals' first."""
    return _render(day_asked_for(), OrderForm(order_id=_fresh_id()), None)


@household.post("/orders")
def place() -> Response | tuple[str, int]:
    """Place an order by hand."""
    given = {name: request.form.get(name, "") for name in ("side", "start", "point", "energy", "limit")}
    form = OrderForm(order_id=request.form.get("order_id", ""), **given)
    if not HAND_ORDER_ID.fullmatch(form.order_id):
        abort(400, _("This form is incomplete: open it again."))
    present = page()
    try:
        wish = _wish(form)
        with writing(engine()) as connection:
            place_by_hand(connection, wish, now_s=present.now_s)
            _note(connection, "order.placed", wish.order_id)
    except (TypedNumberError, OrderRefusedError) as error:
        return _render(present.today, form, str(error)), 422
    flash(
        _(
            "Order placed for %(span)s: %(energy)s at %(price)s.",
            span=present.fmt.time_span(wish.start_s, present.minutes),
            energy=present.fmt.energy(wish.quantity_wh),
            price=present.fmt.price(wish.limit_micro_per_kwh),
        ),
        "good",
    )
    return redirect(url_for("household.orders"))


@household.post("/orders/suggested")
def place_suggestion() -> Response:
    """Place what the agent suggested."""
    order_id, start = request.form.get("order_id", ""), request.form.get("start", "")
    if not start.isdecimal() or len(start) > LONGEST_INSTANT:
        abort(400, _("This form is incomplete: open it again."))
    try:
        with writing(engine()) as connection:
            place_suggested(connection, participant_id(), order_id, int(start), now_s=page().now_s)
            _note(connection, "order.placed", order_id)
    except OrderRefusedError as error:
        flash(str(error), "bad")
    else:
        flash(_("Order placed."), "good")
    return redirect(url_for("household.orders"))


@household.post("/orders/<order_id>/cancel")
def cancel(order_id: str) -> Response:
    """Take one of the reader's own orders out of an open book."""
    present = page()
    try:
        with writing(engine()) as connection:
            cancel_by_hand(
                connection,
                order_id,
                participant_id=participant_id(),
                now_s=present.now_s,
            )
            _note(connection, "order.cancelled", order_id)
    except OrderRefusedError as error:
        if error.slug == "unknown-order":
            abort(404, str(error))
        flash(str(error), "bad")
    else:
        flash(_("Order cancelled."), "good")
    return redirect(url_for("household.orders"))


def _note(connection: Connection, action: str, order_id: str) -> None:
    record(connection, AuditEntry(at_s=page().now_s, actor=participant_id(), action=action, subject=order_id))


def _wish(form: OrderForm) -> HandOrder:
    """What the form asks for. Raises TypedNumberError or OrderRefusedError for what it cannot mean."""
    fmt = page().fmt
    if form.side not in {side.value for side in Side}:
        raise OrderRefusedError("side", _("Choose whether to buy or to sell."))
    if not (form.start.isdecimal() and form.start.isascii() and len(form.start) <= LONGEST_INSTANT):
        raise OrderRefusedError("unknown-interval", _("Choose an interval."))
    return HandOrder(
        order_id=form.order_id,
        participant=participant_id(),
        metering_point=form.point,
        start_s=int(form.start),
        side=Side(form.side),
        quantity_wh=typed_energy_wh(form.energy),
        limit_micro_per_kwh=typed_price_micro(form.limit, micro_per_unit=fmt.micro_per_price_unit, unit=fmt.price_unit),
    )


def _render(day: LocalDay, form: OrderForm, error: str | None) -> str:
    present = page()
    is_today = day == present.today
    end_s = day.end_s + (ORDERS_AHEAD_INTERVALS * present.interval_s if is_today else 0)
    with reading(engine()) as connection:
        found = order_outcomes(connection, participant_id(), start_s=day.start_s, end_s=end_s)
        points = metering_points(connection, participant_id=participant_id())
        starts = open_starts_s(connection, now_s=present.now_s + present.interval_s)
        preference = preference_of(connection, participant_id())
        suggests = preference.autonomy == "suggest" and is_today
        suggested = (
            suggestions(connection, participant_id(), starts[:SUGGESTED_AHEAD], now_s=present.now_s) if suggests else ()
        )
    return render_template(
        "household/orders.html",
        orders=found,
        day=day,
        points=points,
        open_starts=starts,
        paused=preference.trading_paused,
        suggests=suggests,
        suggested=suggested,
        form=form,
        form_error=error,
        previous_url=url_for("household.orders", day=day.shifted(-1).date.isoformat()),
        next_url=None if is_today else url_for("household.orders", day=day.shifted(1).date.isoformat()),
    )


def _fresh_id() -> str:
    return f"hand-{secrets.token_hex(16)}"
