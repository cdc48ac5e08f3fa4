"""Counters: only growth is believed at once; a rollover must be documented, anything else must be read twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meters.counters import CounterState, advance, replaced
from meters.reading import CounterRead
from meters.vee import CounterLimits, Rule

T0 = datetime(2026, 6, 1, tzinfo=UTC)
LIMITS = CounterLimits(connection_w=10_000)
QUARTER = timedelta(minutes=15)


def read(quarters: float, import_wh: float, export_wh: float = 0, step_mwh: int = 1000) -> CounterRead:
    return CounterRead(
        at=T0 + quarters * QUARTER,
        import_mwh=round(import_wh * 1000),
        export_mwh=round(export_wh * 1000),
        step_mwh=step_mwh,
    )


def after(*reads: CounterRead, limits: CounterLimits = LIMITS):
    """The steps that these reads make, from nothing."""
    steps, state = [], CounterState()
    for one in reads:
        steps.append(advance(state, one, limits))
        state = steps[-1].state
    return steps


def rules(step) -> list[Rule]:
    return [finding.rule for finding in step.findings]


def test_growth_is_accepted_with_the_reads_that_bracket_it():
    first, second = after(read(0, 1000), read(1, 1500))
    assert (first.before, first.after) == (None, read(0, 1000))
    assert (second.before, second.after, second.findings) == (read(0, 1000), read(1, 1500), ())


def test_zero_after_non_zero_is_suspect_until_it_is_read_twice():
    steps = after(read(0, 1000), read(1, 0), read(2, 20))
    assert steps[1].after is None
    assert rules(steps[1]) == [Rule.ZERO]
    assert (steps[2].state.epoch, steps[2].before, steps[2].after) == (1, read(1, 0), read(2, 20))
    assert Rule.REPLACED in rules(steps[2])


def test_a_passing_zero_changes_nothing():
    steps = after(read(0, 1000), read(1, 0), read(2, 1700))
    assert (steps[2].state.epoch, steps[2].before, steps[2].after) == (0, read(0, 1000), read(2, 1700))
    assert steps[2].state.suspect is None


def test_two_reads_within_a_second_do_not_confirm_each_other():
    steps = after(read(0, 1000), read(1, 0), read(1 + 1 / 2000, 0))
    assert steps[2].after is None
    assert steps[2].state.epoch == 0


def test_a_spike_that_no_connection_can_carry_is_not_believed():
    # 9113 kWh in 15 minutes at a 10 kW connection
    steps = after(read(0, 1000), read(1, 9_114_000), read(2, 2000))
    assert rules(steps[1]) == [Rule.ABOVE_RATING]
    assert steps[1].after is None
    assert steps[2].after == read(2, 2000)


def test_a_jump_that_stays_is_another_meter_and_not_energy():
    steps = after(read(0, 1000), read(1, 9_114_000), read(2, 9_114_500))
    assert steps[2].state.epoch == 1
    assert steps[2].before == read(1, 9_114_000)


def test_full_load_within_the_margin_of_the_fuses_is_believed():
    steps = after(read(0, 0), read(1, 2900))
    assert steps[1].after is not None
    assert after(read(0, 0), read(1, 3100))[1].after is None


def test_a_decrease_within_the_counters_step_is_its_precision():
    steps = after(read(0, 1000.4, step_mwh=500), read(1, 1000, step_mwh=500))
    assert steps[1].after.import_mwh == 1_000_400
    assert steps[1].findings == ()


def test_a_documented_rollover_goes_on_counting_in_the_same_epoch():
    limits = replace(LIMITS, import_rollover_mwh=1_000_000)
    steps = after(read(0, 900), read(1, 100), read(2, 150), limits=limits)
    assert steps[1].after.import_mwh == 1_100_000
    assert rules(steps[1]) == [Rule.ROLLOVER]
    assert steps[2].after.import_mwh == 1_150_000
    assert steps[2].state.epoch == 0


@pytest.mark.parametrize("limits", [LIMITS, replace(LIMITS, import_rollover_mwh=10_000_000_000)])
def test_a_fall_that_no_rollover_explains_is_suspect(limits):
    step = after(read(0, 900), read(1, 100), limits=limits)[1]
    assert step.after is None
    assert rules(step) == [Rule.DECREASE]


def test_a_clock_that_goes_back_changes_nothing():
    steps = after(read(4, 1000), read(3, 1001))
    assert rules(steps[1]) == [Rule.OUT_OF_ORDER]
    assert steps[1].state.last == read(4, 1000)


def test_another_device_at_the_same_address_begins_a_new_epoch():
    state = after(read(0, 1000))[0].state
    step = replaced(state, read(1, 5000))
    assert (step.state.epoch, step.before, step.after) == (1, None, read(1, 5000))
