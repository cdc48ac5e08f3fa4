"""Where a community keeps its records, for commands beside the services that write them."""

from collections.abc import Callable
from pathlib import Path

import click

from app.errors import InputError

Command = Callable[..., None]
OPTIONS = (
    click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("state"),
        envvar="COMMONWATT_STATE",
        show_default=True,
        help="The community's state directory.",
    ),
    click.option(
        "--database", envvar="COMMONWATT_DATABASE_URL", help="Database URL, where it is not in the state directory."
    ),
)


def community_options(command: Command) -> Command:
    """Give a command the options `state: Path` and `database: str | None`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def database_url(state: Path, database: str | None) -> str:
    """The URL that was given, else that of the file in the state directory. Raises InputError where there is none."""
    if database is not None:
        return database
    file = state / "community.sqlite"
    if not file.exists():
        raise InputError(f"{file} does not exist: give the community's directory with --state")
    return f"sqlite:///{file}"
