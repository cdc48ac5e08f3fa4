"""Pages for everybody: start, help, and the choice of light or dark."""

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response

from app.access import Access, declare
from app.auth_pages import local_path
from app.languages import LANGUAGES
from app.storage.database import reading
from app.web.context import Page, engine, page
from app.web.language import COOKIE
from app.web.read_models.community import PublicTotals, public_totals

public = Blueprint("public", __name__)
declare(public, Access.PUBLIC)

TOTALS_DAYS = 7
TOTALS_KEPT = "commonwatt.public_totals"
GATE_MINUTES = 15
# The first that somebody has is where they begin.
HOME_OF_ROLE = {
    "household": "household.home",
    "operator": "operator.dashboard",
    "treasurer": "treasury.accounts",
    "grid_viewer": "operator.network",
}
THEMES = ("light", "dark")
A_YEAR_S = 31_536_000


@public.get("/")
def start() -> str | Response:
    """Who is signed in goes on to their own first page; everybody else reads what this is."""
    if current_user.is_authenticated:
        homes = (home for role, home in HOME_OF_ROLE.items() if role in current_user.roles)
        return redirect(url_for(next(homes, "security.overview")))
    present = page()
    totals = None if present.community is None else _totals(present)
    return render_template("public/start.html", totals=totals, totals_days=TOTALS_DAYS)


def _totals(present: Page) -> PublicTotals | None:
    """The totals of the last days, added up once a minute at most, because anybody may ask."""
    minute = present.now_s // 60
    kept: tuple[int, PublicTotals | None] | None = current_app.extensions.get(TOTALS_KEPT)
    if kept is not None and kept[0] == minute:
        return kept[1]
    first = present.today.shifted(1 - TOTALS_DAYS)
    with reading(engine()) as connection:
        totals = public_totals(connection, start_s=first.start_s, end_s=present.today.end_s)
    current_app.extensions[TOTALS_KEPT] = (minute, totals)
    return totals


@public.get("/help")
def help_page() -> str:
    """How it works, and what the words mean."""
    return render_template("public/help.html")


@public.post("/theme")
def theme() -> Response:
    """Remember light or dark in this browser, for readers without scripts."""
    chosen = request.form.get("theme")
    if chosen not in THEMES:
        abort(400, "Choose light or dark.")
    return _remembering("theme", chosen)


@public.post("/language")
def choose_language() -> Response:
    """Remember the language in this browser."""
    chosen = request.form.get("language")
    if chosen not in LANGUAGES:
        abort(400, _("Choose one of the languages at the foot of the page."))
    return _remembering(COOKIE, chosen)


def _remembering(name: str, value: str) -> Response:
    response = redirect(local_path(request.form.get("back", "/")))
    response.set_cookie(name, value, max_age=A_YEAR_S, samesite="Lax", secure=request.is_secure)
    return response
