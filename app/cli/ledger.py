"""Let another ledger take over from the community's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Engine

from app.cli import refusing
from app.config import Settings
from app.errors import InputError
from app.ledger_access import LedgerAccess, open_ledger, settler_key
from app.ledger_succession import Succession, announce_successor, hand_over, succession
from app.storage.database import open_database, reading
from app.storage.store.community import the_community
from contracts.chain import ChainUnreachable
from contracts.embedded import CHAIN_FILE, ChainDamagedError
from contracts.published import ContractRefusedError
from contracts.single_writer import AlreadyInUseError
from meters.clock import clock_from_environment

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="COMMONWATT_CONFIG",
    help="The community's configuration; without one the environment says where database and chain are.",
)


@click.group()
def command() -> None:
    """Let another ledger take over from the community's: announced, a week later for good. Stop the worker first.

    Example: commonwatt ledger announce --config commonwatt.toml
    """


@contextmanager
def _opened(config: Path | None) -> Iterator[tuple[Engine, LedgerAccess, int]]:
    settings = Settings.load(config, os.environ)
    clock = clock_from_environment(os.environ)
    with refusing(AlreadyInUseError, ChainDamagedError, ChainUnreachable, ContractRefusedError):
        engine = open_database(settings.database_url)
        try:
            with reading(engine) as connection:
                if the_community(connection).ledger_address is None:
                    raise InputError("the community has no ledger yet: start it once with `commonwatt up`")
            access = open_ledger(
                engine,
                chain=settings.chain_url or settings.state / CHAIN_FILE,
                key=settler_key(settings.keys / "settler"),
                clock=clock,
                lock_path=settings.state / "settler.lock",
            )
            try:
                yield engine, access, int(clock().timestamp())
            finally:
                access.close()
        finally:
            engine.dispose()


def _tell(found: Succession) -> None:
    code = "this version's code" if found.is_published else "the code of an earlier version"
    click.echo(f"ledger {found.ledger}: {code}")
    if found.successor is None or found.from_s is None:
        click.echo("no successor is announced")
        return
    since = datetime.fromtimestamp(found.from_s, UTC)
    click.echo(f"successor {found.successor}: may take over from {since:%Y-%m-%d %H:%M} UTC on")


@command.command(epilog="Example: commonwatt ledger status --config commonwatt.toml")
@config_option
def status(*, config: Path | None) -> None:
    """Say which ledger the community has, and whether a successor is announced."""
    with _opened(config) as (_, access, _):
        _tell(succession(access))


@command.command(epilog="Example: commonwatt ledger announce --config commonwatt.toml")
@config_option
def announce(*, config: Path | None) -> None:
    """Deploy a ledger of this version and announce that it takes over in a week; tell your members."""
    with _opened(config) as (engine, access, now_s):
        _tell(announce_successor(engine, access, now_s=now_s))


@command.command("hand-over", epilog="Example: commonwatt ledger hand-over --config commonwatt.toml")
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def hand_over_command(*, config: Path | None, yes: bool) -> None:
    """Close the ledger for good and let its successor copy members, balances and sequence.

    Killed on the way, it is completed when it is called again. Statements of before and after go on to be proved.
    """
    with _opened(config) as (engine, access, now_s):
        if not yes:
            click.confirm(f"Close the ledger {access.ledger.address} for good?", abort=True)
        heir = hand_over(engine, access, now_s=now_s)
        click.echo(
            f"ledger {heir.address} has taken over: {heir.member_count()} members, {heir.last_sequence()} batches"
        )
