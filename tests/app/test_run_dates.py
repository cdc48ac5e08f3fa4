"""Run dates are the community's to set: defaults of today, an order that holds in every month, and desks that obey."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.errors import InputError
from app.factory import create_app
from app.founding import configured, found
from app.local_time import LocalMonth
from app.settlement_calendar import DEFAULT_CALENDAR, MONTH_RUNS, RunCalendar
from app.settlement_settings import SettlementSettings
from app.storage.database import reading
from app.storage.store.settlement_runs import runs_between
from app.worker import Worker, network_of
from tests.app.configurations import ANNA, BEN, COMMUNITY, settings_from
from tests.app.neighbourhood import StandingClock, token_for
from tests.app.test_settlement_runs import BERLIN, at


def chosen(folder: Path, text: str) -> SettlementSettings:
    return settings_from(folder, f"[settlement]\n{text}").settlement


def test_nothing_said_is_five_working_days_forty_five_days_and_four_months(tmp_path: Path) -> None:
    assert settings_from(tmp_path, "").settlement.calendar == DEFAULT_CALENDAR
    assert RunCalendar(sf_working_days=5, r1_days=45, rf_months=4) == DEFAULT_CALENDAR
    assert DEFAULT_CALENDAR.disorder() is None


def test_dates_of_a_community_are_those_of_its_months(tmp_path: Path) -> None:
    settings = chosen(tmp_path, "sf_working_days = 2\nr1_days = 20\nrf_months = 1\ngrace_minutes = 60")
    due = [settings.calendar.due_s(kind, LocalMonth.parse("2025-06", BERLIN)) for kind in MONTH_RUNS]
    assert due == [at(2025, 7, 3), at(2025, 7, 21), at(2025, 8, 1)]
    assert settings.grace_minutes == 60


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sf_working_days = 0", "settlement.sf_working_days: is 0: use 1 to 20"),
        ("r1_days = 400", "settlement.r1_days: is 400: use 2 to 366"),
        ("rf_months = 25", "settlement.rf_months: is 25: use 1 to 24"),
        ("rf_months = 1.5", "settlement.rf_months: is 1.5, not an integer"),
        ("r1_days = 7", "settlement: R1 after 7 days is not after SF, 5 working days on"),
        ("rf_months = 1", "settlement: RF after 1 months is not after R1, 45 days on"),
        ("r1_days = 28\nrf_months = 1", "settlement: RF after 1 months is not after R1, 28 days on"),
        ("sf_days = 3", "settlement.sf_days: is unknown here"),
    ],
)
def test_dates_that_are_not_in_order_in_every_month_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        chosen(tmp_path, text)
    assert says in str(refused.value)


@pytest.mark.parametrize("text", ["r1_days = 8", "r1_days = 27\nrf_months = 1"])
def test_the_closest_dates_that_hold_in_every_month_are_taken(tmp_path: Path, text: str) -> None:
    assert chosen(tmp_path, text).calendar.disorder() is None


def test_worker_and_web_application_go_by_the_dates_of_the_community(engine: Engine, tmp_path: Path) -> None:
    dates = "[settlement]\nsf_working_days = 2\nr1_days = 20\nrf_months = 1\n"
    settings = settings_from(tmp_path, COMMUNITY + ANNA + BEN + dates)
    clock = StandingClock(at(2025, 6, 30) + 12 * 3_600)
    found(engine, settings, network_of(configured(settings).network), now_s=clock.now_s)
    worker = Worker(settings, engine, clock)
    try:
        for now_s in (clock.now_s, at(2025, 7, 3) - 1, at(2025, 7, 3)):
            clock.now_s = now_s
            before = kinds_of(engine)
            worker.step()
    finally:
        worker.close()
    assert before == ["D1"]
    assert kinds_of(engine) == ["D1", "SF"]
    client = create_app(settings, engine, clock).test_client()
    headers = token_for(engine, "operator", now_s=clock.now_s)
    (month,) = client.get("/api/v1/settlement/runs", headers=headers).json["months"]
    due = {each["kind"]: each["due_s"] for each in month["runs"] if each["state"] == "scheduled"}
    assert due == {"R1": at(2025, 7, 21), "RF": at(2025, 8, 1)}


def kinds_of(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [each.kind for each in runs_between(connection, start_s=0, end_s=1 << 40)]
