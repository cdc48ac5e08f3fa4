"""Serve the web application beside a database and a chain that others serve."""

import os
import signal
import sys
import threading
from pathlib import Path

import click

from app.config import Settings
from app.factory import create_deployed_app
from app.late_database import database_of
from app.mail_delivery import start_postman
from app.process_log import log_to_stderr
from app.serving import WebServer, listen
from meters.clock import clock_from_environment


@click.command(epilog="Example: COMMONWATT_CONFIG=commonwatt.toml commonwatt web")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="COMMONWATT_CONFIG",
    help="The community's configuration; without one the environment says where database and chain are.",
)
def command(*, config: Path | None) -> None:
    """Serve pages and API until SIGTERM or Ctrl-C; `commonwatt worker` does the rest.

    Prints the address when it answers. A rehearsal may set COMMONWATT_CLOCK_FILE.
    """
    log_to_stderr()
    settings = Settings.load(config, os.environ)
    stopped = threading.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda _number, _frame: stopped.set())
    listener = listen(settings.web.host, settings.web.port)
    engine = database_of(settings, stopped)
    if engine is None:
        return
    clock = clock_from_environment(os.environ)
    server = WebServer(create_deployed_app(settings, engine, clock), listener)
    server.start()
    start_postman(settings, engine, clock, stopped)
    click.echo(server.url)
    sys.stdout.flush()
    stopped.wait()
    server.close()
    engine.dispose()
