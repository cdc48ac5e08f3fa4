"""The worth of what is in store: by hand, by brute force, and by the linear programme that Pyomo states."""

import itertools

import pytest
from device_cases import Case, devices
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.plan_model import solve_plan
from app.agents.reservoir import MISSING, Reservoir, optimum, planned_wh, worths

BATTERY = Reservoir(
    charge_wh=(1000,) * 3,
    discharge_wh=(1000,) * 3,
    least_mwh=(0,) * 3,
    most_mwh=(1_000_000,) * 3,
    efficiency_permille=900,
    end_slope=0,
)
CAR = Reservoir(
    charge_wh=(1000,) * 3,
    discharge_wh=(0,) * 3,
    least_mwh=(0, 0, 2_000_000),
    most_mwh=(2_000_000,) * 3,
    efficiency_permille=1000,
    end_slope=0,
)
HEAT_PUMP = Reservoir(
    charge_wh=(600,) * 3,
    discharge_wh=(0,) * 3,
    least_mwh=(300_000, 600_000, 900_000),
    most_mwh=(600_000, 900_000, 900_000),
    efficiency_permille=1000,
    end_slope=0,
)


def test_a_battery_buys_in_the_cheap_hour_and_sells_nine_tenths_of_it_in_the_dear_one() -> None:
    prices = [100_000, 50_000, 200_000]
    assert planned_wh(BATTERY, prices, 0) == [112, 999, -999]
    # Exactly: 1000 / 9 Wh at 100 000 and 1000 Wh at 50 000 bring 1000 Wh at 200 000.
    assert optimum(BATTERY, prices, 0) == 900_000 * (200_000_000 - 50_000_000) - 100_000_000 * 100_000


def test_the_worth_of_a_battery_has_a_slope_for_each_use_of_a_kilowatt_hour() -> None:
    (first, _, last) = worths(BATTERY, [100_000, 50_000, 200_000])
    # 100 Wh that the second hour could not fill are sold at 200 000; the rest saves buying at 50 000, then nothing.
    assert first.slopes == ((900 * 200_000, 100_000), (1000 * 50_000, 900_000))
    assert last.slopes == ((0, 1_000_000),)


def test_a_car_that_needs_two_of_three_hours_saves_the_dearest_first() -> None:
    first, second, last = worths(CAR, [0, 100_000, 200_000])
    assert first.slopes == ((200_000_000, 1_000_000), (100_000_000, 1_000_000))
    assert (second.slopes[0], second.slopes[1]) == ((MISSING, 1_000_000), (200_000_000, 1_000_000))
    assert last.slopes == ((MISSING, 2_000_000),)
    assert planned_wh(CAR, [150_000, 100_000, 200_000], 0) == [1000, 1000, 0]


def test_a_heat_pump_makes_what_is_used_and_a_buffer_in_the_cheap_hour() -> None:
    assert planned_wh(HEAT_PUMP, [100_000, 150_000, 200_000], 0) == [600, 300, 0]
    assert planned_wh(HEAT_PUMP, [200_000, 150_000, 100_000], 0) == [300, 300, 300]


def by_brute_force(reservoir: Reservoir, prices: list[int], content_mwh: int) -> int:
    """Best of all plans in whole watt-hours."""
    per_wh, scale = reservoir.efficiency_permille, 1000 * reservoir.efficiency_permille
    best = None
    trades = [
        itertools.product(range(charge + 1), range(discharge + 1))
        for charge, discharge in zip(reservoir.charge_wh, reservoir.discharge_wh, strict=True)
    ]
    for plan in itertools.product(*trades):
        content, worth = content_mwh, 0
        for (bought, sold), price, least, most in zip(
            plan, prices, reservoir.least_mwh, reservoir.most_mwh, strict=True
        ):
            content += bought * per_wh - sold * 1000
            if not 0 <= content <= most:
                break
            worth += scale * price * (sold - bought) - MISSING * max(0, least - content)
        else:
            worth += reservoir.end_slope * content
            best = worth if best is None else max(best, worth)
    assert best is not None
    return best


@given(devices(steps=3, wh=2, efficiencies=(1000,), prices=9))
def test_no_plan_in_whole_watt_hours_is_better_and_one_is_as_good(case: Case) -> None:
    assert optimum(*case) == by_brute_force(*case)


@settings(max_examples=10)
@given(st.lists(devices(steps=12, wh=900, efficiencies=(1000, 900, 777), prices=300_000), min_size=5, max_size=5))
def test_the_linear_programme_finds_the_same_worth_to_a_billionth(cases: list[Case]) -> None:
    plan = solve_plan(cases)
    exact = sum(optimum(*case) for case in cases)
    assert abs(plan.worth - exact) <= 1e-9 * abs(exact) + 1e-3


def test_the_linear_programme_does_not_trade_in_circles_at_the_lowest_price() -> None:
    reservoir = Reservoir(
        charge_wh=(1, 0),
        discharge_wh=(2, 0),
        least_mwh=(0, 0),
        most_mwh=(2000, 2000),
        efficiency_permille=900,
        end_slope=0,
    )
    assert solve_plan([(reservoir, [1, 0], 1000)]).worth == pytest.approx(optimum(reservoir, [1, 0], 1000), abs=1e-3)


@settings(max_examples=10)
@given(devices(steps=12, wh=900, efficiencies=(1000, 900, 777), prices=300_000))
def test_the_dual_of_the_content_is_the_worth_of_the_next_and_of_the_last_milliwatt_hour(case: Case) -> None:
    reservoir, prices, content_mwh = case
    (slope,) = solve_plan([case]).water_slope
    here = optimum(*case)
    if content_mwh > 0:
        assert slope <= (here - optimum(reservoir, prices, content_mwh - 1)) * (1 + 1e-9) + 1
    if content_mwh < reservoir.most_mwh[0]:
        assert slope >= (optimum(reservoir, prices, content_mwh + 1) - here) * (1 - 1e-9) - 1


@given(devices(steps=6, wh=50, efficiencies=(1000, 900, 777), prices=300_000))
def test_a_plan_keeps_every_bound_and_costs_what_the_worth_says(case: Case) -> None:
    reservoir, prices, content_mwh = case
    plan, worth = planned_wh(*case), 0
    for wh, price, charge, discharge, least, most in zip(
        plan,
        prices,
        reservoir.charge_wh,
        reservoir.discharge_wh,
        reservoir.least_mwh,
        reservoir.most_mwh,
        strict=True,
    ):
        assert -discharge <= wh <= charge
        content_mwh += wh * (reservoir.efficiency_permille if wh > 0 else 1000)
        assert 0 <= content_mwh <= most
        worth -= 1000 * reservoir.efficiency_permille * price * wh + MISSING * max(0, least - content_mwh)
    # Whole watt-hours cost at most one watt-hour an interval, and nothing where one is one.
    worth += reservoir.end_slope * content_mwh
    assert worth <= optimum(*case)
    if reservoir.efficiency_permille == 1000:
        assert worth == optimum(*case)
