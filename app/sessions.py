"""Signed-in browsers: what the session cookie says, and whether it still holds."""

from dataclasses import dataclass
from datetime import timedelta

from flask import Flask, session
from flask_login import LoginManager, login_user, logout_user

from app.auth import session_stamp
from app.config import WebSettings
from app.platform import platform
from app.storage.database import reading
from app.storage.store.members import Participant, participant


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """flask-login's user: the participant, and a stamp that ends the session when the password changes."""

    participant: Participant
    stamp: str
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
    def display_name(self) -> str:
        return self.participant.display_name

    def get_id(self) -> str:
        return f"{self.stamp}.{self.participant.id}"


def set_up_sessions(app: Flask, web: WebSettings) -> None:
    """Cookies that scripts and other sites cannot use, for as long as the settings say."""
    app.config.update(
        SESSION_COOKIE_NAME="commonwatt_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=web.is_encrypted,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=web.session_hours),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    manager = LoginManager()
    manager.session_protection = "basic"
    manager.user_loader(_load)
    manager.init_app(app)


def sign_in_browser(person: Participant) -> None:
    """Begin a new session for this person; whatever the old one held is gone."""
    with reading(platform().engine) as connection:
        stamp = session_stamp(connection, person.id)
    session.clear()
    session.permanent = True
    login_user(SignedIn(participant=person, stamp=stamp))


def sign_out_browser() -> None:
    """End this browser's session."""
    logout_user()
    session.clear()


def _load(session_id: str) -> SignedIn | None:
    stamp, _, participant_id = session_id.partition(".")
    with reading(platform().engine) as connection:
        person = participant(connection, participant_id)
        if person is None or session_stamp(connection, participant_id) != stamp:
            return None
    return SignedIn(participant=person, stamp=stamp)
