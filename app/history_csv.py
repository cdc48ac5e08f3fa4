"""A member's history as CSV."""

import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.history import History, HistorySpan

COLUMNS = (
    "bought_wh",
    "sold_wh",
    "residual_import_wh",
    "residual_export_wh",
    "unshared_import_wh",
    "unshared_export_wh",
    "import_cost_cents",
    "credit_cents",
    "with_community_cents",
    "alone_cents",
    "saved_cents",
)
"""Figures of a span, as the interface and the file name them."""


def history_csv(history: History, *, currency: str) -> str:
    """A row for each part and one for the total; times are local with their offset, so that no hour is there twice."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "start", "end", *COLUMNS, "currency"])
    for part in history.parts:
        writer.writerow(_row("part", part, history.period.zone, currency))
    writer.writerow(_row("total", history.total, history.period.zone, currency))
    return out.getvalue()


def _row(name: str, span: HistorySpan, zone: ZoneInfo, currency: str) -> list[object]:
    times = (datetime.fromtimestamp(at_s, UTC).astimezone(zone).isoformat() for at_s in (span.start_s, span.end_s))
    return [name, *times, *(getattr(span, column) for column in COLUMNS), currency]
