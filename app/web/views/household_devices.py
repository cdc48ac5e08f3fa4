"""Devices of a household, and the page that leads to what is used less often."""

from dataclasses import dataclass

from flask import render_template
from flask_babel import lazy_gettext

from app.feeder_room import drawing_from
from app.storage.database import reading
from app.storage.store.community import envelopes
from app.storage.store.contributions import contributions_of
from app.storage.store.findings import open_findings
from app.storage.store.members import metering_points
from app.web.context import engine, page
from app.web.read_models.devices import complete_starts, device_health
from app.web.room import rooms_of
from app.web.views.household_access import household, participant_id

CONTRIBUTION_DAYS = 14
ROOM_AHEAD_S = 2 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class MorePage:
    """A link with an icon and one line about what is behind it."""

    endpoint: str
    icon: str
    label: str
    what: str


MORE_PAGES = (
    MorePage(
        endpoint="household.history",
        icon="overview",
        label=lazy_gettext("History"),
        what=lazy_gettext("Energy and money by day, month and year."),
    ),
    MorePage(
        endpoint="household.sharing",
        icon="members",
        label=lazy_gettext("Who supplied whom"),
        what=lazy_gettext("Where your energy came from, and the neighbourhood's as a picture."),
    ),
    MorePage(
        endpoint="household.preferences",
        icon="sliders",
        label=lazy_gettext("Preferences"),
        what=lazy_gettext("Your two limits, and a pause."),
    ),
    MorePage(
        endpoint="household.account",
        icon="bill",
        label=lazy_gettext("Account"),
        what=lazy_gettext("Balance, invoices, payments."),
    ),
    MorePage(
        endpoint="household.devices",
        icon="meter",
        label=lazy_gettext("Devices"),
        what=lazy_gettext("Your meter and how well it reports."),
    ),
    MorePage(
        endpoint="household.follow",
        icon="path",
        label=lazy_gettext("Follow one kWh"),
        what=lazy_gettext("From the reading to the proof, with everything in between."),
    ),
    MorePage(
        endpoint="household.notices",
        icon="bell",
        label=lazy_gettext("Notices"),
        what=lazy_gettext("What is new, and whether by e-mail."),
    ),
    MorePage(
        endpoint="household.plan",
        icon="sun",
        label=lazy_gettext("Plan of your devices"),
        what=lazy_gettext("What battery, car and heat pump will do, and why."),
    ),
    MorePage(
        endpoint="household.own_data",
        icon="shield",
        label=lazy_gettext("Your data"),
        what=lazy_gettext("What is kept, export all of it, leave."),
    ),
    MorePage(
        endpoint="public.help_page",
        icon="help",
        label=lazy_gettext("Help and glossary"),
        what=lazy_gettext("How it works, word by word."),
    ),
)


@household.get("/devices")
def devices() -> str:
    """Health of the member's meters today, and what may be fed in next."""
    present = page()
    day = present.today
    with reading(engine()) as connection:
        found = device_health(
            connection,
            day_start_s=day.start_s,
            day_end_s=day.end_s,
            now_s=present.now_s,
            interval_s=present.interval_s,
            participant_id=participant_id(),
        )
        starts = complete_starts(
            connection, participant_id(), start_s=day.start_s, end_s=day.end_s, interval_s=present.interval_s
        )
        contributed = contributions_of(
            connection,
            [device.device_id for device in found],
            first_day=str(day.shifted(-CONTRIBUTION_DAYS).date),
            last_day=str(day.shifted(-1).date),
        )
        points = metering_points(connection, participant_id=participant_id())
        findings = open_findings(
            connection, points=[point.id for point in points], since=str(day.shifted(-CONTRIBUTION_DAYS).date)
        )
        published = envelopes(
            connection,
            start_s=present.current_start_s,
            end_s=present.current_start_s + ROOM_AHEAD_S,
            points=[point.id for point in points],
        )
    drawing = drawing_from(present.community.drawing_json if present.community else None)
    return render_template(
        "household/devices.html",
        devices=found,
        complete_starts=starts,
        day=day,
        contributions=contributed,
        findings=findings,
        rooms=rooms_of(points, published, drawing, present.fmt, minutes=present.minutes),
    )


@household.get("/more")
def more() -> str:
    """The pages that do not fit below the thumb."""
    return render_template("household/more.html", more_pages=MORE_PAGES)
