"""List networks and check injections against their limits."""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np

from app.cli import refusing
from app.cli._grid_plot import plot
from app.cli._grid_states import busy, injections_of, open_grid
from app.cli._grid_year import year
from grid.catalogue import LIBRARY, SIMBENCH
from grid.feeder import NetworkError
from grid.feeders import feeder_names
from grid.injections import InjectionRow, Injections
from grid.limits import OperatingPoint, Violation
from grid.network import GridNetwork, load_network
from grid.power_flow import PowerFlowDiverged
from grid.three_phase import ALL_PHASES, PHASES, PhaseViolation, phase_violations

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
    """Networks that --network accepts: published ones, which need no download, and files of your own."""
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in (*SIMBENCH, *LIBRARY)]))
        return
    for heading, entries in (
        ("Low-voltage networks of SimBench (every other SimBench code is accepted too):", SIMBENCH),
        ("Test networks of CIGRE, IEEE and Kerber, as pandapower carries them:", LIBRARY),
    ):
        click.echo(f"{heading}\n  {'network':<54} {'buses':>5}  {'voltage, kV':<11}  transformers, kVA")
        for entry in entries:
            voltages = " / ".join(f"{vn_kv:g}" for vn_kv in entry.vn_kv)
            ratings = " + ".join(str(kva) for kva in entry.trafo_kva)
            click.echo(f"  {entry.spec:<54} {entry.bus_count:>5}  {voltages:<11}  {ratings}")
    click.echo("Your own:")
    for spec, meaning in OTHER_KINDS.items():
        click.echo(f"  {spec:<16} {meaning}")


@command.command(epilog="Example: commonwatt grid buses --network simbench:1-LV-rural3--2-sw")
@network_option
@click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")
def buses(*, network: str, as_json: bool) -> None:
    """Index, voltage, feeder and name of every bus in service: what orders and injections may name.

    A feeder has the name of its bus with the lowest index; a busbar is on none. Orders without a column `feeder` have
    that of their bus.
    """
    arrays = open_grid(network, v_min=0.9, v_max=1.1, max_loading=100.0).arrays
    columns = (arrays.bus_ids.tolist(), arrays.bus_vn_kv.tolist(), feeder_names(arrays), arrays.bus_names)
    listed = [dict(zip(("bus", "vn_kv", "feeder", "name"), row, strict=True)) for row in zip(*columns, strict=True)]
    if as_json:
        click.echo(json.dumps(listed))
        return
    width = max(len("feeder"), *(len(row["feeder"]) for row in listed))
    click.echo(f"{'bus':>6}  {'kV':>6}  {'feeder':<{width}}  name")
    for row in listed:
        click.echo(f"{row['bus']:>6}  {row['vn_kv']:>6g}  {row['feeder'] or '-':<{width}}  {row['name']}")


@command.command(epilog="Example: commonwatt grid check --network simbench:1-LV-rural3--2-sw --injections noon.csv")
@network_option
@click.option(
    "--injections", type=FILE, help="CSV: bus,injection_w[,injection_var][,phase]; + into the grid. None without it."
)
@click.option("--v-min", default=0.9, show_default=True, help="Lowest voltage of buses under 1 kV, p.u.")
@click.option("--v-max", default=1.1, show_default=True, help="Highest voltage of buses under 1 kV, p.u.")
@click.option("--max-loading", default=100.0, show_default=True, help="Highest loading, percent.")
@click.option(
    "--three-phase",
    is_flag=True,
    help="Look at single phases too; without a column phase every bus injects on one, in turn.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_context
def check(
    context: click.Context,
    *,
    network: str,
    injections: Path | None,
    v_min: float,
    v_max: float,
    max_loading: float,
    three_phase: bool,
    as_json: bool,
) -> None:
    """Voltages and loadings that injections cause, by pandapower's AC power flow.

    With a column `phase` (a, b, c, or abc for all three) single phases are looked at too.

    The network's own loads and generators are ignored. Exit code 1 if a limit is passed or nothing can carry the
    injections, 2 for bad input; everything that is wrong with a network is told at once.
    """
    grid = open_grid(network, v_min=v_min, v_max=v_max, max_loading=max_loading)
    given = injections_of(injections, grid)
    three_phase = three_phase or given.by_phase
    try:
        with busy("AC power flow"):
            point = grid.judge(given.injection_w, given.injection_var)
            by_phase = _by_phase(network, grid, given) if three_phase else ()
    except PowerFlowDiverged as failure:
        if as_json:
            click.echo(json.dumps({"network": network, "within_limits": False, "converged": False}))
        click.echo(f"Not within limits: {failure}", err=True)
        context.exit(1)
    report = _report(network, grid, point)
    if three_phase:
        report["phase_violations"] = [asdict(violation) for violation in by_phase]
        report["within_limits"] = report["within_limits"] and not by_phase
    click.echo(json.dumps(report) if as_json else _sentences(report))
    context.exit(0 if report["within_limits"] else 1)


command.add_command(plot)
command.add_command(year)


def _by_phase(network: str, grid: GridNetwork, given: Injections) -> tuple[PhaseViolation, ...]:
    """What single phases pass: each row on its phase, or where no row says so each bus on one phase, in turn."""
    rows = given.rows
    if not given.by_phase:
        at = np.flatnonzero((given.injection_w != 0.0) | (given.injection_var != 0.0)).tolist()
        rows = tuple(
            InjectionRow(
                bus=grid.buses[position],
                injection_w=float(given.injection_w[position]),
                injection_var=float(given.injection_var[position]),
                phase=PHASES[turn % len(PHASES)],
            )
            for turn, position in enumerate(at)
        )
    with refusing(NetworkError):
        return phase_violations(
            load_network(network),
            grid.limits,
            point_bus=[row.bus for row in rows],
            point_phase=[row.phase or ALL_PHASES for row in rows],
            injection_w=np.array([row.injection_w for row in rows]),
            injection_var=np.array([row.injection_var for row in rows]),
        )


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
    by_phase = report.get("phase_violations", [])
    sentences += [
        f"Violated   {one['kind']} of {one['element']} ({one['name']}) on phase {one['phase']}: {one['value']:.4f}, "
        f"limit {one['limit']:g}"
        for one in by_phase[:VIOLATIONS_SHOWN]
    ]
    if len(violations) > VIOLATIONS_SHOWN:
        sentences.append(f"           and {len(violations) - VIOLATIONS_SHOWN} more (see --json)")
    passed = len(violations) + len(by_phase)
    sentences.append(f"Limits violated: {passed}" if passed else "All limits are kept.")
    if report["note"]:
        sentences.append(f"Note: {report['note']}")
    return "\n".join(sentences)
