"""Long gaps take the shape of an earlier day: computed by hand, exact in the sum, never negative, flagged."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.energy import boundary_readings
from meters.reading import CounterRead
from meters.signing import FLAG_ESTIMATED, FLAG_SUSPECT, RegisterReading
from meters.similar_day import SimilarDay, energies_of, similar_day

DAY = datetime(2026, 6, 8, tzinfo=UTC)
DAY_S = int(DAY.timestamp())
HOUR_S = 3600
WEEK_S = 7 * 86_400


def read(at_s: float, import_mwh: int, export_mwh: int = 0) -> CounterRead:
    return CounterRead(at=DAY + timedelta(seconds=at_s), import_mwh=import_mwh, export_mwh=export_mwh, step_mwh=1)


def known(*energies: tuple[int, int], back_s: int = WEEK_S) -> dict[int, tuple[int, int]]:
    return {DAY_S - back_s + number * HOUR_S: energy for number, energy in enumerate(energies)}


def found(energies: dict[int, tuple[int, int]], before: CounterRead, after: CounterRead, connection_w: float = 10_000):
    return similar_day(energies, before, after, interval_s=HOUR_S, connection_w=connection_w)


def imports(before: CounterRead, after: CounterRead, similar: SimilarDay | None) -> list[int]:
    readings = boundary_readings(DAY_S, before, after, HOUR_S, similar)
    return [reading.import_mwh for reading in readings]


def test_four_hours_follow_the_shape_of_last_week_scaled_to_the_counters_by_hand():
    # Last week 1, 3, 4 and 2 Wh, together 10 Wh; now the counter grew by 5 Wh: 0.5, 1.5, 2 and 1 Wh.
    before, after = read(0, 100_000), read(4 * HOUR_S, 105_000)
    similar = found(known((1000, 0), (3000, 0), (4000, 0), (2000, 0)), before, after)
    assert imports(before, after, similar) == [100_500, 102_000, 104_000, 105_000]


def test_reads_between_boundaries_take_their_part_of_the_interval_by_hand():
    # Half of the first interval and a quarter of the last: 0.5 + 3 + 1 Wh then, 9 Wh now: twice as much.
    before, after = read(HOUR_S / 2, 0), read(2.25 * HOUR_S, 9_000)
    similar = found(known((1000, 0), (3000, 0), (4000, 0)), before, after)
    assert imports(before, after, similar) == [1_000, 7_000]


def test_each_direction_has_its_own_shape_and_a_line_where_nothing_was_metered_then():
    before, after = read(0, 0, 0), read(3 * HOUR_S, 3_000, 6_000)
    similar = found(known((0, 1000), (0, 2000), (0, 0)), before, after)
    readings = boundary_readings(DAY_S, before, after, HOUR_S, similar)
    assert [reading.import_mwh for reading in readings] == [1_000, 2_000, 3_000]
    assert [reading.export_mwh for reading in readings] == [2_000, 6_000, 6_000]


def test_a_gap_with_a_shape_is_estimated_and_one_without_is_suspect_as_well():
    before, after = read(0, 0), read(3 * HOUR_S, 3_000)
    similar = found(known((1, 0), (2, 0), (3, 0)), before, after)
    assert {each.flags for each in boundary_readings(DAY_S, before, after, HOUR_S, similar)} == {FLAG_ESTIMATED}
    line = boundary_readings(DAY_S, before, after, HOUR_S)
    assert {each.flags for each in line} == {FLAG_ESTIMATED | FLAG_SUSPECT}
    assert [each.import_mwh for each in line] == [1_000, 2_000, 3_000]


def test_the_same_weekday_goes_before_yesterday_and_yesterday_before_nothing():
    before, after = read(0, 0), read(3 * HOUR_S, 3_000)
    yesterday = known((3, 0), (2, 0), (1, 0), back_s=86_400)
    week = known((1, 0), (2, 0), (3, 0))
    assert found(yesterday | week, before, after).energies_mwh == [(1, 0), (2, 0), (3, 0)]
    assert found(yesterday, before, after).energies_mwh == [(3, 0), (2, 0), (1, 0)]
    assert found({}, before, after) is None


def test_a_day_that_is_not_known_from_end_to_end_or_lies_in_the_gap_is_no_shape():
    before, after = read(0, 0), read(3 * HOUR_S, 3_000)
    assert found(known((1, 0), (2, 0)), before, after) is None
    two_days = read(48 * HOUR_S, 3_000)
    assert found(known(*[(1, 0)] * 48, back_s=86_400), before, two_days) is None
    assert found(known(*[(1, 0)] * 48, back_s=2 * 86_400), before, two_days) is not None


def test_a_shape_that_would_not_fit_through_the_connection_is_refused():
    # 10 kW with a margin of a fifth carry 12 kWh an hour; all 13 kWh would have to flow in the second.
    before, after = read(0, 0), read(3 * HOUR_S, 13_000_000)
    assert found(known((0, 0), (5, 0), (0, 0)), before, after) is None
    assert found(known((1, 0), (5, 0), (1, 0)), before, after) is not None


def test_only_whole_intervals_between_readings_that_were_not_estimated_are_known():
    rows = [(0, 0, 0), (HOUR_S, 10, 0), (HOUR_S, 30, FLAG_ESTIMATED), (HOUR_S, 60, 0), (HOUR_S, 100, 0), (1800, 150, 0)]
    readings, end_s = [], DAY_S
    for seq, (duration_s, register, flags) in enumerate(rows):
        readings.append(
            RegisterReading(
                device="D", epoch=0, seq=seq, start_s=end_s, duration_s=duration_s,
                import_mwh=register, export_mwh=0, flags=flags,
            )
        )  # fmt: skip
        end_s += duration_s
    assert energies_of(readings, HOUR_S) == {DAY_S: (10, 0), DAY_S + 3 * HOUR_S: (40, 0)}


shapes = st.lists(st.tuples(st.integers(0, 4_000_000), st.integers(0, 4_000_000)), min_size=3, max_size=60)


@given(shapes, st.integers(0, 10**12), st.integers(0, 10**8), st.integers(0, 10**8), st.floats(0, 0.99))
def test_intervals_add_up_to_what_the_registers_grew_by_and_none_is_negative(shape, opening, imported, exported, part):
    similar = SimilarDay(start_s=DAY_S, interval_s=HOUR_S, energies_mwh=shape)
    before = read(part * HOUR_S, opening, opening)
    after = read(len(shape) * HOUR_S, opening + imported, opening + exported)
    readings = boundary_readings(DAY_S, before, after, HOUR_S, similar)
    assert len(readings) == len(shape)
    assert {each.flags for each in readings} == {FLAG_ESTIMATED}
    for registers, grown in (
        ([opening, *(each.import_mwh for each in readings)], imported),
        ([opening, *(each.export_mwh for each in readings)], exported),
    ):
        assert registers[-1] == opening + grown
        whole_wh = [later // 1000 - earlier // 1000 for earlier, later in pairwise(registers)]
        assert min(whole_wh) >= 0
        assert sum(whole_wh) == (opening + grown) // 1000 - opening // 1000


@pytest.mark.parametrize("days", [1, 28])
def test_a_gap_of_weeks_is_shaped_too(days):
    count = 24 * days
    before, after = read(0, 0), read(count * HOUR_S, 1_000_000 * days)
    energies = known(*[(1000 + number % 24, 0) for number in range(count)], back_s=28 * 86_400)
    similar = found(energies, before, after)
    assert similar is not None
    assert imports(before, after, similar)[-1] == 1_000_000 * days
