"""Notices: behind the bell, and by e-mail for who wants that."""

from dataclasses import replace

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.access import viewer
from app.notices import LEADS_TO, notices_of, unread
from app.platform import platform
from app.storage.database import reading, writing
from app.storage.store.member_choices import choice_of, save_choice
from app.web.context import engine, page
from app.web.views.household_access import household, participant_id


@household.get("/notices")
def notices() -> str:
    """The notices of the last weeks, newest first."""
    with reading(engine()) as connection:
        choice = choice_of(connection, participant_id())
        found = notices_of(connection, participant_id(), now_s=page().now_s)
    return render_template(
        "household/notices.html",
        notices=found,
        texts=[each.text(page().fmt, _) for each in found],
        leads_to=LEADS_TO,
        choice=choice,
        unread=unread(found, choice),
        has_mail=platform().settings.mail is not None,
        address=viewer().email,
    )


@household.post("/notices/read")
def mark_read() -> Response:
    """The member has seen what there is."""
    with writing(engine()) as connection:
        choice = choice_of(connection, participant_id())
        save_choice(connection, replace(choice, notices_seen_s=page().now_s))
    return redirect(url_for("household.notices"))


@household.post("/notices/mail")
def choose_mail() -> Response:
    """Notices by e-mail, from now on or no more."""
    wants = request.form.get("by_mail") == "yes"
    with writing(engine()) as connection:
        choice = choice_of(connection, participant_id())
        save_choice(connection, replace(choice, by_mail=wants, mailed_s=page().now_s))
    flash(_("Notices come by e-mail too from now on.") if wants else _("No more e-mails about notices."), "good")
    return redirect(url_for("household.notices"))


def unread_count() -> int:
    """How many notices the member who is signed in has not seen, for the bell."""
    with reading(engine()) as connection:
        found = notices_of(connection, participant_id(), now_s=page().now_s)
        return unread(found, choice_of(connection, participant_id()))
