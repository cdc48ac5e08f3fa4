"""Many rows in one statement, the same on SQLite and PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]
ROWS_PER_STATEMENT = 2_000


def insert_new(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Insert the rows whose primary key is not there yet; leave the others as they are."""
    _execute(connection, inserting(connection, table).on_conflict_do_nothing(), rows)


def upsert(connection: Connection, table: Table, rows: Iterable[Row], *, replacing: Sequence[str]) -> None:
    """Insert the rows; where the primary key is there, replace the named columns."""
    statement = inserting(connection, table)
    replaced = {name: statement.excluded[name] for name in replacing}
    keys = list(table.primary_key.columns)
    _execute(connection, statement.on_conflict_do_update(index_elements=keys, set_=replaced), rows)


def insert_all(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Insert the rows; a primary key that is there already raises IntegrityError."""
    _execute(connection, table.insert(), rows)


def inserting(connection: Connection, table: Table) -> Any:  # noqa: ANN401  two dialects, one shape, no common type
    """An INSERT that can say what to do where the key is there already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _execute(connection: Connection, statement: Any, rows: Iterable[Row]) -> None:  # noqa: ANN401  as above
    listed = list(rows)
    for first in range(0, len(listed), ROWS_PER_STATEMENT):
        connection.execute(statement, listed[first : first + ROWS_PER_STATEMENT])
