"""CSV tables of any size: fast over columns, and exact about the line where something is wrong.

A file is read once, in blocks of whole lines, so that it may also be a pipe. Arrow takes a block apart. Whatever Arrow
might understand otherwise than the rules of `grid.csv_rows`, and whatever cannot be converted, is doubted: that block
is read again row by row, which names what is wrong or, where nothing is, gives the same columns slowly.
"""

import io
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import csv as arrow_csv

from app.errors import InputError
from grid.csv_rows import LINE_BYTES_MAX, MARK, RowError, csv_rows

BLOCK_BYTES = 4 * 2**20
WHOLE_NUMBER = re.compile(r"-?0*[0-9]{1,19}")
SPACE, QUOTE, COMMA, NEWLINE, CARRIAGE_RETURN = b' ",\n\r'

IntArray = NDArray[np.int64]
Texts = Mapping[str, pa.StringArray]
Cells = Mapping[str, str]
Arrays = dict[str, Any]  # numpy's, or Arrow's where texts are kept


class Doubt(ValueError):  # noqa: N818 (says what happened; no error that anybody sees)
    """The fast pass met something that only the careful pass may accept or name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a table's columns are and how they are converted.

    others   whether columns of any other name are passed over
    convert  a block's columns, all as text, to arrays by name; raises Doubt or any other ValueError, not saying where
    require  raises ValueError with problem and remedy for the cells of one row; passes only what `convert` can convert
    """

    needed: Sequence[str]
    optional: Sequence[str] = ()
    others: bool = True
    convert: Callable[[Texts], Arrays]
    require: Callable[[Cells], None]


@dataclass(slots=True, kw_only=True)
class LineNumbers:
    """In which line of the file each row was."""

    _starts: list[int] = field(default_factory=list)
    _lines: list[Sequence[int]] = field(default_factory=list)
    count: int = 0

    def append(self, lines: Sequence[int]) -> None:
        """The lines of the next rows."""
        self._starts.append(self.count)
        self._lines.append(lines)
        self.count += len(lines)

    def of(self, position: int) -> int:
        """Line of one row, the first being row 0."""
        block = bisect_right(self._starts, position) - 1
        return self._lines[block][position - self._starts[block]]


def read_table(
    path: Path, columns: Columns, *, told: Callable[[int], object] | None = None
) -> tuple[Arrays, LineNumbers]:
    """What a table's columns are converted to, and where its rows were. `told` hears the number of rows as it grows.

    Raises InputError naming file, line and remedy.
    """
    blocks: list[Arrays] = []
    numbers = LineNumbers()
    with _opened(path) as stream:
        places, width = _header(stream, columns)
        line = 2
        for block in _blocks(stream):
            lines: Sequence[int]
            try:
                texts = _understood(block, places, width)
                arrays, lines = columns.convert(texts), range(line, line + block.count(b"\n"))
            except ValueError:
                texts, lines = _read_by_row(block, places, width, line, columns.require)
                arrays = columns.convert(texts)
            blocks.append(arrays)
            numbers.append(lines)
            line += block.count(b"\n")
            if told is not None:
                told(numbers.count)
    if not blocks:
        blocks.append(columns.convert({name: pa.array([], type=pa.string()) for name in places}))
    return _joined(blocks), numbers


def whole_numbers(text: pa.StringArray) -> IntArray:
    """Numbers of digits with perhaps a minus. Raises ValueError for any other sign, space, base or exponent."""
    characters, _ = _bytes(text)
    digits = (characters >= ord("0")) & (characters <= ord("9"))
    if not (digits | (characters == ord("-"))).all():
        raise Doubt
    values = integers(compute.cast(text, pa.int64()))
    if values.size and values.min() == np.iinfo(np.int64).min:
        raise Doubt
    return values


def integers(array: pa.Array) -> IntArray:
    """Arrow's integers as numpy's; Arrow's own way would import pandas."""
    return np.from_dlpack(array).astype(np.int64, copy=False)


def numbered(text: pa.StringArray, number: Callable[[str], int]) -> IntArray:
    """The number of each text, asked for once for each text that is different. Raises whatever `number` raises."""
    encoded = text.dictionary_encode()
    numbers = [number(one) for one in encoded.dictionary.to_pylist()]
    return np.array(numbers, dtype=np.int64)[integers(encoded.indices)]


def arrow_integers(values: IntArray, *, is_known: NDArray[np.bool_] | None = None) -> pa.Array:
    """The same for Arrow; empty where not known."""
    known = None if is_known is None else pa.py_buffer(np.packbits(is_known, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), values.size, [known, pa.py_buffer(np.ascontiguousarray(values))])


def arrow_texts(texts: NDArray[np.bytes_]) -> pa.StringArray:
    """Texts of UTF-8 in fixed width for Arrow; the reverse of `byte_strings`."""
    lengths = np.char.str_len(texts)
    ends = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    padded = np.ascontiguousarray(texts).view(np.uint8).reshape(texts.size, -1)
    characters = padded[np.arange(texts.itemsize) < lengths[:, np.newaxis]]
    return pa.StringArray.from_buffers(texts.size, pa.py_buffer(ends), pa.py_buffer(characters))


def require_whole_number(cells: Cells, name: str, unit: str) -> None:
    """Raise ValueError unless `whole_numbers` can convert the cell."""
    if not WHOLE_NUMBER.fullmatch(cells[name]) or abs(int(cells[name])) >= 2**63:
        raise ValueError(f"{name} is {cells[name][:40]!r}; give {unit}")


def byte_strings(text: pa.StringArray, *, bytes_min: int = 1, bytes_max: int) -> NDArray[np.bytes_]:
    """Texts of so many bytes as one array, as wide as the longest. Raises Doubt."""
    characters, lengths = _bytes(text)
    width = int(lengths.max(initial=1))
    if width > bytes_max or lengths.min(initial=bytes_min) < bytes_min:
        raise Doubt
    padded = np.zeros((lengths.size, width), dtype=np.uint8)
    padded[np.arange(width) < lengths[:, np.newaxis]] = characters
    return padded.view(f"S{width}")[:, 0]


def require_byte_string(cells: Cells, name: str, *, bytes_min: int = 1, bytes_max: int) -> None:
    """Raise ValueError unless `byte_strings` can convert the cell."""
    length = len(cells[name].encode())
    if length < bytes_min:
        raise ValueError(f"{name} is empty; every row needs one")
    if length > bytes_max:
        raise ValueError(f"{name} {cells[name][:40]!r}... is too long; give at most {bytes_max} bytes")


def _bytes(text: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The bytes of all texts, one after the other, and how many each has."""
    _, offsets, characters = text.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32, count=len(text) + 1, offset=4 * text.offset)
    return np.frombuffer(characters, dtype=np.uint8)[ends[0] : ends[-1]], np.diff(ends)


def _joined(blocks: list[Arrays]) -> Arrays:
    """The arrays of all blocks, column by column so that no more than one is in memory twice."""
    joined: Arrays = {}
    for name in list(blocks[0]):
        parts = [block.pop(name) for block in blocks]
        joined[name] = np.concatenate(parts) if isinstance(parts[0], np.ndarray) else pa.chunked_array(parts)
    return joined


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file; what is wrong with it is said with its name."""
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give a CSV file that you may read") from error
    except RowError as error:
        raise InputError(f"{path} {error}") from error


def _missing(missing: list[str], first: bytes, needed: str) -> str:
    """What is wrong with a header; spreadsheets like to separate by something else than commas."""
    for separator, name in ((b";", "semicolons"), (b"\t", "tabs")):
        if b"," not in first and separator in first:
            return f"the columns are separated by {name}; save the file with commas and without decimal commas"
    return f"missing column {', '.join(missing)}; the first line must name {needed}"


def _header(stream: IO[bytes], columns: Columns) -> tuple[dict[str, int], int]:
    """Where the columns are that are read, and how many there are in all. Raises RowError."""
    needed = ",".join(columns.needed)
    first = stream.readline(LINE_BYTES_MAX + 1)
    _, header = next(csv_rows(io.BytesIO(first)), (1, []))
    if not header:
        raise RowError(1, f"the {'line' if first else 'file'} is empty; the first line must name {needed}")
    missing = [name for name in columns.needed if name not in header]
    if missing:
        raise RowError(1, _missing(missing, first, needed))
    read = [name for name in (*columns.needed, *columns.optional) if name in header]
    twice = [name for name in read if header.count(name) > 1]
    if twice:
        raise RowError(1, f"column {', '.join(twice)} is there twice; keep one")
    unknown = [] if columns.others else [name for name in header if name not in read]
    if unknown:
        raise RowError(1, f"column {', '.join(map(repr, unknown))} has no meaning here; the columns are {needed}")
    return {name: header.index(name) for name in read}, len(header)


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file in blocks of whole lines; where a line has no end, as much of it as shows that."""
    while block := stream.read(BLOCK_BYTES):
        if not block.endswith(b"\n"):
            block += stream.readline(LINE_BYTES_MAX + 1)
        yield block if block.endswith(b"\n") else block + b"\n"


def _understood(block: bytes, places: Mapping[str, int], width: int) -> Texts:
    """Columns of a block with a row in every line. Raises Doubt or another ValueError."""
    codes = np.frombuffer(block, dtype=np.uint8)
    newlines = np.flatnonzero(codes == NEWLINE)
    controls = np.count_nonzero(codes < SPACE)
    if controls != newlines.size + block.count(b"\r\n") or np.diff(newlines, prepend=-1).max() > LINE_BYTES_MAX:
        raise Doubt
    if block.startswith(MARK) or not (b'"' not in block or _quoted_plainly(codes, newlines)):
        raise Doubt
    block.decode()
    names = [str(place) for place in range(width)]
    table = arrow_csv.read_csv(
        pa.BufferReader(block),
        read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=[names[place] for place in places.values()],
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
        ),
    )
    if table.num_rows != newlines.size:  # empty lines
        raise Doubt
    return {name: table.column(names[place]).combine_chunks() for name, place in places.items()}


def _quoted_plainly(codes: NDArray[np.uint8], newlines: IntArray) -> bool:
    """Whether every quote opens or closes a whole cell within its line. The block ends with a newline."""
    quotes = np.flatnonzero(codes == QUOTE)
    if quotes.size % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before, after = codes[opening - 1], codes[closing + 1]
    return bool(
        np.isin(before, (COMMA, NEWLINE)).all()
        and np.isin(after, (COMMA, NEWLINE, CARRIAGE_RETURN)).all()
        and (np.searchsorted(newlines, opening) == np.searchsorted(newlines, closing)).all()
    )


def _read_by_row(
    block: bytes, places: Mapping[str, int], width: int, line: int, require: Callable[[Cells], None]
) -> tuple[Texts, list[int]]:
    """As `_understood`, row by row. Raises RowError."""
    numbers: list[int] = []
    texts: dict[str, list[str]] = {name: [] for name in places}
    for number, row in csv_rows(io.BytesIO(block), first_line=line):
        try:
            _require_width(row, width)
            cells = {name: row[place] for name, place in places.items()}
            require(cells)
        except ValueError as error:
            raise RowError(number, error) from error
        numbers.append(number)
        for name, cell in cells.items():
            texts[name].append(cell)
    return {name: pa.array(column, type=pa.string()) for name, column in texts.items()}, numbers


def _require_width(row: Sequence[str], width: int) -> None:
    if len(row) != width:
        raise ValueError(f"{len(row)} cells where the first line names {width} columns; one comma between cells")
