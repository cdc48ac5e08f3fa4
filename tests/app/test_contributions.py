"""What meters contributed: counted against readings made by hand, corrected by late ones, shown to their home alone."""

from dataclasses import replace
from datetime import UTC, datetime

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app.contributions import keep_contributions
from app.storage.database import reading
from app.storage.ingest import ingest_batches
from app.storage.store.contributions import Contribution, contributions_of
from meters.signing import FLAG_ESTIMATED, FLAG_IMPORTED, GENESIS_HASH, ReadingBatch
from tests.app.neighbourhood import NOON_S, STRANGERS_KEY, as_json, readings_from, signed, token_for
from tests.app.street_server import member
from tests.app.test_web_household import shown

HOUR_S = 3600
# 2025-06-16 in Berlin ends at 22:00 UTC: 40 quarters of an hour after noon.
FIRST, SECOND = "2025-06-16", "2025-06-17"
STEADY = [(1_000_000 + 100_000 * number, 0) for number in range(41)]


def post(engine: Engine, batch: ReadingBatch, now_s: int) -> None:
    ingest_batches(engine, {"batches": [as_json(batch)]}, datetime.fromtimestamp(now_s, UTC))


def kept(engine: Engine, device: str = "d-anna") -> dict[str, Contribution]:
    with reading(engine) as connection:
        found = contributions_of(connection, [device], first_day="0000", last_day="9999")
    return {each.day: each for each in found}


def test_a_day_counts_from_the_first_reading_to_midnight(any_community: Engine) -> None:
    post(any_community, signed(readings_from(STEADY)), NOON_S + 11 * HOUR_S)
    assert keep_contributions(any_community, NOON_S + 11 * HOUR_S) == 2
    assert kept(any_community)[FIRST] == Contribution(
        device_id="d-anna",
        day=FIRST,
        expected_count=40,
        complete_count=40,
        live_count=40,
        signature="gateway",
        fault_count=0,
    )
    assert kept(any_community)[SECOND].complete_count == 0
    # A meter that never reported has contributed to nothing, not zero of something.
    assert kept(any_community, "d-bela") == {}


def test_estimated_intervals_are_there_but_not_in_time_and_a_file_is_told_apart(any_community: Engine) -> None:
    readings = readings_from(STEADY)
    estimated = tuple(replace(each, flags=FLAG_ESTIMATED) if each.seq == 7 else each for each in readings)
    imported = readings_from(STEADY, device="d-bela", flags=FLAG_IMPORTED)
    for each in (estimated, imported):
        post(any_community, signed(each), NOON_S + 11 * HOUR_S)
    keep_contributions(any_community, NOON_S + 11 * HOUR_S)
    # The energy before and the energy after an estimated register are both estimates.
    anna, bela = kept(any_community)[FIRST], kept(any_community, "d-bela")[FIRST]
    assert (anna.complete_count, anna.live_count, anna.signature) == (40, 38, "gateway")
    assert (bela.complete_count, bela.live_count, bela.signature) == (40, 0, "file")


def test_readings_that_come_a_day_late_correct_the_day_they_are_of(any_community: Engine) -> None:
    whole = readings_from(STEADY)
    early, late = signed(whole[:21]), whole[21:]
    post(any_community, early, NOON_S + 5 * HOUR_S)
    keep_contributions(any_community, NOON_S + 5 * HOUR_S)
    assert (kept(any_community)[FIRST].complete_count, kept(any_community)[FIRST].expected_count) == (20, 20)
    keep_contributions(any_community, NOON_S + 24 * HOUR_S)
    assert (kept(any_community)[FIRST].complete_count, kept(any_community)[FIRST].expected_count) == (20, 40)
    assert (kept(any_community)[SECOND].expected_count, kept(any_community)[SECOND].signature) == (56, "none")
    post(any_community, signed(late, early.head), NOON_S + 72 * HOUR_S)
    keep_contributions(any_community, NOON_S + 73 * HOUR_S)
    assert (kept(any_community)[FIRST].complete_count, kept(any_community)[FIRST].expected_count) == (40, 40)


def test_refused_batches_are_faults_and_the_record_is_renewed_once_an_hour(any_community: Engine) -> None:
    post(any_community, signed(readings_from(STEADY)), NOON_S + 11 * HOUR_S)
    post(any_community, signed(readings_from(STEADY[:2]), GENESIS_HASH, STRANGERS_KEY), NOON_S + HOUR_S)
    assert keep_contributions(any_community, NOON_S + 11 * HOUR_S) == 2
    assert kept(any_community)[FIRST].fault_count == 1
    assert keep_contributions(any_community, NOON_S + 12 * HOUR_S - 1) == 0
    assert keep_contributions(any_community, NOON_S + 12 * HOUR_S) == 2


def test_the_interface_tells_a_home_its_own_days_and_nobody_elses(community: Engine, client: FlaskClient) -> None:
    for device in ("d-anna", "d-bela"):
        post(community, signed(readings_from(STEADY, device=device)), NOON_S + 11 * HOUR_S)
    keep_contributions(community, NOON_S + 11 * HOUR_S)
    span = {"start_s": NOON_S, "end_s": NOON_S + HOUR_S}
    answer = client.get("/api/v1/contributions", query_string=span, headers=token_for(community, "anna"))
    assert answer.json == {
        "contributions": [
            {
                "device": "d-anna",
                "day": FIRST,
                "expected_count": 40,
                "complete_count": 40,
                "live_count": 40,
                "signature": "gateway",
                "fault_count": 0,
            }
        ]
    }
    assert client.get("/api/v1/contributions", query_string=span).status_code == 401


def test_the_devices_page_says_what_the_meter_contributed_yesterday(street_app: Flask) -> None:
    page = shown(member(street_app, "M03").get("/devices").text)
    assert "it contributed 96 of 96 readings; in 96 of them it was read in time" in page
    assert "by the gateway" in page
