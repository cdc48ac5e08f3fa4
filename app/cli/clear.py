"""Clear one interval: a book of orders under network limits."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import wraps
from pathlib import Path

import click
from rich.console import Console
from rich.status import Status

from app.cli import refusing
from app.cli._clear_result import say_result
from app.cli._fee_file import read_fees
from app.cli._given_options import nothing_of_a_network, only_with_a_clearing
from app.cli._island_options import CutOff, cut_off, island_options
from app.cli._key_file import read_keys
from app.cli._order_files import no_network, read_orders
from app.cli._proof_files import (
    CLAIMS_DIGEST,
    DOCUMENT,
    SOURCES,
    TRADES,
    Ingredients,
    claims_digest,
    earlier_result,
    ingredients,
    readable_twice,
    remove_leftovers,
    require_no_loss,
)
from app.cli._result_files import replaced, write_document, write_sources, write_trades
from grid.feeder import NetworkError
from grid.injections import InjectionError, read_injections
from grid.network import GridNetwork, open_network
from matching.auction import LossesNotCovered
from matching.book import BookError
from matching.clearing import Clearing, MarketRules, clear
from matching.result import Status as TrafficLight
from matching.rules import MECHANISMS, RuleError

EXIT_RED = 3
EXAMPLE = """
\b
Examples:
  commonwatt clear orders.csv --out result
  commonwatt clear orders.csv --out result --network simbench:1-LV-rural3--2-sw --baseline base.csv

\b
ORDERS is a CSV file in UTF-8 (or a pipe), one order a line; columns in any order, others are ignored:
  order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness
  a-1,anna,mp-1,12,sell,800,120000,curtailable
  b-1,ben,mp-2,LV3.101 Bus 4,buy,500,260000,firm

\b
  order_id             unique, at most 128 bytes
  participant          who pays or is paid
  metering_point       where the energy is metered; may be empty
  bus                  index or unique name (`commonwatt grid buses --network N`); without a network it is not read
  side                 buy or sell
  quantity_wh          whole Wh in the interval, 0 or more
  limit_micro_per_kwh  a buyer pays at most, a seller gets at least: millionths of a currency unit per kWh,
                       in steps of 100 (120000 is 0.12 per kWh); may be negative, then sellers would pay
  firmness             firm: flows whether matched or not; curtailable: flows unless the network needs it reduced;
                       flexible: flows only if accepted
These may be added:
  source               of sell orders: solar, storage or other
  feeder, zone         where the order is connected
  premiums             of buy orders, micro-units per kWh: solar:20000;same_feeder:5000;member:anna:10000

\b
trades.csv has a line for every order, in the order of the file:
  accepted_wh          energy that is traded
  curtailed_wh         energy a curtailable order must not deliver
  price_micro_per_kwh  what it is traded at; empty where nothing is accepted
  amount_nano          accepted_wh * price_micro_per_kwh: billionths of a currency unit; the side says who pays
With premiums or --grid-fees there is a sources.csv too. clearing.json has the rest: status, clearing price, totals,
binding limits, voltages and loadings, the certificate.

\b
Ends with
  0  cleared: green, or amber where only curtailing or flexible energy that relieves the network kept its limits
  2  bad input: one line names it, and nothing is written
  3  red: the network's limits cannot be kept, or on an island firm demand is not served; the result is written

\b
Check a result from its directory alone, with code that did not make it (docs/proof-of-a-clearing.md):
  commonwatt clear --check result
ends with 0 when all holds, 1 when something does not, 2 for unusable files.
"""


FILE = click.Path(path_type=Path)  # reading it says what is wrong with it, in one line


def _or_check(clear_book: Callable[..., None]) -> Callable[..., None]:
    """The command that clears, or with --check only looks at what another run has left."""

    @wraps(clear_book)
    def run(
        *, orders: Path | None, out: Path | None, baseline: Path | None, checked: Path | None, **options: object
    ) -> None:
        if checked is None:
            if orders is None or out is None:
                raise click.UsageError(f"Missing {'argument ' + repr('ORDERS') if orders is None else 'option --out'}.")
            with ExitStack() as kept:
                given = [path and kept.enter_context(readable_twice(path)) for path in (orders, baseline)]
                clear_book(orders=given[0], out=out, baseline=given[1], **options)
            return
        only_with_a_clearing()
        from app.cli._recheck import check

        sys.exit(check(checked, as_json=bool(options["as_json"])))

    return run


@click.command("clear", epilog=EXAMPLE)
@click.argument("orders", type=FILE, required=False)
@click.option("--out", type=FILE, help="Directory of trades.csv and clearing.json.")
@click.option(
    "--check",
    "checked",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Only check the result in this directory: no ORDERS, no --out.",
)
@click.option("--network", default="none", show_default=True, help="none, or as in `commonwatt grid list`.")
@click.option(
    "--baseline",
    type=FILE,
    help="CSV: bus,injection_w[,injection_var] beside the book; + into the grid; rows of a bus add up. Zero without.",
)
@click.option("--minutes", default=15, show_default=True, type=int, help="Length of the interval: 5, 15, 30 or 60.")
@click.option("--v-min", default=0.9, show_default=True, help="Lowest voltage of buses under 1 kV, p.u.")
@click.option("--v-max", default=1.1, show_default=True, help="Highest voltage of buses under 1 kV, p.u.")
@click.option("--max-loading", default=100.0, show_default=True, help="Highest loading of lines and transformers, %.")
@click.option(
    "--mechanism",
    default="k_double_auction",
    show_default=True,
    help=f"How the community trades: {', '.join(MECHANISMS)}.",
)
@click.option(
    "--community-price", type=int, help="Of fixed_price and the keys; the middle of the other two without it."
)
@click.option("--keys", type=FILE, help="Of static_key: participant,share in parts per million. Equal without it.")
@click.option(
    "--grid-fees",
    "fees",
    type=FILE,
    help="from_zone,to_zone,fee_micro_per_kwh: what a kWh costs on its way, paid by the buyer; see column zone.",
)
@click.option("--losses", help="Who buys network losses: grid (operator; default), or market (default of --islanded).")
@click.option("--supplier-price", type=int, help="The supplier sells without bound at this price, micro-units per kWh.")
@click.option("--feed-in-price", type=int, help="The supplier buys without bound at this price, micro-units per kWh.")
@click.option("--seed", default="commonwatt", show_default=True, help="Keys the hash that breaks ties.")
@click.option("--json", "as_json", is_flag=True, help="Print clearing.json (or the checks) as JSON.")
@island_options
@_or_check
def command(  # noqa: PLR0913 (one parameter per option of the command line)
    *,
    orders: Path,
    out: Path,
    network: str,
    baseline: Path | None,
    minutes: int,
    v_min: float,
    v_max: float,
    max_loading: float,
    mechanism: str,
    community_price: int | None,
    keys: Path | None,
    fees: Path | None,
    losses: str,
    cut: CutOff | None,
    supplier_price: int | None,
    feed_in_price: int | None,
    seed: str,
    as_json: bool,
) -> None:
    """Clear the book ORDERS for one interval; write trades.csv and clearing.json into a directory."""
    start = time.perf_counter()
    with refusing(RuleError):
        rules = MarketRules(
            tie_seed=seed,
            mechanism=mechanism,
            losses=losses,
            island=None if cut is None else cut.island,
            supplier_price_micro_per_kwh=supplier_price,
            feed_in_price_micro_per_kwh=feed_in_price,
            supplier_bids=supplier_price is not None or feed_in_price is not None,
            community_price_micro_per_kwh=community_price,
            grid_fees=None if fees is None else read_fees(fees),
        )
    if network == "none":
        nothing_of_a_network()
    with refusing(NetworkError, InjectionError, LossesNotCovered, RuleError):
        with _busy(f"Reading {network}"):
            grid = None if network == "none" else _opened(network, v_min, v_max, max_loading)
        used = ingredients(orders, baseline, grid)
        require_no_loss(out, used)
        rules, grid = cut_off(rules, grid, cut)
        with _busy(f"Reading {orders}") as status:
            clearing, seconds = _cleared(orders, baseline, keys, grid, rules=rules, minutes=minutes, say=status.update)
    document = _write(out, clearing, used, seconds, start)
    say_result(clearing, out, json.dumps(document) if as_json else None)
    if clearing.status is TrafficLight.RED:
        sys.exit(EXIT_RED)


def _opened(spec: str, v_min: float, v_max: float, max_loading: float) -> GridNetwork:
    with refusing(ValueError):  # limits that contradict each other
        return open_network(spec, v_min_pu=v_min, v_max_pu=v_max, max_loading_percent=max_loading)


def _cleared(
    orders: Path,
    baseline: Path | None,
    keys: Path | None,
    grid: GridNetwork | None,
    *,
    rules: MarketRules,
    minutes: int,
    say: Callable[[str], None],
) -> tuple[Clearing, dict[str, float]]:
    """The clearing, and the seconds it took to read the files and to build the book."""
    start = time.perf_counter()
    table = read_orders(
        orders,
        no_network if grid is None else grid.bus_index,
        told=lambda count: say(f"Reading {orders}: {count:,} orders"),
    )
    fixed = None
    if baseline is not None and grid is not None:
        fixed = read_injections(baseline, buses=grid.buses, bus_index=grid.bus_index)
    read = time.perf_counter()
    say(f"Clearing {table.lines.count:,} orders")
    try:
        book = table.book(feeder_of_bus=None if grid is None else grid.feeders)
        if keys is not None:
            rules = replace(rules, keys_ppm=read_keys(keys, book.coded_participants()[0]))
        built = time.perf_counter()
        clearing = clear(
            book,
            interval_minutes=minutes,
            rules=rules,
            limits=grid,
            baseline_w=None if fixed is None else fixed.injection_w,
            baseline_var=None if fixed is None else fixed.injection_var,
        )
    except BookError as error:
        raise table.located(error) from error
    return clearing, {"read": read - start, "book": built - read}


def _write(
    out: Path, clearing: Clearing, used: Ingredients, seconds: Mapping[str, float], start: float
) -> dict[str, object]:
    """Write the result beside what it was made of.

    `seconds.write` is that of all but the document, since that cannot time its own writing.
    """
    document, earlier = {**clearing.document(), "inputs": used.document}, earlier_result(out)
    document[CLAIMS_DIGEST] = claims_digest(document)
    with replaced(out) as open_file:
        before = time.perf_counter()
        write_trades(open_file(TRADES), clearing)
        used.copy_into(open_file)
        if clearing.attributes is not None:
            write_sources(open_file(SOURCES), clearing, clearing.attributes)
        now = time.perf_counter()
        measured = {**seconds, **clearing.seconds, "write": now - before, "total": now - start}
        document["seconds"] = {key: round(value, 6) for key, value in measured.items()}
        write_document(open_file(DOCUMENT), document)
    parts = {TRADES, DOCUMENT, *used.files, *({SOURCES} if clearing.attributes is not None else ())}
    remove_leftovers(out, earlier, frozenset(parts))
    if earlier.files and earlier.book_digest != document["book_digest"]:
        click.echo(f"note: {out} held the result of another book ({earlier.about}), which is replaced", err=True)
    return document


def _busy(doing: str) -> Status:
    """A moving sign on a terminal, nothing elsewhere."""
    return Console(stderr=True).status(doing)
