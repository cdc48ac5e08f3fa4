"""The agent of a battery that forms the grid of an island: it offers all it can, but for what balancing needs.

It sells from its supplier price on and buys up to its feed-in price, unless its owner set other limits: a quarter-hour
later the energy may be worth more to the island, but then the book says so, and whoever needs it now would be shed. At
both ends of its store, and of its power, a part is kept for what homes use otherwise than was cleared.
"""

from dataclasses import dataclass

from app.agents.household import HomeFacts, PriceBounds, StandingLimits
from matching.orders import PRICE_TICK_MICRO_PER_KWH, Firmness, Order, Side
from meters.interval import DeliveryInterval

KEPT_PERCENT = 10
"""Of power, of stored energy and of room for it: kept for balancing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFormingUnit:
    """The unit when the gate closes. `stored_wh` will be in it when the interval begins; None where nobody knows."""

    metering_point: str
    stored_wh: int | None


def grid_forming_orders(
    home: HomeFacts, unit: GridFormingUnit, limits: StandingLimits, bounds: PriceBounds, interval: DeliveryInterval
) -> tuple[Order, ...]:
    """What the unit sells and buys in `interval`; nothing where nobody knows what is in it."""
    if unit.stored_wh is None:
        return ()
    kept_wh = home.battery_wh * KEPT_PERCENT // 100
    power_wh = home.battery_w * (100 - KEPT_PERCENT) // 100 * interval.minutes // 60
    wanted, offered = limits.sell_at_least_micro_per_kwh, limits.buy_at_most_micro_per_kwh
    sell = -(-(bounds.supplier_price if wanted is None else wanted) // PRICE_TICK_MICRO_PER_KWH)
    buy = min((bounds.feed_in_price if offered is None else offered) // PRICE_TICK_MICRO_PER_KWH, sell - 1)
    wishes = (
        (Side.SELL, min(power_wh, unit.stored_wh - kept_wh), sell),
        (Side.BUY, min(power_wh, home.battery_wh - kept_wh - unit.stored_wh), buy),
    )
    return tuple(
        Order(
            order_id=f"{home.metering_point}-{interval.start_s}-unit-{side.value}",
            participant=home.participant,
            metering_point=home.metering_point,
            side=side,
            quantity_wh=quantity_wh,
            limit_micro_per_kwh=ticks * PRICE_TICK_MICRO_PER_KWH,
            firmness=Firmness.FLEXIBLE,
            bus=home.bus,
        )
        for side, quantity_wh, ticks in wishes
        if quantity_wh > 0
    )
