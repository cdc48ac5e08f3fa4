"""From a published clearing to what each site may feed in.

Where the network binds, a site keeps to what was accepted. Where it does not, the room that is left is given to all
sites by the same share of their nameplates: more sun than forecast still flows, and the network stays safe if all of
it comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grid.envelopes import uniform_generation_share
from grid.limits import FloatArray, NetworkLimits
from matching.orders import Firmness, Order, Side, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlledPoint:
    """A metering point whose feed-in can be limited, its bus, and the nameplate of its solar in W."""

    metering_point: str
    bus: int
    generation_w: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSetPoints:
    """What one site must keep in one interval; None leaves it free."""

    metering_point: str
    export_limit_w: int | None
    battery_w: int | None


def permitted_feed_in_w(outcomes: Sequence[tuple[Order, Trade]], minutes: int) -> dict[str, float]:
    """Feed-in per metering point after curtailment, W: curtailable orders in full less what was curtailed."""
    permitted: dict[str, float] = {}
    for order, trade in outcomes:
        if order.firmness is Firmness.CURTAILABLE and order.side is Side.SELL:
            left_w = (order.quantity_wh - trade.curtailed_wh) * 60 / minutes
            permitted[order.metering_point] = permitted.get(order.metering_point, 0.0) + left_w
    return permitted


def battery_powers_w(outcomes: Sequence[tuple[Order, Trade]], minutes: int) -> dict[str, int]:
    """Power each battery moves for the neighbourhood, W, + charging."""
    powers: dict[str, int] = {}
    for order, trade in outcomes:
        if order.firmness is Firmness.FLEXIBLE and trade.accepted_wh:
            sign = 1 if order.side is Side.BUY else -1
            power_w = sign * trade.accepted_wh * 60 // minutes
            powers[order.metering_point] = powers.get(order.metering_point, 0) + power_w
    return powers


def decide_set_points(
    points: Sequence[ControlledPoint],
    outcomes: Sequence[tuple[Order, Trade]],
    *,
    minutes: int,
    bound: bool,
    limits: NetworkLimits | None,
    injection_w: FloatArray,
    injection_var: FloatArray,
) -> tuple[PointSetPoints, ...]:
    """Set-points of one interval. `injection_w`, `injection_var` [n_bus] are those of the published result."""
    permitted = permitted_feed_in_w(outcomes, minutes)
    batteries = battery_powers_w(outcomes, minutes)
    share = 0.0 if bound else _share_of_room(points, permitted, limits, injection_w, injection_var)
    decided = []
    for point in points:
        base_w = permitted.get(point.metering_point, 0.0)
        room_w = max(0.0, point.generation_w - base_w)
        decided.append(
            PointSetPoints(
                metering_point=point.metering_point,
                export_limit_w=int(base_w + share * room_w),
                battery_w=batteries.pop(point.metering_point, None),
            )
        )
    decided.extend(
        PointSetPoints(metering_point=metering_point, export_limit_w=None, battery_w=battery_w)
        for metering_point, battery_w in sorted(batteries.items())
    )
    return tuple(decided)


def _share_of_room(
    points: Sequence[ControlledPoint],
    permitted: Mapping[str, float],
    limits: NetworkLimits | None,
    injection_w: FloatArray,
    injection_var: FloatArray,
) -> float:
    if limits is None:
        return 1.0
    column = {bus: k for k, bus in enumerate(limits.buses)}
    room_w = np.zeros(len(limits.buses))
    for point in points:
        room_w[column[point.bus]] += max(0.0, point.generation_w - permitted.get(point.metering_point, 0.0))
    return uniform_generation_share(
        limits, firm_injection_w=injection_w, firm_injection_var=injection_var, generation_w=room_w
    )
