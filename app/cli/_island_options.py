"""`clear --islanded`: its options, and the network cut off from the grid above it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps

import click

from app.errors import InputError
from grid.network import GridNetwork
from matching.clearing import MarketRules
from matching.island.rules import Island

Command = Callable[..., None]
OPTIONS = (
    click.option("--islanded", is_flag=True, help="No supplier, no grid above: local energy only (docs/islanded.md)."),
    click.option(
        "--lost-load", type=int, help="Of --islanded: what a kWh of firm demand not served is worth, micro-units."
    ),
    click.option("--grid-forming", help="Of --islanded: bus of the unit that holds voltage and balance."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOff:
    """An island as the options say it; the bus of its unit as people write it, None without a network."""

    island: Island
    grid_forming: str | None


def island_options(command: Command) -> Command:
    """Give a command the options of an island, as `cut: CutOff | None`. Losses are the market's on its network."""

    @wraps(command)
    def run(*, islanded: bool, lost_load: int | None, grid_forming: str | None, **options: object) -> None:
        is_checked, network = options.get("checked") is not None, str(options["network"])
        cut = None if is_checked else _cut(islanded, lost_load, grid_forming, network)
        if options["losses"] is None:
            options["losses"] = "grid" if cut is None or cut.grid_forming is None else "market"
        command(cut=cut, **options)

    for option in reversed(OPTIONS):
        run = option(run)
    return run


def _cut(islanded: bool, lost_load: int | None, grid_forming: str | None, network: str) -> CutOff | None:  # noqa: FBT001 (a flag of the command line)
    """Raises InputError for options that do not fit."""
    if not islanded:
        if lost_load is not None or grid_forming is not None:
            raise InputError("--lost-load and --grid-forming are for islands: add --islanded or leave them out")
        return None
    if lost_load is None:
        raise InputError("--islanded needs --lost-load: what a kWh of firm demand is worth that cannot be served")
    if grid_forming is None and network != "none":
        raise InputError("--islanded on a network needs --grid-forming, the bus of the unit that holds its voltage")
    if grid_forming is not None and network == "none":
        raise InputError("--grid-forming is a bus: give --network or leave it out")
    return CutOff(island=Island(lost_load_micro_per_kwh=lost_load), grid_forming=grid_forming)


def cut_off(rules: MarketRules, grid: GridNetwork | None, cut: CutOff | None) -> tuple[MarketRules, GridNetwork | None]:
    """Rules and network of an island, once the unit's bus is known; others as they are. Raises NetworkError."""
    if cut is None or grid is None or cut.grid_forming is None:
        return rules, grid
    bus = grid.bus_index(cut.grid_forming)
    return replace(rules, island=replace(cut.island, grid_forming_bus=bus)), grid.islanded(bus)
