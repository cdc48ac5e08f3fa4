"""Run rounds and settlement beside a database and a chain that others serve."""

import contextlib
import os
import signal
import threading
from pathlib import Path

import click

from app.config import Settings
from app.worker_state import alive


@click.command(epilog="Example: COMMONWATT_CONFIG=commonwatt.toml commonwatt worker")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="COMMONWATT_CONFIG",
    help="The community's configuration; without one the environment says where database and chain are.",
)
@click.option("--check", is_flag=True, help="Only say whether the worker of this state directory is alive.")
def command(*, config: Path | None, check: bool) -> None:
    """Run rounds, settlement and batches until SIGTERM or Ctrl-C.

    Of several workers on one PostgreSQL one leads, the others stand by. With --check: exit code 0 while it is alive,
    2 if it has been silent for a minute.
    """
    settings = Settings.load(config, os.environ)
    if check:
        click.echo(f"the worker is {alive(settings.state)}")
        return
    _run(settings)


def _run(settings: Settings) -> None:
    """Imported late: the health check needs none of it."""
    from sqlalchemy.exc import DBAPIError

    from app.jobs import run_for_ever
    from app.late_database import database_of
    from app.market_round import load_solvers
    from app.process_log import log_to_stderr
    from app.worker import PAUSE_S, Worker
    from meters.clock import clock_from_environment

    log_to_stderr()
    stopped = threading.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda _number, _frame: stopped.set())
    engine = database_of(settings, stopped)
    if engine is None:
        return
    worker = Worker(settings, engine, clock_from_environment(os.environ))
    try:
        # A mistake in the configuration ends the program here; later errors are told and tried again.
        with contextlib.suppress(DBAPIError):
            worker.step()
        click.echo("the worker runs")
        threading.Thread(target=load_solvers, name="solvers", daemon=True).start()
        run_for_ever(worker.step, stopped, pause_s=PAUSE_S)
    finally:
        worker.close()
        engine.dispose()
