"""Figures as files for other programs: CSV, and metered energy as Green Button XML."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from flask import Response, render_template, request
from sqlalchemy import Connection

from app.access import Access, access, viewer
from app.api.schemas import SpanQuery
from app.api.spans import checked
from app.green_button import usage_points
from app.platform import platform
from app.scopes import Scope
from app.storage.database import reading
from app.storage.store.community import the_community
from app.storage.store.devices import devices_by_point
from app.storage.store.members import metering_points
from app.storage.store.readings import energies_of_points, readings_of_device
from app.storage.store.rounds import rounds_between
from meters.interval import IntervalEnergy

Answers = dict[int | str, dict[str, Any]]
READING_COLUMNS = ("device", "epoch", "seq", "start_s", "duration_s", "import_mwh", "export_mwh", "flags")
ROUND_COLUMNS = ("start_s", "state", "status", "clearing_price_micro_per_kwh", "traded_wh", "binding_count")

file_api = APIBlueprint("file_api", __name__, tag="Files")


def file_answer(content_type: str, said: str, kind: str = "string") -> Answers:
    """How the OpenAPI document describes an answer that is a file."""
    return {200: {"description": said, "content": {content_type: {"schema": {"type": kind}}}}}


CSV = file_answer("text/csv", "One row an interval, the first row names the columns")


@file_api.get("/energy.csv")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@file_api.input(SpanQuery, location="query")
@file_api.doc(responses=CSV)
def energy_csv(query_data: SpanQuery) -> Response:
    """Your metered energy per interval, as CSV."""
    with reading(platform().engine) as connection:
        energies = _own_energies(connection, checked(query_data))
    header = ("metering_point", "start", "start_s", "import_wh", "export_wh", "quality")
    return _csv("energy", header, (_energy_row(each) for each in energies))


@file_api.get("/energy.xml")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@file_api.input(SpanQuery, location="query")
@file_api.doc(responses=file_answer("application/atom+xml", "An Atom feed of ESPI resources"))
def energy_xml(query_data: SpanQuery) -> Response:
    """Your metered energy per interval, as Green Button XML."""
    with reading(platform().engine) as connection:
        community = the_community(connection)
        energies = _own_energies(connection, checked(query_data))
    xml = render_template(
        "files/green_button.xml",
        points=usage_points(energies, ZoneInfo(community.timezone)),
        ids=_uuid,
        feed_id=_uuid(f"{viewer().id} {query_data.start_s} {query_data.end_s}"),
        community=community.name,
        address=request.full_path,
        updated=_iso(platform().now_s()),
    )
    return _file(xml, "application/atom+xml", "energy.xml")


@file_api.get("/readings.csv")
@access(Access.HOUSEHOLD, Scope.OWN_READ)
@file_api.input(SpanQuery, location="query")
@file_api.doc(responses=CSV)
def readings_csv(query_data: SpanQuery) -> Response:
    """Your meters' registers as they were signed, as CSV."""
    span = checked(query_data)
    with reading(platform().engine) as connection:
        meters = devices_by_point(connection)
        points = metering_points(connection, participant_id=viewer().id)
        own = [meters[point.id].id for point in points if point.id in meters]
        found = [
            each
            for device in own
            for each in readings_of_device(connection, device, start_s=span.start_s, end_s=span.end_s)
        ]
    return _csv("readings", READING_COLUMNS, ([asdict(each)[name] for name in READING_COLUMNS] for each in found))


@file_api.get("/public/rounds.csv")
@access(Access.PUBLIC)
@file_api.input(SpanQuery, location="query")
@file_api.doc(responses=CSV)
def rounds_csv(query_data: SpanQuery) -> Response:
    """Price, volume and state of each round, as CSV."""
    span = checked(query_data)
    with reading(platform().engine) as connection:
        found = rounds_between(connection, start_s=span.start_s, end_s=span.end_s)
    rows = ([_iso(each.start_s), *(getattr(each, name) for name in ROUND_COLUMNS)] for each in found)
    return _csv("rounds", ("start", *ROUND_COLUMNS), rows)


def _own_energies(connection: Connection, span: SpanQuery) -> Sequence[IntervalEnergy]:
    return energies_of_points(
        connection,
        [point.id for point in metering_points(connection, participant_id=viewer().id)],
        start_s=span.start_s,
        end_s=span.end_s,
        minutes=the_community(connection).market_time_unit_minutes,
    )


def _energy_row(each: IntervalEnergy) -> tuple[object, ...]:
    start_s = each.interval.start_s
    return each.metering_point, _iso(start_s), start_s, each.import_wh, each.export_wh, each.quality.value


def _csv(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return _file(out.getvalue(), "text/csv; charset=utf-8", f"{name}.csv")


def _file(content: str, content_type: str, name: str) -> Response:
    return Response(
        content, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _iso(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"urn:commonwatt:espi:{name}"))
