"""Statements: a month as page, PDF and CSV, all from the same lines, and as a file of proofs."""

import json

from flask import Response, abort, render_template, url_for
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound

from app.energy_origin import origin_of
from app.errors import InputError
from app.local_time import LocalMonth
from app.statement_pdf import statement_pdf
from app.statement_proof import proof_document
from app.statements import ITEM_TEXT, Statement, months_with_data, statement_csv, statement_of
from app.storage.database import reading
from app.web.context import YEARS, engine, page
from app.web.views.household_access import household, participant_id


@household.get("/statements")
def statements() -> str:
    """The months from the first settled interval on, newest first."""
    with reading(engine()) as connection:
        months = months_with_data(connection, participant_id(), zone=page().zone, now_s=page().now_s)
    return render_template("household/statements.html", months=months)


@household.get("/statements/<month>")
def statement(month: str) -> str:
    """One month, line by line."""
    found = own_statement(month)
    with reading(engine()) as connection:
        origin = origin_of(connection, participant_id(), found.month)
    return render_template(
        "household/statement.html",
        statement=found,
        origin=origin,
        month=found.month,
        item_text=ITEM_TEXT,
        previous_url=url_for("household.statement", month=found.month.previous().key),
        next_url=url_for("household.statement", month=found.month.next().key)
        if found.month.end_s <= page().now_s
        else None,
    )


@household.get("/statements/<month>.pdf")
def statement_pdf_file(month: str) -> Response:
    """The month as a tagged PDF."""
    found = own_statement(month)
    return _file(statement_pdf(found, page().fmt, now_s=page().now_s), "application/pdf", found, "pdf")


@household.get("/statements/<month>.csv")
def statement_csv_file(month: str) -> Response:
    """The month as CSV, amounts in whole cents."""
    found = own_statement(month)
    return _file(statement_csv(found).encode(), "text/csv; charset=utf-8", found, "csv")


@household.get("/statements/<month>.json")
def statement_proof_file(month: str) -> Response:
    """What of the month is in the ledger, with everything needed to verify it elsewhere."""
    found = own_statement(month)
    try:
        with reading(engine()) as connection:
            document = proof_document(connection, participant_id(), found.month)
    except InputError as error:
        raise NotFound(str(error)) from error
    return _file(json.dumps(document).encode(), "application/json", found, "json")


def _file(content: bytes, content_type: str, found: Statement, ending: str) -> Response:
    name = f"statement-{found.member.id}-{found.month.key}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, content_type=content_type, headers=headers)


def own_statement(key: str) -> Statement:
    """The reader's own statement of a month. Aborts with 404 where there is none."""
    month = asked_month(key)
    try:
        with reading(engine()) as connection:
            return statement_of(connection, participant_id(), month, now_s=page().now_s)
    except InputError as error:
        raise NotFound(str(error)) from error


def asked_month(key: str) -> LocalMonth:
    """The month of an address. Aborts with 404 if there is none or it lies in the future."""
    try:
        month = LocalMonth.parse(key, page().zone)
    except ValueError:
        abort(404, _("There is no such month: write it as YYYY-MM."))
    if month.first.year not in YEARS or month.start_s > page().now_s:
        abort(404, _("That month has not begun yet."))
    return month
