"""What cannot be is found in stored days, makes them provisional, holds invoices back, and is told where it belongs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, update

from app.audit import entries
from app.contributions import keep_contributions
from app.storage.database import reading, writing
from app.storage.ingest import ingest_batches
from app.storage.store.accounts import all_invoices
from app.storage.store.findings import DayFinding, accept_finding, open_findings
from app.storage.store.readings import ENERGY, energies_of_points
from app.storage.store.settlement_runs import Gap, runs_between
from meters.interval import Quality
from meters.signing import ReadingBatch
from tests.app.delivered_day import DAY_START_S, SLOT_S, DeliveredDay
from tests.app.neighbourhood import NOON_S, StandingClock, as_json, readings_from, signed
from tests.app.street_server import member, post
from tests.app.test_settlement_runs import DAY_SLOTS, KEY, SF_S
from tests.app.test_web_household import shown

HOUR_S = 3600
DAY, NEXT_DAY = "2025-06-16", "2025-06-17"
# Anna's connection carries 10 kW: a quarter of 2 500 Wh is 625 Wh, and here 700 Wh go both ways in the third quarter.
UNSTEADY = [(1_000_000 + 101_000 * number + 7_000 * (number % 2), 0) for number in range(41)]
BOTH_WAYS = [(i + 600_000, e + 700_000) if number > 2 else (i, e) for number, (i, e) in enumerate(UNSTEADY)]


def take_in(engine: Engine, batch: ReadingBatch, now_s: int = NOON_S + 11 * HOUR_S) -> None:
    (result,) = ingest_batches(engine, {"batches": [as_json(batch)]}, datetime.fromtimestamp(now_s, UTC))
    assert result.status == "accepted"


def found(engine: Engine, *points: str) -> list[DayFinding]:
    with reading(engine) as connection:
        return list(open_findings(connection, points=points or ("mp-anna", "mp-bela"), since="0000"))


def qualities(engine: Engine, point: str) -> set[Quality]:
    with reading(engine) as connection:
        span = {"start_s": NOON_S - 86_400, "end_s": NOON_S + 86_400}
        return {each.quality for each in energies_of_points(connection, [point], **span, minutes=15)}


def accept(engine: Engine) -> bool:
    with writing(engine) as connection:
        return accept_finding(connection, point="mp-anna", day=DAY, rule="both_ways", by="olga", now_s=NOON_S)


def test_energy_that_cannot_be_is_found_and_provisional_and_finding_it_again_changes_nothing(
    any_community: Engine,
) -> None:
    take_in(any_community, signed(readings_from(BOTH_WAYS)))
    take_in(any_community, signed(readings_from(UNSTEADY, device="d-bela")))
    keep_contributions(any_community, NOON_S + 11 * HOUR_S)
    (finding,) = found(any_community)
    assert (finding.metering_point_id, finding.day, finding.rule, finding.doubts) == ("mp-anna", DAY, "both_ways", True)
    assert finding.message == "much import and much export at once in 1 intervals"
    assert qualities(any_community, "mp-anna") == {Quality.PROVISIONAL}
    assert qualities(any_community, "mp-bela") == {Quality.MEASURED}
    keep_contributions(any_community, NOON_S + 12 * HOUR_S)
    assert [each for each in found(any_community) if each.day == DAY] == [finding]


def test_accepted_values_stand_until_they_say_something_else(any_community: Engine) -> None:
    whole = readings_from(BOTH_WAYS)
    early = signed(whole[:21])
    take_in(any_community, early)
    keep_contributions(any_community, NOON_S + 11 * HOUR_S)
    assert accept(any_community)
    assert not accept(any_community)
    assert qualities(any_community, "mp-anna") == {Quality.MEASURED}
    keep_contributions(any_community, NOON_S + 12 * HOUR_S)
    assert [each.rule for each in found(any_community, "mp-anna")] == ["missing"]
    # One more such quarter-hour is another finding than the one that was accepted.
    later = [(i + 700_000, e + 700_000) if number > 30 else (i, e) for number, (i, e) in enumerate(BOTH_WAYS)]
    take_in(any_community, signed(readings_from(later)[21:], early.head), NOON_S + 13 * HOUR_S)
    keep_contributions(any_community, NOON_S + 13 * HOUR_S)
    assert [each.rule for each in found(any_community, "mp-anna")] == ["both_ways"]
    assert qualities(any_community, "mp-anna") == {Quality.PROVISIONAL}


def test_a_day_that_is_over_is_asked_what_is_missing_and_answers_when_it_comes(any_community: Engine) -> None:
    whole = readings_from(UNSTEADY)
    early = signed(whole[:37])
    take_in(any_community, early)
    keep_contributions(any_community, NOON_S + 10 * HOUR_S + 44 * 60)
    assert found(any_community) == []
    keep_contributions(any_community, NOON_S + 12 * HOUR_S)
    assert [(each.rule, each.message) for each in found(any_community)] == [
        ("missing", "mp-anna: 4 of 40 intervals missing")
    ]
    take_in(any_community, signed(whole[37:], early.head), NOON_S + 13 * HOUR_S)
    keep_contributions(any_community, NOON_S + 13 * HOUR_S)
    assert found(any_community) == []


def with_both_ways(day: DeliveredDay) -> DeliveredDay:
    """The day of the settlement's tests, but in one quarter-hour much goes both ways at anna's."""
    day.deliver(DAY_SLOTS, settle=False)
    with writing(day.engine) as connection:
        slot = (ENERGY.c.metering_point_id == "mp-anna") & (ENERGY.c.start_s == DAY_START_S + DAY_SLOTS[0] * SLOT_S)
        connection.execute(update(ENERGY).where(slot).values(import_wh=700, export_wh=700))
    day.settle_at(DAY_START_S + 2 * 86_400)
    return day


def test_a_run_says_what_is_doubted_and_the_invoice_waits_until_an_operator_accepts(community: Engine) -> None:
    day = with_both_ways(DeliveredDay(community, KEY))
    doubted = Gap(
        metering_point="mp-anna",
        missing=0,
        guessed=len(DAY_SLOTS),
        first_start_s=DAY_START_S + DAY_SLOTS[0] * SLOT_S,
    )
    with reading(community) as connection:
        (first,) = runs_between(connection, start_s=0, end_s=1 << 40)
    assert first.gaps == (doubted,)
    day.settle_at(SF_S)
    with reading(community) as connection:
        assert [each.participant_id for each in all_invoices(connection)] == ["bela"]
    assert accept(community)
    day.settle_at(SF_S + 60 * 86_400)
    with reading(community) as connection:
        assert [each.participant_id for each in all_invoices(connection)] == ["anna", "bela"]
        final = runs_between(connection, start_s=0, end_s=1 << 40)[-1]
    assert final.is_complete


@pytest.fixture
def doubted(community: Engine, clock: StandingClock) -> Callable[[], None]:
    """Anna's day is doubted; nothing was drawn at bela's the day after, which is only unusual."""
    take_in(community, signed(readings_from(BOTH_WAYS)))
    still = readings_from([(5_000, 0)] * 137, device="d-bela")
    take_in(community, signed(still), NOON_S + timedelta(days=2).total_seconds())
    clock.now_s = NOON_S + 48 * HOUR_S
    keep_contributions(community, clock.now_s)


@pytest.mark.usefixtures("doubted")
def test_a_home_reads_in_plain_words_why_its_meter_is_yellow_and_only_its_own(web_app: Flask) -> None:
    anna = shown(member(web_app, "anna").get("/devices").text)
    assert "Why your meter is yellow" in anna
    assert "much energy drawn and much fed in at the same time" in anna
    assert "no invoice is made of them, until your operator has looked" in anna
    bela = shown(member(web_app, "bela").get("/devices").text)
    assert "Worth a look" in bela
    assert "Nothing was drawn or fed in all day" in bela
    assert "yellow" not in bela


@pytest.mark.usefixtures("doubted")
def test_operators_accept_what_is_doubted_and_never_hear_of_an_empty_home(web_app: Flask, community: Engine) -> None:
    olga = member(web_app, "olga")
    page = shown(olga.get("/operator/devices").text)
    assert "mp-anna Doubted Much import and much export at once in 1 intervals" in page
    assert "mp-bela Doubted" not in page
    assert "zero" not in page.lower()
    assert "nothing was drawn" not in page.lower()
    told = {"metering_point": "mp-anna", "day": DAY, "rule": "both_ways"}
    assert post(member(web_app, "bela"), "/orders", "/operator/findings/accept", told).status_code == 403
    assert olga.post("/operator/findings/accept", data=told).status_code == 400
    assert post(olga, "/operator/devices", "/operator/findings/accept", told).status_code == 302
    assert post(olga, "/operator/devices", "/operator/findings/accept", told).status_code == 404
    with reading(community) as connection:
        newest = entries(connection)[0]
    assert (newest.actor, newest.action, newest.subject) == (
        "olga", "finding.accepted", f"both_ways at mp-anna on {DAY}",
    )  # fmt: skip
    assert "Being checked" not in shown(member(web_app, "anna").get("/devices").text)
