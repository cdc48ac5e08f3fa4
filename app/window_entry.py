"""Windows that members place for their devices: the rules, each with the sentence that explains a refusal.

A metering point has one device that the agent steers at a time, because its gateway can tell one: the battery where
there is one, otherwise a car or a heat pump.
"""

from dataclasses import replace

from flask_babel import gettext as _
from sqlalchemy import Connection

from app.agents.windows import DeviceClass, WindowOrder
from app.order_entry import (
    SECONDS_PER_HOUR,
    OrderRefusedError,
    require_credit,
    require_member,
    require_orders_taken,
    require_point,
    require_price,
)
from app.storage.store.community import the_community
from app.storage.store.members import MeteringPoint
from app.storage.store.windows import PlacedWindow, cancel_window, find_window, place_window, standing_windows

WINDOW_S_MAX = 7 * 86_400


def place_window_by_hand(connection: Connection, wish: WindowOrder, *, now_s: int) -> PlacedWindow:
    """Place a window in the caller's transaction, or raise OrderRefusedError with the first rule it breaks.

    An `earliest_s` of 0 means from the first interval on whose gate is still open.
    """
    known = find_window(connection, wish.window_id)
    if known is not None:
        same = known.window == replace(wish, earliest_s=wish.earliest_s or known.window.earliest_s)
        if not same:
            raise OrderRefusedError("order-id-used", _("This order id was used before: take a new one."))
        return known
    interval_s = the_community(connection).market_time_unit_s
    window = replace(wish, earliest_s=wish.earliest_s or first_open_s(now_s, interval_s))
    _require_time(window, interval_s, now_s=now_s)
    require_orders_taken(connection, window.earliest_s)
    require_member(connection, window.participant, at_s=window.earliest_s)
    point = require_point(connection, window.metering_point, participant_id=window.participant)
    _require_device(window, point)
    _require_energy(window, point, interval_s)
    require_credit(connection, window.participant, at_s=window.earliest_s)
    overlapping = standing_windows(
        connection, start_s=window.earliest_s, end_s=window.latest_s, metering_point_id=point.id
    )
    if overlapping:
        raise OrderRefusedError(
            "window-overlaps",
            _(
                "%(window_id)s uses this connection then: cancel it, or choose another time.",
                window_id=overlapping[0].window_id,
            ),
        )
    place_window(connection, window, placed_s=now_s)
    return PlacedWindow(window=window, placed_s=now_s, cancelled_s=None)


def cancel_window_by_hand(connection: Connection, window_id: str, *, participant_id: str, now_s: int) -> PlacedWindow:
    """Cancel one's own window: what is bought stays bought. Raises OrderRefusedError; twice is cancelling."""
    placed = find_window(connection, window_id)
    if placed is None or placed.window.participant != participant_id:
        raise OrderRefusedError("unknown-order", _("You have no order %(window_id)s.", window_id=window_id))
    if placed.cancelled_s is not None:
        return placed
    if placed.window.latest_s <= first_open_s(now_s, the_community(connection).market_time_unit_s):
        raise OrderRefusedError(
            "gate-closed", _("The gate of its last interval is closed: there is nothing to cancel.")
        )
    cancel_window(connection, window_id, cancelled_s=now_s)
    return replace(placed, cancelled_s=now_s)


def first_open_s(now_s: int, interval_s: int) -> int:
    """Start of the first interval whose gate is open: it closes one interval before."""
    return (now_s // interval_s + 2) * interval_s


def _require_time(window: WindowOrder, interval_s: int, *, now_s: int) -> None:
    if window.earliest_s % interval_s or window.latest_s % interval_s:
        raise OrderRefusedError(
            "unknown-interval",
            _("Windows begin and end on a multiple of %(interval_s)s minutes.", interval_s=interval_s // 60),
        )
    if window.latest_s <= now_s:
        raise OrderRefusedError("past-window", _("This window is over. Choose a later one."))
    open_s = first_open_s(now_s, interval_s)
    if window.latest_s <= open_s:
        raise OrderRefusedError("gate-closed", _("The gate of its last interval is closed. Choose a later window."))
    if window.earliest_s < open_s:
        raise OrderRefusedError(
            "past-window",
            _(
                "The window begins before %(open_s)s, the first interval whose gate is open: begin there.",
                open_s=open_s,
            ),
        )
    if window.latest_s <= window.earliest_s:
        raise OrderRefusedError("empty-window", _("A window ends after it begins."))
    if window.latest_s - window.earliest_s > WINDOW_S_MAX:
        raise OrderRefusedError(
            "window-too-long", _("A window is at most %(WINDOW_S_MAX)s days long.", WINDOW_S_MAX=WINDOW_S_MAX // 86400)
        )


def _require_device(window: WindowOrder, point: MeteringPoint) -> None:
    battery = window.device is DeviceClass.BATTERY
    if battery and not point.battery_wh:
        raise OrderRefusedError("no-battery", _("There is no battery at %(id)s.", id=point.id))
    if not battery and point.battery_wh:
        raise OrderRefusedError(
            "one-device",
            _("The agent steers one device at a connection, and at %(id)s that is the battery.", id=point.id),
        )
    if battery and window.limit_micro_per_kwh is None:
        raise OrderRefusedError("no-value", _("Say what a kWh that is left in the battery at the end is worth to you."))
    if window.limit_micro_per_kwh is not None:
        require_price(window.limit_micro_per_kwh)
        if window.limit_micro_per_kwh < 0:
            raise OrderRefusedError("price-range", _("What a kWh is worth to you cannot be less than nothing."))
    if not battery and window.stored_wh:
        raise OrderRefusedError("stored", _("Only a battery begins with something in it: ask for what is missing."))
    if window.buffer_wh is not None and window.device is not DeviceClass.HEAT_PUMP:
        raise OrderRefusedError("buffer", _("Only a heat pump has a buffer."))


def _require_energy(window: WindowOrder, point: MeteringPoint, interval_s: int) -> None:
    if window.energy_wh <= 0:
        raise OrderRefusedError("quantity", _("The energy has to be more than nothing."))
    power_most_w = point.battery_w if window.device is DeviceClass.BATTERY else point.connection_w
    if window.power_w > power_most_w:
        raise OrderRefusedError(
            "above-rating",
            _("At %(id)s this device has at most %(power_most_w)s W.", id=point.id, power_most_w=power_most_w),
        )
    if window.device is DeviceClass.BATTERY:
        if window.energy_wh > point.battery_wh or window.stored_wh > window.energy_wh:
            raise OrderRefusedError(
                "above-capacity",
                _(
                    "The battery holds %(battery_wh)s Wh, and this part of it no more than its own.",
                    battery_wh=point.battery_wh,
                ),
            )
        return
    slots = (window.latest_s - window.earliest_s) // interval_s
    possible_wh = window.power_w * interval_s // SECONDS_PER_HOUR * slots
    if window.drawn_most_wh > possible_wh:
        raise OrderRefusedError(
            "too-much-energy",
            _(
                "With %(power_w)s W at most %(possible_wh)s Wh are drawn in this window, and "
                "%(drawn_most_wh)s Wh would be needed.",
                power_w=window.power_w,
                possible_wh=possible_wh,
                drawn_most_wh=window.drawn_most_wh,
            ),
        )
