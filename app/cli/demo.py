"""Live a day in the life of a community."""

import contextlib
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.cli import refusing
from app.demo.founding import TIMEZONE
from app.demo.neighbourhood import DARK_DAY, DEFAULT_NETWORK, SUNNY_DAY, NeighbourhoodError, local_midnight_s
from app.demo.result import DemoResult, result_of
from app.demo.runner import Demonstration
from app.demo.runner import Progress as Report
from app.demo.stage import market_of
from app.demo.state import DemoPlan, DemoState
from app.demo.summary import print_address, print_summary
from app.errors import InputError
from app.market_choice import Timing
from contracts.embedded import ChainDamagedError
from contracts.single_writer import AlreadyInUseError
from grid.feeder import NetworkError
from matching.mechanisms import DEFAULT_MECHANISM
from matching.rules import MECHANISMS, RuleError

DAY_SLOTS = 96
PARTIAL_DAY_STARTS_AT_S = 10 * 3600
FOLDER = click.Path(file_okay=False, path_type=Path)
NAMED_DAYS = {"sunny": SUNNY_DAY, "dark": DARK_DAY}


@click.command(
    epilog="\b\nExamples:\n  commonwatt demo\n  commonwatt demo --date dark --no-serve\n"
    "  commonwatt demo --households 12 --islanded --no-serve\n"
    "  commonwatt demo --households 30 --intervals 8 --no-serve --json"
)
@click.option("--network", default=DEFAULT_NETWORK, show_default=True, metavar="NETWORK", help="Whose homes.")
@click.option(
    "--households", type=click.IntRange(min=2), help="How many of the network's homes; all of them by default."
)
@click.option("--date", "day", default="sunny", show_default=True, help="sunny, dark, or a day as YYYY-MM-DD.")
@click.option(
    "--intervals",
    type=click.IntRange(1, DAY_SLOTS),
    default=DAY_SLOTS,
    show_default=True,
    help="Quarter-hours to play.",
)
@click.option(
    "--mechanism", default=DEFAULT_MECHANISM, show_default=True, help=f"How neighbours trade: {', '.join(MECHANISMS)}."
)
@click.option(
    "--timing",
    type=click.Choice([each.value for each in Timing]),
    default=Timing.EX_ANTE.value,
    show_default=True,
    help="Orders before delivery, or shared after it.",
)
@click.option(
    "--islanded", is_flag=True, help="No supplier and no grid above: a battery forms the grid (docs/islanded.md)."
)
@click.option("--speed", default="max", show_default=True, help="Simulated over real time, for example 60, or max.")
@click.option("--state", type=FOLDER, help="Keep everything here, and go on from it.")
@click.option("--serve/--no-serve", default=True, help="Keep the web application up until Ctrl-C.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Of the web application; the first free one by default.")
@click.option("--seed", default="commonwatt", show_default=True, help="The same seed gives the same day.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output and nothing else there.")
def command(  # noqa: PLR0913 every option of the command line is one argument
    *,
    network: str,
    households: int | None,
    day: str,
    intervals: int,
    mechanism: str,
    timing: str,
    islanded: bool,
    speed: str,
    state: Path | None,
    serve: bool,
    port: int | None,
    seed: str,
    as_json: bool,
) -> None:
    """Live a day in the life of a community, with real sockets, auction, power flow, ledger and web application."""
    started = time.monotonic()
    console = Console(stderr=True)
    factor = _factor(speed)
    plan = _plan(network, households, _day(day), intervals, seed, mechanism=mechanism, timing=timing, islanded=islanded)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_by_sigterm())
        folder = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="commonwatt-demo-")))
        report = stack.enter_context(_progress(console, intervals + 1))
        with refusing(NeighbourhoodError, NetworkError, AlreadyInUseError, ChainDamagedError):
            demo = Demonstration(DemoState(folder), plan, host="127.0.0.1", port=port, progress=report)
            stack.callback(demo.close)
            demo.open()
        if serve:
            click.echo(demo.web.url, err=as_json)
            sys.stdout.flush()
            print_address(console, demo.web.url, demo.sign_ins)
        demo.live(factor)
        result = result_of(demo, started=started)
        report("done", 1, 1)
        _show(console, demo, result, serve=serve, as_json=as_json)
        if serve:
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()


def _show(console: Console, demo: Demonstration, result: DemoResult, *, serve: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result.document()))
    else:
        print_summary(Console(), result)
    if serve:
        print_address(console, demo.web.url, demo.sign_ins)


def _plan(
    network: str,
    households: int | None,
    day: date,
    intervals: int,
    seed: str,
    *,
    mechanism: str,
    timing: str,
    islanded: bool,
) -> DemoPlan:
    midnight_s = local_midnight_s(day, TIMEZONE)
    first_s = midnight_s if intervals == DAY_SLOTS else midnight_s + PARTIAL_DAY_STARTS_AT_S
    plan = DemoPlan(
        network=network,
        day=day.isoformat(),
        households=households,
        first_s=first_s,
        intervals=intervals,
        seed=seed,
        mechanism=mechanism,
        timing=timing,
        islanded=islanded,
    )
    with refusing(RuleError):
        market_of(plan).rules(supplier_price=0, feed_in_price=0, tie_seed=seed)
    return plan


def _day(text: str) -> date:
    try:
        return NAMED_DAYS[text] if text in NAMED_DAYS else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--date {text!r}: write sunny, dark, or a day such as {SUNNY_DAY}") from error


def _factor(text: str) -> float | None:
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError as error:
        raise InputError(f"--speed {text!r}: write a number such as 60, or max") from error
    if not 0 < factor < float("inf"):
        raise InputError(f"--speed {text}: must be above 0")
    return factor


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demonstration like Ctrl-C does: with everything closed and all children ended."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _progress(console: Console, steps: int) -> Iterator[Report]:
    """A progress bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("{task.description:<24}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            for name, task in tasks.items():
                if name != what:
                    bars.update(task, completed=steps if name == "day" else 1, total=steps if name == "day" else 1)
            task = tasks.setdefault(what, bars.add_task(what, total=total)) if what not in tasks else tasks[what]
            bars.update(task, completed=done, total=total)

        yield report
