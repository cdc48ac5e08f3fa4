"""The operator's pages: overview, rounds, settlement and members. No page shows what a home uses."""

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, render_template, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.access import Access, access, declare
from app.storage.database import reading
from app.storage.store.tasks import REPLAY, newest_task
from app.web.context import day_asked_for, engine, page, require_interval
from app.web.explanations import binding_limits, phase_sentences
from app.web.read_models.operations import (
    CommunityState,
    community_state,
    round_detail,
    rounds_of_day,
)
from app.web.read_models.prices import latest_cleared_start_s
from app.web.views.household_access import LATEST_S

operator = Blueprint("operator", __name__, url_prefix="/operator")
declare(operator, Access.OPERATOR)


@operator.get("")
def dashboard() -> str:
    """How the community stands, what needs attention first."""
    present = page()
    day = present.today
    with reading(engine()) as connection:
        state = community_state(connection, day_start_s=day.start_s, day_end_s=day.end_s, now_s=present.now_s)
        newest_s = latest_cleared_start_s(connection, until_s=present.now_s + 86_400)
        latest = None
        if newest_s is not None:
            latest = rounds_of_day(connection, start_s=newest_s, end_s=newest_s + 1)[0]
    return render_template(
        "operator/dashboard.html",
        state=state,
        latest=latest,
        day=day,
        attention=attention(state),
        refresh_s=present.refresh_s,
    )


def attention(state: CommunityState) -> list[tuple[str, str, str, str]]:
    """What the operator should look at: (tone, text, address, text of the link), most urgent first."""
    found = []
    red = state.statuses.get("red", 0)
    if red:
        text = ngettext(
            "%(num)s round today could not keep the network's limits.",
            "%(num)s rounds today could not keep the network's limits.",
            red,
        )
        found.append(("bad", text, url_for("operator.rounds"), _("See the rounds")))
    if state.gateways_pending:
        text = ngettext(
            "%(num)s gateway waits for approval.", "%(num)s gateways wait for approval.", state.gateways_pending
        )
        found.append(("warn", text, url_for("operator.devices"), _("Look at the key and approve")))
    if state.alarms_today:
        text = ngettext(
            "%(num)s batch of readings was refused today.",
            "%(num)s batches of readings were refused today.",
            state.alarms_today,
        )
        found.append(("warn", text, f"{url_for('operator.devices')}#alarms", _("See why")))
    if state.unsettled_before_now:
        text = ngettext(
            "%(num)s round older than a day is not settled.",
            "%(num)s rounds older than a day are not settled.",
            state.unsettled_before_now,
        )
        found.append(("warn", text, url_for("operator.settlement"), _("Open settlement")))
    for name in state.leaving:
        text = _("%(member)s asks to leave the community.", member=name)
        found.append(("warn", text, url_for("operator.member_list"), _("Open the members")))
    return found


@operator.get("/rounds")
@access(Access.GRID)
def rounds() -> str:
    """The rounds of a day."""
    day = day_asked_for()
    with reading(engine()) as connection:
        found = rounds_of_day(connection, start_s=day.start_s, end_s=day.end_s)
    return render_template(
        "operator/rounds.html",
        rounds=found,
        day=day,
        previous_url=url_for("operator.rounds", day=day.shifted(-1).date.isoformat()),
        next_url=url_for("operator.rounds", day=day.shifted(1).date.isoformat())
        if day.date <= page().today.date
        else None,
    )


@operator.get(f"/rounds/<int(max={LATEST_S}):start_s>")
@access(Access.GRID)
def round_page(start_s: int) -> str:
    """One round in full: result, certificate, limits with names and shadow prices."""
    present = page()
    require_interval(start_s)
    with reading(engine()) as connection:
        detail = round_detail(connection, start_s)
        replay = newest_task(connection, kind=REPLAY, subject=str(start_s))
        near = {
            row.start_s
            for row in rounds_of_day(
                connection, start_s=start_s - present.interval_s, end_s=start_s + 2 * present.interval_s
            )
        }
    if detail is None:
        abort(404, _("There is no market round for that interval."))
    drawing = network_drawing()
    return render_template(
        "operator/round.html",
        detail=detail,
        round=detail.round,
        doc=detail.document,
        binding=binding_limits(detail.document, drawing, present.fmt),
        phases=phase_sentences(detail.document, present.fmt),
        replay=replay,
        bound_again=binding_limits((replay.result or {}).get("document", {}), drawing, present.fmt) if replay else [],
        voltages=low_voltages(drawing, detail.round.network_state()),
        previous_url=_neighbour(start_s - present.interval_s, near),
        next_url=_neighbour(start_s + present.interval_s, near),
    )


def low_voltages(drawing: Mapping[str, Any], state: Mapping[str, Any]) -> list[float]:
    """Voltages of the buses below 1 kV, those whose limits hold, lowest first, of nominal."""
    values = state.get("vm_pu", {})
    low = [str(bus["id"]) for bus in drawing.get("buses", []) if bus["vn_kv"] < 1]
    return sorted(float(values[bus]) for bus in low if values.get(bus) is not None)


def _neighbour(start_s: int, known: set[int]) -> str | None:
    return url_for("operator.round_page", start_s=start_s) if start_s in known else None


def network_drawing() -> dict[str, Any]:
    """The network's picture, empty without one."""
    community = page().community
    return dict(json.loads((community.drawing_json if community else None) or "{}"))


@operator.get("/more")
def more() -> str:
    """The pages that do not fit below the thumb."""
    return render_template("operator/more.html")
