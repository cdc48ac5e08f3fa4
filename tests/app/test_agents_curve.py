"""What a device bids: by hand, and never to its own disadvantage."""

from dataclasses import replace
from itertools import pairwise

from device_cases import Case, devices
from hypothesis import given
from hypothesis import strategies as st

from app.agents.curve import Curve, Outlook, Step, curve_of
from app.agents.reservoir import Reservoir, optimum, worths

FREE = Outlook(surplus_wh=0, surplus_price=0, buy_at_most=300_000, sell_at_least=0, steps_max=3)
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


def bids(reservoir: Reservoir, prices: list[int], content_mwh: int, outlook: Outlook = FREE) -> Curve:
    return curve_of(reservoir, worths(reservoir, prices)[0], content_mwh, outlook)


def test_an_empty_battery_bids_what_it_can_sell_for_and_then_what_it_can_buy_for_later() -> None:
    curve = bids(BATTERY, [0, 50_000, 200_000], 0)
    # 111 Wh make the 99.9 Wh that the second hour cannot fill: 900 permille of 200 000. The next mixes both worths.
    assert curve.buy == (
        Step(quantity_wh=111, limit_micro_per_kwh=180_000),
        Step(quantity_wh=889, limit_micro_per_kwh=50_000),
    )
    assert curve.sell == ()


def test_a_full_battery_asks_what_it_costs_to_fill_it_again() -> None:
    curve = bids(BATTERY, [0, 50_000, 200_000], 1_000_000)
    # The first 900 Wh come back in the second hour for 50 000 / 0.9 each, the last 100 Wh are missed at 200 000.
    assert curve.sell == (
        Step(quantity_wh=900, limit_micro_per_kwh=55_600),
        Step(quantity_wh=100, limit_micro_per_kwh=200_000),
    )
    assert curve.buy == ()


def test_a_car_with_time_bids_what_waiting_would_cost_and_without_time_it_must() -> None:
    assert bids(CAR, [0, 100_000, 200_000], 0) == Curve(buy=(Step(quantity_wh=1000, limit_micro_per_kwh=200_000),))
    late = replace(CAR, charge_wh=(1000, 600, 600))
    assert bids(late, [0, 100_000, 200_000], 0) == Curve(
        must_wh=800, buy=(Step(quantity_wh=200, limit_micro_per_kwh=200_000),)
    )


def test_a_car_that_paid_less_in_the_first_hour_waits_in_the_second_and_must_in_the_third() -> None:
    left = replace(CAR, charge_wh=(1000,) * 2, discharge_wh=(0, 0), least_mwh=(0, 2_000_000), most_mwh=(2_000_000,) * 2)
    assert bids(left, [100_000, 200_000], 1_000_000).buy == (Step(quantity_wh=1000, limit_micro_per_kwh=200_000),)
    last = replace(CAR, charge_wh=(1000,), discharge_wh=(0,), least_mwh=(2_000_000,), most_mwh=(2_000_000,))
    assert bids(last, [200_000], 1_000_000) == Curve(must_wh=1000)


def test_a_limit_is_never_above_the_suppliers_price_or_below_what_it_pays() -> None:
    outlook = replace(FREE, buy_at_most=120_000, sell_at_least=90_000)
    assert bids(BATTERY, [0, 50_000, 200_000], 0, outlook).buy == (Step(quantity_wh=111, limit_micro_per_kwh=120_000),)
    assert bids(BATTERY, [0, 50_000, 200_000], 1_000_000, outlook).sell == (
        Step(quantity_wh=900, limit_micro_per_kwh=90_000),
    )


def test_the_homes_own_surplus_comes_first_and_nothing_is_bought_beside_it() -> None:
    half = replace(FREE, surplus_wh=500, surplus_price=100_000)
    assert bids(CAR, [0, 100_000, 200_000], 0, half) == Curve(
        own_wh=500, buy=(Step(quantity_wh=500, limit_micro_per_kwh=200_000),)
    )
    # The sun brings more than is wanted at this price: it is sold, and no bid stands beside the offer.
    dear = replace(FREE, surplus_wh=500, surplus_price=250_000)
    assert bids(CAR, [0, 100_000, 200_000], 0, dear) == Curve()
    much = replace(FREE, surplus_wh=3_000, surplus_price=100_000)
    assert bids(CAR, [0, 100_000, 200_000], 0, much) == Curve(own_wh=1000)


def test_energy_that_cannot_wait_is_taken_from_the_surplus_as_far_as_that_goes() -> None:
    late = replace(CAR, charge_wh=(1000, 600, 600))
    dear = replace(FREE, surplus_wh=300, surplus_price=250_000)
    curve = bids(late, [0, 100_000, 200_000], 0, dear)
    assert (curve.own_wh, curve.must_wh) == (300, 500)


def worth_later(case: Case, content_mwh: int) -> int:
    """What a content is worth after the first interval, planned anew from there."""
    reservoir, prices, _ = case
    rest = Reservoir(
        charge_wh=reservoir.charge_wh[1:],
        discharge_wh=reservoir.discharge_wh[1:],
        least_mwh=reservoir.least_mwh[1:],
        most_mwh=reservoir.most_mwh[1:],
        efficiency_permille=reservoir.efficiency_permille,
        end_slope=reservoir.end_slope,
    )
    missing = 10**12 * max(0, reservoir.least_mwh[0] - content_mwh)
    return optimum(rest, prices[1:], content_mwh) - missing


@given(devices(steps=6, wh=400, efficiencies=(1000, 900, 777), prices=300_000), st.integers(1, 5), st.data())
def test_a_trade_at_its_limit_never_makes_the_plan_worse_than_no_trade(
    case: Case, steps_max: int, data: st.DataObject
) -> None:
    reservoir, prices, content_mwh = case
    curve = bids(reservoir, prices, content_mwh, replace(FREE, steps_max=steps_max))
    content_mwh += curve.must_wh * reservoir.efficiency_permille
    scale = 1000 * reservoir.efficiency_permille
    for steps, sign, per_wh in ((curve.buy, 1, reservoir.efficiency_permille), (curve.sell, -1, -1000)):
        assert len(steps) <= steps_max
        assert all(sign * (a.limit_micro_per_kwh - b.limit_micro_per_kwh) >= 0 for a, b in pairwise(steps))
        assert all(step.quantity_wh > 0 and step.limit_micro_per_kwh % 100 == 0 for step in steps)
        if not steps:
            continue
        # Everything that is better than some price is accepted, and any part of the step at the margin.
        marginal = data.draw(st.integers(0, len(steps) - 1))
        quantities = [step.quantity_wh for step in steps[:marginal]]
        quantities.append(data.draw(st.integers(0, steps[marginal].quantity_wh)))
        paid = sum(wh * step.limit_micro_per_kwh for wh, step in zip(quantities, steps, strict=False))
        traded = worth_later(case, content_mwh + sum(quantities) * per_wh) - sign * scale * paid
        assert traded >= worth_later(case, content_mwh)
        assert sum(quantities) + curve.must_wh <= (reservoir.charge_wh[0] if sign > 0 else reservoir.discharge_wh[0])


@given(devices(steps=6, wh=400, efficiencies=(1000, 900, 777), prices=300_000))
def test_no_price_accepts_a_buy_and_a_sell_step_of_one_device(case: Case) -> None:
    curve = bids(*case, replace(FREE, steps_max=5))
    highest_bid = max((step.limit_micro_per_kwh for step in curve.buy), default=-1)
    assert all(step.limit_micro_per_kwh > highest_bid for step in curve.sell)
