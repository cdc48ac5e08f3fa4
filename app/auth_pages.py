"""Signing in and out in the browser, by password or by a one-time link, and choosing a password."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_limiter import Limiter

from app.access import Access, access, viewer
from app.audit import AuditEntry, record
from app.auth import PASSWORD_CHARACTERS_MIN, RECOVERY_S, authenticate, set_password, spend_sign_in_code
from app.errors import InputError
from app.guess_limits import (
    LETTERS_PER_ACCOUNT,
    SIGN_IN_LIMITS,
    account_asked_for,
    caller,
    guesses,
    guesses_per_account,
)
from app.mail import LINK, Letter, post
from app.platform import platform
from app.security_pages import recently, site
from app.sessions import sign_in_browser, sign_out_browser
from app.storage.database import reading, writing
from app.storage.store.members import Participant, participant_by_email

auth_pages = Blueprint("auth", __name__)
limiter = Limiter(caller, storage_uri="memory://", headers_enabled=True)
"""How often one address may ask for what costs much to answer; each process counts for itself."""


@auth_pages.get("/sign-in")
@access(Access.PUBLIC)
def sign_in() -> ResponseReturnValue:
    """The sign-in form."""
    return _form(next_path=request.args.get("next", ""))


@auth_pages.post("/sign-in")
@access(Access.PUBLIC)
@guesses_per_account  # counts after the sender, which stands below: what that refuses is no guess at the account
@guesses.limit(SIGN_IN_LIMITS)
def submit_sign_in() -> ResponseReturnValue:
    """Check email and password; the answer does not tell which of them is wrong."""
    email = request.form.get("email", "").strip()
    with reading(platform().engine) as connection:
        person = authenticate(connection, email, request.form.get("password", ""))
    if person is None:
        _note(email or "nobody", "sign-in refused")
        error = _("Email or password is wrong.")
        return _form(next_path=request.form.get("next", ""), email=email, error=error), 401
    _begin(person, "password")
    return redirect(local_path(request.form.get("next", "")))


@auth_pages.post("/sign-out")
@access(Access.PUBLIC)
def sign_out() -> ResponseReturnValue:
    """End this browser's session."""
    sign_out_browser()
    return redirect(url_for("public.start"))


@auth_pages.get("/sign-in/link/<code>")
@access(Access.PUBLIC)
def link(code: str) -> ResponseReturnValue:
    """Ask for a click: programs that look ahead at links must not spend them."""
    assert code
    return render_template("auth/link.html")


@auth_pages.post("/sign-in/link/<code>")
@access(Access.PUBLIC)
@guesses.limit(SIGN_IN_LIMITS)
def follow_link(code: str) -> ResponseReturnValue:
    """Spend a one-time link."""
    with writing(platform().engine) as connection:
        person = spend_sign_in_code(connection, code, now_s=platform().now_s())
    if person is None:
        _note("nobody", "sign-in link refused")
        error = _("This link was used before or is too old. Ask your community's operator for a new one.")
        return _form(next_path="", error=error), 401
    _begin(person, "link")
    return redirect(url_for("auth.password"))


@auth_pages.get("/sign-in/forgotten")
@access(Access.PUBLIC)
def forgotten() -> str:
    """The form of somebody who cannot sign in."""
    return render_template("auth/forgotten.html", sends=platform().settings.mail is not None, sent=False)


@auth_pages.post("/sign-in/forgotten")
@access(Access.PUBLIC)
@guesses.limit(SIGN_IN_LIMITS)
@guesses.limit(LETTERS_PER_ACCOUNT, key_func=account_asked_for)
def ask_for_link() -> ResponseReturnValue:
    """Post a letter with a link, if there is such an account; the answer does not tell whether there is."""
    if platform().settings.mail is None:
        abort(404)
    present_s = platform().now_s()
    with writing(platform().engine) as connection:
        person = participant_by_email(connection, request.form.get("email", ""))
        if person is not None and person.email:
            letter = Letter(
                to=person.email,
                subject=_("Your link to sign in"),
                text=_(
                    "Somebody, probably you, asked for a way to sign in. This link works once, for an hour:\n\n"
                    "%(link)s\n\n"
                    "If it was not you, do nothing: nobody can sign in without this letter.",
                    link=LINK,
                ),
                sign_in_for=person.id,
                worth_s=RECOVERY_S,
            )
            post(connection, letter, now_s=present_s)
            record(connection, _entry(person.id, "recovery asked for"))
    return render_template("auth/forgotten.html", sends=True, sent=True)


@auth_pages.get("/password")
@access(Access.SIGNED_IN)
def password() -> ResponseReturnValue:
    """The form for a new password."""
    return _password_form()


@auth_pages.post("/password")
@access(Access.SIGNED_IN)
@recently
@guesses.limit(SIGN_IN_LIMITS)
def choose_password() -> ResponseReturnValue:
    """Store a new password and keep this browser signed in."""
    person = viewer()
    try:
        with writing(platform().engine) as connection:
            set_password(connection, person.id, request.form.get("password", ""))
            record(connection, _entry(person.id, "password changed"))
    except InputError as error:
        return _password_form(error=str(error)), 400
    sign_in_browser(person, means="password")
    flash(_("Your password is saved."), "good")
    return redirect(url_for("public.start"))


def local_path(path: str) -> str:
    """`path` if it leads to a page of this site, otherwise the start page."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_local and all(ord(character) >= 32 for character in path) else url_for("public.start")


def _begin(person: Participant, means: str) -> None:
    sign_in_browser(person, means=means)
    _note(person.id, "signed in", means)


def _note(actor: str, action: str, detail: str = "") -> None:
    with writing(platform().engine) as connection:
        record(connection, _entry(actor[:100], action, detail))


def _entry(actor: str, action: str, detail: str = "") -> AuditEntry:
    return AuditEntry(at_s=platform().now_s(), actor=actor, action=action, subject=actor, detail=detail)


def _form(*, next_path: str, email: str = "", error: str = "") -> str:
    return render_template("auth/sign_in.html", site=site(), next_path=next_path, email=email, error=error)


def _password_form(*, error: str = "") -> str:
    least, email = PASSWORD_CHARACTERS_MIN, viewer().email or ""
    return render_template("auth/password.html", least=least, email=email, error=error)
