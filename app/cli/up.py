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
@click.option("--browser", is_flag=True, help="The community is founded and kept in the browser, not in this file.")
def command(*, config: Path, browser: bool) -> None:
    """Run database, chain, scheduler, web application and the meters' gateway until SIGTERM or Ctrl-C.

    Prints the address of the web application when it answers; with --browser, while there is no community, also a
    link to found it. A rehearsal may set COMMONWATT_CLOCK_FILE.
    """
    log_to_stderr()
    settings = Settings.load(None if browser and not config.exists() else config, os.environ)
    stopped = threading.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda _number, _frame: stopped.set())
    process = CommunityProcess(settings, clock=clock_from_environment(os.environ), stopped=stopped, in_browser=browser)
    try:
        if process.open():
            click.echo(process.url)
            if process.setup_link is not None:
                click.echo(f"No community yet. Found it here, with a link that works once:\n  {process.setup_link}")
            sys.stdout.flush()
            process.run()
    finally:
        process.close()
