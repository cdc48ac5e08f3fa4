"""Devices over whole days of random markets: the energy is there in time, and never more than the device can."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.flexible import decide
from app.agents.forecast import Forecast
from app.agents.household import HomeFacts, PriceBounds
from app.agents.prices import expected_prices
from app.agents.windows import DeviceClass, Traded, WindowOrder, content_mwh, reservoir_of
from matching.orders import Firmness, Order, Side
from meters.interval import DeliveryInterval

HOME = HomeFacts(participant="P1", metering_point="M1", bus=None, generation_controllable=False)
BOUNDS = PriceBounds(supplier_price=200_000, feed_in_price=80_000, buyer_charges=0)
NOTHING = Forecast(import_wh=0, export_wh=0, basis="")
DAY_S, SLOT_S = 86_400, 900
EVENING_S = 1_750_075_200 + 6 * 3600
CAR = WindowOrder(
    window_id="W1",
    participant="P1",
    metering_point="M1",
    device=DeviceClass.CAR,
    earliest_s=EVENING_S,
    latest_s=EVENING_S + 12 * 3600,
    energy_wh=8_000,
    power_w=11_000,
)


def orders_of(
    window: WindowOrder, start_s: int, traded: Traded, expected: Forecast, prices: list[int]
) -> tuple[tuple[Order, ...], int]:
    decision = decide(
        HOME,
        window,
        traded,
        expected=expected,
        prices=prices,
        bounds=BOUNDS,
        interval=DeliveryInterval.at(start_s),
    )
    return decision.orders, decision.own_wh


def after(traded: Traded, orders: tuple[Order, ...], own_wh: int, accepted: dict[str, int]) -> Traded:
    """What flowed: everything firm and own, of the rest what the market accepted."""
    flows = {
        order.order_id: order.quantity_wh if order.firmness is Firmness.FIRM else accepted.get(order.order_id, 0)
        for order in orders
    }
    drawn = sum(flows[order.order_id] for order in orders if order.side is Side.BUY)
    given_wh = sum(flows[order.order_id] for order in orders if order.side is Side.SELL)
    return Traded(drawn_wh=traded.drawn_wh + own_wh + drawn, given_wh=traded.given_wh + given_wh)


@st.composite
def windows(draw: st.DrawFn) -> WindowOrder:
    device = draw(st.sampled_from(DeviceClass))
    slots, power_w = draw(st.integers(1, 40)), draw(st.integers(4, 22_000))
    efficiency = draw(st.sampled_from([1000, 900, 811]))
    possible_wh = power_w // 4 * slots * efficiency // 1000
    energy_wh = draw(st.integers(1, 30_000)) if device is DeviceClass.BATTERY else draw(st.integers(0, possible_wh))
    limit = draw(st.none() | st.integers(0, 2_500).map(lambda tick: tick * 100))
    stored = draw(st.integers(0, energy_wh)) if device is DeviceClass.BATTERY else 0
    buffer_wh = draw(st.none() | st.integers(0, energy_wh)) if device is DeviceClass.HEAT_PUMP else None
    return replace(
        CAR,
        device=device,
        latest_s=CAR.earliest_s + slots * SLOT_S,
        energy_wh=energy_wh,
        power_w=power_w,
        efficiency_permille=efficiency,
        limit_micro_per_kwh=limit if device is not DeviceClass.BATTERY or limit is not None else 0,
        stored_wh=stored,
        buffer_wh=buffer_wh,
    )


@given(windows(), st.randoms(use_true_random=False))
def test_whatever_the_market_accepts_the_energy_is_there_in_time_and_no_bound_is_broken(window, chance) -> None:
    traded, needed = Traded(), window.device is not DeviceClass.BATTERY and window.limit_micro_per_kwh is None
    starts = range(window.earliest_s, window.latest_s, SLOT_S)
    for k, start_s in enumerate(starts):
        prices = [chance.randrange(80_000, 200_001) for _ in starts[k:]]
        surplus = Forecast(import_wh=0, export_wh=chance.choice([0, 0, chance.randrange(3_000)]), basis="")
        orders, own_wh = orders_of(window, start_s, traded, surplus, prices)
        refuses = chance.random() < 0.4
        accepted = {each.order_id: 0 if refuses else chance.randint(0, each.quantity_wh) for each in orders}
        before, traded = traded, after(traded, orders, own_wh, accepted)
        assert traded.drawn_wh - before.drawn_wh <= window.power_w // 4
        assert traded.given_wh - before.given_wh <= window.power_w // 4
        assert all(order.quantity_wh > 0 for order in orders)
        assert all(80_000 <= order.limit_micro_per_kwh <= 200_000 for order in orders)
        assert all(sum(order.side is side for order in orders) <= 4 for side in Side)
        reservoir = reservoir_of(window, start_s=start_s, minutes=15)
        content = content_mwh(window, traded)
        assert 0 <= content <= reservoir.most_mwh[0]
        if needed:
            assert content >= reservoir.least_mwh[0]
        if own_wh < surplus.export_wh:
            assert not any(order.side is Side.BUY and order.firmness is Firmness.FLEXIBLE for order in orders)
    if needed:
        assert content_mwh(window, traded) >= window.energy_wh * 1000
    elif window.device is not DeviceClass.BATTERY:
        assert not any(order.firmness is Firmness.FIRM for order in orders)


@given(st.integers(1, 30), st.integers(4, 22_000))
def test_more_than_the_power_allows_is_approached_at_full_power(slots: int, power_w: int) -> None:
    window = replace(
        CAR, latest_s=CAR.earliest_s + slots * SLOT_S, power_w=power_w, energy_wh=power_w * slots // 4 + 500
    )
    traded = Traded()
    for start_s in range(window.earliest_s, window.latest_s, SLOT_S):
        prices = [120_000] * ((window.latest_s - start_s) // SLOT_S)
        orders, own_wh = orders_of(window, start_s, traded, NOTHING, prices)
        traded = after(traded, orders, own_wh, {})
    assert traded == Traded(drawn_wh=power_w // 4 * slots)


def test_a_car_without_neighbours_waits_for_the_cheapest_and_is_full_at_its_deadline_all_the_same() -> None:
    traded, firm_from = Traded(), None
    for start_s in range(CAR.earliest_s, CAR.latest_s, SLOT_S):
        prices = [140_000] * ((CAR.latest_s - start_s) // SLOT_S)
        orders, own_wh = orders_of(CAR, start_s, traded, NOTHING, prices)
        firm = [order for order in orders if order.firmness is Firmness.FIRM]
        if firm and firm_from is None:
            firm_from = start_s
        assert all(order.limit_micro_per_kwh == 200_000 for order in firm)
        traded = after(traded, orders, own_wh, {})
    # 8 kWh at 2750 Wh an interval take three: the supplier delivers 2500, 2750 and 2750 Wh.
    assert firm_from == CAR.latest_s - 3 * SLOT_S
    assert traded == Traded(drawn_wh=8_000)


def test_a_car_that_may_stay_empty_pays_no_more_than_its_owner_said() -> None:
    window = replace(CAR, limit_micro_per_kwh=120_000)
    last_s = window.latest_s - SLOT_S
    (order,), _ = orders_of(window, last_s, Traded(), NOTHING, [150_000])
    assert (order.firmness, order.limit_micro_per_kwh, order.quantity_wh) == (Firmness.FLEXIBLE, 120_000, 2_750)


@pytest.mark.parametrize("seed", range(3))
def test_a_battery_earns_over_two_days_what_it_trades_and_ends_no_emptier_than_it_is_worth(seed: int) -> None:
    """Two days, a market that is cheap at noon, and expectations that are learnt from what the market showed."""
    chance = random.Random(seed)  # noqa: S311  a simulated market, not a secret
    window = replace(
        CAR,
        device=DeviceClass.BATTERY,
        latest_s=CAR.earliest_s + 2 * DAY_S,
        energy_wh=10_000,
        stored_wh=5_000,
        efficiency_permille=900,
        power_w=5_000,
        limit_micro_per_kwh=100_000,
    )
    known: dict[int, int] = {}
    traded, earned = Traded(), 0
    for start_s in range(window.earliest_s, window.latest_s, SLOT_S):
        starts = list(range(start_s, window.latest_s, SLOT_S))
        prices = expected_prices(known, starts, decided_s=start_s - SLOT_S, lowest=80_000, highest=200_000)
        orders, own_wh = orders_of(window, start_s, traded, NOTHING, prices)
        price = (85_000 if 9 <= start_s % DAY_S // 3600 < 15 else 180_000) + chance.randrange(-50, 50) * 100
        accepted = {
            order.order_id: chance.randint(0, order.quantity_wh)
            for order in orders
            if (order.limit_micro_per_kwh - price) * (1 if order.side is Side.BUY else -1) >= 0
        }
        earned += sum(
            accepted.get(order.order_id, 0) * price * (-1 if order.side is Side.BUY else 1) for order in orders
        )
        traded = after(traded, orders, own_wh, accepted)
        known[start_s] = price
    left_wh = content_mwh(window, traded) // 1000
    assert traded.drawn_wh > 5_000
    assert traded.given_wh > 5_000
    # Its owner would have 5 kWh at 100 000 without any trade.
    assert earned + left_wh * 100_000 > 5_000 * 100_000


def test_a_battery_that_bids_all_that_a_kwh_can_cost_asks_for_nothing_above_it() -> None:
    """The supplier's price is the most that anybody pays: an ask a tick above the own bid would be one for nobody."""
    battery = replace(
        CAR, device=DeviceClass.BATTERY, energy_wh=245, power_w=245, limit_micro_per_kwh=0, latest_s=EVENING_S + 3 * 900
    )
    half_full = Traded(drawn_wh=740, given_wh=628)
    orders, _ = orders_of(battery, EVENING_S, half_full, NOTHING, [80_000, 200_000, 200_000])
    assert [(order.side, order.limit_micro_per_kwh) for order in orders] == [(Side.BUY, 200_000)]
