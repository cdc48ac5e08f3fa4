"""Tokens for programs: made once, shown once, known by their hash, with scopes and an end."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, delete, select, update

from app.audit import AuditEntry, record
from app.auth import hash_of, new_code
from app.errors import InputError
from app.scopes import Scope, scopes_of
from app.storage import tables
from app.storage.store.members import Participant, participant
from app.storage.tables import core_table

TOKENS = core_table(tables.AccessToken)
DAY_S = 86_400
TOKEN_S = 90 * DAY_S
TOKEN_S_MAX = 366 * DAY_S
TOKENS_MAX = 50
NAME_CHARACTERS_MAX = 60
ID_CHARACTERS = 16
USE_NOTED_S = 3600
"""Uses of a token are noted once an hour: reading must not become writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenNote:
    """What is known of a token without knowing it; `id` is a part of its hash."""

    id: str
    name: str
    scopes: frozenset[str]
    created_s: int
    expires_s: int
    used_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHolder:
    """Who a token speaks for, and what it may do."""

    person: Participant
    token: TokenNote


def issue_token(
    connection: Connection,
    participant_id: str,
    *,
    name: str,
    now_s: int,
    scopes: Collection[Scope] | None = None,
    lifetime_s: int = TOKEN_S,
) -> tuple[str, TokenNote]:
    """A token of this person, and what is known of it afterwards. Without `scopes` it may do all that the person may.

    Raises InputError for a lifetime beyond a year, a name that is too long, and a person with very many tokens.
    """
    person = participant(connection, participant_id)
    if person is None:
        raise InputError(f"there is no member {participant_id!r}")
    if not 0 < lifetime_s <= TOKEN_S_MAX:
        raise InputError(f"a token lives up to {TOKEN_S_MAX // DAY_S} days")
    name = name.strip()
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise InputError(f"give the token a name of at most {NAME_CHARACTERS_MAX} characters")
    connection.execute(delete(TOKENS).where(TOKENS.c.participant_id == participant_id, TOKENS.c.expires_s <= now_s))
    if len(tokens_of(connection, participant_id)) >= TOKENS_MAX:
        raise InputError(f"{TOKENS_MAX} tokens are the most: revoke one first")
    token = new_code()
    held = scopes_of(person) if scopes is None else scopes
    row = {
        "token_hash": hash_of(token),
        "participant_id": participant_id,
        "name": name,
        "scopes": " ".join(sorted(held)),
        "created_s": now_s,
        "expires_s": now_s + lifetime_s,
        "used_s": None,
    }
    connection.execute(TOKENS.insert(), row)
    _audit(connection, "token issued", participant_id, f"{name}: {row['scopes']}", now_s=now_s)
    return token, _note(row)


def tokens_of(connection: Connection, participant_id: str) -> tuple[TokenNote, ...]:
    """A person's tokens, the newest first, those too that have expired."""
    query = select(TOKENS).where(TOKENS.c.participant_id == participant_id)
    rows = connection.execute(query.order_by(TOKENS.c.created_s.desc(), TOKENS.c.token_hash)).mappings()
    return tuple(_note(row) for row in rows)


def revoke_token(connection: Connection, participant_id: str, token_id: str, *, now_s: int) -> bool:
    """Make one of this person's own tokens worthless; False if there is none of that id."""
    for note in tokens_of(connection, participant_id):
        if note.id == token_id:
            own = TOKENS.c.participant_id == participant_id
            connection.execute(delete(TOKENS).where(own, TOKENS.c.token_hash.startswith(token_id, autoescape=True)))
            _audit(connection, "token revoked", participant_id, note.name, now_s=now_s)
            return True
    return False


def holder_of(connection: Connection, token: str, *, now_s: int) -> TokenHolder | None:
    """Who a token speaks for, None if it is unknown or expired."""
    query = select(TOKENS).where(TOKENS.c.token_hash == hash_of(token), TOKENS.c.expires_s > now_s)
    row = connection.execute(query).mappings().first()
    person = None if row is None else participant(connection, row["participant_id"])
    return None if row is None or person is None else TokenHolder(person=person, token=_note(row))


def needs_noting(note: TokenNote, *, now_s: int) -> bool:
    """Whether this use of a token is the first for an hour."""
    return note.used_s is None or now_s - note.used_s >= USE_NOTED_S


def note_use(connection: Connection, token: str, *, now_s: int) -> None:
    """Remember when a token was last used."""
    connection.execute(update(TOKENS).where(TOKENS.c.token_hash == hash_of(token)).values(used_s=now_s))


def _note(row: RowMapping | dict[str, object]) -> TokenNote:
    return TokenNote(
        id=str(row["token_hash"])[:ID_CHARACTERS],
        name=str(row["name"]),
        scopes=frozenset(str(row["scopes"]).split()),
        created_s=int(str(row["created_s"])),
        expires_s=int(str(row["expires_s"])),
        used_s=None if row["used_s"] is None else int(str(row["used_s"])),
    )


def _audit(connection: Connection, action: str, participant_id: str, detail: str, *, now_s: int) -> None:
    entry = AuditEntry(at_s=now_s, actor=participant_id, action=action, subject=participant_id, detail=detail)
    record(connection, entry)
