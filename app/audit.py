"""Who did what, and when: entries are written in the transaction of the deed and never changed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, not_, or_, select

from app.storage import tables
from app.storage.tables import core_table

ENTRIES = core_table(tables.AuditEntry)
OF_THE_HOME = ("order ", "order.", "window ", "preferences")
"""How a home trades is its own: operators do not see these actions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """actor is a participant, gateway or part of the program; subject what it acted on."""

    at_s: int
    actor: str
    action: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuestion:
    """Which entries are asked for: of one actor, of one kind of action, from `since_s` up to before `until_s`."""

    actor: str | None = None
    action: str | None = None
    since_s: int | None = None
    until_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Entries, newest first, with the numbers from which the next and the previous page are asked for, if any."""

    entries: tuple[AuditEntry, ...]
    older_than: int | None
    newer_than: int | None


def record(connection: Connection, entry: AuditEntry) -> None:
    """Write one entry in the caller's transaction. Secrets never belong in `detail`."""
    connection.execute(ENTRIES.insert(), asdict(entry))


def entries(connection: Connection, *, since_s: int = 0, limit: int = 200) -> tuple[AuditEntry, ...]:
    """The newest entries since an instant, newest first."""
    query = select(ENTRIES).where(ENTRIES.c.at_s >= since_s).order_by(ENTRIES.c.id.desc()).limit(limit)
    return tuple(_entry(row) for row in connection.execute(query).mappings())


def audit_page(
    connection: Connection,
    question: AuditQuestion,
    *,
    length: int,
    older_than: int | None = None,
    newer_than: int | None = None,
) -> AuditPage:
    """A page of what operators may see, before entry `older_than`, after `newer_than`, or the newest."""
    query = _asked(question)
    if newer_than is not None:
        found = connection.execute(
            query.where(ENTRIES.c.id > newer_than).order_by(ENTRIES.c.id).limit(length + 1)
        ).mappings()
        rows = list(found)
        shown, has_newer, has_older = rows[:length][::-1], len(rows) > length, True
    else:
        if older_than is not None:
            query = query.where(ENTRIES.c.id < older_than)
        rows = list(connection.execute(query.order_by(ENTRIES.c.id.desc()).limit(length + 1)).mappings())
        shown, has_newer, has_older = rows[:length], older_than is not None, len(rows) > length
    return AuditPage(
        entries=tuple(_entry(row) for row in shown),
        older_than=int(shown[-1]["id"]) if shown and has_older else None,
        newer_than=int(shown[0]["id"]) if shown and has_newer else None,
    )


def all_entries(connection: Connection, question: AuditQuestion) -> Iterator[AuditEntry]:
    """Everything that operators may see and was asked for, newest first."""
    for row in connection.execute(_asked(question).order_by(ENTRIES.c.id.desc())).mappings():
        yield _entry(row)


def actions(connection: Connection) -> tuple[str, ...]:
    """Every kind of action that operators may see and that ever happened."""
    query = select(ENTRIES.c.action).distinct().where(not_(_is_private())).order_by(ENTRIES.c.action)
    return tuple(connection.execute(query).scalars())


def _asked(question: AuditQuestion) -> Select[tuple[object, ...]]:
    query = select(ENTRIES).where(not_(_is_private()))
    if question.actor is not None:
        query = query.where(ENTRIES.c.actor == question.actor)
    if question.action is not None:
        query = query.where(ENTRIES.c.action == question.action)
    if question.since_s is not None:
        query = query.where(ENTRIES.c.at_s >= question.since_s)
    if question.until_s is not None:
        query = query.where(ENTRIES.c.at_s < question.until_s)
    return query


def _is_private() -> ColumnElement[bool]:
    return or_(*(ENTRIES.c.action.startswith(name, autoescape=True) for name in OF_THE_HOME))


def _entry(row: RowMapping) -> AuditEntry:
    return AuditEntry(**{name: row[name] for name in AuditEntry.__dataclass_fields__})
