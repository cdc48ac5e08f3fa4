"""What is different in a round of an island: everybody's energy is in the book, and only what is accepted may flow."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sqlalchemy import Connection

from app.agents.battery import BatteryLook
from app.agents.forecast import Forecast
from app.agents.grid_forming import GridFormingUnit
from app.community import Home, Snapshot
from app.set_points import ControlledPoint, PointRoom, PointSetPoints, battery_powers_w, with_batteries
from app.storage.store.windows import device_energy_between
from grid.network import GridNetwork
from matching.orders import PRICE_TICK_MICRO_PER_KWH, Firmness, Order, Side, Trade
from meters.interval import DeliveryInterval

FOLLOWS = Forecast(import_wh=0, export_wh=0, basis="the grid-forming unit follows the others")
"""What is expected of the unit by itself: its meter has shown balancing, which is no habit."""


@lru_cache(maxsize=1)
def _cut_off(network: GridNetwork, bus: int) -> GridNetwork:
    return network.islanded(bus)


def network_of(network: GridNetwork | None, unit: Home | None) -> GridNetwork | None:
    """The network as a round sees it: cut off and formed by `unit`, if there is one. Raises NetworkError."""
    if network is None or unit is None or unit.point.bus is None:
        return network
    return _cut_off(network, unit.point.bus)


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandAgents:
    """What agents must know on an island: who forms the grid, and what firm demand is worth."""

    unit: GridFormingUnit
    lost_load_micro_per_kwh: int

    def within(self, order: Order) -> Order:
        """The order at a limit that lets firm demand come first, and asks no more than that is worth."""
        lost = self.lost_load_micro_per_kwh
        most = lost if order.side is Side.SELL or order.firmness is Firmness.FIRM else lost - PRICE_TICK_MICRO_PER_KWH
        return replace(order, limit_micro_per_kwh=min(order.limit_micro_per_kwh, most))


def island_agents(
    connection: Connection, snapshot: Snapshot, looks: Mapping[str, Sequence[BatteryLook]], interval: DeliveryInterval
) -> IslandAgents | None:
    """None where the community is no island. In the unit is what was seen last, less what it delivers until then."""
    island, home = snapshot.market.island, snapshot.grid_forming
    if island is None or home is None:
        return None
    point, running_s = home.point.id, interval.shifted(-1).start_s
    moved_wh = device_energy_between(connection, start_s=running_s, end_s=interval.start_s).get((point, running_s), 0)
    seen = looks.get(point)
    stored_wh = None if not seen else max(0, seen[-1].stored_wh - moved_wh)
    return IslandAgents(
        unit=GridFormingUnit(metering_point=point, stored_wh=stored_wh),
        lost_load_micro_per_kwh=island.lost_load_micro_per_kwh,
    )


def island_set_points(
    points: Sequence[ControlledPoint],
    outcomes: Sequence[tuple[Order, Trade]],
    *,
    drawn_anyway_wh: Mapping[str, int],
    minutes: int,
    grid_forming_point: str,
) -> tuple[PointSetPoints, ...]:
    """Plants feed in what was accepted of theirs, because what is spilled must not flow; the unit is left free."""
    sold_wh: dict[str, int] = defaultdict(int)
    for order, trade in outcomes:
        if order.side is Side.SELL:
            sold_wh[order.metering_point] += trade.accepted_wh
    rooms = [
        PointRoom(metering_point=each.metering_point, limit_w=sold_wh[each.metering_point] * 60 // minutes)
        for each in points
        if each.metering_point != grid_forming_point
    ]
    batteries_w = battery_powers_w(outcomes, minutes, drawn_anyway_wh)
    batteries_w.pop(grid_forming_point, None)
    return with_batteries(rooms, batteries_w)


def served_w(outcomes: Sequence[tuple[Order, Trade]], minutes: int) -> dict[str, int]:
    """What may be drawn, W, at metering points whose demand is shed."""
    bought_wh: dict[str, int] = defaultdict(int)
    shed = set()
    for order, trade in outcomes:
        if order.side is Side.BUY:
            bought_wh[order.metering_point] += trade.accepted_wh
            if trade.curtailed_wh:
                shed.add(order.metering_point)
    return {point: bought_wh[point] * 60 // minutes for point in sorted(shed)}
