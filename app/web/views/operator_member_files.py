"""Many members at once, by two CSV files: looked at first, taken in afterwards, all or none."""

from flask import Response as FileResponse
from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.access import viewer
from app.audit import AuditEntry, record
from app.errors import InputError
from app.joining import join
from app.member_files import (
    MEMBER_COLUMNS,
    MEMBERS,
    POINT_COLUMNS,
    POINTS,
    MemberFiles,
    join_listed,
    read_member_files,
    text_of_upload,
)
from app.storage.database import writing
from app.web.context import engine, page
from app.web.csv_files import csv_file
from app.web.views.operator import operator

EXAMPLES = {
    "members": (
        MEMBER_COLUMNS,
        ("anna", "Anna", "anna@example.org", "private", 190_000, 70_000, "2027-01-01", ""),
    ),
    "points": (
        POINT_COLUMNS,
        ("MP-anna", "anna", "", "abc", 25_000, 8_000, "no", 0, 0, "mill-lane", "eastron_sdm630"),
    ),
}


@operator.post("/members/files")
def member_files() -> Response | str | tuple[str, int]:
    """Look at the files, or take in what was looked at."""
    try:
        texts = {name: _given(name) for name in (MEMBERS, POINTS)}
    except InputError as error:
        flash(f"{error}.", "bad")
        return redirect(url_for("operator.new_member"))
    members = texts[MEMBERS]
    if not members:
        abort(400, _("Choose the file of members first."))
    confirmed = request.form.get("confirmed") == "yes"
    files = read_member_files(members, texts[POINTS] or None, page().zone)
    errors = files.errors or _joined(files, keep=confirmed)
    if errors or not confirmed:
        shown = render_template("operator/member_files.html", files=files, errors=errors, texts=texts)
        return (shown, 422) if errors else shown
    flash(ngettext("One member added.", "%(num)d members added.", len(files.listed)), "good")
    return redirect(url_for("operator.member_list"))


@operator.get("/founding/<any(members, points):name>.csv", endpoint="founding_example")
@operator.get("/members/files/<any(members, points):name>.csv")
def member_file_example(name: str) -> FileResponse:
    """A file to begin with: its columns, and a line as an example."""
    header, row = EXAMPLES[name]
    return csv_file(name, header, [row])


def _given(name: str) -> str:
    """What was uploaded under this name, or what came back from the preview."""
    file = request.files.get(name)
    if file is not None and file.filename:
        return text_of_upload(name, file.read())
    return request.form.get(f"{name}-text", "")


def _joined(files: MemberFiles, *, keep: bool) -> tuple[str, ...]:
    """Let everybody join and keep it if nobody is refused; the mistakes."""
    actor, now_s = viewer().id, page().now_s
    with writing(engine()) as connection:
        attempt = connection.begin_nested()
        errors = join_listed(files, lambda newcomer: join(connection, newcomer, actor=actor, now_s=now_s))
        if errors or not keep:
            attempt.rollback()
            return errors
        detail = f"{len(files.listed)} members"
        record(
            connection, AuditEntry(at_s=now_s, actor=actor, action="members.imported", subject=MEMBERS, detail=detail)
        )
    return ()
