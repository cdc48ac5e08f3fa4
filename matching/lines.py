"""Lines of text for hashing, made from columns without a Python object for every cell.

A cell is a row of a matrix [n_line, width] of bytes. Zero bytes stand for nothing and are left out in the end, so that
cells of different lengths fit into one matrix; no text of an order book contains one.
"""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Cells = NDArray[np.uint8]
WORD_BYTES = 8
BASE, ZERO, MINUS, TAB, NEWLINE = 10, ord("0"), ord("-"), ord("\t"), ord("\n")


def texts(column: NDArray[np.bytes_]) -> Cells:
    """Texts as they are."""
    return np.ascontiguousarray(column).view(np.uint8).reshape(column.size, column.dtype.itemsize)


def decimals(column: IntArray, *, shown: NDArray[np.bool_] | None = None) -> Cells:
    """Whole numbers above -2^63 in decimal digits, nothing where they are not to be `shown`."""
    left = np.abs(column)
    width = len(str(left.max(initial=0)))
    if width < len(str(2**32)):
        left = left.astype(np.uint32)  # divides twice as fast
    cells = np.zeros((column.size, 1 + width), dtype=np.uint8)
    cells[:, 0] = MINUS * (column < 0)
    for at in range(width, 0, -1):
        rest = left // BASE
        digit = (left - rest * BASE).astype(np.uint8) + np.uint8(ZERO)
        cells[:, at] = digit if at == width else digit * (left > 0)
        left = rest
    return cells if shown is None else cells * shown[:, None]


def lines(*columns: Cells) -> bytes:
    """One line for each row of the columns, separated by tabs."""
    count = len(columns[0])
    separators = [np.full((count, 1), TAB, dtype=np.uint8)] * (len(columns) - 1)
    separators.append(np.full((count, 1), NEWLINE, dtype=np.uint8))
    pairs = zip(columns, separators, strict=True)
    return np.hstack([cells for pair in pairs for cells in pair]).tobytes().translate(None, b"\0")


def ranked(column: NDArray[np.bytes_]) -> IntArray:
    """Positions of distinct texts in the order of their bytes."""
    letters = texts(column)
    letters = letters[:, (letters != letters[:1]).any(axis=0)]  # what all texts share does not order them
    count = max(1, -(-letters.shape[1] // WORD_BYTES))
    padded = np.zeros((column.size, count * WORD_BYTES), dtype=np.uint8)
    padded[:, : letters.shape[1]] = letters
    words = padded.view(">u8").astype(np.uint64)
    return np.argsort(words[:, 0]) if count == 1 else np.lexsort(words.T[::-1])
