"""Who somebody is: passwords, one-time sign-in codes. Only hashes are stored.

Codes and tokens are 256 random bits, so a plain SHA-256 hides them; passwords are guessable and get argon2id.
"""

import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, select, update

from app.errors import InputError
from app.storage.store.members import PARTICIPANTS, Participant, participant, participant_by_email

PASSWORD_CHARACTERS_MIN = 10
PASSWORD_CHARACTERS_MAX = 200
SIGN_IN_CODE_S = 3 * 86_400

_hasher = PasswordHasher()


def new_code() -> str:
    """A fresh secret for a link, an enrolment or a token."""
    return secrets.token_urlsafe(32)


def hash_of(code: str) -> str:
    """How a code or token is stored."""
    return hashlib.sha256(code.encode()).hexdigest()


def password_fault(password: str, participant: Participant) -> str | None:
    """Why this password is not acceptable for this person, None if it is."""
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        return f"Use {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters."
    known = {participant.id.lower(), participant.display_name.lower(), (participant.email or "").lower()}
    if password.lower() in known or len(set(password)) < 4:
        return "Use something that others cannot guess."
    return None


def set_password(connection: Connection, participant_id: str, password: str) -> None:
    """Store a new password; every earlier session of this person ends. Raises InputError if it is too weak."""
    person = participant(connection, participant_id)
    if person is None:
        raise InputError(f"there is no member {participant_id!r}")
    fault = password_fault(password, person)
    if fault is not None:
        raise InputError(fault)
    connection.execute(
        update(PARTICIPANTS).where(PARTICIPANTS.c.id == participant_id).values(password_hash=_hasher.hash(password))
    )


def authenticate(connection: Connection, email: str, password: str) -> Participant | None:
    """The person with this email and password, None if either is wrong; both take the same time."""
    person = participant_by_email(connection, email)
    stored = None
    if person is not None:
        stored = connection.execute(select(PARTICIPANTS.c.password_hash).where(PARTICIPANTS.c.id == person.id)).scalar()
    try:
        _hasher.verify(stored or _somebody_elses_hash(), password[:PASSWORD_CHARACTERS_MAX])
    except (VerifyMismatchError, InvalidHashError):
        return None
    return person if stored else None


def issue_sign_in_code(connection: Connection, participant_id: str, *, now_s: int) -> str:
    """A one-time code that signs this person in once, in place of any earlier one."""
    code = new_code()
    changed = connection.execute(
        update(PARTICIPANTS)
        .where(PARTICIPANTS.c.id == participant_id)
        .values(sign_in_code_hash=hash_of(code), sign_in_expires_s=now_s + SIGN_IN_CODE_S)
    ).rowcount
    if not changed:
        raise InputError(f"there is no member {participant_id!r}")
    return code


def spend_sign_in_code(connection: Connection, code: str, *, now_s: int) -> Participant | None:
    """The person a one-time code signs in; None if it is unknown, expired or spent. It is spent now."""
    known = (PARTICIPANTS.c.sign_in_code_hash == hash_of(code), PARTICIPANTS.c.sign_in_expires_s > now_s)
    participant_id = connection.execute(select(PARTICIPANTS.c.id).where(*known)).scalar()
    if participant_id is None:
        return None
    spent = connection.execute(
        update(PARTICIPANTS)
        .where(PARTICIPANTS.c.id == participant_id, *known)
        .values(sign_in_code_hash=None, sign_in_expires_s=None)
    ).rowcount
    return participant(connection, participant_id) if spent else None


def session_stamp(connection: Connection, participant_id: str) -> str:
    """Changes when the person's password does, so that sessions from before are over."""
    stored = connection.execute(
        select(PARTICIPANTS.c.password_hash).where(PARTICIPANTS.c.id == participant_id)
    ).scalar()
    return hash_of(stored or "")[:16]


@cache
def _somebody_elses_hash() -> str:
    return _hasher.hash(new_code())
