"""What each program of the comparison is asked: read this book, clear it, say what was accepted and what that cost.

Every program runs as a process of its own in its own environment:

    python PROGRAM.py BOOK.csv ACCEPTED.npy [VARIANT]

and prints one JSON object. This file is shared by all of them and needs numpy and the standard library only.
"""

import gc
import json
import re
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

MEMORY_MAX_BYTES = 8 * 2**30
RUNS_MAX, ENOUGH_S = 5, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Columns of the file that an auction without a network needs, in file order; prices in micro-units per kWh."""

    order_ids: Any
    is_sell: Any
    quantity_wh: Any
    limit_micro_per_kwh: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One way to clear a book.

    prepare   from the columns to the program's own form of a book; made anew for each run, because some programs
              write into it; not timed
    clear     timed: from that form to whatever the program gives back
    accepted  Wh of each order in file order, None where the program does not clear; not timed
    """

    distributions: tuple[str, ...]
    prepare: Callable[[Book], Any]
    clear: Callable[[Any], Any]
    accepted: Callable[[Any, int], Any]


def read_book(path: Path) -> Book:
    """The columns of an orders file, read without a Python object an order, so that memory is the program's own."""
    columns = [("order_id", "S12", 0), ("side", "S4", 4), ("quantity_wh", "i8", 5), ("limit_micro_per_kwh", "i8", 6)]
    table = np.loadtxt(
        path,
        delimiter=",",
        skiprows=1,
        usecols=[place for _, _, place in columns],
        dtype=[(name, kind) for name, kind, _ in columns],
    )
    return Book(
        order_ids=table["order_id"].copy(),
        is_sell=table["side"] == b"sell",
        quantity_wh=table["quantity_wh"].copy(),
        limit_micro_per_kwh=table["limit_micro_per_kwh"].copy(),
    )


def peak_mb() -> float:
    """The most memory this process has held; by Linux's own count, because the other one begins with the parent's."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1e3


def measured(program: Program, book: Book, output: Path) -> dict[str, object]:
    """Clear until a second or five runs are spent; the last run's outcome is kept."""
    seconds: list[float] = []
    result = None
    while len(seconds) < RUNS_MAX and sum(seconds) < ENOUGH_S:
        own, result = program.prepare(book), None
        gc.collect()
        started = time.perf_counter()
        result = program.clear(own)
        seconds.append(time.perf_counter() - started)
    accepted = program.accepted(result, len(book.order_ids))
    if accepted is not None:
        np.save(output, np.asarray(accepted))
    return {"clear_s": seconds}


def main(program: Program) -> None:
    """Do what the command line asks, and print one JSON object; an error is an answer too."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    versions = {name: metadata.version(name) for name in program.distributions}
    try:
        answer = measured(program, read_book(Path(sys.argv[1])), Path(sys.argv[2]))
    except MemoryError as error:
        answer = {"error": "out of memory", "message": str(error)}
    except Exception as error:  # noqa: BLE001 (whatever a program of somebody else raises is its result)
        answer = {"error": "fails", "message": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer | {"peak_mb": peak_mb(), "versions": versions}) + "\n")
