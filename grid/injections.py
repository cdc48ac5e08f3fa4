"""Injections per bus from a file: `bus,injection_w[,injection_var][,phase]`, positive into the grid."""

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
from grid.three_phase import ALL_PHASES, PHASES

REQUIRED_COLUMNS = ("bus", "injection_w")
REACTIVE_COLUMN = "injection_var"
PHASE_COLUMN = "phase"
DECIMAL_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


class InjectionError(Exception):
    """A file of injections that cannot be used; the message names file, line and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionRow:
    """One row: W and var into the grid at a bus; `phase` is a, b, c or abc, empty where the file does not say."""

    bus: int
    injection_w: float
    injection_var: float
    phase: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injections:
    """[n_bus] active and reactive power into the grid, W and var; and the rows they are the sums of."""

    injection_w: FloatArray
    injection_var: FloatArray
    rows: tuple[InjectionRow, ...] = ()

    @property
    def by_phase(self) -> bool:
        """Whether the file says of any row on which phase it is; the others are on all three then."""
        return any(row.phase for row in self.rows)


def read_injections(path: Path, *, buses: tuple[int, ...], bus_index: Callable[[str], int]) -> Injections:
    """Injections in the order of `buses`; several rows of one bus add up, a bus without a row injects nothing.

    `bus_index` turns a name or an index into a bus (`GridNetwork.bus_index`). Raises InjectionError.
    """
    rows = []
    try:
        with path.open("rb") as stream:
            for line, cells in _cells(stream):
                try:
                    rows.append(_row(cells, bus_index))
                except (ValueError, NetworkError) as error:
                    raise RowError(line, error) from error
    except OSError as error:
        raise InjectionError(f"{path} cannot be read: {error.strerror}; give a CSV file") from error
    except RowError as error:
        raise InjectionError(f"{path} {error}") from error
    position = {bus: at for at, bus in enumerate(buses)}
    injection_w, injection_var = np.zeros(len(buses)), np.zeros(len(buses))
    for row in rows:
        injection_w[position[row.bus]] += row.injection_w
        injection_var[position[row.bus]] += row.injection_var
    return Injections(injection_w=injection_w, injection_var=injection_var, rows=tuple(rows))


def _row(cells: Mapping[str, str], bus_index: Callable[[str], int]) -> InjectionRow:
    """Raises ValueError or NetworkError."""
    phase = cells.get(PHASE_COLUMN, "").strip().lower()
    if phase not in {"", *PHASES, ALL_PHASES}:
        raise ValueError(f"{PHASE_COLUMN} {phase[:40]!r} is unknown; give a, b or c, or abc for all three")
    return InjectionRow(
        bus=bus_index(cells["bus"]),
        injection_w=_power(cells, "injection_w"),
        injection_var=_power(cells, REACTIVE_COLUMN) if cells.get(REACTIVE_COLUMN, "").strip() else 0.0,
        phase=phase,
    )


def _cells(stream: IO[bytes]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and cells of every row, by column. Raises RowError."""
    rows = csv_rows(stream)
    header = [name.strip() for name in next(rows, (1, []))[1]]
    known = {*REQUIRED_COLUMNS, REACTIVE_COLUMN, PHASE_COLUMN}
    if not set(REQUIRED_COLUMNS) <= set(header) <= known or len(header) > len(set(header)):
        raise RowError(1, f"the header must be {','.join(REQUIRED_COLUMNS)}[,{REACTIVE_COLUMN}][,{PHASE_COLUMN}]")
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
