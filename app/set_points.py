"""From a published clearing to what each site must keep.

Every controllable plant may feed in the same share of what it is capable of at this hour, the largest that the network
carries if all of them do so at once, beside the accepted flexible energy and with less load than expected. Where
the network carries all of it, the room that is left is shared by nameplate. So more sun than forecast still flows, and
the network stays safe if all of it comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grid.envelopes import uniform_generation_share
from grid.limits import FloatArray, NetworkLimits
from grid.power_flow import PowerFlowDiverged
from matching.orders import Firmness, Order, Side, Trade

SURE_SHARE_OF_LOAD = 0.5
"""Of the load that is forecast, as much is taken for sure when room for feed-in is given away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlledPoint:
    """A metering point whose feed-in can be limited: its bus, the solar's nameplate and what it can do now, in W."""

    metering_point: str
    bus: int
    generation_w: int
    capability_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSetPoints:
    """What one site must keep in one interval; None leaves it free."""

    metering_point: str
    export_limit_w: int | None
    battery_w: int | None


def battery_powers_w(
    outcomes: Sequence[tuple[Order, Trade]], minutes: int, drawn_anyway_wh: Mapping[str, int]
) -> dict[str, int]:
    """Power each battery or charger moves for the neighbourhood or because it must, W, + charging."""
    powers = {point: energy_wh * 60 // minutes for point, energy_wh in drawn_anyway_wh.items()}
    for order, trade in outcomes:
        if order.firmness is Firmness.FLEXIBLE and trade.accepted_wh:
            sign = 1 if order.side is Side.BUY else -1
            power_w = sign * trade.accepted_wh * 60 // minutes
            powers[order.metering_point] = powers.get(order.metering_point, 0) + power_w
    return powers


def uncontrolled_injection_w(
    injection_w: FloatArray,
    points: Sequence[ControlledPoint],
    outcomes: Sequence[tuple[Order, Trade]],
    *,
    minutes: int,
    buses: Sequence[int],
) -> FloatArray:
    """`injection_w` [n_bus] of the published result without what controllable plants feed in."""
    controlled = {point.metering_point for point in points}
    column = {bus: k for k, bus in enumerate(buses)}
    rest_w = injection_w.copy()
    for order, trade in outcomes:
        if order.firmness is Firmness.CURTAILABLE and order.metering_point in controlled and order.bus in column:
            rest_w[column[order.bus]] -= (order.quantity_wh - trade.curtailed_wh) * 60 / minutes
    return rest_w


def decide_set_points(
    points: Sequence[ControlledPoint],
    outcomes: Sequence[tuple[Order, Trade]],
    *,
    drawn_anyway_wh: Mapping[str, int],
    minutes: int,
    limits: NetworkLimits | None,
    injection_w: FloatArray,
    injection_var: FloatArray,
) -> tuple[PointSetPoints, ...]:
    """Set-points of one interval. `injection_w`, `injection_var` [n_bus] are those of the published result.

    `drawn_anyway_wh` is what devices draw beside accepted orders, by metering point: what cannot wait, and own surplus.
    """
    permitted_w = [float(point.generation_w) for point in points]
    if limits is not None:
        rest_w = uncontrolled_injection_w(injection_w, points, outcomes, minutes=minutes, buses=limits.buses)
        permitted_w = shared_room_w(limits, points, rest_w, injection_var)
    batteries = battery_powers_w(outcomes, minutes, drawn_anyway_wh)
    decided = [
        PointSetPoints(
            metering_point=point.metering_point,
            export_limit_w=int(limit_w),
            battery_w=batteries.pop(point.metering_point, None),
        )
        for point, limit_w in zip(points, permitted_w, strict=True)
    ]
    decided.extend(
        PointSetPoints(metering_point=metering_point, export_limit_w=None, battery_w=battery_w)
        for metering_point, battery_w in sorted(batteries.items())
    )
    return tuple(decided)


def shared_room_w(
    limits: NetworkLimits, points: Sequence[ControlledPoint], rest_w: FloatArray, rest_var: FloatArray
) -> list[float]:
    """What each plant may feed in beside `rest_w`, `rest_var` [n_bus], whose load may turn out lower; as `points`.

    Nothing where the network has no state at all: nobody knows what feeding in would do.
    """
    try:
        return _shared_room_w(limits, points, rest_w, rest_var)
    except PowerFlowDiverged:
        return [0.0 for _ in points]


def _shared_room_w(
    limits: NetworkLimits, points: Sequence[ControlledPoint], rest_w: FloatArray, rest_var: FloatArray
) -> list[float]:
    careful_w = np.where(rest_w < 0, rest_w * SURE_SHARE_OF_LOAD, rest_w)
    careful_var = rest_var * SURE_SHARE_OF_LOAD
    column = {bus: k for k, bus in enumerate(limits.buses)}
    where = np.array([column[point.bus] for point in points], dtype=np.int64)
    capable_w = np.array([min(point.capability_w, point.generation_w) for point in points])
    spare_w = np.array([point.generation_w for point in points]) - capable_w

    def share(base_w: FloatArray, more_w: FloatArray) -> float:
        per_bus = _per_bus(where, more_w, len(limits.buses))
        return uniform_generation_share(
            limits, firm_injection_w=base_w, firm_injection_var=careful_var, generation_w=per_bus
        )

    first = share(careful_w, capable_w)
    if first < 1.0:
        return [float(first * each) for each in capable_w]
    second = share(careful_w + _per_bus(where, capable_w, len(limits.buses)), spare_w)
    return [float(capable + second * spare) for capable, spare in zip(capable_w, spare_w, strict=True)]


def _per_bus(where: NDArray[np.int64], powers_w: FloatArray, size: int) -> FloatArray:
    return np.bincount(where, weights=powers_w, minlength=size).astype(np.float64)
