"""A network and its states under injections, as commands ask for them."""

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.status import Status

from app.cli import refusing
from app.errors import InputError
from grid.feeder import NetworkError
from grid.injections import InjectionError, Injections, read_injections
from grid.network import GridNetwork, open_network
from grid.picture import Panel
from grid.power_flow import PowerFlowDiverged


def open_grid(network: str, *, v_min: float, v_max: float, max_loading: float) -> GridNetwork:
    """The network with its limits; everything that is wrong with it is told, a line each."""
    try:
        with busy(f"Reading {network}"), refusing(ValueError):
            return open_network(network, v_min_pu=v_min, v_max_pu=v_max, max_loading_percent=max_loading)
    except NetworkError as failure:
        for error in failure.errors[:-1]:
            click.echo(f"Error: {error}", err=True)
        raise InputError(failure.errors[-1]) from failure


def busy(doing: str) -> Status:
    """A moving sign on a terminal, nothing elsewhere."""
    return Console(stderr=True).status(doing)


def injections_of(path: Path | None, grid: GridNetwork) -> Injections:
    """What a file injects; nothing without a file."""
    if path is None:
        nothing = np.zeros(len(grid.buses))
        return Injections(injection_w=nothing, injection_var=nothing)
    with refusing(InjectionError):
        return read_injections(path, buses=grid.buses, bus_index=grid.bus_index)


def panel(heading: str, grid: GridNetwork, given: Injections) -> Panel:
    """The state under these injections."""
    with refusing(PowerFlowDiverged):
        point = grid.solve(given.injection_w, given.injection_var)
    return Panel(heading=heading, state=grid.state_by_id(point))
