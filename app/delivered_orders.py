"""Orders made after delivery: from what was metered, or from what the operator of the grid computed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from app.agents.forecast import Forecast
from app.agents.household import forecast_order
from app.community import Home, Snapshot
from app.storage.store.grid_quantities import GridQuantity, quantities_at
from matching.orders import Firmness, Order, Side
from meters.interval import DeliveryInterval, IntervalEnergy


def delivered_orders(
    connection: Connection, snapshot: Snapshot, interval: DeliveryInterval, energies: Mapping[str, IntervalEnergy]
) -> tuple[Order, ...]:
    """The orders of one interval, by id: from what was metered, or from what the operator of the grid computed."""
    if snapshot.market.takes_given_quantities:
        given = quantities_at(connection, interval.start_s)
        price = snapshot.market_rules().price_micro_per_kwh
        assert price is not None
        orders = [
            order
            for point, quantity in given.items()
            if point in snapshot.homes
            for order in _orders_given(snapshot.homes[point], quantity, price, interval)
        ]
    else:
        orders = [
            order
            for point, energy in energies.items()
            if point in snapshot.homes and snapshot.homes[point].trades
            for order in _orders_metered(snapshot.homes[point], energy)
        ]
    return tuple(sorted(orders, key=lambda order: order.order_id))


def _orders_metered(home: Home, energy: IntervalEnergy) -> Iterator[Order]:
    """Both sides of one meter, firm: it flowed already."""
    for import_wh, export_wh in ((energy.import_wh, 0), (0, energy.export_wh)):
        flow = Forecast(import_wh=import_wh, export_wh=export_wh, basis="metered")
        order = forecast_order(home.facts, flow, home.limits, home.bounds, start_s=energy.interval.start_s)
        if order is not None:
            yield replace(order, firmness=Firmness.FIRM)


def _orders_given(home: Home, quantity: GridQuantity, price: int, interval: DeliveryInterval) -> Iterator[Order]:
    """Firm, and with a limit that accepts the community's price: whose quantity is given has no say in it."""
    for side, energy_wh in ((Side.BUY, quantity.bought_wh), (Side.SELL, quantity.sold_wh)):
        if energy_wh:
            yield Order(
                order_id=f"{home.point.id}-{interval.start_s}-{side.value}",
                participant=home.owner.id,
                metering_point=home.point.id,
                side=side,
                quantity_wh=energy_wh,
                limit_micro_per_kwh=price,
                firmness=Firmness.FIRM,
                bus=home.point.bus,
            )
