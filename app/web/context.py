"""What a request needs: the community, its clock, and how figures are written for this reader."""

from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from flask import abort, g, request
from flask_babel import gettext as _
from sqlalchemy import Engine

from app.local_time import LocalDay, day_of
from app.platform import platform
from app.storage.database import reading
from app.storage.store.community import Community, find_community
from app.web.formats import Formats, reader_locale
from app.web.language import language

# The years a page can be asked for; anything else is not an address of this community.
YEARS = range(2000, 2100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The present of one request. `community` is None before it is founded."""

    community: Community | None
    fmt: Formats
    now_s: int

    @property
    def zone(self) -> ZoneInfo:
        return self.fmt.zone

    @property
    def minutes(self) -> int:
        return 15 if self.community is None else self.community.market_time_unit_minutes

    @property
    def interval_s(self) -> int:
        return self.minutes * 60

    @property
    def today(self) -> LocalDay:
        """The day of the second that has just passed: at midnight sharp there is nothing of the new one to see."""
        return day_of(self.now_s - 1, self.zone, self.interval_s)

    @property
    def current_start_s(self) -> int:
        """Start of the interval that is being delivered now."""
        return self.now_s // self.interval_s * self.interval_s

    @property
    def refresh_s(self) -> int:
        """Seconds between renewals of a live page: a simulated day runs fast."""
        return 5 if self.community is not None and self.community.simulated else 30


def engine() -> Engine:
    """The application's database."""
    return platform().engine


def page() -> Page:
    """The page of this request, made once."""
    if "page" not in g:
        with reading(engine()) as connection:
            community = find_community(connection)
        zone = ZoneInfo("UTC" if community is None else community.timezone)
        currency = "EUR" if community is None else community.currency
        locale = reader_locale(language(), [tag for tag, _ in request.accept_languages])
        g.page = Page(
            community=community,
            fmt=Formats(locale=locale, zone=zone, currency=currency),
            now_s=platform().now_s(),
        )
    found: Page = g.page
    return found


def day_asked_for() -> LocalDay:
    """The day named in the address (`?day=YYYY-MM-DD`), today without one. Aborts with 404 if it is none."""
    text = request.args.get("day")
    if text is None:
        return page().today
    try:
        day = date.fromisoformat(text)
    except ValueError:
        abort(404, _("There is no such day: write it as YYYY-MM-DD."))
    if day.year not in YEARS:
        abort(404, _("There is nothing so far away in time."))
    return LocalDay(date=day, zone=page().zone, interval_s=page().interval_s)


def require_interval(start_s: int) -> int:
    """`start_s` if an interval of this community starts there. Aborts with 404 otherwise."""
    if start_s % page().interval_s:
        abort(404, _("No interval starts at that moment."))
    return start_s
