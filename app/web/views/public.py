"""Pages for everybody: start, help, and the choice of light or dark."""

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from app.access import Access, declare
from app.auth_pages import local_path
from app.storage.database import reading
from app.web.context import engine, page
from app.web.read_models.community import public_totals

public = Blueprint("public", __name__)
declare(public, Access.PUBLIC)

TOTALS_DAYS = 7
GATE_MINUTES = 15
THEMES = ("light", "dark")
A_YEAR_S = 31_536_000


@public.get("/")
def start() -> str | Response:
    """Who is signed in goes on to their own first page; everybody else reads what this is."""
    if current_user.is_authenticated:
        home = "operator.dashboard" if current_user.role == "operator" else "household.home"
        return redirect(url_for(home))
    present = page()
    totals = None
    if present.community is not None:
        with reading(engine()) as connection:
            first = present.today.shifted(1 - TOTALS_DAYS)
            totals = public_totals(connection, start_s=first.start_s, end_s=present.today.end_s)
    return render_template("public/start.html", totals=totals, totals_days=TOTALS_DAYS)


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
    response = redirect(local_path(request.form.get("back", "/")))
    response.set_cookie("theme", chosen, max_age=A_YEAR_S, samesite="Lax", secure=request.is_secure)
    return response
