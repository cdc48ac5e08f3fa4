"""Who did what, and when: entries are written in the transaction of the deed and never changed."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select

from app.storage import tables
from app.storage.tables import core_table

ENTRIES = core_table(tables.AuditEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """actor is a participant, gateway or part of the program; subject what it acted on."""

    at_s: int
    actor: str
    action: str
    subject: str
    detail: str = ""


def record(connection: Connection, entry: AuditEntry) -> None:
    """Write one entry in the caller's transaction. Secrets never belong in `detail`."""
    connection.execute(ENTRIES.insert(), asdict(entry))


def entries(connection: Connection, *, since_s: int = 0, limit: int = 200) -> tuple[AuditEntry, ...]:
    """The newest entries since an instant, newest first."""
    query = select(ENTRIES).where(ENTRIES.c.at_s >= since_s).order_by(ENTRIES.c.id.desc()).limit(limit)
    return tuple(
        AuditEntry(**{name: row[name] for name in AuditEntry.__dataclass_fields__})
        for row in connection.execute(query).mappings()
    )
