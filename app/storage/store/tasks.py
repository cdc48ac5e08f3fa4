"""Work that operators ask for and a worker does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from app.storage.operation_tables import TaskRow
from app.storage.tables import core_table

TASKS = core_table(TaskRow)
REPLAY = "replay"
"""Kind of task: clear the round again that starts at the second named by the subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked for: a kind of work and what it is about. state is waiting, done or failed."""

    id: int
    kind: str
    subject: str
    asked_by: str
    asked_s: int
    state: str
    ended_s: int | None
    result: Mapping[str, Any] | None


def ask_for_task(connection: Connection, *, kind: str, subject: str, asked_by: str, asked_s: int) -> bool:
    """Ask for a piece of work; False if the same is waiting already."""
    same = TASKS.c.kind == kind, TASKS.c.subject == subject, TASKS.c.state == "waiting"
    if connection.execute(select(TASKS.c.id).where(*same)).first() is not None:
        return False
    row = {"kind": kind, "subject": subject, "asked_by": asked_by, "asked_s": asked_s, "state": "waiting"}
    connection.execute(TASKS.insert(), row)
    return True


def next_task(connection: Connection) -> Task | None:
    """What waits longest, None if nothing does."""
    query = select(TASKS).where(TASKS.c.state == "waiting").order_by(TASKS.c.id).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _task(row)


def end_task(connection: Connection, task_id: int, *, state: str, result: Mapping[str, Any], ended_s: int) -> None:
    """Keep what came of a task."""
    assert state in {"done", "failed"}
    values = {"state": state, "result_json": json.dumps(result), "ended_s": ended_s}
    connection.execute(update(TASKS).where(TASKS.c.id == task_id).values(**values))


def newest_task(connection: Connection, *, kind: str, subject: str) -> Task | None:
    """The last work of this kind about this subject, None if there was none."""
    query = select(TASKS).where(TASKS.c.kind == kind, TASKS.c.subject == subject).order_by(TASKS.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _task(row)


def _task(row: RowMapping) -> Task:
    values = {name: row[name] for name in Task.__dataclass_fields__ if name != "result"}
    return Task(**values, result=None if row["result_json"] is None else json.loads(row["result_json"]))
