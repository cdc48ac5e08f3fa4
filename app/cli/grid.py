"""List networks and check injections against their limits."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.status import Status

from app.cli import refusing
from app.errors import InputError
from grid.feeder import NetworkError
from grid.injections import InjectionError, Injections, read_injections
from grid.limits import OperatingPoint, Violation
from grid.network import GridNetwork, open_network
from grid.picture import picture, to_svg, write_png
from grid.power_flow import PowerFlowDiverged
from grid.sources import LOW_VOLTAGE_CODES

FILE = click.Path(dir_okay=False, path_type=Path)
OTHER_KINDS = {
    "FILE.json": "a pandapower network written with pandapower.to_json",
    "DIRECTORY": "transformer.csv and cables.csv: cables by type, length and connected members",
    "transformer:KVA": "only the transformer's limit; less safe, cables are not checked",
}
VIOLATIONS_SHOWN = 10

network_option = click.option("--network", required=True, metavar="N", help="See `commonwatt grid list`.")


@click.group()
def command() -> None:
    """List networks and check injections against their limits."""


@command.command("list", epilog="Example: commonwatt grid list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
def list_networks(*, as_json: bool) -> None:
    """Networks that --network accepts: SimBench's low-voltage ones, which need no download, and files of your own."""
    if as_json:
        click.echo(json.dumps([f"simbench:{code}" for code in LOW_VOLTAGE_CODES]))
        return
    click.echo("Low-voltage networks of SimBench (offline; every other SimBench code is accepted too):")
    for code in LOW_VOLTAGE_CODES:
        click.echo(f"  simbench:{code}")
    click.echo("Your own:")
    for spec, meaning in OTHER_KINDS.items():
        click.echo(f"  {spec:<16} {meaning}")


@command.command(epilog="Example: commonwatt grid check --network simbench:1-LV-rural3--2-sw --injections noon.csv")
@network_option
@click.option("--injections", required=True, type=FILE, help="CSV: bus,injection_w[,injection_var]; + into the grid.")
@click.option("--v-min", default=0.9, show_default=True, help="Lowest voltage of buses under 1 kV, p.u.")
@click.option("--v-max", default=1.1, show_default=True, help="Highest voltage of buses under 1 kV, p.u.")
@click.option("--max-loading", default=100.0, show_default=True, help="Highest loading, percent.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def check(
    context: click.Context,
    *,
    network: str,
    injections: Path,
    v_min: float,
    v_max: float,
    max_loading: float,
    as_json: bool,
) -> None:
    """Voltages and loadings that injections cause, by pandapower's AC power flow.

    The network's own loads and generators are ignored. Exit code 1 if a limit is passed or nothing can carry the
    injections, 2 for bad input.
    """
    grid = _open(network, v_min=v_min, v_max=v_max, max_loading=max_loading)
    given = _read(injections, grid)
    try:
        with _busy("AC power flow"):
            point = grid.judge(given.injection_w, given.injection_var)
    except PowerFlowDiverged as failure:
        if as_json:
            click.echo(json.dumps({"network": network, "within_limits": False, "converged": False}))
        click.echo(f"Not within limits: {failure}", err=True)
        context.exit(1)
    report = _report(network, grid, point)
    click.echo(json.dumps(report) if as_json else _sentences(report))
    context.exit(0 if report["within_limits"] else 1)


@command.command(epilog="Example: commonwatt grid plot --network feeder.json --injections noon.csv --out noon.svg")
@network_option
@click.option("--injections", type=FILE, help="CSV: bus,injection_w[,injection_var]; without it no state is shown.")
@click.option("--v-min", default=0.9, show_default=True, help="Lower end of the voltage colours, p.u.")
@click.option("--v-max", default=1.1, show_default=True, help="Upper end of the voltage colours, p.u.")
@click.option("--max-loading", default=100.0, show_default=True, help="Loading that is drawn red, percent.")
@click.option("--out", required=True, type=FILE, help="Picture to write, .svg or .png.")
def plot(*, network: str, injections: Path | None, v_min: float, v_max: float, max_loading: float, out: Path) -> None:
    """Draw the network, coloured by loading and voltage where injections are given."""
    if out.suffix not in {".svg", ".png"}:
        raise InputError(f"--out {out}: the name must end in .svg or .png")
    grid = _open(network, v_min=v_min, v_max=v_max, max_loading=max_loading)
    state, title = None, network
    if injections is not None:
        given = _read(injections, grid)
        with refusing(PowerFlowDiverged):
            point = grid.solve(given.injection_w, given.injection_var)
        state, title = grid.state_by_id(point), f"{network}, {injections.name}"
    shapes = picture(grid.drawing(), title=title, limits=grid.limits, state=state)
    if out.suffix == ".svg":
        out.write_text(to_svg(shapes), encoding="utf-8")
    else:
        write_png(shapes, out)
    click.echo(f"Wrote {out}")


def _open(network: str, *, v_min: float, v_max: float, max_loading: float) -> GridNetwork:
    with _busy(f"Reading {network}"), refusing(NetworkError, ValueError):
        return open_network(network, v_min_pu=v_min, v_max_pu=v_max, max_loading_percent=max_loading)


def _read(injections: Path, grid: GridNetwork) -> Injections:
    with refusing(InjectionError):
        return read_injections(injections, buses=grid.buses, bus_index=grid.bus_index)


def _busy(doing: str) -> Status:
    """A moving sign on a terminal, nothing elsewhere."""
    return Console(stderr=True).status(doing)


def _report(network: str, grid: GridNetwork, point: OperatingPoint) -> dict[str, Any]:
    lowest, highest = int(np.argmin(point.vm_pu)), int(np.argmax(point.vm_pu))
    return {
        "network": network,
        "within_limits": not point.violations,
        "converged": True,
        "min_vm_pu": float(point.vm_pu[lowest]),
        "min_vm_bus": grid.buses[lowest],
        "max_vm_pu": float(point.vm_pu[highest]),
        "max_vm_bus": grid.buses[highest],
        "max_line_loading_percent": float(point.line_loading_percent.max(initial=0.0)),
        "max_trafo_loading_percent": float(point.trafo_loading_percent.max(initial=0.0)),
        "loss_w": point.loss_w,
        "violations": [_violation(violation) for violation in point.violations],
        "checked_by": f"pandapower {version('pandapower')}",
        "note": grid.safety_note,
    }


def _violation(violation: Violation) -> dict[str, Any]:
    return {
        "kind": str(violation.kind),
        "element": violation.element,
        "name": violation.name,
        "limit": violation.limit,
        "value": violation.value,
    }


def _sentences(report: dict[str, Any]) -> str:
    low, high = (f"{report[f'{end}_vm_pu']:.4f} p.u. at bus {report[f'{end}_vm_bus']}" for end in ("min", "max"))
    lines, trafos = (f"{report[f'max_{what}_loading_percent']:.1f} %" for what in ("line", "trafo"))
    violations = report["violations"]
    sentences = [
        f"Voltage    {low} to {high}",
        f"Loading    lines up to {lines}, transformers up to {trafos}",
        f"Losses     {report['loss_w']:.0f} W",
        f"Checked by {report['checked_by']}",
        *(
            f"Violated   {one['kind']} of {one['element']} ({one['name']}): {one['value']:.4f}, limit {one['limit']:g}"
            for one in violations[:VIOLATIONS_SHOWN]
        ),
    ]
    if len(violations) > VIOLATIONS_SHOWN:
        sentences.append(f"           and {len(violations) - VIOLATIONS_SHOWN} more (see --json)")
    sentences.append(f"Limits violated: {len(violations)}" if violations else "All limits are kept.")
    if report["note"]:
        sentences.append(f"Note: {report['note']}")
    return "\n".join(sentences)
