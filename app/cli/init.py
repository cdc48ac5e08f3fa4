"""Write an example commonwatt.toml and the first operator's sign-in link."""

import os
from pathlib import Path

import click

from app.config import Settings
from app.errors import InputError
from app.example_config import EXAMPLE, TARIFF_FILE, missing
from app.founding import OPERATOR_EMAIL, ensure_operator, sign_in_link
from app.storage.database import open_database, writing
from app.storage.store.members import participants
from app.tariff_file import tariff_toml
from contracts.tariff import Tariff
from meters.clock import clock_from_environment


@click.command(epilog="Examples: commonwatt init    commonwatt init --link-for anna")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("commonwatt.toml"),
    envvar="COMMONWATT_CONFIG",
    show_default=True,
    help="The file to write; one that exists is kept and checked.",
)
@click.option("--email", default=OPERATOR_EMAIL, show_default=True, help="What the first operator signs in with later.")
@click.option("--link-for", metavar="ID", help="Only print a new sign-in link, for this member or operator.")
def command(*, config: Path, email: str, link_for: str | None) -> None:
    """Write an example configuration; print a sign-in link that works once, and what is still missing.

    May be repeated: what exists is kept, and the link is a new one in place of the one before.
    """
    if link_for is None:
        _write(config)
    settings = Settings.load(config, os.environ)
    engine = open_database(settings.database_url)
    now_s = int(clock_from_environment(os.environ)().timestamp())
    with writing(engine) as connection:
        if link_for is None:
            ensure_operator(connection, now_s=now_s, email=email)
        joined = {each.id for each in participants(connection)}
        if link_for not in joined and link_for in {each.id for each in settings.members}:
            raise InputError(f"member {link_for} joins when `commonwatt up` starts with {config}: ask again after that")
        known = participants(connection, role="operator")[0].id if link_for is None else link_for
        link = sign_in_link(connection, known, settings.web.base_url, now_s=now_s)
    engine.dispose()
    click.echo(f"Sign-in link of {known}, for one use within 3 days:\n  {link}")
    if link_for is None:
        _tell_missing(settings, config)


def _write(config: Path) -> None:
    if config.exists():
        click.echo(f"{config} exists and is kept.")
        return
    if not config.parent.is_dir():
        raise InputError(f"{config.parent} does not exist: make the directory first")
    tariff = config.parent / TARIFF_FILE
    if not tariff.exists():
        head = (
            "# The community's tariff, net of VAT, in millionths of the currency per kWh. See docs/how-am-i-paid.md.\n"
        )
        version = Tariff(version="1")
        since = '# valid_from = "2027-01-01"  # a change holds from this local day, or as soon as it can\n'
        tariff.write_text(head + since + tariff_toml(version), encoding="utf-8")
        click.echo(f"{tariff} written.")
    config.write_text(EXAMPLE, encoding="utf-8")
    click.echo(f"{config} written.")


def _tell_missing(settings: Settings, config: Path) -> None:
    lines = missing(settings, config)
    if lines:
        click.echo("Still missing:")
    for line in lines:
        click.echo(f"  - {line}")
    click.echo(f"Then: commonwatt up --config {config}")
