"""Files that the API gives to other programs hold the figures of its JSON, read by programs of other people."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from greenbutton_objects.enums import FlowDirectionType, ServiceKind, UomType
from greenbutton_objects.parse import parse_feed

from tests.app.community_day import NOW
from tests.app.street_server import member

NOW_S = int(NOW.timestamp())
SPAN = {"start_s": NOW_S - 3 * 86_400, "end_s": NOW_S}
HOMES = ("M01", "M04")


def _json(client: FlaskClient, path: str) -> Any:
    answer = client.get(f"/api/v1/{path}", query_string=SPAN)
    assert answer.status_code == 200, answer.text
    return answer.json


def _rows(client: FlaskClient, path: str) -> list[dict[str, str]]:
    answer = client.get(f"/api/v1/{path}", query_string=SPAN)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/csv; charset=utf-8"
    assert f'filename="{path.rpartition("/")[2]}"' in answer.headers["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.mark.parametrize("home", HOMES)
def test_green_button_is_read_by_another_program_as_the_same_energy(
    street_app: APIFlask, tmp_path: Path, home: str
) -> None:
    client = member(street_app, home)
    answer = client.get("/api/v1/energy.xml", query_string=SPAN)
    assert answer.content_type.startswith("application/atom+xml")
    file = tmp_path / "energy.xml"
    file.write_bytes(answer.data)
    read: dict[tuple[str, int], dict[str, int]] = {}
    for point in parse_feed(str(file)):
        assert point.serviceCategory is ServiceKind.electricity
        assert {meter.readingType.flowDirection for meter in point.meterReadings} == set(FlowDirectionType) - {
            FlowDirectionType.notApplicable
        }
        for meter in point.meterReadings:
            assert meter.readingType.uom is UomType.wattHours
            assert meter.readingType.intervalLength == 900
            name = "import_wh" if meter.readingType.flowDirection is FlowDirectionType.forward else "export_wh"
            for each in meter.intervalReadings:
                assert each.timePeriod.duration == timedelta(minutes=15)
                assert len(each.readingQualities) == 1
                read.setdefault((point.title, int(each.timePeriod.start.timestamp())), {})[name] = each.value
    known = {
        (each["metering_point"], each["start_s"]): {name: each[name] for name in ("import_wh", "export_wh")}
        for each in _json(client, "energy")["energies"]
    }
    assert read == known
    assert len(known) > 100
    assert sum(each["import_wh"] for each in read.values()) > 0


def test_csv_holds_the_figures_of_the_json(street_app: APIFlask) -> None:
    client = member(street_app, "M01")
    for path, name in (("energy", "energies"), ("readings", "readings"), ("public/rounds", "rounds")):
        rows, known = _rows(client, f"{path}.csv"), _json(client, path)[name]
        assert len(rows) == len(known) > 50, path
        for row, answer in zip(rows, known, strict=True):
            shared = {key: "" if answer[key] is None else str(answer[key]) for key in row if key in answer}
            assert shared == {key: row[key] for key in shared}, path
            assert len(shared) > 4, path
            if "start" in row:
                assert datetime.fromisoformat(row["start"]) == datetime.fromtimestamp(int(row["start_s"]), UTC)


@pytest.mark.parametrize("home", HOMES)
def test_a_statement_is_the_same_to_the_cent_in_every_form(street_app: APIFlask, home: str) -> None:
    client = member(street_app, home)
    month = _json(client, "statements")["statements"][0]["month"]
    found = _json(client, f"statements/{month}")
    assert found["month"] == month
    assert found["currency"] == "EUR"
    rows = list(csv.DictReader(io.StringIO(client.get(f"/api/v1/statements/{month}.csv").text)))
    for part in ("community", "supplier"):
        lines = found[part]["lines"]
        assert lines, part
        assert sum(line["amount_cents"] for line in lines) == found[part]["total_cents"]
        of_csv = [(row["item"], int(row["amount_cents"])) for row in rows if row["part"] == part]
        assert of_csv == [
            *((line["item"], line["amount_cents"]) for line in lines),
            ("total", found[part]["total_cents"]),
        ]
    paper = client.get(f"/api/v1/statements/{month}.pdf")
    assert paper.content_type == "application/pdf"
    assert paper.data.startswith(b"%PDF-")  # what is on it is compared where the page's own is


def test_the_proof_of_a_month_is_the_file_of_its_page(street_app: APIFlask) -> None:
    client = member(street_app, "M01")
    month = _json(client, "statements")["statements"][0]["month"]
    assert _json(client, f"statements/{month}/proof") == client.get(f"/statements/{month}.json").json


@pytest.mark.parametrize("month", ["2025-13", "x", "1999-01", "2999-01"])
def test_a_month_that_is_none_has_no_statement(street_app: APIFlask, month: str) -> None:
    client = member(street_app, "M01")
    for path in (month, f"{month}.pdf", f"{month}.csv", f"{month}/proof"):
        answer = client.get(f"/api/v1/statements/{path}")
        assert answer.status_code == 404
        assert answer.content_type == "application/problem+json"
