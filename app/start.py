"""Where the program begins. Ctrl-C before any command is known ends it without a word, as it does later with one."""

import os
import signal

from app.errors import INTERRUPTED


def _leave(_number: int, _frame: object) -> None:
    os._exit(INTERRUPTED)


if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where the shell has said to ignore it
    signal.signal(signal.SIGINT, _leave)


def main() -> None:
    """Run the command line."""
    from app.cli import main as command_line

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command_line()
