"""Tables as CSV files for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""With one of these at its beginning a spreadsheet takes a text for a formula."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The table as text; what strangers may have written is never a formula, figures stay figures."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """The table as a download that no cache keeps."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "private, no-store"}
    return Response(csv_text(header, rows), content_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return f"'{value}"
    return "" if value is None else value
