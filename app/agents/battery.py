"""A battery's agent: what was never needed at home is offered to the neighbours in the evening.

The lowest charge of the last day is energy that its owner did not use; most of it may be sold before the next sun fills
the battery again. Where the home did not feed in a multiple of it on the days before, the battery is kept for dark
days. The order is flexible: it flows only if accepted. Nothing is offered until half a day has been seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.agents.forecast import Forecast
from app.agents.household import HomeFacts, PriceBounds, StandingLimits, sell_limit
from matching.orders import Firmness, Order, Side
from meters.interval import DeliveryInterval

OBSERVED_AT_LEAST_S = 12 * 3600
LOOK_BACK_S = 24 * 3600
OFFERED_SHARE_PERCENT = 80
"""Of the spare energy: the rest stays as a margin for an evening that differs from the last."""
SPREAD_OVER_SLOTS = 12
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


def battery_order(
    home: HomeFacts,
    *,
    looks: Sequence[BatteryLook],
    sold_wh: int,
    daily_export_wh: int,
    expected: Forecast,
    limits: StandingLimits,
    bounds: PriceBounds,
    interval: DeliveryInterval,
    now_s: int,
) -> Order | None:
    """A flexible sell order for a part of the spare energy, None while the sun still feeds in or nothing is spare.

    `sold_wh` is what this battery has sold in the last `LOOK_BACK_S` seconds, `daily_export_wh` what the home feeds in
    on a usual day.
    """
    if expected.export_wh > 0 or daily_export_wh < REFILLS_A_DAY * home.battery_wh:
        return None
    spare = spare_wh(looks, sold_wh=sold_wh, now_s=now_s)
    quantity_wh = min(spare // SPREAD_OVER_SLOTS, home.battery_w * interval.minutes // 60)
    if quantity_wh <= 0:
        return None
    return Order(
        order_id=f"{home.metering_point}-{interval.start_s}-battery",
        participant=home.participant,
        metering_point=home.metering_point,
        side=Side.SELL,
        quantity_wh=quantity_wh,
        limit_micro_per_kwh=sell_limit(limits, bounds),
        firmness=Firmness.FLEXIBLE,
        bus=home.bus,
    )
