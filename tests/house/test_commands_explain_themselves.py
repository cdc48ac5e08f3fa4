"""Every command of `commonwatt` explains itself with an example, and refuses what it does not know."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from app.cli import main


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command below `group`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def lacks(words: tuple[str, ...]) -> str:
    """What the help of a command lacks, empty when nothing."""
    result = CliRunner().invoke(main, [*words, "--help"], prog_name="commonwatt")
    if result.exit_code:
        return f"{words}: exit code {result.exit_code}: {result.output}"
    if f"commonwatt {' '.join(words)}" not in result.output.partition("Example")[2]:
        return f"{words}: no example of its use in --help"
    return ""


def test_every_command_has_help_with_an_example_of_its_use() -> None:
    every = list(commands(main))
    assert ("demo",) in every
    assert not [problem for words in every if (problem := lacks(words))]


@pytest.mark.parametrize("words", [["nonsense"], ["demo", "--nonsense"], ["meter", "nonsense"]])
def test_an_unknown_command_or_option_ends_with_exit_code_2_and_no_traceback(words: list[str]) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
