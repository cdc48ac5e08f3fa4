"""What the agents expect to pay: their community's own prices, known before they decide."""

from app.agents.prices import expected_prices

DAY_S = 86_400
NOON_S = 1_750_075_200
DECIDED_S = NOON_S - 900


def expect(known: dict[int, int], *starts_s: int) -> list[int]:
    return expected_prices(known, starts_s, decided_s=DECIDED_S, lowest=80_000, highest=200_000)


def test_without_history_the_middle_between_feed_in_and_supplier_price_is_expected() -> None:
    assert expect({}, NOON_S, NOON_S + 900) == [140_000, 140_000]


def test_known_days_pull_the_expectation_from_the_middle_to_their_mean() -> None:
    assert expect({NOON_S - DAY_S: 100_000}, NOON_S) == [120_000]
    week = {NOON_S - day * DAY_S: 100_000 for day in range(1, 8)}
    assert expect(week, NOON_S) == [(7 * 100_000 + 140_000) // 8]
    assert expect(week | {NOON_S - 8 * DAY_S: 0}, NOON_S) == expect(week, NOON_S)


def test_the_interval_itself_and_other_times_of_day_are_never_looked_at() -> None:
    assert expect({NOON_S: 90_000, NOON_S - DAY_S + 900: 90_000, NOON_S + DAY_S: 90_000}, NOON_S) == [140_000]


def test_more_than_a_day_ahead_is_expected_like_the_latest_such_hour() -> None:
    assert expect({NOON_S - DAY_S: 100_000}, NOON_S + DAY_S, NOON_S + 2 * DAY_S) == [120_000, 120_000]


def test_an_expectation_stays_between_what_the_supplier_pays_and_charges() -> None:
    assert expect({NOON_S - DAY_S: 900_000}, NOON_S) == [200_000]
    assert expected_prices({}, [NOON_S], decided_s=DECIDED_S, lowest=-50_000, highest=-10_000) == [0]
