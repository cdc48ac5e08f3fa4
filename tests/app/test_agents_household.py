"""From forecast and standing limits to one sealed order."""

from hypothesis import given
from hypothesis import strategies as st

from app.agents.forecast import Forecast
from app.agents.household import HomeFacts, PriceBounds, StandingLimits, buy_limit, forecast_order, sell_limit
from matching.orders import Firmness, Side

BOUNDS = PriceBounds(supplier_price=200_000, feed_in_price=80_000, buyer_charges=-20_000)
SOLAR = HomeFacts(participant="P1", metering_point="M1", bus=4, generation_controllable=True)
PASSIVE = HomeFacts(participant="P2", metering_point="M2", bus=5, generation_controllable=False)


def test_default_limits_leave_a_quarter_of_the_spread_to_the_other_side() -> None:
    assert sell_limit(StandingLimits(), BOUNDS) == 110_000
    assert buy_limit(StandingLimits(), BOUNDS) == 170_000


def test_a_seller_is_never_put_below_the_feed_in_price() -> None:
    assert sell_limit(StandingLimits(sell_at_least_micro_per_kwh=10_000), BOUNDS) == 80_000


def test_a_buyer_never_pays_more_than_the_supplier_after_charges() -> None:
    assert buy_limit(StandingLimits(buy_at_most_micro_per_kwh=900_000), BOUNDS) == 220_000
    dearer = PriceBounds(supplier_price=200_000, feed_in_price=80_000, buyer_charges=15_000)
    assert buy_limit(StandingLimits(buy_at_most_micro_per_kwh=900_000), dearer) == 185_000


@given(
    st.integers(0, 400_000),
    st.integers(0, 400_000),
    st.integers(-50_000, 50_000),
    st.none() | st.integers(-100_000, 900_000),
)
def test_limits_are_on_the_tick_and_within_the_outside_options(
    supplier: int, feed_in: int, charges: int, own: int | None
) -> None:
    bounds = PriceBounds(supplier_price=max(supplier, feed_in), feed_in_price=feed_in, buyer_charges=charges)
    sell = sell_limit(StandingLimits(sell_at_least_micro_per_kwh=own), bounds)
    buy = buy_limit(StandingLimits(buy_at_most_micro_per_kwh=own), bounds)
    assert sell % 100 == buy % 100 == 0
    assert sell >= bounds.feed_in_price
    assert buy <= bounds.supplier_price - bounds.buyer_charges


def test_surplus_becomes_a_curtailable_sell_order_where_solar_can_be_controlled() -> None:
    order = forecast_order(SOLAR, Forecast(import_wh=0, export_wh=420, basis=""), StandingLimits(), BOUNDS, start_s=900)
    assert order is not None
    assert (order.side, order.quantity_wh, order.firmness, order.bus) == (Side.SELL, 420, Firmness.CURTAILABLE, 4)


def test_surplus_that_nobody_can_control_is_firm() -> None:
    order = forecast_order(PASSIVE, Forecast(import_wh=0, export_wh=9, basis=""), StandingLimits(), BOUNDS, start_s=900)
    assert order is not None
    assert order.firmness is Firmness.FIRM


def test_need_becomes_a_firm_buy_order_and_nothing_becomes_no_order() -> None:
    need = Forecast(import_wh=70, export_wh=0, basis="")
    order = forecast_order(PASSIVE, need, StandingLimits(), BOUNDS, start_s=900)
    assert order is not None
    assert (order.side, order.firmness) == (Side.BUY, Firmness.FIRM)
    nothing = Forecast(import_wh=0, export_wh=0, basis="")
    assert forecast_order(PASSIVE, nothing, StandingLimits(), BOUNDS, start_s=900) is None
