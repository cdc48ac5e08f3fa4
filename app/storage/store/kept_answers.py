"""Answers kept for who repeats a request with the same idempotency key."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.storage.request_tables import KeptAnswerRow
from app.storage.tables import core_table

ANSWERS = core_table(KeptAnswerRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What was asked under a key, and the sealed answer; empty while the first request is not done."""

    key_hash: str
    request_hash: str
    answer: str
    expires_s: int


def claim_answer(connection: Connection, wanted: KeptAnswer, *, now_s: int) -> KeptAnswer | None:
    """Take a key for this transaction; what is kept under it if somebody was first.

    On PostgreSQL a second request waits here until the first one's transaction has ended; on SQLite writers take turns.
    """
    connection.execute(delete(ANSWERS).where(ANSWERS.c.expires_s <= now_s))
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    claim = insert(ANSWERS).values(**asdict(wanted)).on_conflict_do_nothing().returning(ANSWERS.c.key_hash)
    return None if connection.execute(claim).first() else kept_answer(connection, wanted.key_hash, now_s=now_s)


def kept_answer(connection: Connection, key_hash: str, *, now_s: int) -> KeptAnswer | None:
    """What is kept under a key."""
    query = select(ANSWERS).where(ANSWERS.c.key_hash == key_hash, ANSWERS.c.expires_s > now_s)
    row = connection.execute(query).mappings().first()
    return None if row is None else KeptAnswer(**row)


def keep_answer(connection: Connection, key_hash: str, answer: str) -> None:
    """Fill in the answer of a key that was claimed."""
    connection.execute(update(ANSWERS).where(ANSWERS.c.key_hash == key_hash).values(answer=answer))
