"""The states of a network before and after the market, from the folder that `commonwatt clear` wrote."""

from dataclasses import dataclass
from pathlib import Path

from app.cli import refusing
from app.cli._grid_states import injections_of, open_grid, panel
from app.cli._order_files import read_orders
from app.cli._proof_files import BASELINE, CLAIMS_DIGEST, DOCUMENT, NETWORK, ORDERS, TRADES
from app.cli._result_files import read_document, read_trades
from app.errors import InputError
from grid.feeder import NetworkError
from grid.injections import Injections
from grid.network import GridNetwork
from grid.picture import Panel
from matching.book import BookError
from matching.injections import Feeder, feeder_of
from matching.recheck.claims import Claims, claims_of
from matching.recheck.fields import Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnResult:
    """The network of a result, what people call it, and its states before and after the market."""

    name: str
    grid: GridNetwork
    panels: tuple[Panel, ...]


def drawn_result(folder: Path) -> DrawnResult:
    """Before: all firm and curtailable orders flow, no flexible one. After: as the result says. Raises InputError."""
    document = read_document(folder / DOCUMENT)
    document.pop(CLAIMS_DIGEST, None)
    with refusing(Unreadable, NetworkError):
        claims = claims_of(document)
        name, grid = _network(folder, claims)
    trades = read_trades(folder / TRADES)
    order_ids, feeder = _feeder(folder, claims, grid)
    place = {order_id: at for at, order_id in enumerate(trades.order_ids.tolist())}
    rows = [place.get(order_id, -1) for order_id in order_ids]
    if len(place) != len(rows) or -1 in rows:
        raise InputError(f"{folder / TRADES} lists other orders than {folder / ORDERS}: clear them again")
    after_w = feeder.injection_w(trades.accepted_wh[rows], trades.curtailed_wh[rows])
    before = Injections(injection_w=feeder.base_w, injection_var=feeder.base_var)
    after = Injections(injection_w=after_w, injection_var=feeder.base_var)
    panels = (panel("Before the market", grid, before), panel("After the market", grid, after))
    return DrawnResult(name=name, grid=grid, panels=panels)


def _network(folder: Path, claims: Claims) -> tuple[str, GridNetwork]:
    """The recorded network, cut off where the result is that of an island. Raises NetworkError."""
    recorded, island = claims.network, claims.island
    if recorded is None:
        raise InputError(f"{folder} was cleared without a network: there is nothing to draw")
    spec = recorded.source if recorded.file is None else str(folder / NETWORK)
    grid = open_grid(spec, v_min=recorded.v_min_pu, v_max=recorded.v_max_pu, max_loading=recorded.max_loading_percent)
    if grid.stored is not None and grid.stored.digest() != recorded.digest:
        raise InputError(
            f"{spec} is not the network of the result in {folder}: its digest differs; clear the book again"
        )
    if island is not None and island.grid_forming_bus is not None:
        grid = grid.islanded(island.grid_forming_bus)
    return recorded.source, grid


def _feeder(folder: Path, claims: Claims, grid: GridNetwork) -> tuple[list[bytes], Feeder]:
    """The orders of the book, and where they are on the network."""
    baseline = injections_of(folder / BASELINE if claims.baseline_sha256 is not None else None, grid)
    table = read_orders(folder / ORDERS, grid.bus_index)
    try:
        book = table.book()
        feeder = feeder_of(
            book,
            grid,
            interval_minutes=claims.interval_minutes,
            baseline_w=baseline.injection_w,
            baseline_var=baseline.injection_var,
        )
    except BookError as error:
        raise table.located(error) from error
    return book.order_ids.tolist(), feeder
