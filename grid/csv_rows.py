"""The rows of a CSV file, and where one of its lines cannot be read.

Stricter than the format on one point: a row never goes on in the next line. A forgotten quote is then named where it is
and not at the end of the file, and blocks of lines can be read one after the other.
"""

import csv
from collections.abc import Iterator
from typing import IO

LINE_BYTES_MAX = 65_536
MARK = b"\xef\xbb\xbf"  # of UTF-8, which some programs write at the start of a file


class RowError(ValueError):
    """A line that cannot be read; the message names the line and the remedy."""

    def __init__(self, line: int, problem: object) -> None:
        super().__init__(f"line {line}: {problem}")


def csv_rows(stream: IO[bytes], *, first_line: int = 1) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every line that is not empty, read one by one. Raises RowError.

    A line without end is refused before it fills the memory.
    """
    number = first_line
    while line := stream.readline(LINE_BYTES_MAX + 1):
        try:
            cells = _cells(line.removeprefix(MARK) if number == 1 else line)
        except ValueError as error:
            raise RowError(number, error) from error
        if cells:
            yield number, cells
        number += 1


def _cells(line: bytes) -> list[str]:
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"longer than {LINE_BYTES_MAX} bytes; is this a CSV file?")
    if b"\0" in line:
        raise ValueError("contains a zero byte, as UTF-16 and spreadsheets do; save the file as plain UTF-8 text")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 ({error.reason}); save the file as UTF-8") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if "\r" in text:
        raise ValueError("a carriage return without line feed; end every line with a line feed")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError("its quotes do not match; close each in its line, and double one inside quotes") from error
