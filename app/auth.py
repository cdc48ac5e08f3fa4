"""Who somebody is: passwords, one-time sign-in codes. Only hashes are stored.

Codes and tokens are 256 random bits, so a plain SHA-256 hides them; passwords are guessable and get argon2id.
"""

import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, delete, select, update

from app.errors import InputError
from app.storage import tables
from app.storage.store.members import PARTICIPANTS, Participant, participant, participant_by_email
from app.storage.tables import core_table

LINKS = core_table(tables.OneTimeLinkRow)
SIGN_INS = core_table(tables.SignInRow)
PASSWORD_CHARACTERS_MIN = 10
PASSWORD_CHARACTERS_MAX = 200
SIGN_IN_CODE_S = 3 * 86_400
RECOVERY = "recovery"
RECOVERY_S = 3600
"""A link that was asked for by whoever knows an address is short-lived."""

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
    """Store a new password; every session and link of before ends. Raises InputError if it is too weak."""
    person = participant(connection, participant_id)
    if person is None:
        raise InputError(f"there is no member {participant_id!r}")
    fault = password_fault(password, person)
    if fault is not None:
        raise InputError(fault)
    connection.execute(
        update(PARTICIPANTS).where(PARTICIPANTS.c.id == participant_id).values(password_hash=_hasher.hash(password))
    )
    connection.execute(delete(SIGN_INS).where(SIGN_INS.c.participant_id == participant_id))
    connection.execute(delete(LINKS).where(LINKS.c.participant_id == participant_id))


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


def has_password(connection: Connection, participant_id: str) -> bool:
    """Whether a person can sign in with a password."""
    stored = select(PARTICIPANTS.c.password_hash).where(PARTICIPANTS.c.id == participant_id)
    return connection.execute(stored).scalar() is not None


def issue_sign_in_code(
    connection: Connection, participant_id: str, *, now_s: int, purpose: str = "link", lifetime_s: int = SIGN_IN_CODE_S
) -> str:
    """A one-time code that signs this person in once, in place of any earlier one for the same purpose."""
    if participant(connection, participant_id) is None:
        raise InputError(f"there is no member {participant_id!r}")
    same = (LINKS.c.participant_id == participant_id) & (LINKS.c.purpose == purpose)
    connection.execute(delete(LINKS).where(same | (LINKS.c.expires_s <= now_s)))
    code = new_code()
    row = {
        "code_hash": hash_of(code),
        "participant_id": participant_id,
        "purpose": purpose,
        "expires_s": now_s + lifetime_s,
    }
    connection.execute(LINKS.insert(), row)
    return code


def spend_sign_in_code(connection: Connection, code: str, *, now_s: int) -> Participant | None:
    """The person a one-time code signs in; None if it is unknown, expired or spent. It is spent now."""
    known = (LINKS.c.code_hash == hash_of(code)) & (LINKS.c.expires_s > now_s)
    participant_id = connection.execute(select(LINKS.c.participant_id).where(known)).scalar()
    if participant_id is None or not connection.execute(delete(LINKS).where(known)).rowcount:
        return None
    return participant(connection, participant_id)


@cache
def _somebody_elses_hash() -> str:
    return _hasher.hash(new_code())
