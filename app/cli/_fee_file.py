"""Reading the grid fees between zones."""

from pathlib import Path

from app.errors import InputError
from grid.csv_rows import RowError, csv_rows
from matching.preferences.fees import GridFees, fee_problem

FEE_COLUMNS = ["from_zone", "to_zone", "fee_micro_per_kwh"]


def read_fees(path: Path) -> GridFees:
    """Fee by the seller's zone and the buyer's zone. Raises InputError naming file, line and remedy."""
    fees: dict[tuple[str, str], int] = {}
    try:
        with path.open("rb") as stream:
            rows = csv_rows(stream)
            _require_header(next(rows, (1, []))[1])
            for line, cells in rows:
                _add(fees, line, cells)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give a CSV file that you may read") from error
    except RowError as error:
        raise InputError(f"{path} {error}") from error
    return GridFees.of(fees)


def _require_header(cells: list[str]) -> None:
    if cells != FEE_COLUMNS:
        raise RowError(1, f"the first line must be {','.join(FEE_COLUMNS)}")


def _add(fees: dict[tuple[str, str], int], line: int, cells: list[str]) -> None:
    if len(cells) != len(FEE_COLUMNS):
        raise RowError(line, f"{len(cells)} cells where the first line names {len(FEE_COLUMNS)}")
    start, end, fee = cells
    if (start, end) in fees:
        raise RowError(line, f"the fee from zone {start!r} to zone {end!r} is there twice; keep one")
    if not fee.removeprefix("-").isdecimal() or not fee.isascii() or len(fee) > len(str(2**63)):
        raise RowError(line, f"fee_micro_per_kwh is {fee[:40]!r}; give whole micro-units per kWh")
    problem = fee_problem(int(fee))
    if problem is not None:
        raise RowError(line, f"{problem}, not {fee}")
    fees[start, end] = int(fee)
