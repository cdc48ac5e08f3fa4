"""A person's own page about signing in: passkeys, password, browsers that are signed in, tokens for programs."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from app.access import Access, declare, viewer
from app.access_tokens import DAY_S, issue_token, revoke_token, tokens_of
from app.audit import AuditEntry, record
from app.auth import has_password
from app.errors import InputError
from app.passkeys import Site, delete_passkey, passkeys_of, rename_passkey
from app.platform import platform
from app.scopes import MEANING, chosen_scopes, scopes_of
from app.sessions import idle_s, sign_out_browser, signed_in_recently
from app.sign_ins import end_sign_in, end_sign_ins, sign_ins_of
from app.storage.database import reading, writing
from app.storage.store.community import find_community

P = ParamSpec("P")
TOKEN_DAYS = (7, 30, 90, 365)

security = Blueprint("security", __name__, url_prefix="/security")
declare(security, Access.SIGNED_IN)


def recently(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Ask for another sign-in before ways to sign in are changed in a browser that was left alone."""

    @wraps(view)
    def asked(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if signed_in_recently():
            return view(*args, **kwargs)
        flash(_("For this, please sign in once more."), "warn")
        return redirect(url_for("auth.sign_in", next=url_for("security.overview")))

    return asked


def site() -> Site:
    """What passkeys of this community are bound to."""
    settings = platform().settings
    with reading(platform().engine) as connection:
        community = find_community(connection)
    name = "Commonwatt" if community is None else community.name
    return Site(address=settings.web.base_url, name=name, key=settings.secret_key)


@security.get("")
def overview() -> str:
    """Ways to sign in, and where this person is signed in."""
    return _page()


@security.post("/passkeys/<credential_id>/name")
def name_passkey(credential_id: str) -> ResponseReturnValue:
    """Call a passkey something else."""
    try:
        with writing(platform().engine) as connection:
            if not rename_passkey(connection, viewer().id, credential_id, request.form.get("name", "")):
                abort(404)
            _record(connection, "passkey renamed", request.form.get("name", "").strip())
    except InputError:
        return _page(error=_("Give the passkey a name of at most 60 characters.")), 400
    flash(_("Saved."), "good")
    return _back()


@security.post("/passkeys/<credential_id>/delete")
@recently
def remove_passkey(credential_id: str) -> ResponseReturnValue:
    """Forget a passkey, unless it is the only way in."""
    person = viewer()
    with writing(platform().engine) as connection:
        known = {each.id: each for each in passkeys_of(connection, person.id)}
        if credential_id not in known:
            abort(404)
        is_last = len(known) == 1 and not has_password(connection, person.id)
        if not is_last:
            delete_passkey(connection, person.id, credential_id)
            _record(connection, "passkey deleted", known[credential_id].name)
    if is_last:
        return _page(error=_("This passkey is your only way in: choose a password or add another passkey first.")), 400
    flash(_("The passkey is deleted here. Remove it from your device, too."), "good")
    return _back()


@security.post("/browsers/<sign_in_id>/end")
def end_browser(sign_in_id: str) -> Response:
    """Sign out one browser, this one or another."""
    if sign_in_id == current_user.sign_in.id:
        sign_out_browser()
        return redirect(url_for("auth.sign_in"))
    with writing(platform().engine) as connection:
        if not end_sign_in(connection, viewer().id, sign_in_id):
            abort(404)
        _record(connection, "signed out elsewhere", sign_in_id)
    flash(_("That browser is signed out."), "good")
    return _back()


@security.post("/browsers/end-others")
def end_other_browsers() -> Response:
    """Sign out every browser but this one."""
    with writing(platform().engine) as connection:
        ended = end_sign_ins(connection, viewer().id, but=current_user.sign_in.id)
        _record(connection, "signed out everywhere else", str(ended))
    flash(ngettext("%(num)d other browser is signed out.", "%(num)d other browsers are signed out.", ended), "good")
    return _back()


@security.get("/tokens")
def tokens() -> str:
    """Tokens for programs of one's own."""
    return _token_page()


@security.post("/tokens")
@recently
def make_token() -> ResponseReturnValue:
    """Make a token and show it, this once."""
    person, days = viewer(), request.form.get("days", 0, int)
    try:
        scopes = chosen_scopes(person, request.form.getlist("scope"))
        with writing(platform().engine) as connection:
            token, _note = issue_token(
                connection,
                person.id,
                name=request.form.get("name", ""),
                now_s=platform().now_s(),
                scopes=scopes,
                lifetime_s=days * DAY_S,
            )
    except InputError as error:
        said = str(error)
        return _token_page(error=f"{said[0].upper()}{said[1:]}."), 400
    return _token_page(made=token)


@security.post("/tokens/<token_id>/revoke")
def end_token(token_id: str) -> Response:
    """Make a token worthless."""
    with writing(platform().engine) as connection:
        if not revoke_token(connection, viewer().id, token_id, now_s=platform().now_s()):
            abort(404)
    flash(_("The token is revoked."), "good")
    return redirect(url_for("security.tokens"))


def _page(*, error: str = "") -> str:
    person, place, present_s = viewer(), site(), platform().now_s()
    with reading(platform().engine) as connection:
        return render_template(
            "auth/security.html",
            person=person,
            site=place,
            error=error,
            passkeys=passkeys_of(connection, person.id),
            has_password=has_password(connection, person.id),
            browsers=sign_ins_of(connection, person.id, now_s=present_s, idle_s=idle_s()),
            this_browser=current_user.sign_in.id,
            token_count=len([each for each in tokens_of(connection, person.id) if each.expires_s > present_s]),
        )


def _token_page(*, error: str = "", made: str = "") -> str:
    person = viewer()
    with reading(platform().engine) as connection:
        known = tokens_of(connection, person.id)
    return render_template(
        "auth/tokens.html",
        tokens=known,
        scopes={str(scope): MEANING[scope] for scope in scopes_of(person)},
        meaning={str(scope): said for scope, said in MEANING.items()},
        days=TOKEN_DAYS,
        error=error,
        made=made,
        name=request.form.get("name", "") if error else "",
    )


def _back() -> Response:
    return redirect(url_for("security.overview"))


def _record(connection: Connection, action: str, detail: str) -> None:
    who = viewer().id
    entry = AuditEntry(at_s=platform().now_s(), actor=who, action=action, subject=who, detail=detail[:100])
    record(connection, entry)
