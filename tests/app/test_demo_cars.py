"""The demonstration's cars: chargers that obey, the same energy with and without a market."""

import numpy as np
import pytest

from app.demo.cars import CAR_WH, car_windows, cars_alone_w
from app.demo.neighbourhood import SLOT_S, Home, Neighbourhood
from app.demo.site import FREE, Battery, SetPoints, flow

FIRST_S = 1_464_213_600
NO_BATTERY = Battery(power_w=0, energy_wh=0)
HOMES = tuple(
    Home(home_id=f"H{k}", bus=k, generation_w=0, battery_w=0, battery_wh=0, charger_w=11_000 * (k != 2))
    for k in (1, 2, 3)
)


def world() -> Neighbourhood:
    nothing = np.zeros((96, 3))
    return Neighbourhood(homes=HOMES, first_start_s=FIRST_S, load_w=nothing, load_var=nothing, generation_w=nothing)


@pytest.mark.parametrize(
    ("told_w", "drawn_w"), [(None, 500), (0.0, 500), (4_000.0, 4_500), (90_000.0, 11_500), (-4_000.0, 500)]
)
def test_a_charger_draws_what_it_is_told_up_to_its_power_and_gives_nothing_back(
    told_w: float | None, drawn_w: float
) -> None:
    moving = flow(
        load_w=500,
        generation_w=0,
        battery=NO_BATTERY,
        charger_w=11_000,
        stored_wh=0,
        set_points=SetPoints(battery_w=told_w),
        seconds=SLOT_S,
    )
    assert (moving.net_w, moving.battery_w) == (drawn_w, 0)
    alone = flow(load_w=500, generation_w=0, battery=NO_BATTERY, stored_wh=0, set_points=FREE, seconds=SLOT_S)
    assert alone.net_w == 500


def test_alone_a_car_is_filled_at_full_power_from_the_moment_it_is_plugged_in() -> None:
    drawn_w = cars_alone_w(world(), first_s=FIRST_S, slots=96)
    assert drawn_w.sum(axis=0).tolist() == [CAR_WH * 4, 0, CAR_WH * 4]
    # 8 kWh at 11 kW: two full quarter-hours of 2750 Wh and one of 2500 Wh.
    assert drawn_w[35:40, 0].tolist() == [0, 11_000, 11_000, 10_000, 0]
    assert drawn_w[68:71, 2].tolist() == [11_000, 11_000, 10_000]


def test_every_home_with_a_car_asks_for_its_energy_within_the_day_and_for_none_in_a_part_of_it() -> None:
    asked = dict(car_windows(world(), first_s=FIRST_S, slots=96))
    assert sorted(asked) == [0, 2]
    assert all(FIRST_S <= each.earliest_s < each.latest_s <= FIRST_S + 96 * SLOT_S for each in asked.values())
    assert all(each.power_w // 4 * ((each.latest_s - each.earliest_s) // SLOT_S) > CAR_WH for each in asked.values())
    assert list(car_windows(world(), first_s=FIRST_S, slots=95)) == []
