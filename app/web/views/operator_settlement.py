"""Settlement for operators: runs with their state, what is missing, batches, and a run again."""

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.access import viewer
from app.errors import InputError
from app.local_time import LocalMonth
from app.month_runs import run_again
from app.platform import platform
from app.settlement_months import months_of
from app.storage.database import reading
from app.web.context import engine, page
from app.web.read_models.operations import batches
from app.web.views.operator import operator

BATCHES_LISTED = 60


@operator.get("/settlement")
def settlement() -> str:
    """The months with their runs, and the newest batches."""
    desk = platform().run_desk()
    months = months_of(desk)
    with reading(engine()) as connection:
        found = batches(connection, newest=BATCHES_LISTED)
    return render_template("operator/settlement.html", batches=found, months=months)


@operator.post("/settlement/runs")
def run_month_again() -> Response:
    """Settle a month again with what is known now."""
    try:
        month = LocalMonth.parse(request.form.get("month", ""), page().zone)
    except ValueError:
        abort(400, _("This form is incomplete: open it again."))
    try:
        run = run_again(platform().run_desk(), month, actor=viewer().id)
    except InputError as error:
        flash(f"{error}.", "bad")
    else:
        flash(
            _(
                "Run %(run)s of %(month)s: intervals changed: %(intervals)s, transfers posted: %(transfers)s.",
                run=run.name,
                month=page().fmt.month(month.first),
                intervals=run.intervals_changed,
                transfers=run.transfers_posted,
            ),
            "good" if run.is_complete else "warn",
        )
    return redirect(url_for("operator.settlement"))
