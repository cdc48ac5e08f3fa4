"""The audit log: who changed what, and when."""

from datetime import UTC, date, datetime
from typing import Any

from flask import Response, abort, render_template, request, url_for
from flask_babel import gettext as _

from app.audit import AuditQuestion, actions, all_entries, audit_page
from app.local_time import LocalDay
from app.storage.database import reading
from app.storage.store.members import participants
from app.web.context import YEARS, engine, page
from app.web.csv_files import csv_file
from app.web.views.operator import operator

PAGE_LENGTH = 50
LATEST_ENTRY = 2**62
COLUMNS = ("at", "actor", "action", "subject", "detail")


@operator.get("/audit")
def audit_log() -> str:
    """The newest entries, or those that were asked for."""
    question, asked = _question()
    with reading(engine()) as connection:
        found = audit_page(
            connection,
            question,
            length=PAGE_LENGTH,
            older_than=_entry_number("older_than"),
            newer_than=_entry_number("newer_than"),
        )
        kinds = actions(connection)
        people = {person.id: person.display_name for person in participants(connection)}
    return render_template(
        "operator/audit.html",
        found=found,
        kinds=kinds,
        people=people,
        asked=asked,
        csv_url=url_for("operator.audit_file", **asked),
        older_url=found.older_than and url_for("operator.audit_log", older_than=found.older_than, **asked),
        newer_url=found.newer_than and url_for("operator.audit_log", newer_than=found.newer_than, **asked),
    )


@operator.get("/audit.csv")
def audit_file() -> Response:
    """All entries that were asked for, as CSV; instants in UTC."""
    question, _ = _question()
    with reading(engine()) as connection:
        rows = [
            (_utc(each.at_s), each.actor, each.action, each.subject, each.detail)
            for each in all_entries(connection, question)
        ]
    return csv_file("audit-log", COLUMNS, rows)


def _utc(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _question() -> tuple[AuditQuestion, dict[str, Any]]:
    """What was asked, and the same as values of the address."""
    asked = {name: request.args.get(name, "").strip() for name in ("actor", "action", "from_day", "to_day")}
    asked = {name: text for name, text in asked.items() if text}
    first, last = (_day(asked.get(name)) for name in ("from_day", "to_day"))
    question = AuditQuestion(
        actor=asked.get("actor"),
        action=asked.get("action"),
        since_s=None if first is None else first.start_s,
        until_s=None if last is None else last.end_s,
    )
    return question, asked


def _day(text: str | None) -> LocalDay | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        abort(400, _("Write days as YYYY-MM-DD."))
    if day.year not in YEARS:
        abort(400, _("There is nothing so far away in time."))
    return LocalDay(date=day, zone=page().zone, interval_s=page().interval_s)


def _entry_number(name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) > LATEST_ENTRY:
        abort(400, _("That page of the log does not exist."))
    return int(text)
