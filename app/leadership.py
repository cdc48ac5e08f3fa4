"""Which of several workers leads: the one that holds an advisory lock of PostgreSQL; on SQLite there is but one.

Two schedulers at once could not do anything twice, because each step is a change of state in the database; one leader
spares the others the work and keeps the key of the settlement in one place.
"""

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

LOCK = 0x636F6D6D6F6E
"""The lock's number in the database: "common"."""


class Leadership:
    """Held from a successful `take` until `give_up`, or until the database or this process dies."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._has_locks = engine.dialect.name == "postgresql"

    def take(self) -> bool:
        """Lead if nobody else does; whether this process leads now. Raises DBAPIError if the database is away."""
        if not self._has_locks:
            return True
        if self._connection is not None:
            return self._still_holds()
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            is_ours = bool(connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar())
        except DBAPIError:
            connection.close()
            raise
        if is_ours:
            self._connection = connection
        else:
            connection.close()
        return is_ours

    def give_up(self) -> None:
        """Let another process lead."""
        connection, self._connection = self._connection, None
        if connection is not None:
            # The session holds the lock: a connection that went back to the pool would keep it.
            connection.invalidate()
            connection.close()

    def _still_holds(self) -> bool:
        assert self._connection is not None
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError:
            # With its connection the lock is gone, and another may lead already.
            self.give_up()
            return False
        return True
