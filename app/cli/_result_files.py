"""The result of a clearing as files: a reader sees the old result or the new one, never half of one."""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EISDIR
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import csv as arrow_csv

from app.cli._csv_tables import (
    Arrays,
    Cells,
    Columns,
    LineNumbers,
    Texts,
    arrow_integers,
    arrow_texts,
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
from matching.preferences.outcome import AttributeOutcome

TRADE_COLUMNS = ("order_id", "accepted_wh", "curtailed_wh", "price_micro_per_kwh", "amount_nano")
SOURCE_COLUMNS = (
    "order_id",
    "side",
    "counter_class",
    "wh",
    "price_micro_per_kwh",
    "fee_micro_per_kwh",
    "premium_micro_per_kwh",
    "amount_nano",
    "fee_nano",
)
TRADE_UNITS = {
    "accepted_wh": "whole Wh",
    "curtailed_wh": "whole Wh",
    "price_micro_per_kwh": "whole micro-units per kWh, or nothing",
    "amount_nano": "whole nano-units",
}
DOCUMENT_BYTES_MAX = 64 * 2**20
BLOCK_ROWS = 65_536


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
    arrays, lines = read_table(
        path, Columns(needed=TRADE_COLUMNS, others=False, convert=_trades, require=_require_trade)
    )
    return TradeTable(**arrays, lines=lines)


def read_document(path: Path) -> dict[str, object]:
    """A clearing.json. Raises InputError naming file and remedy; what its keys hold is not judged here."""
    try:
        with path.open("rb") as stream:
            content = stream.read(DOCUMENT_BYTES_MAX + 1)
        if len(content) > DOCUMENT_BYTES_MAX:
            raise InputError(f"{path}: longer than {DOCUMENT_BYTES_MAX} bytes; give the clearing.json of a clearing")
        document = read_json(content, object_pairs_hook=_each_once)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give the clearing.json of a clearing") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}; give the clearing.json of a clearing") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} holds no JSON object; give the clearing.json of a clearing")
    return document


def _each_once(members: list[tuple[str, object]]) -> dict[str, object]:
    """An object; ValueError for a key that is there twice, of which programs would read one and people the other."""
    found = dict(members)
    if len(found) < len(members):
        times = Counter(name for name, _ in members)
        raise ValueError(f"the key {next(name for name in times if times[name] > 1)!r} is there twice")
    return found


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
def replaced(directory: Path) -> Iterator[Callable[[str], IO[bytes]]]:
    """Open files by name; when the block ends well they appear under their names, otherwise none does.

    Raises InputError for a directory that cannot be written, and then nothing in it has changed.
    """
    opened: dict[str, IO[bytes]] = {}

    def temporary(name: str) -> Path:
        return directory / f".{name}.{os.getpid()}.tmp"

    def open_file(name: str) -> IO[bytes]:
        if (directory / name).is_dir():
            raise IsADirectoryError(EISDIR, f"{name} is a directory")
        opened[name] = temporary(name).open("wb")
        return opened[name]

    is_new = not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        yield open_file
        for stream in opened.values():
            stream.flush()
            os.fsync(stream.fileno())
        for name in opened:
            temporary(name).replace(directory / name)
        is_new = False
    except OSError as error:
        remedy = "make room or give another --out; what was there is unchanged"
        raise InputError(f"{directory} cannot be written: {error.strerror}; {remedy}") from error
    finally:
        for name, stream in opened.items():
            with suppress(OSError):  # a full disk refuses what is still in the buffer once more
                stream.close()
            temporary(name).unlink(missing_ok=True)
        if is_new:
            with suppress(OSError):
                directory.rmdir()


def write_trades(stream: IO[bytes], clearing: Clearing) -> None:
    """Every order of the book, in its order; the price is empty where nothing was accepted."""
    stream.write((",".join(TRADE_COLUMNS) + "\n").encode())
    for start in range(0, len(clearing.book), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        order_ids, accepted = clearing.book.order_ids[rows], clearing.accepted_wh[rows]
        prices, amounts = clearing.price_micro_per_kwh[rows], clearing.amount_nano[rows]
        columns = [
            arrow_texts(order_ids),
            arrow_integers(accepted),
            arrow_integers(clearing.curtailed_wh[rows]),
            arrow_integers(prices, is_known=accepted != 0),
            arrow_integers(amounts),
        ]
        stream.write(_lines(pa.record_batch(columns, names=TRADE_COLUMNS)))


def write_sources(stream: IO[bytes], clearing: Clearing, attributes: AttributeOutcome) -> None:
    """Every part of every order, in the order of the book: from which source, to which buyers, at which price."""
    order_ids = [order_id.decode() for order_id in clearing.book.order_ids.tolist()]
    rows, written = attributes.rows(order_ids), io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(SOURCE_COLUMNS)
    while block := list(islice(rows, BLOCK_ROWS)):
        writer.writerows(block)
        stream.write(written.getvalue().encode())
        written.seek(0)
        written.truncate()
    stream.write(written.getvalue().encode())


def _lines(rows: pa.RecordBatch) -> bytes:
    """The rows as CSV, quoted only where an order's id needs it."""
    written = io.BytesIO()
    try:
        arrow_csv.write_csv(rows, written, arrow_csv.WriteOptions(include_header=False, quoting_style="none"))
    except pa.ArrowInvalid:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(zip(*(column.to_pylist() for column in rows), strict=True))
        return text.getvalue().encode()
    return written.getvalue()


def write_document(stream: IO[bytes], document: Mapping[str, object]) -> None:
    """The clearing's document as JSON."""
    stream.write((json.dumps(document, indent=2, allow_nan=False) + "\n").encode())
