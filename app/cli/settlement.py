"""Take in what settlement needs from elsewhere."""

from datetime import UTC, datetime
from pathlib import Path

import click

from app.cli._community_options import community_options, database_url
from app.errors import InputError
from app.grid_quantities import import_quantities
from app.storage.database import open_database, writing

ACTOR = "command line"


@click.group()
def command() -> None:
    """Take in what settlement needs from elsewhere.

    Example: commonwatt settlement quantities june.csv --state ./state
    """


@command.command(epilog="Example: commonwatt settlement quantities june.csv --state ./state")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@community_options
def quantities(*, file: Path, state: Path, database: str | None) -> None:
    """Take the shared quantities in FILE (CSV: start,metering_point,bought_wh,sold_wh) from the operator of the grid.

    Only where [market] authority is operator_of_grid. One wrong line and nothing is taken; the same file may be given
    again.
    """
    url = database_url(state, database)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not text in UTF-8: {error.reason}") from error
    engine = open_database(url)
    try:
        with writing(engine) as connection:
            taken = import_quantities(connection, lines, actor=ACTOR, now_s=int(datetime.now(UTC).timestamp()))
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    click.echo(f"{file}: quantities of {taken} intervals taken")
