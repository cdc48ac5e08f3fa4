"""What stands behind a meter: load, solar and a battery, and what a set-point changes.

The same model answers Modbus reads in the simulated meters and computes the supplier-only day for comparison.
Registers are integer milliwatt-hours and depend only on the powers and on when set-points changed, never on
when somebody looked: reading twice as often gives the same registers.
"""

import math
from dataclasses import dataclass, replace

ROUND_TRIP_EFFICIENCY = 0.9025
"""0.95 each way (SimBench's `efficiency_percent`), applied on charging."""

MWH_PER_WATT_SECOND = 1000 / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoints:
    """What the site was told: None leaves it free.

    `export_limit_w` holds at the grid connection (the reference point of applicability of IEEE 1547-2018): solar is
    reduced when load and battery leave more. `battery_w` comes on top of serving the own home: + charges, - discharges;
    a car's charger obeys it where there is one, and draws nothing when it is free.
    """

    export_limit_w: float | None = None
    battery_w: float | None = None


FREE = SetPoints()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteState:
    """A site at `at_s`: cumulative registers in mWh and the energy in the battery in Wh."""

    at_s: float
    import_mwh: int
    export_mwh: int
    stored_wh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Power limit in W (both ways) and usable energy in Wh; zeros where there is none."""

    power_w: float
    energy_wh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Powers in W over a stretch of time: net + = import from the grid, battery + = charging."""

    net_w: float
    battery_w: float
    generation_w: float


def flow(
    *,
    load_w: float,
    generation_w: float,
    battery: Battery,
    charger_w: float = 0.0,
    stored_wh: float,
    set_points: SetPoints,
    seconds: float,
    import_limit_w: float = math.inf,
) -> Flow:
    """Powers over the next `seconds`, all constant.

    The battery serves its own home first: it stores surplus and covers need; a set-point adds to that. Load is switched
    off where the home would draw more than `import_limit_w`.
    """
    if charger_w:
        load_w += max(0.0, min(set_points.battery_w or 0.0, charger_w))
    wanted_w = generation_w - load_w + (set_points.battery_w or 0.0)
    hours = seconds / 3600
    room_w = (battery.energy_wh - stored_wh) / (ROUND_TRIP_EFFICIENCY * hours)
    battery_w = max(-min(battery.power_w, stored_wh / hours), min(wanted_w, battery.power_w, room_w))
    made_w = generation_w
    if set_points.export_limit_w is not None:
        made_w = max(0.0, min(generation_w, load_w + battery_w + set_points.export_limit_w))
    shed_w = min(load_w, max(0.0, load_w - made_w + battery_w - import_limit_w))
    return Flow(net_w=load_w - shed_w - made_w + battery_w, battery_w=battery_w, generation_w=made_w)


def advanced(state: SiteState, moving: Flow, seconds: float) -> SiteState:
    """The state after `seconds` of `moving`."""
    energy_mwh = round(moving.net_w * seconds * MWH_PER_WATT_SECOND)
    charged_wh = moving.battery_w * seconds / 3600
    if charged_wh > 0:
        charged_wh *= ROUND_TRIP_EFFICIENCY
    return replace(
        state,
        at_s=state.at_s + seconds,
        import_mwh=state.import_mwh + max(energy_mwh, 0),
        export_mwh=state.export_mwh + max(-energy_mwh, 0),
        stored_wh=max(0.0, state.stored_wh + charged_wh),
    )
