"""Ctrl-C at any moment, the first ones included, ends the program with what a shell expects and no traceback."""

import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from app.cli import main

# A shell that started the tests in the background may have said to ignore interrupts, which the program respects.
HEARING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def started(code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HEARING + code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


WAIT = "print('here', flush=True); time.sleep(60)"
BEFORE = f"import app.start, time; {WAIT}"
WHILE_IMPORTING = f"""
import app.start, builtins, time
real = builtins.__import__
def slow(name, *more):
    if name == 'click':
        {WAIT}
    return real(name, *more)
builtins.__import__ = slow
app.start.main()
"""


@pytest.mark.parametrize("moment", [BEFORE, WHILE_IMPORTING])
def test_an_early_interrupt_ends_without_a_word(moment: str) -> None:
    with started(moment) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "here\n"
        time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        out, said = program.communicate(timeout=60)
    assert (program.returncode, out, said) == (130, "", "")


def test_an_interrupt_of_a_command_ends_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.cli._load", interrupted)
    ended = CliRunner().invoke(main, ["clear", "--help"])
    assert (ended.exit_code, ended.output) == (130, "")
