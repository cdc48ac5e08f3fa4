"""What the browser asks for while a passkey is made or signs somebody in; answered as JSON to the page's script."""

import json

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.access import Access, access, viewer
from app.audit import AuditEntry, record
from app.auth_pages import local_path
from app.errors import InputError
from app.guess_limits import SIGN_IN_LIMITS, guesses
from app.passkeys import PasskeyRefusedError, add_passkey, creation_options, request_options, sign_in_with_passkey
from app.platform import platform
from app.security_pages import site
from app.sessions import sign_in_browser, signed_in_recently
from app.storage.database import reading, writing

passkey_pages = Blueprint("passkeys", __name__)


@passkey_pages.post("/security/passkeys/options")
@access(Access.SIGNED_IN)
def making() -> ResponseReturnValue:
    """What to make a passkey with."""
    if not signed_in_recently() or not site().takes_passkeys:
        abort(403)
    with reading(platform().engine) as connection:
        return dict(json.loads(creation_options(connection, site(), viewer())))


@passkey_pages.post("/security/passkeys")
@access(Access.SIGNED_IN)
def take() -> ResponseReturnValue:
    """Take up a passkey that the browser made."""
    if not signed_in_recently() or not site().takes_passkeys:
        abort(403)
    person, sent = viewer(), _sent()
    try:
        with writing(platform().engine) as connection:
            name = add_passkey(
                connection,
                site(),
                person,
                sent.get("credential"),
                name=str(sent.get("name") or _("Passkey")),
                now_s=platform().now_s(),
            )
            record(connection, _entry(person.id, "passkey added", name))
    except PasskeyRefusedError as error:
        _note(person.id, "passkey refused", str(error))
        return {"error": "refused"}, 400
    except InputError as error:
        return {"error": str(error)}, 400
    flash(_("The passkey is saved. Next time it signs you in without a password."), "good")
    return {"location": url_for("security.overview")}


@passkey_pages.post("/sign-in/passkey/options")
@access(Access.PUBLIC)
def asking() -> ResponseReturnValue:
    """What to sign in with; nothing is stored for it."""
    if not site().takes_passkeys:
        abort(404)
    return dict(json.loads(request_options(site())))


@passkey_pages.post("/sign-in/passkey")
@access(Access.PUBLIC)
@guesses.limit(SIGN_IN_LIMITS)
def answer() -> ResponseReturnValue:
    """Sign in whoever the passkey belongs to."""
    sent = _sent()
    try:
        with writing(platform().engine) as connection:
            person = sign_in_with_passkey(connection, site(), sent.get("credential"), now_s=platform().now_s())
            record(connection, _entry(person.id, "signed in", "passkey"))
    except PasskeyRefusedError as error:
        _note("nobody", "sign-in refused", f"passkey: {error}")
        return {"error": "refused"}, 401
    sign_in_browser(person, means="passkey")
    return {"location": local_path(str(sent.get("next") or ""))}


def _sent() -> dict[str, object]:
    sent = request.get_json()
    if not isinstance(sent, dict):
        abort(400)
    return sent


def _note(actor: str, action: str, detail: str) -> None:
    with writing(platform().engine) as connection:
        record(connection, _entry(actor, action, detail))


def _entry(actor: str, action: str, detail: str) -> AuditEntry:
    return AuditEntry(at_s=platform().now_s(), actor=actor, action=action, subject=actor, detail=detail[:200])
