"""Erase what ties the past of the ledger to a member."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from app.cli._community_options import community_options, database_url
from app.erasure import erase_proofs
from app.errors import InputError
from app.local_time import LocalMonth
from app.storage.database import open_database, reading
from app.storage.store.community import the_community

ACTOR = "operator at the command line"


@click.command(epilog="Example: commonwatt erase --member M001 --until 2016-06 --state ./community")
@click.option("--member", required=True, help="The member's id.")
@click.option("--until", "last_month", help="YYYY-MM, the last month to erase; all that is final without it.")
@community_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, member: str, last_month: str | None, state: Path, database: str | None, yes: bool) -> None:
    """Erase the secrets with which MEMBER's past can be proved, at the member's request; the audit log keeps the deed.

    Nobody can prove any more which entries of the ledger are this member's, and no statement of those months can be
    written as .json again. Everybody else's proofs go on to hold. Backups made before still hold the secrets.
    """
    url = database_url(state, database)
    engine = open_database(url)
    with reading(engine) as connection:
        zone = ZoneInfo(the_community(connection).timezone)
    try:
        until_s = None if last_month is None else LocalMonth.parse(last_month, zone).end_s
    except ValueError as error:
        raise InputError(f"--until: {error}") from error
    if not yes:
        click.confirm(f"Erase for good what proves the past of {member}?", abort=True)
    erased = erase_proofs(engine, member, until_s=until_s, at_s=int(datetime.now(UTC).timestamp()), actor=ACTOR)
    click.echo(f"{member}: erased in {len(erased.sequences)} batches, kept in {erased.kept}")
