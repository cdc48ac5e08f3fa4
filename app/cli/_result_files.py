"""Writing trades.csv and clearing.json so that a reader sees the old result or the new one, never half of one."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from matching.clearing import Clearing

TRADE_COLUMNS = ("order_id", "accepted_wh", "curtailed_wh", "price_micro_per_kwh", "amount_nano")


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
