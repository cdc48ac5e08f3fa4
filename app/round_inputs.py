"""From homes and orders to the arrays the network wants, and back to what is published. W and var, + into the grid."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from app.agents.forecast import Forecast
from app.community import Home
from app.set_points import ControlledPoint
from grid.limits import FloatArray
from grid.network import GridNetwork
from matching.orders import Firmness, Order, Side, Trade

LOAD_REACTIVE_SHARE = 0.33
"""Reactive over active power of household load: a power factor of 0.95."""


class BusPowers:
    """Adds powers up per bus of a network; without a network nothing is added to nothing."""

    def __init__(self, network: GridNetwork | None) -> None:
        self._column = {} if network is None else {bus: k for k, bus in enumerate(network.buses)}
        self.power = np.zeros(len(self._column))

    def add(self, bus: int | None, power: float) -> None:
        """Add at a bus; a home without a place in the network is not seen by it."""
        if bus is not None and bus in self._column:
            self.power[self._column[bus]] += power


def drawn(
    network: GridNetwork | None, homes: Mapping[str, Home], forecasts: Mapping[str, Forecast], minutes: int
) -> tuple[FloatArray, FloatArray]:
    """Expected load of all homes per bus, W and var, both <= 0."""
    active, reactive = BusPowers(network), BusPowers(network)
    for point, home in homes.items():
        load_w = forecasts[point].import_wh * 60 / minutes
        active.add(home.point.bus, -load_w)
        reactive.add(home.point.bus, -load_w * LOAD_REACTIVE_SHARE)
    return active.power, reactive.power


def baseline_of_the_rest(
    network: GridNetwork | None,
    homes: Mapping[str, Home],
    forecasts: Mapping[str, Forecast],
    orders: Iterable[Order],
    minutes: int,
) -> FloatArray:
    """Expected injection of homes whose forecast no standing order speaks for: they flow all the same."""
    spoken_for = {order.metering_point for order in orders if order.firmness is not Firmness.FLEXIBLE}
    rest = BusPowers(network)
    for point, home in homes.items():
        if point not in spoken_for:
            net_wh = forecasts[point].export_wh - forecasts[point].import_wh
            rest.add(home.point.bus, net_wh * 60 / minutes)
    return rest.power


def market_injection_w(
    network: GridNetwork | None, outcomes: Sequence[tuple[Order, Trade]], minutes: int
) -> FloatArray:
    """What orders put into the network: firm in full, curtailable less curtailed, flexible as accepted."""
    powers = BusPowers(network)
    for order, trade in outcomes:
        powers.add(order.bus, flow_w(order, trade, minutes))
    return powers.power


def flow_w(order: Order, trade: Trade, minutes: int) -> float:
    """What an order puts into the network."""
    flows_wh = trade.accepted_wh if order.firmness is Firmness.FLEXIBLE else order.quantity_wh - trade.curtailed_wh
    return (flows_wh if order.side is Side.SELL else -flows_wh) * 60 / minutes


def needed_wh(outcomes: Sequence[tuple[Order, Trade]], needed: Collection[str]) -> Counter[str]:
    """Wh that devices draw because they cannot wait, by metering point: the orders `needed`, less what is shed."""
    drawn_wh: Counter[str] = Counter()
    for order, trade in outcomes:
        if order.order_id in needed:
            drawn_wh[order.metering_point] += order.quantity_wh - trade.curtailed_wh
    return drawn_wh


def controlled_points(
    homes: Mapping[str, Home], forecasts: Mapping[str, Forecast], minutes: int
) -> tuple[ControlledPoint, ...]:
    """Metering points whose feed-in a gateway can limit."""
    return tuple(
        ControlledPoint(
            metering_point=point,
            bus=home.point.bus,
            generation_w=home.point.generation_w,
            capability_w=forecasts[point].capability_wh * 60 / minutes,
        )
        for point, home in homes.items()
        if home.point.generation_controllable and home.point.bus is not None
    )
