"""What is stored about a member: all of it as a file, what rests on consent, and leaving."""

from collections.abc import Iterator
from dataclasses import replace

from flask import Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import Engine
from werkzeug.wrappers import Response as AnyResponse

from app.audit import AuditEntry, record
from app.auth_pages import limiter
from app.own_data import LEFT_OUT, own_data_zip, own_tables
from app.storage.database import reading, writing
from app.storage.store.member_choices import MemberChoice, choice_of, save_choice
from app.storage.store.members import preference_of
from app.web.context import engine, page
from app.web.views.household_access import household, participant_id

EXPORT_LIMITS = "6 per hour"
"""A home's year is some seconds of work and some megabytes."""


@household.get("/data")
def own_data() -> str:
    """What is kept, and what a member can do about it."""
    with reading(engine()) as connection:
        choice = choice_of(connection, participant_id())
        preference = preference_of(connection, participant_id())
    return render_template(
        "household/data.html",
        choice=choice,
        paused=preference.trading_paused,
        tables=[each.table.name for each in own_tables()],
        left_out=LEFT_OUT,
    )


@household.get("/data/everything.zip")
@limiter.limit(EXPORT_LIMITS)
def own_data_file() -> Response:
    """Every row that is stored about the member, written while it is read."""
    name = f"everything-{participant_id()}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    pieces = _pieces(engine(), participant_id(), page().now_s)
    return Response(pieces, content_type="application/zip", headers=headers)


def _pieces(source: Engine, member: str, now_s: int) -> Iterator[bytes]:
    with reading(source) as connection:
        yield from own_data_zip(connection, member, now_s=now_s)


@household.post("/data/leave")
def ask_to_leave() -> AnyResponse:
    """Ask the operator to end the membership, or take that back."""
    now_s = page().now_s
    leaves = request.form.get("leave") == "yes"
    with writing(engine()) as connection:
        choice = _asked(choice_of(connection, participant_id()), leaves=leaves, now_s=now_s)
        save_choice(connection, choice)
        action = "member.asks_to_leave" if leaves else "member.stays"
        entry = AuditEntry(
            at_s=now_s,
            actor=participant_id(),
            action=action,
            subject=participant_id(),
            detail="and to erase the proofs" if choice.leave_erases else "",
        )
        record(connection, entry)
    flash(_("Your operator was told that you want to leave.") if leaves else _("You stay."), "good")
    return redirect(url_for("household.own_data"))


def _asked(choice: MemberChoice, *, leaves: bool, now_s: int) -> MemberChoice:
    return replace(
        choice,
        leave_asked_s=now_s if leaves else None,
        leave_erases=leaves and request.form.get("erase") == "yes",
    )
