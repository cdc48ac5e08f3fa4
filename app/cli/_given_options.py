"""Options that would have no effect are refused."""

from collections.abc import Collection

import click
from click.core import ParameterSource

from app.errors import InputError

OF_A_CHECK = frozenset({"checked", "as_json"})
OF_A_NETWORK = frozenset({"baseline", "v_min", "v_max", "max_loading"})


def only_with_a_clearing() -> None:
    """Raise InputError for what only a clearing takes: a check has rules and network from the result."""
    names = given_options({str(one.name) for one in click.get_current_context().command.params} - OF_A_CHECK)
    if names:
        raise InputError(f"--check takes everything from the result: leave out {names}")


def nothing_of_a_network() -> None:
    """Raise InputError for options that say something of a network, where none is named."""
    names = given_options(OF_A_NETWORK)
    if names:
        raise InputError(f"nothing is made of {names} without a network: give --network or leave out {names}")


def given_options(names: Collection[str]) -> str:
    """Which of these parameters the command line has, as people write them; empty if none."""
    context = click.get_current_context()
    given = [
        one
        for one in context.command.params
        if one.name in names and context.get_parameter_source(one.name) is ParameterSource.COMMANDLINE
    ]
    return ", ".join(one.opts[0] if one.opts[0].startswith("-") else one.opts[0].upper() for one in given)
