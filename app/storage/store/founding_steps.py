"""What was given for a founding in the browser, step by step, until there is a community."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select

from app.storage.operation_tables import FoundingStep
from app.storage.store.bulk import upsert
from app.storage.tables import core_table

STEPS = core_table(FoundingStep)


def founding_steps(connection: Connection) -> dict[str, str]:
    """Everything given so far, by name."""
    return {row.step: row.values_json for row in connection.execute(select(STEPS))}


def save_founding_steps(connection: Connection, given: Mapping[str, str]) -> None:
    """Keep what was given, in place of what was given before under the same names."""
    rows = [{"step": step, "values_json": text} for step, text in given.items()]
    upsert(connection, STEPS, rows, replacing=("values_json",))


def forget_founding_steps(connection: Connection) -> None:
    """There is a community now."""
    connection.execute(delete(STEPS))
