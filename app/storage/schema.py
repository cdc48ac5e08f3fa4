"""The schema's versions, kept by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from app.errors import InputError

MIGRATIONS = Path(__file__).parent / "migrations"
# Any fixed number: processes that open the same PostgreSQL database take turns under this advisory lock.
UPGRADE_LOCK = 0x636F6D6D


def upgrade_to_head(connection: Connection) -> None:
    """Apply every migration this database has not seen, inside the caller's transaction."""
    upgrade_to(connection, "head")


def upgrade_to(connection: Connection, revision: str) -> None:
    """Bring the schema to `revision`. Raises InputError if the database was written by a newer program."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
    try:
        command.upgrade(_config(connection), revision)
    except CommandError as error:
        raise InputError(f"the database was written by a newer Commonwatt ({error}): install that version") from error


def head_revision() -> str:
    """Name of the newest schema version this program knows."""
    head = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert head is not None
    return head


def known_revisions() -> frozenset[str]:
    """Every schema version this program can read or upgrade."""
    return frozenset(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
