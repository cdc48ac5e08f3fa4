"""Reading sources.csv: of which parts each order is made."""

from pathlib import Path

import numpy as np

from app.cli._result_files import SOURCE_COLUMNS
from app.errors import InputError
from grid.csv_rows import RowError, csv_rows
from matching.orders import Side
from matching.recheck.published import Parts

FIGURES = SOURCE_COLUMNS[3:]
FIGURE_MAX = 2**62
FACTOR_MAX = {
    "wh": 10**8,
    "price_micro_per_kwh": 4 * 10**10,
    "fee_micro_per_kwh": 10**10,
    "premium_micro_per_kwh": 3 * 10**10,
}


def read_parts(path: Path) -> Parts:
    """The parts, whoever wrote them; only the form is judged. Raises InputError naming file, line and remedy."""
    texts: list[list[str]] = []
    figures: list[list[int]] = []
    try:
        with path.open("rb") as stream:
            rows = csv_rows(stream)
            _require_header(next(rows, (1, []))[1])
            for line, cells in rows:
                texts.append(cells[:3])
                figures.append(_figures(line, cells))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give the folder as it was written") from error
    except RowError as error:
        raise InputError(f"{path} {error}") from error
    columns = np.array(figures, dtype=np.int64).reshape(-1, len(FIGURES)).T
    return Parts(
        order_ids=tuple(order_id for order_id, _, _ in texts),
        is_sell=np.array([side == Side.SELL for _, side, _ in texts], dtype=np.bool_),
        counter_class=tuple(name for _, _, name in texts),
        **dict(zip(("wh", "price", "fee", "premium", "amount_nano", "fee_nano"), columns, strict=True)),
    )


def _require_header(cells: list[str]) -> None:
    if tuple(cells) != SOURCE_COLUMNS:
        raise RowError(1, f"the first line must be {','.join(SOURCE_COLUMNS)}")


def _figures(line: int, cells: list[str]) -> list[int]:
    if len(cells) != len(SOURCE_COLUMNS):
        raise RowError(line, f"{len(cells)} cells where the first line names {len(SOURCE_COLUMNS)}")
    if cells[1] not in {Side.BUY, Side.SELL}:
        raise RowError(line, f"side is {cells[1][:40]!r}; give the folder as it was written")
    figures = []
    for name, cell in zip(FIGURES, cells[3:], strict=True):
        digits = cell.removeprefix("-")
        whole = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(FIGURE_MAX))
        if not whole or abs(int(cell)) > FACTOR_MAX.get(name, FIGURE_MAX):
            raise RowError(line, f"{name} is {cell[:40]!r}; give the folder as it was written")
        figures.append(int(cell))
    return figures
