"""One round explained to one member: why this price."""

from flask import abort, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.feeder_room import drawing_from
from app.storage.database import reading
from app.storage.store.community import envelopes
from app.storage.store.members import metering_points
from app.storage.store.rounds import find_round
from app.web.charts.merit_order import merit_order
from app.web.context import engine, page, require_interval
from app.web.explanations import binding_limits, held_back_sentence, price_sentences
from app.web.formats import Formats
from app.web.read_models.prices import PriceStory, latest_cleared_start_s, price_story
from app.web.room import rooms_of
from app.web.views.household_access import LATEST_S, household, participant_id


@household.get("/why")
def why_now() -> Response:
    """The round that is being delivered, or the newest one that was cleared."""
    with reading(engine()) as connection:
        start_s = latest_cleared_start_s(connection, until_s=page().now_s)
    if start_s is None:
        return redirect(url_for("household.prices"))
    return redirect(url_for("household.why", start_s=start_s))


@household.get(f"/why/<int(max={LATEST_S}):start_s>")
def why(start_s: int) -> str:
    """One round: the reader's limit against the price, the book behind it, the limits of the network."""
    present = page()
    require_interval(start_s)
    with reading(engine()) as connection:
        story = price_story(connection, participant_id(), start_s)
        step_s = present.interval_s
        points = metering_points(connection, participant_id=participant_id())
        own = [point.id for point in points]
        published = envelopes(connection, start_s=start_s, end_s=start_s + 1, points=own)
        before, after = (find_round(connection, start_s + step) for step in (-step_s, step_s))
    if story is None:
        abort(404, _("There is no market round for that interval."))
    drawing = drawing_from(present.community.drawing_json if present.community else None)
    document = story.round.clearing_document()
    feed_in_price = document.get("rules", {}).get("feed_in_price_micro_per_kwh") or 0
    limits = [part.limit_micro_per_kwh for part in story.own]
    chart = None
    if story.demand and story.supply:
        chart = merit_order(
            demand=story.demand,
            supply=story.supply,
            price_micro=story.round.clearing_price_micro_per_kwh,
            limit_micro=limits[0] if limits else None,
            traded_wh=story.round.traded_wh,
            micro_per_unit=present.fmt.micro_per_price_unit,
        )
    return render_template(
        "household/why.html",
        story=story,
        sentences=price_sentences(story, present.fmt),
        binding=binding_limits(document, drawing, present.fmt),
        phases=bool(document.get("phases", {}).get("violations")),
        held_back=[
            sentence
            for part in (story.own if story.round.island is None else ())
            if (sentence := held_back_sentence(part, feed_in_price, present.fmt)) is not None
        ],
        rooms=rooms_of(points, published, drawing, present.fmt, minutes=present.minutes),
        chart=chart,
        chart_label=_chart_label(story, present.fmt),
        previous_url=url_for("household.why", start_s=start_s - step_s) if before else None,
        next_url=url_for("household.why", start_s=start_s + step_s) if after else None,
    )


def _chart_label(story: PriceStory, fmt: Formats) -> str:
    """The curves in words."""
    return _(
        "Supply and demand: %(supply)s offered, %(demand)s wanted, price %(price)s.",
        supply=fmt.energy(story.supply_wh),
        demand=fmt.energy(story.demand_wh),
        price=fmt.price(story.round.clearing_price_micro_per_kwh),
    )
