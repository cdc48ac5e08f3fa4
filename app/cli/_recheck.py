"""`commonwatt clear --check`: a published result verified from its folder alone, by code that did not make it."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from app.cli import refusing
from app.cli._order_files import no_network, read_orders
from app.cli._parts_file import read_parts
from app.cli._proof_files import (
    BASELINE,
    CLAIMS_DIGEST,
    DOCUMENT,
    NETWORK,
    ORDERS,
    SOURCES,
    TRADES,
    claims_digest,
)
from app.cli._result_files import read_document, read_trades
from app.errors import InputError
from grid.feeder import NetworkError
from grid.injections import InjectionError, read_injections
from matching.book import BookError, OrderBook
from matching.recheck.checks import Verdict, recheck
from matching.recheck.claims import Claims, NetworkInput, claims_of
from matching.recheck.fields import Unreadable
from matching.recheck.island import Islanded, as_cleared
from matching.recheck.published import Published, Trades, published

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

    from matching.recheck.power_flow import RecordedNetwork

PLAIN_MODULES = frozenset({"pandapower.auxiliary", "pandas.core.frame", "pandas.core.series"})
EXIT_WRONG = 1


def check(folder: Path, *, as_json: bool) -> int:
    """Print what holds and what does not; the exit code. Raises InputError for unusable files."""
    with refusing(Unreadable, NetworkError, InjectionError):
        verdicts = _verdicts(folder)
    wrong = [one for one in verdicts if one.wrong]
    if as_json:
        told = [
            {"check": one.name, "holds": not one.wrong if one.is_checked else None, "wrong": list(one.wrong)}
            for one in verdicts
        ]
        click.echo(json.dumps({"folder": str(folder), "holds": not wrong, "checks": told}))
    else:
        for one in verdicts:
            word = "FAILED" if one.wrong else "ok" if one.is_checked else "not checked"
            click.echo(f"{word:6}  {one.name:18}{one.about}")
            for sentence in one.wrong:
                click.echo(f"        {one.name}: {sentence}")
        checked = sum(one.is_checked for one in verdicts)
        rest = len(verdicts) - checked
        more = "" if not rest else f" {rest} {'thing is' if rest == 1 else 'things are'} not checked."
        click.echo((f"{len(wrong)} of {checked} checks FAILED." if wrong else f"All {checked} checks hold.") + more)
    return EXIT_WRONG if wrong else 0


def _verdicts(folder: Path) -> tuple[Verdict, ...]:
    for name in (DOCUMENT, TRADES, ORDERS):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing; give the whole folder that `commonwatt clear --out` wrote")
    document = read_document(folder / DOCUMENT)
    beside = [_same_claims(document)]
    claims = claims_of(document)
    beside.append(_nothing_else(folder, claims))
    if claims.preferences is not None and not (folder / SOURCES).is_file():
        raise InputError(f"{folder / SOURCES} is missing; give the whole folder that `commonwatt clear --out` wrote")
    if claims.network is None:
        return (*beside, *recheck(_published(folder, claims, None)))

    from matching.recheck.island_network import recheck_on_island
    from matching.recheck.network import on_network, recheck_on_network
    from matching.recheck.power_flow import RecordedNetwork

    network = RecordedNetwork(
        _network(folder, claims.network), formed_at=None if claims.island is None else claims.island.grid_forming_bus
    )
    result = _published(folder, claims, network)
    baseline_w, baseline_var = np.zeros(len(network.buses)), np.zeros(len(network.buses))
    if claims.baseline_sha256 is not None:
        path = folder / BASELINE
        if not path.is_file():
            raise InputError(f"{path} is missing; give the whole folder that `commonwatt clear --out` wrote")
        given = read_injections(path, buses=tuple(network.buses), bus_index=network.bus_index)
        baseline_w, baseline_var = given.injection_w, given.injection_var
    flowing = result if claims.island is None else as_cleared(Islanded(result=result, claim=claims.island))
    on = on_network(flowing, claims.network, network, baseline_w=baseline_w, baseline_var=baseline_var)
    found = recheck_on_network(on) if claims.island is None else recheck_on_island(on)
    return (*beside, _same_baseline(folder, claims), *recheck(result), *found)


def _same_claims(document: dict[str, object]) -> Verdict:
    """Takes the fingerprint out of the document, so that what is left are claims."""
    claimed = document.pop(CLAIMS_DIGEST, None)
    if claimed is None:
        raise InputError(f"{DOCUMENT} has no {CLAIMS_DIGEST!r}; have the result published again by this version")
    found = claims_digest(document)
    wrong = () if claimed == found else (f"{CLAIMS_DIGEST} is {claimed}, what {DOCUMENT} says gives {found}",)
    return Verdict(name="claims", about=f"{DOCUMENT} says what it said when it was written.", wrong=wrong)


def _nothing_else(folder: Path, claims: Claims) -> Verdict:
    """A file that would be read as a part of the result, and is none."""
    parts = {
        NETWORK: claims.network is not None and claims.network.file is not None,
        BASELINE: claims.baseline_sha256 is not None,
        SOURCES: claims.preferences is not None,
    }
    strange = [name for name, is_part in parts.items() if not is_part and (folder / name).exists()]
    return Verdict(
        name="files",
        about="Nothing is there that looks like a part of the result and is none.",
        wrong=tuple(f"{name} is there, and {DOCUMENT} knows of none" for name in strange),
    )


def _same_baseline(folder: Path, claims: Claims) -> Verdict:
    wrong = []
    if claims.baseline_sha256 is not None:
        found = hashlib.sha256((folder / BASELINE).read_bytes()).hexdigest()
        if found != claims.baseline_sha256:
            wrong.append(f"baseline_sha256 is {claims.baseline_sha256}, {BASELINE} gives {found}")
    return Verdict(
        name="baseline", about="What flows beside the book is what the result was made with.", wrong=tuple(wrong)
    )


def _published(folder: Path, claims: Claims, network: "RecordedNetwork | None") -> Published:
    lines = read_trades(folder / TRADES)
    return published(
        _book(folder / ORDERS, network),
        Trades(
            order_ids=lines.order_ids,
            accepted_wh=lines.accepted_wh,
            curtailed_wh=lines.curtailed_wh,
            price_micro_per_kwh=lines.price_micro_per_kwh,
            has_price=lines.is_priced,
            amount_nano=lines.amount_nano,
        ),
        claims,
        None if claims.preferences is None else read_parts(folder / SOURCES),
    )


def _book(path: Path, network: "RecordedNetwork | None") -> OrderBook:
    """The book; feeders that the file does not tell are those of the recorded network."""
    table = read_orders(path, no_network if network is None else network.bus_index)
    try:
        return table.book(feeder_of_bus=None if network is None else network.feeders)
    except BookError as error:
        raise table.located(error) from error


def _network(folder: Path, claimed: NetworkInput) -> "pandapowerNet":
    """The recorded network. Raises InputError or NetworkError."""
    if claimed.file is None:
        from grid.store import fetch

        return fetch(claimed.source).load()
    path = folder / NETWORK
    if claimed.file != NETWORK or not path.is_file():
        raise InputError(f"{path} is missing; give the whole folder that `commonwatt clear --out` wrote")
    try:
        modules = _modules(json.loads(path.read_bytes()))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}); give the folder as it was written") from error
    if not modules <= PLAIN_MODULES:  # loading a file could run what it names
        raise InputError(f"{path} holds {', '.join(sorted(modules - PLAIN_MODULES))}: no plain network, not opened")

    import pandapower

    from grid.soundness import require_sound
    from grid.sources import broken_tables

    try:
        net = pandapower.from_json(str(path), convert=False)
    except Exception as failure:  # a damaged file makes it raise anything
        raise InputError(f"{path} is a damaged network ({failure}); give the folder as it was written") from failure
    broken = broken_tables(net)
    if broken:
        raise InputError(f"{path} is no network (table {broken[0]}); give the folder as it was written")
    require_sound(net)
    return net


def _modules(value: object) -> set[str]:
    """Every module that a pandapower file names, also inside texts that hold JSON themselves."""
    if isinstance(value, dict):
        own = {str(value["_module"])} if "_module" in value else set()
        return own.union(*map(_modules, value.values()))
    if isinstance(value, list):
        return set().union(*map(_modules, value))
    if isinstance(value, str) and "_module" in value:
        return _modules(json.loads(value))
    return set()
