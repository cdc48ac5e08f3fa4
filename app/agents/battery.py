"""A battery's agent: what was never needed at home is offered to the neighbours in the evening.

The lowest charge of the last day is energy that its owner did not use; most of it may be sold before the next sun fills
the battery again. Where the home did not feed in a multiple of it on the days before, the battery is kept for dark
days. The order is flexible: it flows only if accepted. Nothing is offered until half a day has been seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.agents.curve import Outlook, curve_of
from app.agents.flexible import STEPS_MAX, buy_at_most, sell_at_least
from app.agents.forecast import Forecast
from app.agents.household import HomeFacts, PriceBounds, StandingLimits, sell_limit
from app.agents.reservoir import MWH_PER_WH, Reservoir, worths
from matching.orders import Firmness, Order, Side
from meters.interval import DeliveryInterval

OBSERVED_AT_LEAST_S = 12 * 3600
LOOK_BACK_S = 24 * 3600
OFFERED_SHARE_PERCENT = 80
"""Of the spare energy: the rest stays as a margin for an evening that differs from the last."""
EVENING_S = 6 * 3600
"""How far ahead the sale of spare energy is planned."""
REFILLS_A_DAY = 2
"""What a home feeds in on a usual day must fill its battery this often before anything is sold from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryLook:
    """Energy in a battery at one moment, as its gateway reported it."""

    at_s: int
    stored_wh: int


def spare_wh(looks: Sequence[BatteryLook], *, sold_wh: int, now_s: int) -> int:
    """Energy that stayed in the battery through the last day, less what was sold in it; 0 until half a day is seen."""
    recent = [look for look in looks if now_s - LOOK_BACK_S <= look.at_s <= now_s]
    if not recent or now_s - min(look.at_s for look in recent) < OBSERVED_AT_LEAST_S:
        return 0
    return max(0, min(look.stored_wh for look in recent) * OFFERED_SHARE_PERCENT // 100 - sold_wh)


def sellable_wh(
    home: HomeFacts,
    *,
    looks: Sequence[BatteryLook],
    sold_wh: int,
    daily_export_wh: int,
    expected: Forecast,
    now_s: int,
) -> int:
    """Spare energy that may be sold; none while the sun still feeds in, or does not fill the battery often enough.

    `sold_wh` is what this battery has sold in the last `LOOK_BACK_S` seconds, `daily_export_wh` what the home feeds in
    on a usual day.
    """
    if expected.export_wh > 0 or daily_export_wh < REFILLS_A_DAY * home.battery_wh:
        return 0
    return spare_wh(looks, sold_wh=sold_wh, now_s=now_s)


def battery_orders(
    home: HomeFacts,
    *,
    sellable_wh: int,
    prices: Sequence[int],
    limits: StandingLimits,
    bounds: PriceBounds,
    interval: DeliveryInterval,
) -> tuple[Order, ...]:
    """Flexible sell orders for what may be sold of a battery's energy over the evening.

    `prices` is what the evening is expected to pay from `interval` on. What is sold has to be worth more than later in
    the evening, and whatever is left is worth its feed-in price.
    """
    if not sellable_wh:
        return ()
    wanted = limits.sell_at_least_micro_per_kwh
    steps, at_least = len(prices), sell_at_least(bounds) if wanted is None else sell_limit(limits, bounds)
    evening = Reservoir(
        charge_wh=(0,) * steps,
        discharge_wh=(home.battery_w * interval.minutes // 60,) * steps,
        least_mwh=(0,) * steps,
        most_mwh=(sellable_wh * MWH_PER_WH,) * steps,
        efficiency_permille=1000,
        end_slope=max(0, at_least) * 1000,
    )
    outlook = Outlook(
        surplus_wh=0,
        surplus_price=prices[0],
        buy_at_most=buy_at_most(bounds),
        sell_at_least=at_least,
        steps_max=STEPS_MAX,
    )
    curve = curve_of(evening, worths(evening, prices)[0], sellable_wh * MWH_PER_WH, outlook)
    return tuple(
        Order(
            order_id=f"{home.metering_point}-{interval.start_s}-battery{number}",
            participant=home.participant,
            metering_point=home.metering_point,
            side=Side.SELL,
            quantity_wh=step.quantity_wh,
            limit_micro_per_kwh=step.limit_micro_per_kwh,
            firmness=Firmness.FLEXIBLE,
            bus=home.bus,
        )
        for number, step in enumerate(curve.sell, 1)
    )
