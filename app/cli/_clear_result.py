"""What `commonwatt clear` says of its result on the terminal."""

from pathlib import Path

import click

from matching.clearing import Clearing
from matching.preferences.classes import members_without_orders, wants_feeders_unknown
from matching.result import Status

NOTED_MAX = 3


def say_result(clearing: Clearing, out: Path, document: str | None) -> None:
    """The document if that is wanted, else a line; notes and the reason of a red light go to standard error."""
    for name in members_without_orders(clearing.book)[:NOTED_MAX]:
        click.echo(f"note: member {name!r} has no order: premiums for that name apply to nothing", err=True)
    if wants_feeders_unknown(clearing.book):
        click.echo(
            "note: no seller's feeder is known: premiums for same_feeder apply to nothing; give --network or a column "
            "feeder",
            err=True,
        )
    click.echo(document or _summary(clearing, out))
    if clearing.status is Status.RED:
        click.echo(f"red: {_red_because(clearing)}", err=True)


def _summary(clearing: Clearing, out: Path) -> str:
    price = clearing.clearing_price_micro_per_kwh
    at = "" if price is None else f" at {price / 1e6:.4f} per kWh"
    bound = "1 limit" if len(clearing.binding) == 1 else f"{len(clearing.binding)} limits"
    return (
        f"{clearing.status.value}: {clearing.traded_wh / 1000:.3f} kWh traded{at}, {len(clearing.book)} orders, "
        f"{bound} binding; see {out / 'trades.csv'} and {out / 'clearing.json'}"
    )


def _red_because(clearing: Clearing) -> str:
    """Why a result is red, and where to look."""
    if clearing.island is None and clearing.point is None:
        return "no power flow has a solution even with nothing flexible: look at the baseline and the orders' buses"
    if clearing.island is None:
        return "the network's limits cannot be kept; see binding in clearing.json"
    dark = "the island is dark: " if clearing.island.is_dark else ""
    return f"{dark}{clearing.island.shed_wh / 1000:.3f} kWh of firm demand are not served; see island in clearing.json"
