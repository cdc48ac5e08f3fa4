"""States of a network to draw: from injections, or from a book of orders before and after it was cleared."""

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.status import Status

from app.cli import refusing
from app.cli._order_files import read_orders
from app.cli._result_files import read_trades
from app.errors import InputError
from grid.feeder import NetworkError
from grid.injections import InjectionError, Injections, read_injections
from grid.network import GridNetwork, open_network
from grid.picture import Panel
from grid.power_flow import PowerFlowDiverged
from matching.book import BookError
from matching.injections import feeder_of

TRADES_FILE = "trades.csv"


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


def market_panels(
    orders: Path, result: Path, grid: GridNetwork, *, baseline: Path | None, minutes: int
) -> tuple[Panel, Panel]:
    """Before: all firm and curtailable orders flow, no flexible one. After: as `commonwatt clear` wrote `result`."""
    fixed = injections_of(baseline, grid)
    table = read_orders(orders, grid.bus_index)
    try:
        book = table.book()
        feeder = feeder_of(
            book, grid, interval_minutes=minutes, baseline_w=fixed.injection_w, baseline_var=fixed.injection_var
        )
    except BookError as error:
        raise table.located(error) from error
    trades = read_trades(result / TRADES_FILE)
    place = {order_id: at for at, order_id in enumerate(trades.order_ids.tolist())}
    rows = [place.get(order_id, -1) for order_id in book.order_ids.tolist()]
    if len(place) != len(book) or -1 in rows:
        raise InputError(f"{result / TRADES_FILE} is no result of {orders}: it lists other orders; clear them again")
    after_w = feeder.injection_w(trades.accepted_wh[rows], trades.curtailed_wh[rows])
    before = Injections(injection_w=feeder.base_w, injection_var=feeder.base_var)
    after = Injections(injection_w=after_w, injection_var=feeder.base_var)
    return panel("Before the market", grid, before), panel("After the market", grid, after)
