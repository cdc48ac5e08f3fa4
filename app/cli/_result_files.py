"""The result of a clearing as files: a reader sees the old result or the new one, never half of one."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pyarrow import compute

from app.cli._csv_tables import (
    Arrays,
    Cells,
    Columns,
    LineNumbers,
    Texts,
    byte_strings,
    integers,
    read_table,
    require_byte_string,
    require_whole_number,
    whole_numbers,
)
from app.errors import InputError
from contracts.untrusted_json import read_json
from matching.book import NAME_BYTES_MAX, BoolArray, IntArray
from matching.clearing import Clearing

TRADE_COLUMNS = ("order_id", "accepted_wh", "curtailed_wh", "price_micro_per_kwh", "amount_nano")
TRADE_UNITS = {
    "accepted_wh": "whole Wh",
    "curtailed_wh": "whole Wh",
    "price_micro_per_kwh": "whole micro-units per kWh, or nothing",
    "amount_nano": "whole nano-units",
}
DOCUMENT_BYTES_MAX = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TradeTable:
    """The columns of a trades.csv, [n_order] in file order.

    order_ids            UTF-8
    price_micro_per_kwh  0 where `is_priced` is not, which is where the cell is empty
    lines                in which line each row is, to name it in an error
    """

    order_ids: NDArray[np.bytes_]
    accepted_wh: IntArray
    curtailed_wh: IntArray
    price_micro_per_kwh: IntArray
    is_priced: BoolArray
    amount_nano: IntArray
    lines: LineNumbers


def read_trades(path: Path) -> TradeTable:
    """A trades.csv, whoever wrote it. Raises InputError naming file, line and remedy.

    Only the form is judged here, not whether the figures fit to each other or to a book.
    """
    arrays, lines = read_table(path, Columns(needed=TRADE_COLUMNS, convert=_trades, require=_require_trade))
    return TradeTable(**arrays, lines=lines)


def read_document(path: Path) -> dict[str, object]:
    """A clearing.json. Raises InputError naming file and remedy; what its keys hold is not judged here."""
    try:
        with path.open("rb") as stream:
            content = stream.read(DOCUMENT_BYTES_MAX + 1)
        if len(content) > DOCUMENT_BYTES_MAX:
            raise InputError(f"{path}: longer than {DOCUMENT_BYTES_MAX} bytes; give the clearing.json of a clearing")
        document = read_json(content)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give the clearing.json of a clearing") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}; give the clearing.json of a clearing") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} holds no JSON object; give the clearing.json of a clearing")
    return document


def _trades(texts: Texts) -> Arrays:
    prices = texts["price_micro_per_kwh"]
    is_empty = compute.equal(prices, "")
    return {
        "order_ids": byte_strings(texts["order_id"], bytes_max=NAME_BYTES_MAX),
        "accepted_wh": whole_numbers(texts["accepted_wh"]),
        "curtailed_wh": whole_numbers(texts["curtailed_wh"]),
        "price_micro_per_kwh": whole_numbers(compute.if_else(is_empty, "0", prices)),
        "is_priced": integers(compute.binary_length(prices)) > 0,
        "amount_nano": whole_numbers(texts["amount_nano"]),
    }


def _require_trade(cells: Cells) -> None:
    require_byte_string(cells, "order_id", bytes_max=NAME_BYTES_MAX)
    for name, unit in TRADE_UNITS.items():
        if cells[name] or name != "price_micro_per_kwh":
            require_whole_number(cells, name, unit)


@contextmanager
def replaced(directory: Path) -> Iterator[Callable[[str], IO[str]]]:
    """Open files by name; when the block ends well they appear under their names, otherwise none does."""
    directory.mkdir(parents=True, exist_ok=True)
    opened: dict[str, IO[str]] = {}

    def temporary(name: str) -> Path:
        return directory / f".{name}.{os.getpid()}.tmp"

    def open_file(name: str) -> IO[str]:
        opened[name] = temporary(name).open("w", encoding="utf-8", newline="")
        return opened[name]

    try:
        yield open_file
        for stream in opened.values():
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
        for name in opened:
            temporary(name).replace(directory / name)
    finally:
        for name, stream in opened.items():
            stream.close()
            temporary(name).unlink(missing_ok=True)


def write_trades(stream: IO[str], clearing: Clearing) -> None:
    """Every order of the book, in its order; the price is empty where nothing was accepted."""
    accepted = clearing.accepted_wh.tolist()
    prices = [price if wh else "" for price, wh in zip(clearing.price_micro_per_kwh.tolist(), accepted, strict=True)]
    order_ids = [order_id.decode() for order_id in clearing.book.order_ids.tolist()]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(TRADE_COLUMNS)
    writer.writerows(
        zip(order_ids, accepted, clearing.curtailed_wh.tolist(), prices, clearing.amount_nano.tolist(), strict=True)
    )


def write_document(stream: IO[str], document: Mapping[str, object]) -> None:
    """The clearing's document as JSON."""
    json.dump(document, stream, indent=2, allow_nan=False)
    stream.write("\n")
