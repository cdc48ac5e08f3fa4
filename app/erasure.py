"""A member's request to be forgotten: the secrets that tie the past of the ledger to this member are erased for good.

Every leaf of a batch is blinded by a secret of its member. Without it nobody can show any more that a leaf is this
member's, whatever else they know; the leaves and roots stay, so that everybody else's proofs go on to hold. What tax
law wants kept, bills and transfers, is not in the ledger and not erased here.
"""

from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, select, text

from app.audit import AuditEntry, record
from app.errors import InputError
from app.storage.database import writing
from app.storage.store.certificates import forget_plants
from app.storage.store.members import participant
from app.storage.store.settlement import BATCHES, SALTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """Sequences of the batches whose secrets were erased, ascending; `kept` is how many of this member's are left."""

    sequences: tuple[int, ...]
    kept: int


def erase_proofs(engine: Engine, participant_id: str, *, until_s: int | None, at_s: int, actor: str) -> Erased:
    """Erase a member's salts of all final batches, or of those that ended by `until_s`; the deed is audited.

    Erasing twice erases nothing more. Raises InputError for an unknown member.
    """
    with writing(engine) as connection:
        if participant(connection, participant_id) is None:
            raise InputError(f"there is no member {participant_id!r}")
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA secure_delete = ON"))  # what is deleted is overwritten with zeros
        sequences = _final(connection, participant_id, until_s)
        own = SALTS.c.participant_id == participant_id
        connection.execute(delete(SALTS).where(own, SALTS.c.sequence.in_(sequences)))
        forget_plants(connection, participant_id)
        kept = len(connection.execute(select(SALTS.c.sequence).where(own)).all())
        span = f"batches {sequences[0]} to {sequences[-1]}" if sequences else "no batch"
        record(
            connection,
            AuditEntry(at_s=at_s, actor=actor, action="proofs erased", subject=participant_id, detail=span),
        )
    if engine.dialect.name == "sqlite":
        _empty_log_of_writes(engine)
    return Erased(sequences=sequences, kept=kept)


def _empty_log_of_writes(engine: Engine) -> None:
    """It holds the pages as they were before; outside any transaction, where alone it can be emptied."""
    with closing(engine.raw_connection()) as connection:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _final(connection: Connection, participant_id: str, until_s: int | None) -> tuple[int, ...]:
    query = (
        select(SALTS.c.sequence)
        .join(BATCHES, BATCHES.c.sequence == SALTS.c.sequence)
        .where(SALTS.c.participant_id == participant_id, BATCHES.c.state == "final")
        .order_by(SALTS.c.sequence)
    )
    if until_s is not None:
        query = query.where(BATCHES.c.end_s <= until_s)
    return tuple(connection.execute(query).scalars())
