"""Reading orders.csv into the arrays of an order book, exact about the line where something is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from app.cli._attribute_columns import (
    ATTRIBUTE_COLUMNS,
    FeederOfBus,
    attribute_arrays,
    book_attributes,
    require_attributes,
)
from app.cli._csv_tables import (
    Arrays,
    Cells,
    Columns,
    LineNumbers,
    Texts,
    byte_strings,
    numbered,
    read_table,
    require_byte_string,
    require_whole_number,
    whole_numbers,
)
from app.errors import InputError
from grid.feeder import NetworkError
from matching.book import FIRMNESSES, NAME_BYTES_MAX, NO_BUS, BookError, OrderBook
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
SIDES = tuple(side.value for side in Side)
FIRMNESS_NAMES = tuple(firmness.value for firmness in FIRMNESSES)

BusIndex = Callable[[str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTable:
    """Typed columns of an orders file, in file order, and the lines they came from."""

    path: Path
    arrays: Arrays
    lines: LineNumbers

    def book(self, *, feeder_of_bus: FeederOfBus | None = None) -> OrderBook:
        """The order book, which takes the arrays over. Raises BookError.

        `feeder_of_bus` tells feeders where the file does not and a premium asks for them.
        """
        said = {name: self.arrays[name] for name in ATTRIBUTE_COLUMNS if name in self.arrays}
        plain = {name: column for name, column in self.arrays.items() if name not in said}
        if not said:
            return OrderBook.from_arrays(**plain)
        attributes = book_attributes(said, bus=plain["bus"], feeder_of_bus=feeder_of_bus)
        return OrderBook.from_arrays(**plain, attributes=attributes)

    def located(self, error: BookError) -> InputError:
        """A book's error as an error of the line it came from."""
        first = error.errors[0]
        more = f" (and {len(error.errors) - 1} more)" if len(error.errors) > 1 else ""
        return InputError(f"{self.path} line {self.lines.of(first.position)}: {first.message}{more}")


def no_network(_: str) -> int:
    """Without a network the bus column has no meaning."""
    return NO_BUS


def read_orders(path: Path, bus_index: BusIndex, *, told: Callable[[int], object] | None = None) -> OrderTable:
    """Columns of an orders file. `told` hears the number of orders as it grows.

    Raises InputError naming file, line and remedy.
    """
    columns = Columns(
        needed=ORDER_COLUMNS,
        optional=ATTRIBUTE_COLUMNS,
        convert=partial(_arrays, bus_index=bus_index),
        require=partial(_require_order, bus_index=bus_index),
    )
    arrays, lines = read_table(path, columns, told=told)
    return OrderTable(path=path, arrays=arrays, lines=lines)


def _arrays(texts: Texts, *, bus_index: BusIndex) -> Arrays:
    return {
        "order_ids": byte_strings(texts["order_id"], bytes_max=NAME_BYTES_MAX),
        "participants": byte_strings(texts["participant"], bytes_max=NAME_BYTES_MAX),
        "metering_points": byte_strings(texts["metering_point"], bytes_min=0, bytes_max=NAME_BYTES_MAX),
        "is_sell": numbered(texts["side"], SIDES.index) == SIDES.index(Side.SELL),
        "firmness_codes": numbered(texts["firmness"], FIRMNESS_NAMES.index).astype(np.int8),
        "quantity_wh": whole_numbers(texts["quantity_wh"]),
        "limit_micro_per_kwh": whole_numbers(texts["limit_micro_per_kwh"]),
        "bus": _buses(texts["bus"], bus_index),
        **attribute_arrays(texts),
    }


def _buses(text: pa.StringArray, bus_index: BusIndex) -> NDArray[np.int64]:
    if bus_index is no_network:
        return np.full(len(text), NO_BUS, dtype=np.int64)
    return numbered(text, partial(_bus, bus_index=bus_index))


def _require_order(cells: Cells, *, bus_index: BusIndex) -> None:
    """Raise ValueError for the first cell of an order that cannot be read."""
    for name in ("order_id", "participant"):
        require_byte_string(cells, name, bytes_max=NAME_BYTES_MAX)
    require_byte_string(cells, "metering_point", bytes_min=0, bytes_max=NAME_BYTES_MAX)
    for name, known in (("side", SIDES), ("firmness", FIRMNESS_NAMES)):
        if cells[name] not in known:
            raise ValueError(f"{name} is {cells[name][:40]!r}; write {' or '.join(known)}")
    require_whole_number(cells, "quantity_wh", "whole Wh, 0 or more")
    require_whole_number(cells, "limit_micro_per_kwh", "whole micro-units per kWh")
    if bus_index is not no_network:
        _bus(cells["bus"], bus_index)
    require_attributes(cells)


def _bus(name: str, bus_index: BusIndex) -> int:
    """The bus an order names. Raises ValueError."""
    if not name.strip():
        raise ValueError("bus is empty; name the network's bus the order is connected to")
    if len(name) > NAME_BYTES_MAX:
        raise ValueError(f"bus {name[:40]!r}... is no name of a bus; give one of the network's")
    try:
        return bus_index(name)
    except NetworkError as error:
        raise ValueError(str(error)) from error
