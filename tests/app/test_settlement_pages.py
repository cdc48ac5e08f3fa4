"""Operators see runs with their state and what is missing, and run a month again; nobody else does."""

import html
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app.audit import entries
from app.storage.database import reading
from app.storage.store.settlement_runs import runs_between
from tests.app.delivered_day import DeliveredDay
from tests.app.neighbourhood import StandingClock, token_for
from tests.app.street_server import member, post
from tests.app.test_settlement_runs import KEY, LATE, SF_S, day_with_late_meter, tell_late

RUNS = "/api/v1/settlement/runs"


def text_of(client: FlaskClient, path: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", client.get(path).text)).split())


@pytest.fixture
def late(community: Engine, clock: StandingClock) -> DeliveredDay:
    """Settled once without four readings, which are there now; the final run is not due yet."""
    day = day_with_late_meter(community, KEY)
    clock.now_s = day.clock.now_s
    return day


def test_the_page_tells_runs_made_and_to_come_and_what_is_missing(web_app: Flask, late: DeliveredDay) -> None:
    page = text_of(member(web_app, "olga"), "/operator/settlement")
    assert "1 day settled. 1 of them without some readings" in page
    assert re.search(r"SF Scheduled [^R]*8 Jul", page)
    assert re.search(r"mp-bela 4 0", page)
    assert "Run again" not in page


def test_a_month_is_run_again_from_the_page_and_the_deed_is_kept(
    web_app: Flask, community: Engine, late: DeliveredDay, clock: StandingClock
) -> None:
    late.settle_at(SF_S)
    clock.now_s = SF_S + 60
    olga = member(web_app, "olga")
    assert re.search(r"SF Data missing", text_of(olga, "/operator/settlement"))
    tell_late(late)
    answer = post(olga, "/operator/settlement", "/operator/settlement/runs", {"month": "2025-06"})
    assert answer.status_code == 302
    page = text_of(olga, "/operator/settlement")
    assert f"Run SF.2 of June 2025: intervals changed: {len(LATE)}" in page
    assert re.search(r"SF\.2 Complete", page)
    with reading(community) as connection:
        newest = entries(connection)[0]
    assert (newest.actor, newest.action, newest.subject) == ("olga", "settlement.run", "SF.2 of 2025-06")


def test_the_api_tells_the_same_and_runs_again(
    web_app: Flask, community: Engine, late: DeliveredDay, clock: StandingClock
) -> None:
    client, olga = web_app.test_client(), token_for(community, "olga", now_s=clock.now_s)
    (month,) = client.get(RUNS, headers=olga).get_json()["months"]
    assert (month["month"], month["days_settled"], month["days_incomplete"]) == ("2025-06", 1, 1)
    assert [(run["kind"], run["state"]) for run in month["runs"]] == [
        ("SF", "scheduled"),
        ("R1", "scheduled"),
        ("RF", "scheduled"),
    ]
    assert [(gap["metering_point"], gap["missing"]) for gap in month["missing"]] == [("mp-bela", 4)]
    early = client.post(RUNS, headers=olga, json={"month": "2025-06"})
    assert (early.status_code, early.get_json()["type"]) == (409, "urn:commonwatt:problem:cannot-run")
    assert "its final run SF is due on 2025-07-08" in early.get_json()["detail"]
    tell_late(late)
    late.settle_at(SF_S)
    clock.now_s = SF_S + 60
    olga = token_for(community, "olga", now_s=clock.now_s)
    again = client.post(RUNS, headers=olga, json={"month": "2025-06"})
    assert (again.status_code, again.get_json()["name"], again.get_json()["transfers_posted"]) == (201, "SF.2", 0)
    assert client.post(RUNS, headers=olga, json={"month": "2025-13"}).status_code == 422
    assert client.post(RUNS, headers=olga, json={"month": "June"}).status_code == 422


def test_nobody_but_operators_sees_or_runs_a_month(web_app: Flask, community: Engine, late: DeliveredDay) -> None:
    late.settle_at(SF_S)
    anna, client = member(web_app, "anna"), web_app.test_client()
    token = token_for(community, "anna")
    assert anna.post("/operator/settlement/runs", data={"month": "2025-06"}).status_code in {400, 403}
    assert client.get(RUNS, headers=token).status_code == 403
    assert client.post(RUNS, headers=token, json={"month": "2025-06"}).status_code == 403
    assert client.get(RUNS).status_code == 401
    assert client.post(RUNS, json={"month": "2025-06"}).status_code == 401
    with reading(community) as connection:
        names = [run.name for run in runs_between(connection, start_s=0, end_s=1 << 40)]
    assert names == ["D1", "SF"]
