"""Draw a network: as it is, in one state, or before and after the market side by side."""

from pathlib import Path

import click

from app.cli._grid_states import busy, injections_of, market_panels, open_grid, panel
from app.errors import InputError
from grid.network import GridNetwork
from grid.picture import Panel, picture
from grid.shapes import to_svg, write_png

EXAMPLES = """
\b
Examples:
  commonwatt grid plot --network feeder.json --injections noon.csv --out noon.svg
  commonwatt grid plot --network feeder.json --before plan.csv --after kept.csv --out both.png
  commonwatt grid plot --network feeder.json --orders orders.csv --result result --out market.svg

\b
The files of injections are bus,injection_w[,injection_var]. --result is a directory that `commonwatt clear ORDERS.csv
--out RESULT` wrote; give the same --network, --baseline and --minutes.
"""
BOOK = click.Path(exists=True, dir_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=EXAMPLES)
@click.option("--network", required=True, metavar="N", help="See `commonwatt grid list`.")
@click.option("--injections", type=FILE, help="One state.")
@click.option("--before", type=FILE, help="Left panel; give --after too.")
@click.option("--after", type=FILE, help="Right panel; give --before too.")
@click.option(
    "--orders", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The book that was cleared."
)
@click.option("--result", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Its result directory.")
@click.option("--baseline", type=FILE, help="Injections beside the book, with --orders.")
@click.option("--minutes", type=int, default=15, show_default=True, help="Length of the interval, with --orders.")
@click.option("--v-min", default=0.9, show_default=True, help="Lower end of the voltage colours, p.u.")
@click.option("--v-max", default=1.1, show_default=True, help="Upper end of the voltage colours, p.u.")
@click.option("--max-loading", default=100.0, show_default=True, help="Loading past which a branch stands out, %.")
@click.option("--out", required=True, type=FILE, help="Picture to write, .svg or .png.")
def plot(  # noqa: PLR0913 (one parameter per option of the command line)
    *,
    network: str,
    injections: Path | None,
    before: Path | None,
    after: Path | None,
    orders: Path | None,
    result: Path | None,
    baseline: Path | None,
    minutes: int,
    v_min: float,
    v_max: float,
    max_loading: float,
    out: Path,
) -> None:
    """Draw the network, coloured by loading and voltage where a state is given: one, or before and after the market."""
    if out.suffix not in {".svg", ".png"}:
        raise InputError(f"--out {out}: the name must end in .svg or .png")
    if (before is None) != (after is None) or (orders is None) != (result is None):
        raise InputError("give --before and --after together, or --orders and --result together")
    if sum(given is not None for given in (injections, before, orders)) > 1:
        raise InputError("give one of --injections, --before with --after, and --orders with --result")
    grid = open_grid(network, v_min=v_min, v_max=v_max, max_loading=max_loading)
    with busy("AC power flow"):
        panels: tuple[Panel, ...] = _states(grid, injections, before, after)
        if orders is not None and result is not None:
            panels = market_panels(orders, result, grid, baseline=baseline, minutes=minutes)
    drawn = picture(grid.drawing(), title=network, limits=grid.limits, panels=panels)
    if out.suffix == ".svg":
        out.write_text(to_svg(drawn), encoding="utf-8")
    else:
        write_png(drawn, out)
    click.echo(f"Wrote {out}")


def _states(grid: GridNetwork, injections: Path | None, before: Path | None, after: Path | None) -> tuple[Panel, ...]:
    if before is not None and after is not None:
        files = (("Before", before), ("After", after))
        return tuple(panel(f"{when}: {file.name}", grid, injections_of(file, grid)) for when, file in files)
    if injections is not None:
        return (panel(injections.name, grid, injections_of(injections, grid)),)
    return (Panel(heading="", state=None),)
