"""A device's agent: its window, what it traded so far and expected prices become orders for one interval.

Orders are flexible and flow only if accepted, but for energy that cannot wait any more. That is firm: it flows, and the
own supplier delivers what no neighbour sells. So a deadline is met whenever the device's power allows it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.agents.curve import Curve, Outlook, Step, curve_of
from app.agents.forecast import Forecast
from app.agents.household import HomeFacts, PriceBounds
from app.agents.reservoir import worths
from app.agents.windows import Traded, WindowOrder, content_mwh, reservoir_of
from matching.orders import PRICE_TICK_MICRO_PER_KWH, Firmness, Order, Side
from meters.interval import DeliveryInterval

STEPS_MAX = 3
"""On each side: of five that a metering point may have, one is the home's own and one is what cannot wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDecision:
    """What a window does in one interval: its orders, and energy of the home's own surplus that it takes, Wh."""

    window: WindowOrder
    orders: tuple[Order, ...]
    own_wh: int


def buy_at_most(bounds: PriceBounds) -> int:
    """Price at which a neighbour's kWh costs as much as the own supplier's, on the tick."""
    return (bounds.supplier_price - bounds.buyer_charges) // PRICE_TICK_MICRO_PER_KWH * PRICE_TICK_MICRO_PER_KWH


def sell_at_least(bounds: PriceBounds) -> int:
    """What the own supplier pays, on the tick."""
    return -(-bounds.feed_in_price // PRICE_TICK_MICRO_PER_KWH) * PRICE_TICK_MICRO_PER_KWH


def decide(
    home: HomeFacts,
    window: WindowOrder,
    traded: Traded,
    *,
    expected: Forecast,
    prices: Sequence[int],
    bounds: PriceBounds,
    interval: DeliveryInterval,
) -> WindowDecision:
    """Orders of one window for `interval`, which it contains; `prices` are those expected from it to the window's end.

    `expected` is what the home does without the device. A surplus of the home is taken before anything is bought.
    """
    reservoir = reservoir_of(window, start_s=interval.start_s, minutes=interval.minutes)
    outlook = Outlook(
        surplus_wh=expected.export_wh,
        surplus_price=prices[0],
        buy_at_most=buy_at_most(bounds),
        sell_at_least=sell_at_least(bounds),
        steps_max=STEPS_MAX,
    )
    curve = curve_of(reservoir, worths(reservoir, prices)[0], content_mwh(window, traded), outlook)
    orders = tuple(_orders(home, window, curve, outlook, interval.start_s))
    return WindowDecision(window=window, orders=orders, own_wh=curve.own_wh)


def without_own_use(expected: Forecast, own_wh: int) -> Forecast:
    """What is left of a home's surplus when its device took a part of it."""
    return replace(expected, export_wh=max(0, expected.export_wh - own_wh)) if own_wh else expected


def _orders(home: HomeFacts, window: WindowOrder, curve: Curve, outlook: Outlook, start_s: int) -> Iterator[Order]:
    def order(name: str, side: Side, step: Step, firmness: Firmness) -> Order:
        return Order(
            order_id=f"{window.window_id}-{start_s}-{name}",
            participant=home.participant,
            metering_point=home.metering_point,
            side=side,
            quantity_wh=step.quantity_wh,
            limit_micro_per_kwh=step.limit_micro_per_kwh,
            firmness=firmness,
            bus=home.bus,
        )

    if curve.must_wh:
        step = Step(quantity_wh=curve.must_wh, limit_micro_per_kwh=outlook.buy_at_most)
        yield order("needed", Side.BUY, step, Firmness.FIRM)
    for side, steps in ((Side.BUY, curve.buy), (Side.SELL, curve.sell)):
        for number, step in enumerate(steps, 1):
            yield order(f"{side.value}{number}", side, step, Firmness.FLEXIBLE)
