"""The optional columns of orders.csv: what preferences and grid fees look at."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from app.cli._csv_tables import Arrays, Cells, Doubt, Texts, byte_strings, numbered, require_byte_string
from matching.book import NAME_BYTES_MAX
from matching.orders import Side
from matching.preferences.attributes import (
    SAME_FEEDER,
    BookAttributes,
    Source,
    attributes_of_texts,
    parse_premiums,
)

ATTRIBUTE_COLUMNS = ("source", "feeder", "zone", "premiums")
PREMIUMS_BYTES_MAX = 4096
WIDEST = {"source": 16, "feeder": NAME_BYTES_MAX, "zone": NAME_BYTES_MAX, "premiums": PREMIUMS_BYTES_MAX}
SOURCE_NAMES = ("", *(source.value for source in Source))

FeederOfBus = Callable[[NDArray[np.int64]], NDArray[np.bytes_]]


def attribute_arrays(texts: Texts) -> Arrays:
    """The columns that a file has, as text. Raises Doubt or another ValueError."""
    arrays = {name: byte_strings(texts[name], bytes_min=0, bytes_max=WIDEST[name]) for name in _present(texts)}
    if not arrays:  # comparing with a text imports pandas, which takes longer than reading a million orders
        return arrays
    is_sell = compute.equal(texts["side"], Side.SELL.value)
    if "source" in arrays:
        numbered(texts["source"], SOURCE_NAMES.index)
        _none_beside(texts["source"], compute.invert(is_sell), but=Source.OTHER.value)
    if "premiums" in arrays:
        numbered(texts["premiums"], lambda text: len(parse_premiums(text)))
        _none_beside(texts["premiums"], is_sell, but="")
    if any((column.view(np.uint8) - np.uint8(1) < ord(" ") - 1).any() for column in arrays.values()):
        raise Doubt
    return arrays


def require_attributes(cells: Cells) -> None:
    """Raise ValueError for the first optional cell of an order that cannot be read."""
    for name in _present(cells):
        require_byte_string(cells, name, bytes_min=0, bytes_max=WIDEST[name])
        if min(cells[name], default=" ") < " ":
            raise ValueError(f"{name} {cells[name]!r} has control characters; remove them")
    source, premiums, sells = cells.get("source", ""), cells.get("premiums", ""), cells["side"] == Side.SELL
    if source not in SOURCE_NAMES:
        raise ValueError(f"source is {source[:40]!r}; write {', '.join(SOURCE_NAMES[1:])} or nothing")
    if source not in ("", Source.OTHER) and not sells:
        raise ValueError(f"source is {source!r} on a buy order; only sell orders have one")
    parse_premiums(premiums)
    if premiums and sells:
        raise ValueError(f"premiums are {premiums[:40]!r} on a sell order; only buyers name them")


def book_attributes(
    columns: Arrays,
    *,
    bus: NDArray[np.int64],
    feeder_of_bus: FeederOfBus | None,
) -> BookAttributes | None:
    """The attributes of a book with an order at each bus [n_order].

    `feeder_of_bus` gives the feeders where the file does not and a premium asks for them.
    """
    empty = np.zeros(bus.size, dtype="S1")
    texts: dict[str, Any] = {name: columns.get(name, empty) for name in ATTRIBUTE_COLUMNS}
    premiums = np.unique(texts["premiums"]).tolist()
    if "feeder" not in columns and feeder_of_bus is not None and any(SAME_FEEDER.encode() in each for each in premiums):
        texts["feeder"] = feeder_of_bus(bus)
    return attributes_of_texts(**texts)


def _present(texts: Texts | Cells) -> list[str]:
    return [name for name in ATTRIBUTE_COLUMNS if name in texts]


def _none_beside(text: pa.StringArray, elsewhere: pa.BooleanArray, *, but: str) -> None:
    """Nothing may be said in these rows. Raises Doubt."""
    said = compute.and_(compute.not_equal(text, ""), compute.not_equal(text, but))
    if compute.any(compute.and_(said, elsewhere)).as_py():
        raise Doubt
