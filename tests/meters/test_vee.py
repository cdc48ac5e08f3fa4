"""Each rule finds its error and leaves the healthy case alone."""

from datetime import UTC, datetime, timedelta

from meters.reading import CounterRead
from meters.vee import (
    RULES_VERSION,
    CounterLimits,
    Rule,
    above_connection_rating,
    clock_unsynced,
    decrease,
    missing,
    most_mwh,
    out_of_order,
)

T0 = datetime(2026, 6, 1, tzinfo=UTC)


def read(minutes: float, import_mwh: int, export_mwh: int = 0) -> CounterRead:
    return CounterRead(at=T0 + timedelta(minutes=minutes), import_mwh=import_mwh, export_mwh=export_mwh, step_mwh=10)


def test_missing_intervals_are_counted():
    assert missing("D017", 96, 96) == []
    (finding,) = missing("D017", 96, 95)
    assert (finding.rule, finding.version) == (Rule.MISSING, RULES_VERSION)
    assert "1 of 96" in finding.message


def test_a_day_with_a_clock_change_has_its_own_number_of_intervals():
    assert missing("D017", 92, 92) == missing("D017", 100, 100) == []


def test_a_fall_is_found_in_either_direction():
    assert decrease(read(0, 100, 100), read(15, 100, 100)) == []
    assert [finding.rule for finding in decrease(read(0, 100, 100), read(15, 50, 100))] == [Rule.DECREASE]
    assert [finding.rule for finding in decrease(read(0, 100, 100), read(15, 100, 0))] == [Rule.ZERO]


def test_energy_above_the_connections_rating_is_found_by_hand():
    # 10 kW for 15 minutes are 2500 Wh, with the margin 3000 Wh.
    limits = CounterLimits(connection_w=10_000)
    assert most_mwh(10_000, timedelta(minutes=15)) == 3_000_000
    assert above_connection_rating(read(0, 0), read(15, 3_000_020), limits) == []
    (finding,) = above_connection_rating(read(0, 0), read(15, 3_000_021), limits)
    assert finding.rule is Rule.ABOVE_RATING


def test_a_reading_older_than_the_last_is_found():
    assert out_of_order(read(0, 0), read(0, 0)) == []
    assert [finding.rule for finding in out_of_order(read(1, 0), read(0, 0))] == [Rule.OUT_OF_ORDER]


def test_a_clock_more_than_five_seconds_off_is_found():
    assert clock_unsynced(None) == clock_unsynced(4.9) == clock_unsynced(-5.0) == []
    assert [finding.rule for finding in clock_unsynced(-5.1)] == [Rule.CLOCK_UNSYNCED]
