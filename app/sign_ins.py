"""Signed-in browsers as rows: what ends a row ends the session, whatever cookie somebody still holds."""

from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, delete, func, select, update

from app.auth import hash_of, new_code
from app.storage import tables
from app.storage.tables import core_table

SIGN_INS = core_table(tables.SignInRow)
LONGEST_S = 30 * 86_400
"""However busy a session is, after this time the person signs in again."""
SEEN_NOTED_S = 300
"""When a browser was last seen is noted to five minutes: reading must not become writing."""
ID_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A signed-in browser. `id` is a part of the secret's hash; means is password, passkey or link."""

    id: str
    participant_id: str
    means: str
    device: str
    created_s: int
    seen_s: int


def begin_sign_in(connection: Connection, participant_id: str, *, means: str, device: str, now_s: int) -> str:
    """Remember a new session; the secret that its cookie carries, which is known nowhere else."""
    secret = new_code()
    connection.execute(delete(SIGN_INS).where(SIGN_INS.c.created_s <= now_s - LONGEST_S))
    row = {
        "secret_hash": hash_of(secret),
        "participant_id": participant_id,
        "means": means,
        "device": device,
        "created_s": now_s,
        "seen_s": now_s,
    }
    connection.execute(SIGN_INS.insert(), row)
    return secret


def sign_in_of(connection: Connection, secret: str, *, now_s: int, idle_s: int) -> SignIn | None:
    """The session of a secret; None if there is none, or it was silent for `idle_s` or lasted too long."""
    row = connection.execute(select(SIGN_INS).where(SIGN_INS.c.secret_hash == hash_of(secret))).mappings().first()
    return None if row is None or not _holds(row, now_s=now_s, idle_s=idle_s) else _sign_in(row)


def sign_ins_of(connection: Connection, participant_id: str, *, now_s: int, idle_s: int) -> tuple[SignIn, ...]:
    """The sessions of a person that hold, the one last seen first."""
    query = select(SIGN_INS).where(SIGN_INS.c.participant_id == participant_id)
    rows = connection.execute(query.order_by(SIGN_INS.c.seen_s.desc(), SIGN_INS.c.secret_hash)).mappings()
    return tuple(_sign_in(row) for row in rows if _holds(row, now_s=now_s, idle_s=idle_s))


def note_seen(connection: Connection, secret: str, *, now_s: int) -> None:
    """Remember when a session was last seen."""
    connection.execute(update(SIGN_INS).where(SIGN_INS.c.secret_hash == hash_of(secret)).values(seen_s=now_s))


def end_sign_in(connection: Connection, participant_id: str, sign_in_id: str) -> bool:
    """End one session of this person; whether there was one."""
    named = func.substr(SIGN_INS.c.secret_hash, 1, ID_CHARACTERS) == sign_in_id
    own = SIGN_INS.c.participant_id == participant_id
    return connection.execute(delete(SIGN_INS).where(own, named)).rowcount > 0


def end_sign_ins(connection: Connection, participant_id: str, *, but: str | None = None) -> int:
    """End every session of this person, or all but the one of that id; how many there were."""
    doomed = SIGN_INS.c.participant_id == participant_id
    if but is not None:
        doomed = doomed & (func.substr(SIGN_INS.c.secret_hash, 1, ID_CHARACTERS) != but)
    return connection.execute(delete(SIGN_INS).where(doomed)).rowcount


def _holds(row: RowMapping, *, now_s: int, idle_s: int) -> bool:
    return bool(now_s - row["seen_s"] < idle_s and now_s - row["created_s"] < LONGEST_S)


def _sign_in(row: RowMapping) -> SignIn:
    return SignIn(
        id=row["secret_hash"][:ID_CHARACTERS],
        **{name: row[name] for name in ("participant_id", "means", "device", "created_s", "seen_s")},
    )
