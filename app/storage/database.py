"""Opening the database: SQLite for one process or a few on one machine, PostgreSQL when deployed.

Both speak through the same Core statements. `writing` and `reading` are the two doors: one transaction each.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import ArgumentError, DatabaseError

from app.errors import InputError
from app.storage.schema import upgrade_to_head

BUSY_TIMEOUT_MS = 30_000
OWNER_ONLY = 0o600


def open_database(url: str) -> Engine:
    """Open the database at `url` and bring its schema to the newest version.

    `url` is `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`. Several processes may open the same
    database at once; one of them upgrades. Raises InputError if it cannot be reached or is newer than this program.
    """
    engine = connect_database(url)
    try:
        with writing(engine) as connection:
            upgrade_to_head(connection)
    except DatabaseError as error:
        shown = engine.url.render_as_string(hide_password=True)
        raise InputError(f"cannot open the database {shown}: {error.orig}") from error
    return engine


def connect_database(url: str) -> Engine:
    """An engine for `url` as `open_database` takes it, with no look at the schema."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write; committed at the end, rolled back by an exception.

    On SQLite it takes the only writer's lock at its beginning, so what it has read stays true until it commits.
    """
    with engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent look at the database that never waits for a writer and cannot write."""
    with engine.connect() as connection:
        yield connection.execution_options(
            sqlite_deferred=True, isolation_level=_snapshot(engine), postgresql_readonly=True
        )


def _snapshot(engine: Engine) -> IsolationLevel:
    return "REPEATABLE READ" if engine.dialect.name == "postgresql" else "SERIALIZABLE"


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except ArgumentError as error:
        raise InputError(
            f"{url!r} is not a database URL: write sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise InputError(f"database kind {backend!r} is not supported: use sqlite or postgresql")
    if backend == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise InputError("a database in memory loses what it accepted: write sqlite:///FILE")
    return parsed


def _sqlite(url: URL) -> Engine:
    assert url.database is not None
    file = Path(url.database)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        file.touch(mode=OWNER_ONLY)  # what homes consume is nobody else's business; SQLite's own files follow this one
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # SQLAlchemy, not the driver, says when a transaction begins.
        connection.isolation_level = None
        # First of all: switching to WAL itself meets locks when several processes open the file.
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        deferred = connection.get_execution_options().get("sqlite_deferred", False)
        connection.exec_driver_sql("BEGIN" if deferred else "BEGIN IMMEDIATE")

    return engine
