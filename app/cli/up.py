"""Run a whole community in one process."""

import os
import signal
import sys
import threading
from pathlib import Path

import click

from app.community_process import CommunityProcess
from app.config import Settings
from app.process_log import log_to_stderr
from meters.clock import clock_from_environment


@click.command(epilog="Example: commonwatt up --config commonwatt.toml")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("commonwatt.toml"),
    envvar="COMMONWATT_CONFIG",
    show_default=True,
    help="The community's configuration; `commonwatt init` writes an example.",
)
def command(*, config: Path) -> None:
    """Run database, chain, scheduler, web application and the meters' gateway until SIGTERM or Ctrl-C.

    Prints the address of the web application when it answers. A rehearsal may set COMMONWATT_CLOCK_FILE.
    """
    log_to_stderr()
    settings = Settings.load(config, os.environ)
    stopped = threading.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda _number, _frame: stopped.set())
    process = CommunityProcess(settings, clock=clock_from_environment(os.environ), stopped=stopped)
    try:
        if process.open():
            click.echo(process.url)
            sys.stdout.flush()
            process.run()
    finally:
        process.close()
