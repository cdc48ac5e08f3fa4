"""From a published clearing to what each site must keep.

Controllable plants share the room for feed-in fairly, limit by limit (`grid.fair_envelopes`): all may feed in the same
share of what they are capable of at this hour until a limit binds; who is behind that limit stops there, the others go
on. Where the network carries all of it, the room that is left is shared by nameplate in the same way. That holds if all
of them do so at once, beside the accepted flexible energy and with less load than expected. So more sun than forecast
still flows, and the network stays safe if all of it comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grid.fair_envelopes import feed_in_room
from grid.limits import FloatArray, LimitRow
from grid.network import GridNetwork
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
class PointRoom:
    """What a plant may feed in, and the limit of the network that stopped it; None where it may give all it has."""

    metering_point: str
    limit_w: int
    stopped_by: LimitRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointSetPoints:
    """What one site must keep in one interval; None leaves it free."""

    metering_point: str
    room: PointRoom | None
    battery_w: int | None

    @property
    def export_limit_w(self) -> int | None:
        return None if self.room is None else self.room.limit_w


def battery_powers_w(
    outcomes: Sequence[tuple[Order, Trade]], minutes: int, drawn_anyway_wh: Mapping[str, int]
) -> dict[str, int]:
    """Power each battery or charger moves for the neighbourhood or because it must, W, + charging.

    `drawn_anyway_wh` is what devices draw beside accepted orders, by metering point: what cannot wait, and own surplus.
    """
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
    limits: GridNetwork | None,
    injection_w: FloatArray,
    injection_var: FloatArray,
) -> tuple[PointSetPoints, ...]:
    """Set-points of one interval. `injection_w`, `injection_var` [n_bus] are those of the published result."""
    rest_w = injection_w
    if limits is not None:
        rest_w = uncontrolled_injection_w(injection_w, points, outcomes, minutes=minutes, buses=limits.buses)
    rooms = shared_room(limits, points, rest_w, injection_var)
    return with_batteries(rooms, battery_powers_w(outcomes, minutes, drawn_anyway_wh))


def with_batteries(rooms: Sequence[PointRoom], batteries_w: Mapping[str, int]) -> tuple[PointSetPoints, ...]:
    """What each site must keep: its plant its room, its battery or charger its power, W."""
    others_w = dict(batteries_w)
    decided = [
        PointSetPoints(metering_point=room.metering_point, room=room, battery_w=others_w.pop(room.metering_point, None))
        for room in rooms
    ]
    decided.extend(
        PointSetPoints(metering_point=metering_point, room=None, battery_w=battery_w)
        for metering_point, battery_w in sorted(others_w.items())
    )
    return tuple(decided)


def shared_room(
    limits: GridNetwork | None, points: Sequence[ControlledPoint], rest_w: FloatArray, rest_var: FloatArray
) -> tuple[PointRoom, ...]:
    """What each plant may feed in beside `rest_w`, `rest_var` [n_bus], whose load may turn out lower; as `points`.

    Nothing where the network has no state at all: nobody knows what feeding in would do.
    """
    if limits is None or not points:
        return tuple(PointRoom(metering_point=point.metering_point, limit_w=point.generation_w) for point in points)
    nameplate_w = np.array([point.generation_w for point in points], dtype=np.float64)
    capable_w = np.minimum([point.capability_w for point in points], nameplate_w)
    careful_w = np.where(rest_w < 0, rest_w * SURE_SHARE_OF_LOAD, rest_w)
    column = {bus: k for k, bus in enumerate(limits.buses)}
    try:
        room = feed_in_room(
            limits,
            point_bus=np.array([column[point.bus] for point in points], dtype=np.int64),
            base_injection_w=careful_w,
            base_injection_var=rest_var * SURE_SHARE_OF_LOAD,
            more_load_w=careful_w - rest_w,
            wishes_w=np.stack([capable_w, nameplate_w]),
        )
    except PowerFlowDiverged:
        return tuple(PointRoom(metering_point=point.metering_point, limit_w=0) for point in points)
    return tuple(
        PointRoom(metering_point=point.metering_point, limit_w=int(limit_w), stopped_by=stopped_by)
        for point, limit_w, stopped_by in zip(points, room.limit_w.tolist(), room.stopped_by, strict=True)
    )
