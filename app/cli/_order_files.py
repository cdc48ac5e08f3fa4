"""Reading orders.csv: fast over columns, and exact about the line where something is wrong.

The fast pass converts blocks of rows column by column. Whatever it stumbles over is named by a second, careful pass, so
that a good file pays nothing for the messages of a bad one.
"""

import csv
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO

from app.errors import InputError
from grid.feeder import NetworkError
from matching.book import FIRMNESSES, NO_BUS, BookError, OrderBook
from matching.orders import Side

ORDER_COLUMNS = (
    "order_id",
    "participant",
    "metering_point",
    "bus",
    "side",
    "quantity_wh",
    "limit_micro_per_kwh",
    "firmness",
)
LINE_CHARACTERS_MAX = 65_536
BLOCK_ROWS = 65_536
WHOLE_NUMBER = re.compile(r"-?[0-9]+")
SIDES = {side.value: side is Side.SELL for side in Side}
FIRMNESS_CODES = {firmness.value: code for code, firmness in enumerate(FIRMNESSES)}

Row = list[str]
BusIndex = Callable[[str], int]


class _Unreadable(Exception):  # noqa: N818 (says what happened; caught in this file)
    """The fast pass met something that the careful pass has to name."""


def no_network(_: str) -> int:
    """Without a network the bus column has no meaning."""
    return NO_BUS


@dataclass(slots=True, kw_only=True)
class OrderColumns:
    """Typed columns of an orders file, in file order."""

    order_ids: list[str] = field(default_factory=list)
    participants: list[str] = field(default_factory=list)
    metering_points: list[str] = field(default_factory=list)
    is_sell: list[bool] = field(default_factory=list)
    firmness_codes: "array[int]" = field(default_factory=lambda: array("b"))
    quantity_wh: "array[int]" = field(default_factory=lambda: array("q"))
    limit_micro_per_kwh: "array[int]" = field(default_factory=lambda: array("q"))
    bus: "array[int]" = field(default_factory=lambda: array("q"))


def read_orders(path: Path, bus_index: BusIndex) -> OrderColumns:
    """Columns of an orders file. Raises InputError naming file, line and remedy."""
    columns = OrderColumns()
    with path.open("rb") as stream:
        reader = csv.reader(_lines(stream, path), strict=True)
        try:
            place = _places(next(reader, []), ORDER_COLUMNS, path)
            while rows := [row for row in islice(reader, BLOCK_ROWS) if row]:
                _append(columns, rows, place, bus_index)
        except (_Unreadable, csv.Error, ValueError, KeyError, OverflowError, NetworkError) as error:
            raise InputError(_first_problem(path, bus_index) or f"{path}: {error}") from error
    return columns


def book_of(columns: OrderColumns) -> OrderBook:
    """The order book of these columns. Raises BookError."""
    return OrderBook.from_columns(
        order_ids=columns.order_ids,
        participants=columns.participants,
        metering_points=columns.metering_points,
        is_sell=columns.is_sell,
        firmness_codes=columns.firmness_codes,
        quantity_wh=columns.quantity_wh,
        limit_micro_per_kwh=columns.limit_micro_per_kwh,
        bus=columns.bus,
    )


def located(error: BookError, path: Path) -> InputError:
    """A book's error as an error of the line it came from."""
    first = error.errors[0]
    with path.open("rb") as stream:
        reader = csv.reader(_lines(stream, path), strict=True)
        next(reader)
        filled = (reader.line_num for row in reader if row)
        line = next(islice(filled, first.position, None))
    more = f" (and {len(error.errors) - 1} more)" if len(error.errors) > 1 else ""
    return InputError(f"{path} line {line}: {first.message}{more}")


def _lines(stream: IO[bytes], path: Path) -> Iterator[str]:
    """Lines as text, without a byte order mark. A line without end is refused before it fills the memory."""
    number = 0
    while line := stream.readline(LINE_CHARACTERS_MAX):
        number += 1
        if len(line) == LINE_CHARACTERS_MAX and not line.endswith(b"\n"):
            raise InputError(f"{path} line {number}: longer than {LINE_CHARACTERS_MAX} bytes; is this a CSV file?")
        if b"\0" in line:
            raise InputError(f"{path} line {number}: contains a zero byte; save the file as plain UTF-8 text")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path} line {number}: not UTF-8 ({error.reason}); save the file as UTF-8") from error


def _places(header: Row, needed: Sequence[str], path: Path) -> dict[str, int]:
    """Where each needed column is. Raises InputError."""
    if not header:
        raise InputError(f"{path} line 1: the file is empty; its first line must be {','.join(needed)}")
    missing = [name for name in needed if name not in header]
    if missing:
        raise InputError(
            f"{path} line 1: missing column {', '.join(missing)}; the first line must name {','.join(needed)}"
        )
    twice = [name for name in needed if header.count(name) > 1]
    if twice:
        raise InputError(f"{path} line 1: column {', '.join(twice)} is there twice; keep one")
    return {name: header.index(name) for name in needed} | {"": len(header)}


def _append(columns: OrderColumns, rows: list[Row], place: Mapping[str, int], bus_index: BusIndex) -> None:
    """Convert a block column by column. Raises _Unreadable, ValueError, KeyError or OverflowError, not saying where."""
    if {len(row) for row in rows} != {place[""]}:
        raise _Unreadable
    cells = list(zip(*rows, strict=True))
    text = {name: cells[at] for name, at in place.items() if name}
    for name in ("quantity_wh", "limit_micro_per_kwh"):
        if not set("".join(text[name])) <= set("-0123456789"):
            raise _Unreadable
    if not (all(text["order_id"]) and all(text["participant"])):
        raise _Unreadable
    columns.order_ids.extend(text["order_id"])
    columns.participants.extend(_shared(text["participant"]))
    columns.metering_points.extend(_shared(text["metering_point"]))
    columns.is_sell.extend(map(SIDES.__getitem__, text["side"]))
    columns.firmness_codes.extend(map(FIRMNESS_CODES.__getitem__, text["firmness"]))
    columns.quantity_wh.extend(map(int, text["quantity_wh"]))
    columns.limit_micro_per_kwh.extend(map(int, text["limit_micro_per_kwh"]))
    index_of = {name: bus_index(name) for name in set(text["bus"])}
    columns.bus.extend(map(index_of.__getitem__, text["bus"]))


def _shared(texts: Iterable[str]) -> Iterator[str]:
    """The same texts, each kept in memory once."""
    kept: dict[str, str] = {}
    return (kept.setdefault(text, text) for text in texts)


def _first_problem(path: Path, bus_index: BusIndex) -> str | None:
    """The first row that cannot be read, with its line and what to do about it."""
    with path.open("rb") as stream:
        reader = csv.reader(_lines(stream, path), strict=True)
        try:
            header = next(reader)
            place = _places(header, ORDER_COLUMNS, path)
            for row in filter(None, reader):
                _require_cells(row, header)
                _require_order({name: row[at] for name, at in place.items() if name}, bus_index)
        except (csv.Error, ValueError, NetworkError) as error:
            return f"{path} line {reader.line_num}: {error}"
    return None


def _require_cells(row: Row, header: Row) -> None:
    if len(row) != len(header):
        raise ValueError(f"{len(row)} cells where the first line names {len(header)} columns; one comma between cells")


def _require_order(cell: Mapping[str, str], bus_index: BusIndex) -> None:
    """Raise ValueError for the first cell of an order that cannot be read."""
    for name in ("order_id", "participant"):
        if not cell[name]:
            raise ValueError(f"{name} is empty; every order needs one")
    for name, known in (("side", SIDES), ("firmness", FIRMNESS_CODES)):
        if cell[name] not in known:
            raise ValueError(f"{name} is {cell[name]!r}; write {' or '.join(known)}")
    for name, unit in (("quantity_wh", "whole Wh, 0 or more"), ("limit_micro_per_kwh", "whole micro-units per kWh")):
        if not WHOLE_NUMBER.fullmatch(cell[name]) or abs(int(cell[name])) >= 2**63:
            raise ValueError(f"{name} is {cell[name]!r}; give {unit}")
    if bus_index is not no_network and not cell["bus"].strip():
        raise ValueError("bus is empty; name the network's bus the order is connected to")
    bus_index(cell["bus"])
