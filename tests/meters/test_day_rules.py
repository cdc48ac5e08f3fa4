"""The rules over a day: what cannot be is told apart from what is only unusual, and a part of a day is no whole one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meters.day_rules import CANNOT_BE, MeteredDay, findings_of_day
from meters.interval import DeliveryInterval, IntervalEnergy
from meters.vee import Rule

T0 = datetime(2026, 6, 1, tzinfo=UTC)


def energies(*values: tuple[int, int]) -> list[IntervalEnergy]:
    return [
        IntervalEnergy(
            metering_point="MP",
            interval=DeliveryInterval(start=T0 + timedelta(minutes=15 * number)),
            import_wh=imported,
            export_wh=exported,
        )
        for number, (imported, exported) in enumerate(values)
    ]


# 96 quarter-hours of 100 and 101 Wh in turn: 9 648 Wh.
ORDINARY = MeteredDay(
    metering_point="MP",
    energies=energies(*[(100 + number % 2, 0) for number in range(96)]),
    minutes=15,
    connection_w=10_000,
    has_battery=False,
    interval_count=96,
    expected_count=96,
    usual_import_wh=9_000.0,
    register_deltas_mwh=(9_648_400, 300),
)


def found(day: MeteredDay) -> set[Rule]:
    return {each.rule for each in findings_of_day(day, is_night=lambda at: at.hour < 3)}


def with_first(*values: tuple[int, int]) -> MeteredDay:
    """The ordinary day with other first intervals, and registers that say the same."""
    changed = [*energies(*values), *ORDINARY.energies[len(values) :]]
    grown = (1000 * sum(each.import_wh for each in changed), 1000 * sum(each.export_wh for each in changed))
    return replace(ORDINARY, energies=changed, register_deltas_mwh=grown)


def test_an_ordinary_day_gives_no_finding() -> None:
    assert found(ORDINARY) == set()


@pytest.mark.parametrize(
    ("day", "rule"),
    [
        # 10 kW with a margin of a fifth carry 3 000 Wh in a quarter of an hour, and a quarter of 2 500 Wh is 625 Wh.
        (with_first((3_001, 0)), Rule.ABOVE_RATING),
        (with_first((626, 626)), Rule.BOTH_WAYS),
        (with_first((100, 1)), Rule.NIGHT_EXPORT),
        (with_first(*[(100, 0)] * 8), Rule.FROZEN),
        (replace(ORDINARY, energies=ORDINARY.energies[1:]), Rule.MISSING),
        (replace(ORDINARY, register_deltas_mwh=(9_649_000, 0)), Rule.SUM_AGAINST_REGISTER),
        (replace(ORDINARY, usual_import_wh=96_480.0), Rule.RATIO),
        (replace(ORDINARY, energies=energies(*[(0, 0)] * 96), register_deltas_mwh=(0, 0)), Rule.ZERO_USE),
    ],
)
def test_each_rule_of_the_day_is_asked(day: MeteredDay, rule: Rule) -> None:
    assert rule in found(day)


@pytest.mark.parametrize(
    "day",
    [
        with_first((3_000, 0)),
        with_first((625, 625)),
        replace(with_first((100, 1)), has_battery=True),
        with_first(*[(100, 0)] * 7),
    ],
)
def test_what_lies_just_within_is_no_finding(day: MeteredDay) -> None:
    assert found(day) - {Rule.NIGHT_EXPORT} == set()


def test_what_needs_a_whole_day_is_not_asked_of_a_part_of_it() -> None:
    part = replace(ORDINARY, energies=energies(*[(0, 0)] * 40), expected_count=None, register_deltas_mwh=(5_000_000, 0))
    assert found(part) == set()


def test_a_meter_that_never_reported_misses_nothing() -> None:
    assert found(replace(ORDINARY, energies=[], expected_count=None)) == set()


def test_only_what_cannot_be_doubts_the_energy_of_a_day() -> None:
    assert {Rule.ABOVE_RATING, Rule.BOTH_WAYS, Rule.SUM_AGAINST_REGISTER} == CANNOT_BE
