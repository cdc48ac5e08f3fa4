"""The agent's forecast: what it uses, what it must not see, and what it says when it knows nothing."""

import pytest

from app.agents.forecast import History, forecast

DAY_S = 86_400
SLOT_S = 900
NOON_S = 1_464_264_000 // SLOT_S * SLOT_S


def a_regular_home(*, until_s: int, days: int = 8) -> History:
    history = History()
    for start_s in range(NOON_S - days * DAY_S, until_s, SLOT_S):
        hour = start_s % DAY_S // 3600
        history.learn(start_s, import_wh=200 if hour < 8 else 0, export_wh=900 if 10 <= hour < 14 else 0)
    return history


def test_a_regular_home_is_forecast_as_it_was() -> None:
    expected = forecast(a_regular_home(until_s=NOON_S - SLOT_S), NOON_S, minutes=15, known_before_s=NOON_S - SLOT_S)
    assert (expected.import_wh, expected.export_wh) == (0, 900)
    assert "own readings" in expected.basis


def test_a_spike_after_the_decision_changes_nothing() -> None:
    decided_s = NOON_S - SLOT_S
    honest = a_regular_home(until_s=decided_s)
    planted = a_regular_home(until_s=decided_s)
    planted.learn(decided_s, import_wh=0, export_wh=50_000)
    planted.learn(NOON_S, import_wh=0, export_wh=50_000)
    planted.learn(NOON_S + SLOT_S, import_wh=90_000, export_wh=0)
    assert forecast(planted, NOON_S, minutes=15, known_before_s=decided_s) == forecast(
        honest, NOON_S, minutes=15, known_before_s=decided_s
    )


def test_a_spike_before_the_decision_does_change_it() -> None:
    decided_s = NOON_S - SLOT_S
    history = a_regular_home(until_s=decided_s)
    history.learn(decided_s - SLOT_S, import_wh=0, export_wh=2_700)
    assert forecast(history, NOON_S, minutes=15, known_before_s=decided_s).export_wh > 900


def test_a_cloudy_morning_lowers_the_noon_but_never_below_zero() -> None:
    decided_s = NOON_S - SLOT_S
    history = a_regular_home(until_s=decided_s)
    for back in range(1, 5):
        history.learn(decided_s - back * SLOT_S, import_wh=0, export_wh=90)
    expected = forecast(history, NOON_S, minutes=15, known_before_s=decided_s)
    assert 0 < expected.export_wh < 450
    assert expected.import_wh == 0


def test_a_home_without_sun_that_needs_less_than_usual_offers_nothing() -> None:
    decided_s = NOON_S - SLOT_S
    history = History()
    for start_s in range(NOON_S - 8 * DAY_S, decided_s, SLOT_S):
        big_load = start_s % DAY_S != NOON_S % DAY_S
        history.learn(start_s, import_wh=600 if big_load else 100, export_wh=0)
    for back in range(1, 5):
        history.learn(decided_s - back * SLOT_S, import_wh=0, export_wh=0)
    expected = forecast(history, NOON_S, minutes=15, known_before_s=decided_s)
    assert (expected.import_wh, expected.export_wh) == (0, 0)


def test_where_a_limit_was_felt_the_offer_counts_as_what_the_home_could_deliver() -> None:
    history = History()
    for day in range(1, 4):
        history.learn(NOON_S - day * DAY_S, import_wh=0, export_wh=300, offered_wh=900)
    assert forecast(history, NOON_S, minutes=15, known_before_s=NOON_S - SLOT_S).export_wh == 900


def test_the_capability_is_the_best_of_the_days_before_and_never_below_the_forecast() -> None:
    history = a_regular_home(until_s=NOON_S - SLOT_S)
    history.learn(NOON_S - 3 * DAY_S, import_wh=0, export_wh=1_500)
    expected = forecast(history, NOON_S, minutes=15, known_before_s=NOON_S - SLOT_S)
    assert expected.capability_wh == 1_500
    evening = forecast(history, NOON_S + 8 * 3600, minutes=15, known_before_s=NOON_S - SLOT_S)
    assert evening.capability_wh >= evening.export_wh


@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_without_history_it_uses_the_standard_profile_and_says_so(minutes: int) -> None:
    expected = forecast(History(), NOON_S, minutes=minutes, known_before_s=NOON_S)
    assert expected.export_wh == 0
    assert expected.import_wh == round(3_500_000 / 365 * 50 / 1002 * minutes / 60)
    assert "no readings" in expected.basis


def test_old_values_can_be_forgotten() -> None:
    history = a_regular_home(until_s=NOON_S)
    history.forget_before(NOON_S - DAY_S)
    assert history.at(NOON_S - DAY_S - SLOT_S) is None
    assert history.at(NOON_S - DAY_S) == 900


def test_a_usual_days_feed_in_is_the_mean_of_the_last_seven() -> None:
    history = a_regular_home(until_s=NOON_S)
    assert history.daily_export_wh(NOON_S) == 16 * 900
    assert History().daily_export_wh(NOON_S) == 0
