"""History: a day, a month or a year of one's own energy and money, against the period before."""

from dataclasses import dataclass
from datetime import date

from flask import Response, abort, render_template, url_for
from flask_babel import gettext as _
from sqlalchemy import Connection

from app.history import History, HistorySpan, history_of, total_until
from app.history_csv import history_csv
from app.local_time import local_date
from app.periods import Period, PeriodKind
from app.storage.database import reading
from app.storage.store.history import first_metered_s
from app.storage.store.members import metering_points
from app.web.charts.axis import Tick
from app.web.charts.energy_bars import EnergyBar, EnergyBars, energy_bars
from app.web.context import YEARS, engine, page
from app.web.formats import DASH, Formats
from app.web.views.household_access import household, participant_id

TICKS_MAX = 13
"""More labels than that run into each other on a phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    """A part of the period as it is shown: its name, its place in the chart in percent, and where it leads."""

    span: HistorySpan
    name: str
    at: float
    url: str | None


@household.get("/history")
def history() -> str:
    """The running month."""
    today = page().today
    return _render(Period.containing(PeriodKind.MONTH, today.date, today.zone))


@household.get("/history/<period>")
def history_period(period: str) -> str:
    """A day (YYYY-MM-DD), a month (YYYY-MM) or a year (YYYY)."""
    return _render(_asked(period))


@household.get("/history/<period>.csv")
def history_csv_file(period: str) -> Response:
    """The parts of a period and their total."""
    asked = _asked(period)
    with reading(engine()) as connection:
        found = history_of(connection, participant_id(), asked)
    name = f"history-{participant_id()}-{asked.key}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    content = history_csv(found, currency=page().fmt.currency)
    return Response(content.encode(), content_type="text/csv; charset=utf-8", headers=headers)


def _asked(key: str) -> Period:
    """The period of an address. Aborts with 404 if there is none or it lies in the future."""
    try:
        period = Period.parse(key, page().zone)
    except ValueError:
        abort(404, _("There is no such period: write it as YYYY, YYYY-MM or YYYY-MM-DD."))
    if period.first.year not in YEARS or period.start_s >= page().now_s:
        abort(404, _("That has not begun yet."))
    return period


def _render(period: Period) -> str:
    now_s, fmt = page().now_s, page().fmt
    before = period.previous()
    runs = period.end_s > now_s
    with reading(engine()) as connection:
        found = history_of(connection, participant_id(), period)
        first_s = _first_metered_s(connection)
        compared = total_until(
            connection,
            participant_id(),
            before,
            before.start_s + now_s - period.start_s if runs else before.end_s,
        )
    rows = _rows(found, fmt)
    return render_template(
        "household/history.html",
        history=found,
        total=found.total,
        compared=compared if first_s is not None and compared.end_s > first_s else None,
        compared_name=period_name(before, fmt),
        runs=runs,
        rows=rows,
        chart=_bars(found),
        ticks=_ticks(rows, period.kind),
        period_name=period_name(period, fmt),
        kinds=[(kind, period.of_kind(kind, now_s=now_s).key) for kind in PeriodKind],
        first_url=None if first_s is None else _url(_containing(period, first_s)),
        previous_url=_url(before) if first_s is not None and before.end_s > first_s else None,
        next_url=_url(period.next()) if period.end_s < now_s else None,
    )


def _first_metered_s(connection: Connection) -> int | None:
    points = [point.id for point in metering_points(connection, participant_id=participant_id())]
    return first_metered_s(connection, points)


def _containing(like: Period, instant_s: int) -> Period:
    return Period.containing(like.kind, local_date(instant_s, like.zone), like.zone)


def _url(period: Period) -> str:
    return url_for("household.history_period", period=period.key)


def period_name(period: Period, fmt: Formats) -> str:
    """What people call the period."""
    if period.kind is PeriodKind.YEAR:
        return period.key
    return fmt.month(period.first) if period.kind is PeriodKind.MONTH else fmt.day(period.first)


def _rows(found: History, fmt: Formats) -> tuple[PartRow, ...]:
    count = len(found.parts)
    now_s, periods = page().now_s, found.period.parts()
    rows = []
    for index, span in enumerate(found.parts):
        linked = _url(periods[index]) if periods and span.start_s < now_s else None
        name = _part_name(span, periods[index].first if periods else None, found, fmt)
        rows.append(PartRow(span=span, name=name, at=100 * (index + 0.5) / count, url=linked))
    return tuple(rows)


def _part_name(span: HistorySpan, first: date | None, found: History, fmt: Formats) -> str:
    """An hour, a day or a month; the hour that a clock shows twice says which of the two it is."""
    if first is not None:
        return fmt.month(first) if found.period.kind is PeriodKind.YEAR else fmt.short_day(first)
    if sum(fmt.time(each.start_s) == fmt.time(span.start_s) for each in found.parts) > 1:
        return f"{fmt.time(span.start_s)} {fmt.local(span.start_s):%Z}"
    return f"{fmt.time(span.start_s)}{DASH}{fmt.time(span.end_s)}"


def _ticks(rows: tuple[PartRow, ...], kind: PeriodKind) -> tuple[Tick, ...]:
    """A label below every part, or below every n-th where there are many: the hour, the day, the month."""
    step = -(-len(rows) // TICKS_MAX)
    return tuple(
        Tick(at=row.at, label=_tick_text(row.span.start_s, kind), value=index)
        for index, row in enumerate(rows)
        if index % step == 0
    )


def _tick_text(start_s: int, kind: PeriodKind) -> str:
    local = page().fmt.local(start_s)
    if kind is PeriodKind.YEAR:
        return page().fmt.month_letter(local.date())
    return str(local.day if kind is PeriodKind.MONTH else local.hour)


def _bars(found: History) -> EnergyBars:
    bars = [
        EnergyBar(
            start_s=index,
            from_neighbours_wh=span.bought_wh,
            from_supplier_wh=span.residual_import_wh,
            to_neighbours_wh=span.sold_wh,
            to_grid_wh=span.residual_export_wh,
            unshared_import_wh=span.unshared_import_wh,
            unshared_export_wh=span.unshared_export_wh,
        )
        for index, span in enumerate(found.parts)
    ]
    return energy_bars(bars, start_s=0, end_s=len(bars), interval_s=1)
