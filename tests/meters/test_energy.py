"""Registers at boundaries: exact in the sum, flagged by how they came to be known, never extrapolated."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.energy import boundary_readings, register_at
from meters.reading import CounterRead
from meters.signing import FLAG_ESTIMATED, FLAG_INTERPOLATED, FLAG_SUSPECT

DAY = datetime(2026, 6, 1, tzinfo=UTC)
DAY_S = int(DAY.timestamp())
QUARTER_S = 900


def read(at_s: float, import_mwh: int, export_mwh: int = 0) -> CounterRead:
    return CounterRead(at=DAY + timedelta(seconds=at_s), import_mwh=import_mwh, export_mwh=export_mwh, step_mwh=1)


def test_a_register_lies_on_the_line_between_the_reads_around_it():
    assert register_at(DAY + timedelta(seconds=60), read(0, 1000, 10), read(240, 5000, 50)) == (2000, 20)


def test_a_register_is_never_extrapolated():
    with pytest.raises(AssertionError, match="never extrapolated"):
        register_at(DAY + timedelta(seconds=300), read(0, 1000), read(240, 5000))


def test_a_first_read_at_a_boundary_opens_the_chain():
    (opening,) = boundary_readings(None, None, read(900, 5000, 7), QUARTER_S)
    assert (opening.start_s - DAY_S, opening.duration_s, opening.import_mwh, opening.export_mwh) == (900, 0, 5000, 7)
    assert opening.flags == 0


def test_a_first_read_between_boundaries_opens_at_the_next_one():
    assert boundary_readings(None, None, read(400, 5000), QUARTER_S) == ()
    (opening,) = boundary_readings(None, read(400, 5000), read(901, 5501), QUARTER_S)
    assert (opening.start_s - DAY_S, opening.duration_s, opening.import_mwh, opening.flags) == (900, 0, 5500, 0)


def test_reads_at_the_boundaries_are_measured():
    (reading,) = boundary_readings(DAY_S, read(0, 1000), read(900, 4000), QUARTER_S)
    assert (reading.start_s, reading.duration_s, reading.import_mwh, reading.flags) == (DAY_S, 900, 4000, 0)


def test_a_boundary_far_from_both_reads_is_interpolated_and_says_so():
    (reading,) = boundary_readings(DAY_S, read(870, 4000), read(930, 4200), QUARTER_S)
    assert (reading.import_mwh, reading.flags) == (4100, FLAG_INTERPOLATED)


def test_a_gap_is_filled_with_estimates_whose_sum_is_what_the_meter_counted():
    readings = boundary_readings(DAY_S, read(0, 1000), read(2700, 4000), QUARTER_S)
    assert [reading.import_mwh for reading in readings] == [2000, 3000, 4000]
    assert {reading.flags for reading in readings} == {FLAG_ESTIMATED}
    assert [reading.start_s - DAY_S for reading in readings] == [0, 900, 1800]


def test_a_line_over_hours_is_suspect():
    readings = boundary_readings(DAY_S, read(0, 1000), read(3 * 3600, 4000), QUARTER_S)
    assert {reading.flags for reading in readings} == {FLAG_ESTIMATED | FLAG_SUSPECT}


def test_a_gap_of_months_becomes_one_reading():
    (reading,) = boundary_readings(DAY_S, read(0, 1000), read(90 * 86_400, 4000), QUARTER_S)
    assert (reading.duration_s, reading.import_mwh) == (90 * 86_400, 4000)


def test_a_read_that_crosses_no_boundary_makes_no_reading():
    assert boundary_readings(DAY_S, read(0, 1000), read(899, 2000), QUARTER_S) == ()


@given(
    st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 400_000)), min_size=2, max_size=60),
    st.integers(0, 1_000_000_000),
)
def test_intervals_sum_to_the_register_exactly_however_the_reads_fall(steps, start_mwh):
    at_s, register, last_end_s, before = 0.0, start_mwh, None, None
    readings = []
    for pause_s, energy_mwh in steps:
        after = read(at_s, register)
        new = boundary_readings(last_end_s, before, after, QUARTER_S)
        readings += new
        last_end_s = new[-1].start_s + new[-1].duration_s if new else last_end_s
        before, at_s, register = after, at_s + pause_s, register + energy_mwh
    ends = [reading.start_s + reading.duration_s for reading in readings]
    assert ends == sorted(set(ends))
    assert all(first.start_s + first.duration_s == second.start_s for first, second in pairwise(readings))
    registers = [reading.import_mwh for reading in readings]
    assert registers == sorted(registers)
    if readings:
        assert readings[0].duration_s == 0
        assert start_mwh <= registers[0]
        assert registers[-1] <= register
