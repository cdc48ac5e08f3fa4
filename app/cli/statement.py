"""Write a member's statement for a month."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from sqlalchemy import Connection, func, select

from app.cli._community_options import community_options, database_url
from app.errors import InputError
from app.languages import SOURCE_LANGUAGE
from app.local_time import LocalMonth
from app.statement_pdf import statement_pdf
from app.statement_proof import proof_document
from app.statements import statement_csv, statement_of
from app.storage.database import open_database, reading
from app.storage.store.community import Community, the_community
from app.storage.store.readings import ENERGY
from app.web.formats import Formats, reader_locale

ENDINGS = (".json", ".pdf", ".csv")


@click.command(epilog="Example: commonwatt statement --member M001 --month 2016-06 --out june.json --state ./day")
@click.option("--member", required=True, help="The member's id.")
@click.option("--month", required=True, help="YYYY-MM, in the community's timezone.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="FILE.json, .pdf or .csv.")
@community_options
def command(*, member: str, month: str, out: Path, state: Path, database: str | None) -> None:
    """Write the statement of MEMBER for MONTH as a file to verify (.json), to print (.pdf) or to compute with (.csv).

    The JSON holds what can be proved: the part of the month that is final in the ledger.
    """
    if out.suffix not in ENDINGS:
        raise InputError(f"--out {out}: name a file ending in {', '.join(ENDINGS)}")
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out {out}: the directory {out.parent} does not exist")
    url = database_url(state, database)
    content = _content(url, member, month, out.suffix)
    partial = out.with_name(out.name + ".partial")
    partial.write_bytes(content)
    partial.replace(out)
    click.echo(f"{out}: {len(content)} bytes")


def _content(database: str, member: str, month: str, ending: str) -> bytes:
    with reading(open_database(database)) as connection:
        community = the_community(connection)
        zone = ZoneInfo(community.timezone)
        try:
            asked = LocalMonth.parse(month, zone)
        except ValueError as error:
            raise InputError(f"--month: {error}") from error
        if ending == ".json":
            return (json.dumps(proof_document(connection, member, asked), indent=1) + "\n").encode()
        now_s = _now_s(connection, community)
        statement = statement_of(connection, member, asked, now_s=now_s)
    if ending == ".csv":
        return statement_csv(statement).encode()
    fmt = Formats(locale=reader_locale(SOURCE_LANGUAGE), zone=zone, currency=community.currency)
    return statement_pdf(statement, fmt, now_s=now_s)


def _now_s(connection: Connection, community: Community) -> int:
    """The present; in a simulated community, which has a clock of its own, the moment of the newest reading."""
    if community.simulated:
        newest = connection.execute(select(func.max(ENERGY.c.received_s))).scalar()
        if newest is not None:
            return int(newest)
    return int(datetime.now(UTC).timestamp())
