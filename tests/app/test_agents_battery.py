"""A battery sells what it did not need, and no more."""

from app.agents.battery import BatteryLook, battery_orders, sellable_wh, spare_wh
from app.agents.forecast import Forecast
from app.agents.household import HomeFacts, PriceBounds, StandingLimits
from matching.orders import Firmness, Order, Side
from meters.interval import DeliveryInterval

HOME = HomeFacts(
    participant="P1", metering_point="M1", bus=4, generation_controllable=True, battery_w=5_000, battery_wh=6_200
)
BOUNDS = PriceBounds(supplier_price=200_000, feed_in_price=80_000, buyer_charges=0)
DARK = Forecast(import_wh=0, export_wh=0, basis="")
NOW_S = 1_464_285_600
A_DAY = tuple(BatteryLook(at_s=NOW_S - hour * 3600, stored_wh=6_000 if hour < 12 else 3_000) for hour in range(24))


def order(
    looks: tuple[BatteryLook, ...] = A_DAY,
    sold_wh: int = 0,
    expected: Forecast = DARK,
    daily_export_wh: int = 50_000,
    limits: StandingLimits = StandingLimits(),  # noqa: B008  frozen
) -> tuple[Order, ...]:
    sellable = sellable_wh(
        HOME, looks=looks, sold_wh=sold_wh, daily_export_wh=daily_export_wh, expected=expected, now_s=NOW_S
    )
    return battery_orders(
        HOME,
        sellable_wh=sellable,
        prices=[140_000] * 24,
        limits=limits,
        bounds=BOUNDS,
        interval=DeliveryInterval.at(NOW_S + 900),
    )


def test_four_fifths_of_the_lowest_charge_are_spare_less_what_was_sold() -> None:
    assert spare_wh(A_DAY, sold_wh=0, now_s=NOW_S) == 2_400
    assert spare_wh(A_DAY, sold_wh=2_000, now_s=NOW_S) == 400
    assert spare_wh(A_DAY, sold_wh=9_000, now_s=NOW_S) == 0


def test_nothing_is_spare_before_half_a_day_was_seen() -> None:
    assert spare_wh(A_DAY[:6], sold_wh=0, now_s=NOW_S) == 0
    assert spare_wh((), sold_wh=0, now_s=NOW_S) == 0


def test_a_battery_that_the_sun_does_not_fill_twice_a_day_is_kept() -> None:
    assert order(daily_export_wh=12_399) == ()
    assert order(daily_export_wh=12_400) != ()


def test_the_offer_is_flexible_and_asks_what_the_evening_is_expected_to_pay() -> None:
    offers = order()
    # 5 kW for a quarter of an hour, of 2400 Wh that are spare.
    assert sum(offer.quantity_wh for offer in offers) == 1_250
    assert {(each.side, each.firmness, each.limit_micro_per_kwh) for each in offers} == {
        (Side.SELL, Firmness.FLEXIBLE, 140_000)
    }


def test_the_owner_may_ask_for_more() -> None:
    offers = order(limits=StandingLimits(sell_at_least_micro_per_kwh=180_000))
    assert {offer.limit_micro_per_kwh for offer in offers} == {180_000}


def test_nothing_is_offered_while_the_sun_feeds_in_or_when_all_is_sold() -> None:
    assert order(expected=Forecast(import_wh=0, export_wh=50, basis="")) == ()
    assert order(sold_wh=2_400) == ()
