"""How many hours of a year a network's limits would be passed with more and more solar."""

import json
from dataclasses import asdict
from importlib.metadata import version

import click

from app.cli import refusing
from app.cli._grid_states import busy, open_grid
from app.errors import InputError
from grid.feeder import NetworkError
from grid.simbench_year import STEPS_A_YEAR, simbench_year
from grid.year_check import STEPS_AN_HOUR, YearCheck, check_year

EXAMPLES = """
\b
Examples:
  commonwatt grid year --network simbench:1-LV-rural3--2-sw
  commonwatt grid year --network simbench:1-LV-urban6--2-sw --solar 6 --solar 9 --v-max 1.05

\b
--solar 3 multiplies the output of everything that follows the sun by three; loads and batteries do what SimBench's
profiles of 2016 say. No market takes part: it is what the network would have to carry.
"""
SOLAR_FACTORS = (1.0, 2.0, 3.0, 4.0)
SOLAR_FACTOR_MAX = 1000.0
HOURS_A_YEAR = STEPS_A_YEAR / STEPS_AN_HOUR


@click.command(epilog=EXAMPLES)
@click.option("--network", required=True, metavar="simbench:CODE", help="A network with profiles of a year.")
@click.option(
    "--solar", "factors", type=float, multiple=True, help="Factor on all solar; may be repeated. 1 to 4 without it."
)
@click.option("--v-min", default=0.9, show_default=True, help="Lowest voltage of buses under 1 kV, p.u.")
@click.option("--v-max", default=1.1, show_default=True, help="Highest voltage of buses under 1 kV, p.u.")
@click.option("--max-loading", default=100.0, show_default=True, help="Highest loading, percent.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
def year(
    *, network: str, factors: tuple[float, ...], v_min: float, v_max: float, max_loading: float, as_json: bool
) -> None:
    """In how many hours of a year limits are passed, with all solar multiplied.

    A power flow for each of the 35 136 quarter-hours of SimBench's year; pandapower judges the worst of them.
    """
    for factor in factors:
        if not 0.0 <= factor <= SOLAR_FACTOR_MAX:
            raise InputError(f"--solar {factor:g} must lie between 0 and {SOLAR_FACTOR_MAX:g}; 2 doubles all solar")
    grid = open_grid(network, v_min=v_min, v_max=v_max, max_loading=max_loading)
    with busy("Reading a year of profiles"), refusing(NetworkError):
        profiles = simbench_year(network)
    checks = []
    for factor in sorted(factors or SOLAR_FACTORS):
        with busy(f"35 136 power flows with solar x {factor:g}"):
            checks.append(check_year(grid, profiles, solar_factor=factor))
    click.echo(json.dumps([_document(check) for check in checks]) if as_json else _table(checks))


def _document(check: YearCheck) -> dict[str, object]:
    return {
        "solar_factor": check.solar_factor,
        "hours_passed": check.hours,
        "hours_without_solution": check.unsolved,
        "hours_by_kind": {kind.value: hours for kind, hours in check.by_kind.items()},
        "most_often": None if check.most_often is None else asdict(check.most_often),
        "worst": None if check.worst is None else asdict(check.worst) | {"start": str(check.start)},
        "checked_by": f"pandapower {version('pandapower')}",
    }


def _table(checks: list[YearCheck]) -> str:
    lines = [f"{'solar':>7}  {'hours':>7}  {'of year':>7}  most often passed, worst"]
    for check in checks:
        share = f"{100 * check.hours / HOURS_A_YEAR:.2f} %"
        lines.append(f"{f'x {check.solar_factor:g}':>7}  {check.hours:>7.2f}  {share:>7}  {_told(check)}")
    lines.append(f"Hours in which a limit would be passed; the worst checked by pandapower {version('pandapower')}.")
    return "\n".join(lines)


def _told(check: YearCheck) -> str:
    if check.unsolved:
        return f"{check.unsolved:g} h cannot be carried at all"
    if check.most_often is None:
        return "all limits are kept"
    often, worst = check.most_often, check.worst
    told = f"{often.kind} of {often.element} ({often.hours:g} h)"
    if worst is not None:
        told += f"; {worst.kind} of {worst.element} ({worst.name}) {worst.value:.4g} on {check.start}"
    return told
