"""The founding of a community in the browser, while there is none: everything on one page, kept until it holds."""

from zoneinfo import available_timezones

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.access import viewer
from app.audit import AuditEntry, record
from app.browser_founding import ASKED_BY, FILES, MINUTES, PROBLEMS, TEXTS, TIMEZONE, ask_for_founding, problems
from app.errors import InputError
from app.member_files import text_of_upload
from app.storage.database import reading, writing
from app.storage.store.community import find_community
from app.storage.store.founding_steps import founding_steps, save_founding_steps
from app.web.context import engine, page
from app.web.views.operator import operator
from meters.interval import MARKET_TIME_UNITS_MINUTES

PAGE = "operator.founding"
DEFAULTS = {"timezone": "Europe/Berlin", "currency": "EUR", MINUTES: "15", "network": "transformer:400"}
CHARACTERS_MAX = 200


@operator.before_request
def found_first() -> Response | None:
    """Without a community every page of operators leads to its founding."""
    if page().community is None and request.endpoint is not None and not request.endpoint.startswith(PAGE):
        return redirect(url_for(PAGE))
    return None


@operator.get("/founding")
def founding() -> Response | str:
    """What was given so far, what is missing, and whether it is being founded."""
    if page().community is not None:
        is_asking = bool(request.headers.get("HX-Request"))
        return Response(headers={"HX-Refresh": "true"}) if is_asking else redirect(url_for("operator.member_list"))
    with reading(engine()) as connection:
        given = founding_steps(connection)
    if request.headers.get("HX-Request"):
        return Response(status=204, headers={} if given.get(ASKED_BY) else {"HX-Refresh": "true"})
    return _render(given)


@operator.post("/founding")
def founding_given() -> Response | tuple[str, int]:
    """Keep what is given; if all of it holds, a worker founds the community."""
    given = {name: request.form.get(name, "").strip()[:CHARACTERS_MAX] for name in TEXTS}
    wrong = []
    for name in FILES:
        file = request.files.get(name)
        if file is not None and file.filename:
            try:
                given[name] = text_of_upload(name, file.read())
            except InputError as error:
                wrong.append(str(error))
        elif request.form.get(f"without-{name}") == "yes":
            given[name] = ""
    actor, now_s = viewer().id, page().now_s
    with writing(engine()) as connection:
        if find_community(connection) is not None:
            abort(409, _("There is a community already."))
        save_founding_steps(connection, given)
        kept = founding_steps(connection)
        found = (*wrong, *problems(kept))
        save_founding_steps(connection, {PROBLEMS: "\n".join(found), ASKED_BY: ""})
        if not found:
            ask_for_founding(connection, actor=actor)
        entry = AuditEntry(at_s=now_s, actor=actor, action="community.described", subject=given["name"])
        record(connection, entry)
    if found:
        with reading(engine()) as connection:
            return _render(founding_steps(connection)), 422
    flash(_("Everything is there. The network is being looked at now."), "good")
    return redirect(url_for(PAGE))


def _render(given: dict[str, str]) -> str:
    return render_template(
        "operator/founding.html",
        given={**DEFAULTS, **{name: given[name] for name in TEXTS if given.get(name)}},
        files={name: len(given[name].splitlines()) for name in FILES if given.get(name)},
        problems=given.get(PROBLEMS, "").splitlines(),
        is_asked=bool(given.get(ASKED_BY)),
        zones=sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix"))),
        units=MARKET_TIME_UNITS_MINUTES,
        zone=given.get(TIMEZONE) or DEFAULTS["timezone"],
    )
