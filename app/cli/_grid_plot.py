"""Draw a network: as it is, in one state, or before and after the market side by side."""

from pathlib import Path

import click

from app.cli._given_options import given_options
from app.cli._grid_states import busy, injections_of, open_grid, panel
from app.cli._result_states import drawn_result
from app.errors import InputError
from grid.network import GridNetwork
from grid.picture import Panel, picture
from grid.shapes import to_svg, write_png

EXAMPLES = """
\b
Examples:
  commonwatt grid plot --network feeder.json --injections noon.csv --out noon.svg
  commonwatt grid plot --network feeder.json --before plan.csv --after kept.csv --out both.png
  commonwatt grid plot --result result --out market.svg

\b
The files of injections are bus,injection_w[,injection_var]. --result is a directory that `commonwatt clear ORDERS.csv
--network N --out RESULT` wrote: network, limits and orders are in it.
"""
OF_A_STATE = ("network", "injections", "before", "after", "v_min", "v_max", "max_loading")
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=EXAMPLES)
@click.option("--network", metavar="N", help="See `commonwatt grid list`.")
@click.option("--injections", type=FILE, help="One state.")
@click.option("--before", type=FILE, help="Left panel; give --after too.")
@click.option("--after", type=FILE, help="Right panel; give --before too.")
@click.option(
    "--result", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A cleared book, before and after."
)
@click.option("--v-min", default=0.9, show_default=True, help="Lower end of the voltage colours, p.u.")
@click.option("--v-max", default=1.1, show_default=True, help="Upper end of the voltage colours, p.u.")
@click.option("--max-loading", default=100.0, show_default=True, help="Loading past which a branch stands out, %.")
@click.option("--out", required=True, type=FILE, help="Picture to write, .svg or .png.")
def plot(
    *,
    network: str | None,
    injections: Path | None,
    before: Path | None,
    after: Path | None,
    result: Path | None,
    v_min: float,
    v_max: float,
    max_loading: float,
    out: Path,
) -> None:
    """Draw the network, coloured by loading and voltage where a state is given: one, or before and after the market."""
    if out.suffix not in {".svg", ".png"}:
        raise InputError(f"--out {out}: the name must end in .svg or .png")
    if result is not None:
        if others := given_options(OF_A_STATE):
            raise InputError(f"--result brings its network, limits and states: leave out {others}")
        with busy("AC power flow"):
            cleared = drawn_result(result)
        name, grid, panels = cleared.name, cleared.grid, cleared.panels
    else:
        name, grid = _network(network, v_min, v_max, max_loading)
        with busy("AC power flow"):
            panels = _states(grid, injections, before, after)
    drawn = picture(grid.drawing(), title=name, limits=grid.limits, panels=panels)
    if out.suffix == ".svg":
        out.write_text(to_svg(drawn), encoding="utf-8")
    else:
        write_png(drawn, out)
    click.echo(f"Wrote {out}")


def _network(network: str | None, v_min: float, v_max: float, max_loading: float) -> tuple[str, GridNetwork]:
    if network is None:
        raise InputError("give --network N to draw it, or --result DIR for a book that was cleared")
    return network, open_grid(network, v_min=v_min, v_max=v_max, max_loading=max_loading)


def _states(grid: GridNetwork, injections: Path | None, before: Path | None, after: Path | None) -> tuple[Panel, ...]:
    if (before is None) != (after is None):
        raise InputError("give --before and --after together")
    if injections is not None and before is not None:
        raise InputError("give --injections, or --before with --after")
    if before is not None and after is not None:
        files = (("Before", before), ("After", after))
        return tuple(panel(f"{when}: {file.name}", grid, injections_of(file, grid)) for when, file in files)
    if injections is not None:
        return (panel(injections.name, grid, injections_of(injections, grid)),)
    return (Panel(heading="", state=None),)
