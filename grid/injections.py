"""Injections per bus from a file: `bus,injection_w[,injection_var]`, positive into the grid."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from grid.csv_rows import RowError, csv_rows
from grid.feeder import NetworkError
from grid.limits import FloatArray

REQUIRED_COLUMNS = ("bus", "injection_w")
REACTIVE_COLUMN = "injection_var"
DECIMAL_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


class InjectionError(Exception):
    """A file of injections that cannot be used; the message names file, line and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injections:
    """[n_bus] active and reactive power into the grid, W and var."""

    injection_w: FloatArray
    injection_var: FloatArray


def read_injections(path: Path, *, buses: tuple[int, ...], bus_index: Callable[[str], int]) -> Injections:
    """Injections in the order of `buses`; several rows of one bus add up, a bus without a row injects nothing.

    `bus_index` turns a name or an index into a bus (`GridNetwork.bus_index`). Raises InjectionError.
    """
    position = {bus: at for at, bus in enumerate(buses)}
    injection_w, injection_var = np.zeros(len(buses)), np.zeros(len(buses))
    try:
        with path.open("rb") as stream:
            for line, cells in _cells(stream):
                try:
                    at = position[bus_index(cells["bus"])]
                    injection_w[at] += _power(cells, "injection_w")
                    if cells.get(REACTIVE_COLUMN, "").strip():
                        injection_var[at] += _power(cells, REACTIVE_COLUMN)
                except (ValueError, NetworkError) as error:
                    raise RowError(line, error) from error
    except OSError as error:
        raise InjectionError(f"{path} cannot be read: {error.strerror}; give a CSV file") from error
    except RowError as error:
        raise InjectionError(f"{path} {error}") from error
    return Injections(injection_w=injection_w, injection_var=injection_var)


def _cells(stream: IO[bytes]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and cells of every row, by column. Raises RowError."""
    rows = csv_rows(stream)
    header = [name.strip() for name in next(rows, (1, []))[1]]
    known = {*REQUIRED_COLUMNS, REACTIVE_COLUMN}
    if not set(REQUIRED_COLUMNS) <= set(header) <= known or len(header) > len(set(header)):
        raise RowError(1, f"the header must be {','.join(REQUIRED_COLUMNS)}[,{REACTIVE_COLUMN}]")
    for line, values in rows:
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(header):
            raise RowError(line, f"{len(values)} values, the header has {len(header)}")
        yield line, dict(zip(header, values, strict=True))


def _power(cells: Mapping[str, str], column: str) -> float:
    text = cells[column].strip()
    if not DECIMAL_NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(f"{column} {text[:40]!r} is no number; give W or var, + into the grid")
    return float(text)
