"""Signed-in browsers: what the session cookie says, and whether it still holds."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Flask, current_app, request, session
from flask_login import LoginManager, current_user, login_user, logout_user
from sqlalchemy.exc import DBAPIError

from app.browser_names import browser_name
from app.config import WebSettings
from app.guess_limits import remember_device
from app.platform import platform
from app.sign_ins import LONGEST_S, SEEN_NOTED_S, SignIn, begin_sign_in, end_sign_in, note_seen, sign_in_of
from app.storage.database import reading, writing
from app.storage.store.members import Participant, participant

RECENT_S = 3600
"""For so long after a sign-in the ways to sign in can be changed without another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """flask-login's user: the participant, and the row and secret of this browser's session."""

    participant: Participant
    sign_in: SignIn
    secret: str
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    @property
    def id(self) -> str:
        return self.participant.id

    @property
    def role(self) -> str:
        return self.participant.role

    @property
    def roles(self) -> frozenset[str]:
        return self.participant.roles

    @property
    def display_name(self) -> str:
        return self.participant.display_name

    def get_id(self) -> str:
        return self.secret


def set_up_sessions(app: Flask, web: WebSettings) -> None:
    """Cookies that scripts and other sites cannot use; how long they hold the database says."""
    app.config.update(
        SESSION_COOKIE_NAME="commonwatt_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=web.is_encrypted,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=LONGEST_S),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    manager = LoginManager()
    manager.session_protection = "basic"
    manager.user_loader(_load)
    manager.init_app(app)


def idle_s() -> int:
    """After how long without a request a session is over."""
    return platform().settings.web.session_hours * 3600


def sign_in_browser(person: Participant, *, means: str) -> None:
    """Begin a new session for this person; whatever the old one held is gone."""
    sign_out_browser()
    present_s = platform().now_s()
    device = browser_name(request.user_agent.string)
    with writing(platform().engine) as connection:
        secret = begin_sign_in(connection, person.id, means=means, device=device, now_s=present_s)
        row = sign_in_of(connection, secret, now_s=present_s, idle_s=idle_s())
    assert row is not None
    session.permanent = True
    login_user(SignedIn(participant=person, sign_in=row, secret=secret))
    remember_device(person.email)


def sign_out_browser() -> None:
    """End this browser's session: its cookie is worth nothing from now on."""
    if current_user.is_authenticated:
        with writing(platform().engine) as connection:
            end_sign_in(connection, current_user.id, current_user.sign_in.id)
    logout_user()
    session.clear()


def signed_in_recently() -> bool:
    """Whether the person in front of this browser has shown a short while ago who it is."""
    return bool(platform().now_s() - current_user.sign_in.created_s < RECENT_S)


def _load(secret: str) -> SignedIn | None:
    present_s = platform().now_s()
    with reading(platform().engine) as connection:
        row = sign_in_of(connection, secret, now_s=present_s, idle_s=idle_s())
        person = None if row is None else participant(connection, row.participant_id)
    if row is None or person is None:
        return None
    if present_s - row.seen_s >= SEEN_NOTED_S:
        try:
            with writing(platform().engine) as connection:
                note_seen(connection, secret, now_s=present_s)
        except DBAPIError:  # a page must not fail because this cannot be noted now
            current_app.logger.warning("a session could not be noted as seen", exc_info=True)
    return SignedIn(participant=person, sign_in=row, secret=secret)
