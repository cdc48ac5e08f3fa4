"""A round replayed: asked for here, done by a worker, told on the round's page."""

from flask import abort, flash, redirect, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.access import viewer
from app.audit import AuditEntry, record
from app.storage.database import writing
from app.storage.store.rounds import find_round
from app.storage.store.tasks import REPLAY, ask_for_task
from app.web.context import engine, page, require_interval
from app.web.views.household_access import LATEST_S
from app.web.views.operator import operator


@operator.post(f"/rounds/<int(max={LATEST_S}):start_s>/replay")
def replay_round(start_s: int) -> Response:
    """Ask for the round to be cleared again from what was stored."""
    require_interval(start_s)
    actor, now_s = viewer().id, page().now_s
    with writing(engine()) as connection:
        found = find_round(connection, start_s)
        if found is None or found.clearing_hash is None:
            abort(404, "There is no cleared round for that interval.")
        if ask_for_task(connection, kind=REPLAY, subject=str(start_s), asked_by=actor, asked_s=now_s):
            subject = page().fmt.moment(start_s)
            record(connection, AuditEntry(at_s=now_s, actor=actor, action="round.replayed", subject=subject))
    flash(_("The round is being cleared again. This takes some seconds."), "good")
    return redirect(f"{url_for('operator.round_page', start_s=start_s)}#replay")
