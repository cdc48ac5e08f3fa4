"""The command line: lazy groups, one-line errors, no platform package for gateways."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app import cli
from app.cli import LazyGroup, main, refusing

BASE_ONLY = """
import sys
class NoPlatform:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"flask", "apiflask", "sqlmodel", "sqlalchemy", "pandapower", "pyomo", "web3",
                                      "rich", "numpy", "argon2", "alembic", "pydantic_settings"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoPlatform())
from app.cli import main
main(sys.argv[1:])
"""


def _run_without_platform(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BASE_ONLY, *arguments], capture_output=True, text=True, check=False)


def test_help_lists_every_command_without_importing_any() -> None:
    done = _run_without_platform("--help")
    assert done.returncode == 0, done.stderr
    for name in ("backup", "chain", "clear", "demo", "gateway", "grid", "init", "meter", "restore", "statement", "up"):
        assert f"  {name} " in done.stdout


def test_a_command_without_its_extra_names_the_extra() -> None:
    done = _run_without_platform("backup", "--help")
    assert done.returncode == 2
    assert "commonwatt[platform]" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["sell-the-farm"])
    assert result.exit_code == 2
    assert "No such command" in result.output


def test_a_known_command_without_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.HELP, "teleport", "Not there.")
    result = CliRunner().invoke(main, ["teleport"])
    assert result.exit_code == 2
    assert "no command 'teleport'" in result.output


@pytest.fixture
def group() -> LazyGroup:
    group = LazyGroup("test")

    @group.command("mendable")
    def mendable() -> None:
        with refusing(ZeroDivisionError):
            raise ZeroDivisionError("network.csv line 3:\n divide differently")

    @group.command("missing-file")
    def missing_file() -> None:
        Path("/nonexistent/file").read_text(encoding="utf-8")

    @group.command("bug")
    def bug() -> None:
        raise LookupError("a bug is not bad input")

    @group.command("good")
    def good() -> None:
        click.echo("fine")

    return group


def test_a_good_command_runs(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["good"])
    assert (result.exit_code, result.output) == (0, "fine\n")


def test_bad_input_is_one_line_and_exit_2(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["mendable"])
    assert result.exit_code == 2
    assert result.output == "Error: network.csv line 3: divide differently\n"


def test_a_missing_file_is_named_in_one_line(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["missing-file"])
    assert result.exit_code == 2
    assert result.output == "Error: /nonexistent/file: No such file or directory\n"


def test_a_bug_keeps_its_traceback(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["bug"])
    assert isinstance(result.exception, LookupError)
