"""An inverter that is started again goes on with the set-points it had, and can be released from them."""

import math
from datetime import timedelta

import pytest
from neighbourhood import ahead

from meters import sunspec_controls as points
from meters.simulated_inverter import Held, InverterControls

LIMIT_W, BATTERY_W = 4_321.0, -1_500.0


def offset_of(number: int, point: int) -> int:
    """Where a point is, counted from the first control model's ID: models 120, 121, 123, 124 with two words each."""
    before = [model for model in (points.NAMEPLATE, points.SETTINGS, points.IMMEDIATE) if model < number]
    return sum(2 + points.LAYOUTS[model].length for model in before) + point


class Inverter:
    """Controls, and what they told the plant behind them."""

    def __init__(self, clock, held: Held | None = None) -> None:
        self.told: list[tuple[str, float]] = []
        self.controls = InverterControls(
            lambda quantity, watts: self.told.append((quantity, watts)),
            rated_w=10_000,
            battery_rated_w=5_000,
            battery_wh=10_000,
            clock=clock,
        )
        if held is not None:
            self.controls.hold(held)


HELD = Held(generation_limit_w=LIMIT_W, battery_w=BATTERY_W, revert_s=1800)


def test_what_was_held_is_shown_again_and_nobody_is_told(clock):
    inverter = Inverter(clock, HELD)
    words = inverter.controls.words()
    assert inverter.told == []
    assert words[offset_of(points.IMMEDIATE, points.LIMIT_ENABLE)] == 1
    assert words[offset_of(points.IMMEDIATE, points.LIMIT_PERCENT)] == 4_321


def test_a_release_after_the_restart_reaches_the_plant(clock):
    inverter = Inverter(clock, HELD)
    inverter.controls.write(offset_of(points.IMMEDIATE, points.LIMIT_ENABLE), [0])
    assert [quantity for quantity, watts in inverter.told if math.isnan(watts)] == ["generation_limit_w"]
    inverter.controls.write(offset_of(points.STORAGE, points.STORAGE_MODE), [0])
    assert [quantity for quantity, watts in inverter.told if math.isnan(watts)] == ["generation_limit_w", "battery_w"]


def test_the_same_set_point_again_tells_the_plant_nothing_and_another_does(clock):
    inverter = Inverter(clock, HELD)
    inverter.controls.write(offset_of(points.IMMEDIATE, points.LIMIT_PERCENT), [4_321])
    assert inverter.told == []
    inverter.controls.write(offset_of(points.IMMEDIATE, points.LIMIT_PERCENT), [2_000])
    assert inverter.told == [("generation_limit_w", pytest.approx(2_000))]


def test_what_nobody_refreshes_after_the_restart_ends_by_itself(clock):
    inverter = Inverter(clock, HELD)
    ahead(clock, timedelta(seconds=1799))
    inverter.controls.tick()
    assert inverter.told == []
    ahead(clock, timedelta(seconds=1))
    inverter.controls.tick()
    assert [quantity for quantity, watts in inverter.told if math.isnan(watts)] == ["generation_limit_w", "battery_w"]


def test_an_inverter_that_held_nothing_has_nothing_to_release(clock):
    inverter = Inverter(clock, Held(revert_s=1800))
    inverter.controls.write(offset_of(points.IMMEDIATE, points.LIMIT_ENABLE), [0])
    ahead(clock, timedelta(hours=2))
    inverter.controls.tick()
    assert inverter.told == []
