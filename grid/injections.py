"""Injections per bus from a file: `bus,injection_w[,injection_var]`, positive into the grid."""

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grid.feeder import NetworkError
from grid.limits import FloatArray

REQUIRED_COLUMNS = ("bus", "injection_w")
REACTIVE_COLUMN = "injection_var"


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
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it is not UTF-8 text"
        raise InjectionError(f"{path} cannot be read: {reason}") from failure
    reader = csv.reader(lines)
    header = [name.strip() for name in next(reader, [])]
    if not set(REQUIRED_COLUMNS) <= set(header) <= {*REQUIRED_COLUMNS, REACTIVE_COLUMN} or len(header) > len(
        set(header)
    ):
        raise InjectionError(f"{path} line 1: the header must be {','.join(REQUIRED_COLUMNS)}[,{REACTIVE_COLUMN}]")
    for values in reader:
        if not any(value.strip() for value in values):
            continue
        place = f"{path} line {reader.line_num}"
        if len(values) != len(header):
            raise InjectionError(f"{place}: {len(values)} values, the header has {len(header)}")
        row = dict(zip(header, values, strict=True))
        try:
            at = position[bus_index(row["bus"])]
        except NetworkError as failure:
            raise InjectionError(f"{place}: {failure}") from failure
        injection_w[at] += _power(place, "injection_w", row["injection_w"])
        if row.get(REACTIVE_COLUMN, "").strip():
            injection_var[at] += _power(place, REACTIVE_COLUMN, row[REACTIVE_COLUMN])
    return Injections(injection_w=injection_w, injection_var=injection_var)


def _power(place: str, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InjectionError(f"{place}: {column} {text.strip()!r} is no number")
    return value
