"""The same day without a market: every home alone with its supplier, on the same meters and the same network.

Batteries serve their own home. Where the network cannot carry what all homes feed in together, the feed-in of every
plant that can be controlled is reduced by the same share, which is what an operator without a market can do. The
operator is as careful as the market is when it gives room away (`app.set_points.SURE_SHARE_OF_LOAD`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.demo.cars import cars_alone_w
from app.demo.neighbourhood import CONTROLLABLE_FROM_W, SLOT_S, FloatArray, Neighbourhood
from app.demo.site import FREE, Battery, SiteState, advanced, flow
from app.set_points import SURE_SHARE_OF_LOAD
from grid.limits import NetworkLimits, OperatingPoint

SHARE_STEPS = 10
"""Bisection steps for the common share of feed-in: 1/1024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierOnlyDay:
    """Energy per slot and home, Wh, [n_slot, n_home]; `limited_export_wh` is what the network carries.

    closing_stored_wh  [n_home] in the batteries at the end
    consumption_wh   what the homes used
    violating_slots  slots in which a limit would be broken if nobody were reduced; the maxima are without reduction too
    """

    import_wh: FloatArray
    export_wh: FloatArray
    limited_export_wh: FloatArray
    consumption_wh: FloatArray
    closing_stored_wh: FloatArray
    violating_slots: int
    max_vm_pu: float
    max_line_loading_percent: float
    max_trafo_loading_percent: float


def bus_powers(
    world: Neighbourhood, limits: NetworkLimits, net_w: FloatArray, row: int
) -> tuple[FloatArray, FloatArray]:
    """Injections per bus of the network: W and var, + into the grid, from each home's net import."""
    column = {bus: k for k, bus in enumerate(limits.buses)}
    where = np.array([column[home.bus] for home in world.homes])
    size = len(limits.buses)
    return (
        np.bincount(where, weights=-net_w, minlength=size).astype(np.float64),
        np.bincount(where, weights=-world.load_var[row], minlength=size).astype(np.float64),
    )


def supplier_only_day(
    world: Neighbourhood, limits: NetworkLimits, *, first_s: int, slots: int, opening_stored_wh: FloatArray
) -> SupplierOnlyDay:
    """Simulate `slots` slots from `first_s`, batteries starting with `opening_stored_wh` [n_home]."""
    first = world.slot(first_s)
    net_w, closing_stored_wh = _net_powers(world, first, slots, opening_stored_wh)
    cars_w = cars_alone_w(world, first_s=first_s, slots=slots)
    net_w += cars_w
    steered = np.array([home.generation_w >= CONTROLLABLE_FROM_W for home in world.homes])
    shares = np.ones((slots, len(world.homes)))
    points: list[OperatingPoint] = []
    for k in range(slots):
        points.append(limits.solve(*bus_powers(world, limits, net_w[k], first + k)))
        shares[k, steered] = _common_share(world, limits, net_w[k], first + k, steered)
    hours = SLOT_S / 3600
    import_wh, export_wh = np.clip(net_w, 0, None) * hours, np.clip(-net_w, 0, None) * hours
    return SupplierOnlyDay(
        import_wh=import_wh,
        export_wh=export_wh,
        limited_export_wh=export_wh * shares,
        consumption_wh=(world.load_w[first : first + slots] + cars_w) * hours,
        closing_stored_wh=closing_stored_wh,
        violating_slots=sum(bool(point.violations) for point in points),
        max_vm_pu=max(float(point.vm_pu.max()) for point in points),
        max_line_loading_percent=max(float(point.line_loading_percent.max(initial=0)) for point in points),
        max_trafo_loading_percent=max(float(point.trafo_loading_percent.max(initial=0)) for point in points),
    )


def _net_powers(
    world: Neighbourhood, first: int, slots: int, opening_stored_wh: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Net import of every home and slot, and what is in the batteries at the end."""
    states = [
        SiteState(at_s=0, import_mwh=0, export_mwh=0, stored_wh=float(stored_wh)) for stored_wh in opening_stored_wh
    ]
    net_w = np.zeros((slots, len(world.homes)))
    for slot in range(slots):
        row = first + slot
        for k, home in enumerate(world.homes):
            moving = flow(
                load_w=float(world.load_w[row, k]),
                generation_w=float(world.generation_w[row, k]),
                battery=Battery(power_w=home.battery_w, energy_wh=home.battery_wh),
                stored_wh=states[k].stored_wh,
                set_points=FREE,
                seconds=SLOT_S,
            )
            states[k] = advanced(states[k], moving, SLOT_S)
            net_w[slot, k] = moving.net_w
    return net_w, np.array([state.stored_wh for state in states])


def _common_share(
    world: Neighbourhood, limits: NetworkLimits, net_w: FloatArray, row: int, steered: NDArray[np.bool_]
) -> float:
    """Largest share of the steered plants' feed-in that keeps every limit; 0 when even none does not help."""

    def safe(share: float) -> bool:
        reduced_w = np.where(steered & (net_w < 0), net_w * share, net_w)
        careful_w = np.where(reduced_w > 0, reduced_w * SURE_SHARE_OF_LOAD, reduced_w)
        active_w, reactive = bus_powers(world, limits, careful_w, row)
        return not limits.solve(active_w, reactive * SURE_SHARE_OF_LOAD).violations

    low, high = 0.0, 1.0
    if safe(high):
        return high
    for _ in range(SHARE_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if safe(middle) else (low, middle)
    return low
