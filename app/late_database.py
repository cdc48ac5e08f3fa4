"""The database of a process that may be started before its server."""

import threading

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from app.config import Settings
from app.errors import InputError
from app.storage.database import open_database

DATABASE_AGAIN_S = 3.0

log = structlog.get_logger(__name__)


def database_of(settings: Settings, stopped: threading.Event) -> Engine | None:
    """The database, as soon as its server answers; None if `stopped` before. Raises InputError for other mistakes."""
    said = False
    while not stopped.is_set():
        try:
            return open_database(settings.database_url)
        except InputError as error:
            is_away = isinstance(error.__cause__, OperationalError) and settings.database_url.startswith("postgres")
            if not is_away:
                raise
            if not said:
                log.warning("the database does not answer: trying again", reason=" ".join(str(error).split()))
            said = True
        stopped.wait(DATABASE_AGAIN_S)
    return None
