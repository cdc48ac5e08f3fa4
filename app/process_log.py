"""What a running process says: one line an event on standard error, so that standard output stays for its address."""

import logging
import sys

import structlog

QUIET = ("httpx", "httpcore", "pymodbus", "waitress.queue", "alembic", "pandapower")


def log_to_stderr() -> None:
    """Send the program's and its libraries' log to standard error, UTC times first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=True),
            structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
