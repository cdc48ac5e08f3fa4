"""Follow one kWh: from the reading to the proof."""

from dataclasses import dataclass

from flask import abort, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.local_time import month_of
from app.statements import ITEM_TEXT
from app.storage.database import reading
from app.web.context import engine, page, require_interval
from app.web.read_models.journey import journey, latest_settled_start_s
from app.web.views.household_access import LATEST_S, household, participant_id
from contracts.bills import item_of, paid_nano
from contracts.transfers import Transfer, member_account


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """One transfer as its member sees it; amount_nano is what they pay, negative what they receive."""

    text: str
    energy_wh: int
    price_micro_per_kwh: int
    amount_nano: int


@household.get("/follow")
def follow() -> Response:
    """The newest interval in which the member traded, or else the one before now."""
    with reading(engine()) as connection:
        start_s = latest_settled_start_s(connection, participant_id())
    if start_s is None:
        start_s = page().current_start_s - page().interval_s
    return redirect(url_for("household.follow_interval", start_s=start_s))


@household.get(f"/follow/<int(max={LATEST_S}):start_s>")
def follow_interval(start_s: int) -> str:
    """One interval from the reading to the proof."""
    present = page()
    require_interval(start_s)
    if present.community is None or start_s > present.now_s + 86_400:
        abort(404, _("That interval is too far away."))
    with reading(engine()) as connection:
        trip = journey(connection, participant_id(), present.community, start_s)
    rows = payment_rows(trip.transfers, member_account(participant_id()))
    step_s = present.interval_s
    return render_template(
        "household/follow.html",
        trip=trip,
        start_s=start_s,
        month_key=month_of(start_s, present.zone).key,
        bill_rows=rows,
        bill_total_nano=sum(row.amount_nano for row in rows),
        previous_url=url_for("household.follow_interval", start_s=start_s - step_s),
        next_url=url_for("household.follow_interval", start_s=start_s + step_s)
        if start_s + step_s <= present.now_s
        else None,
    )


def payment_rows(transfers: tuple[Transfer, ...], account: str) -> tuple[PaymentRow, ...]:
    """The transfers of one interval in the order of a bill."""
    order = list(ITEM_TEXT)
    rows = sorted(transfers, key=lambda transfer: order.index(item_of(transfer)))
    return tuple(
        PaymentRow(
            text=_(ITEM_TEXT[item_of(transfer)]),
            energy_wh=transfer.energy_wh,
            price_micro_per_kwh=transfer.price_micro_per_kwh,
            amount_nano=paid_nano(transfer, account),
        )
        for transfer in rows
    )
