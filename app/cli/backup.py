"""Write everything a community is into one archive, and restore it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from app.backup import DATABASE_DUMP, Manifest, back_up, restore
from app.config import Settings
from app.errors import InputError

STATE = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(epilog="Example: commonwatt backup --out community.tar.gz --state state")
@click.option("--out", type=FILE, required=True, help="The archive to write; compressed if it ends in .gz.")
@click.option(
    "--state", type=STATE, envvar="COMMONWATT_STATE", help="The community's state directory.  [default: state]"
)
@click.option("--config", type=FILE, help="commonwatt.toml, to go by it and to put it into the archive.")
@click.option(
    "--database", envvar="COMMONWATT_DATABASE_URL", help="Database URL, where it is not in the state directory."
)
def command(*, out: Path, state: Path | None, config: Path | None, database: str | None) -> None:
    """Write database, keys and chain into one archive while the community runs.

    The archive holds private keys: keep it as you would keep money.
    """
    folder, url = _places(state, config, database)
    now_s = int(datetime.now(UTC).timestamp())
    manifest = back_up(state=folder, database_url=url, out=out, config=config, now_s=now_s)
    click.echo(f"{out}: {_summary(manifest)}, {out.stat().st_size} bytes")


@click.command(epilog="Example: commonwatt restore community.tar.gz --state restored")
@click.argument("archive", type=FILE)
@click.option("--state", type=STATE, required=True, help="A new or empty directory.")
def restore_command(*, archive: Path, state: Path) -> None:
    """Restore ARCHIVE into a new directory, and check that database and chain are whole and agree."""
    manifest = restore(archive, state=state)
    click.echo(f"{state}: {_summary(manifest)}, verified")
    dump = state / DATABASE_DUMP
    if dump.exists():
        click.echo(f"Bring the database back: pg_restore --no-owner --dbname=postgresql://USER@HOST/EMPTY {dump}")


def _places(state: Path | None, config: Path | None, database: str | None) -> tuple[Path, str]:
    if config is not None:
        settings = Settings.load(config, os.environ)
        return state or settings.state, database or settings.database_url
    folder = state or Path("state")
    file = folder / "community.sqlite"
    if database is None and not file.exists():
        raise InputError(f"{file} does not exist: give the community's directory with --state")
    return folder, database or f"sqlite:///{file}"


def _summary(manifest: Manifest) -> str:
    chain = f", chain up to block {manifest.chain.block_number}" if manifest.chain else ""
    return f"{len(manifest.files)} files, schema {manifest.schema}{chain}"
