"""Signing in and out in the browser, by password or by a one-time link, and choosing a password."""

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from app.access import Access, access, viewer
from app.audit import AuditEntry, record
from app.auth import PASSWORD_CHARACTERS_MIN, authenticate, hash_of, set_password, spend_sign_in_code
from app.errors import InputError
from app.platform import platform
from app.sessions import sign_in_browser, sign_out_browser
from app.storage.database import reading, writing
from app.storage.store.members import Participant

SIGN_IN_LIMITS = "10 per minute; 60 per hour"
GUESSES_PER_ACCOUNT = "30 per hour"

auth_pages = Blueprint("auth", __name__)
limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=True)


def account_guessed() -> str:
    """The account whose password is being guessed, whatever the way and from wherever; a hash takes little memory."""
    values = request.form if not request.is_json else request.get_json()
    email = values.get("email", "") if isinstance(values, Mapping) else ""
    return "account:" + hash_of(str(email).strip().lower())


guesses_per_account = limiter.shared_limit(GUESSES_PER_ACCOUNT, scope="password", key_func=account_guessed)


@auth_pages.get("/sign-in")
@access(Access.PUBLIC)
def sign_in() -> ResponseReturnValue:
    """The sign-in form."""
    return _form(next_path=request.args.get("next", ""))


@auth_pages.post("/sign-in")
@access(Access.PUBLIC)
@limiter.limit(SIGN_IN_LIMITS)
@guesses_per_account
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
@limiter.limit(SIGN_IN_LIMITS)
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


@auth_pages.get("/password")
@access(Access.SIGNED_IN)
def password() -> ResponseReturnValue:
    """The form for a new password."""
    return _password_form()


@auth_pages.post("/password")
@access(Access.SIGNED_IN)
@limiter.limit(SIGN_IN_LIMITS)
def choose_password() -> ResponseReturnValue:
    """Store a new password and keep this browser signed in."""
    person = viewer()
    try:
        with writing(platform().engine) as connection:
            set_password(connection, person.id, request.form.get("password", ""))
            record(connection, _entry(person.id, "password changed"))
    except InputError as error:
        return _password_form(error=str(error)), 400
    sign_in_browser(person)
    flash(_("Your password is saved."), "good")
    return redirect(url_for("public.start"))


def local_path(path: str) -> str:
    """`path` if it leads to a page of this site, otherwise the start page."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_local and all(ord(character) >= 32 for character in path) else url_for("public.start")


def _begin(person: Participant, means: str) -> None:
    sign_in_browser(person)
    _note(person.id, "signed in", means)


def _note(actor: str, action: str, detail: str = "") -> None:
    with writing(platform().engine) as connection:
        record(connection, _entry(actor[:100], action, detail))


def _entry(actor: str, action: str, detail: str = "") -> AuditEntry:
    return AuditEntry(at_s=platform().now_s(), actor=actor, action=action, subject=actor, detail=detail)


def _form(*, next_path: str, email: str = "", error: str = "") -> str:
    return render_template("auth/sign_in.html", next_path=next_path, email=email, error=error)


def _password_form(*, error: str = "") -> str:
    least, email = PASSWORD_CHARACTERS_MIN, viewer().email or ""
    return render_template("auth/password.html", least=least, email=email, error=error)
