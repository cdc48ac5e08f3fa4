"""A household's agent: the forecast and its owner's standing limits become sealed orders.

Default limits keep a quarter of the spread between supplier and feed-in price for the other side, so that buyers and
sellers gain whether the neighbourhood is short or long. The agent never pays more than the own supplier would
cost after fees, and never sells below what the own supplier pays.
"""

from dataclasses import dataclass

from app.agents.forecast import Forecast
from matching.orders import PRICE_TICK_MICRO_PER_KWH, Firmness, Order, Side

DEFAULT_SHARE_FOR_THE_OTHER_SIDE_PERCENT = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLimits:
    """What the owner set with the two sliders; None leaves the default. Micro-units of currency per kWh."""

    sell_at_least_micro_per_kwh: int | None = None
    buy_at_most_micro_per_kwh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBounds:
    """The member's outside options: micro-units per kWh, energy only.

    supplier_price, feed_in_price  what the own supplier charges and pays
    buyer_charges                  what a shared kWh costs beyond its price, more than one from the supplier
                                   (platform fee less the grid fee that is saved); may be negative
    """

    supplier_price: int
    feed_in_price: int
    buyer_charges: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFacts:
    """Identity and device class of the metering point."""

    participant: str
    metering_point: str
    bus: int | None
    generation_controllable: bool
    battery_w: int = 0
    battery_wh: int = 0


def sell_limit(limits: StandingLimits, bounds: PriceBounds) -> int:
    """Lowest acceptable price: the owner's or the default, never below the feed-in price, on the tick."""
    spread = bounds.supplier_price - bounds.feed_in_price
    default = bounds.feed_in_price + spread * DEFAULT_SHARE_FOR_THE_OTHER_SIDE_PERCENT // 100
    wanted = default if limits.sell_at_least_micro_per_kwh is None else limits.sell_at_least_micro_per_kwh
    return _tick_up(max(wanted, bounds.feed_in_price))


def buy_limit(limits: StandingLimits, bounds: PriceBounds) -> int:
    """Highest acceptable price: the owner's or the default, never dearer than the supplier, on the tick."""
    spread = bounds.supplier_price - bounds.feed_in_price
    default = bounds.supplier_price - spread * DEFAULT_SHARE_FOR_THE_OTHER_SIDE_PERCENT // 100
    wanted = default if limits.buy_at_most_micro_per_kwh is None else limits.buy_at_most_micro_per_kwh
    return _tick_down(min(wanted, bounds.supplier_price - bounds.buyer_charges))


def forecast_order(
    home: HomeFacts, expected: Forecast, limits: StandingLimits, bounds: PriceBounds, *, start_s: int
) -> Order | None:
    """The one order a passive home places: its expected surplus or need, or None when neither is expected."""
    if expected.export_wh > 0:
        firmness = Firmness.CURTAILABLE if home.generation_controllable else Firmness.FIRM
        return _order(home, Side.SELL, expected.export_wh, sell_limit(limits, bounds), firmness, start_s)
    if expected.import_wh > 0:
        return _order(home, Side.BUY, expected.import_wh, buy_limit(limits, bounds), Firmness.FIRM, start_s)
    return None


def _order(home: HomeFacts, side: Side, quantity_wh: int, limit: int, firmness: Firmness, start_s: int) -> Order:
    return Order(
        order_id=f"{home.metering_point}-{start_s}-{side.value}",
        participant=home.participant,
        metering_point=home.metering_point,
        side=side,
        quantity_wh=quantity_wh,
        limit_micro_per_kwh=limit,
        firmness=firmness,
        bus=home.bus,
    )


def _tick_up(price: int) -> int:
    return -(-price // PRICE_TICK_MICRO_PER_KWH) * PRICE_TICK_MICRO_PER_KWH


def _tick_down(price: int) -> int:
    return price // PRICE_TICK_MICRO_PER_KWH * PRICE_TICK_MICRO_PER_KWH
