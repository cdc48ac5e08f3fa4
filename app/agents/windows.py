"""Energy over a window: what the owner of a battery, a car or a heat pump asks for, and what it means to the planner.

A window says when, how much and how fast, and what it is worth; in which intervals is the agent's business. Energy that
is needed in any case has no limit price: what the neighbours do not sell in time, the own supplier does.
"""

from dataclasses import dataclass
from enum import StrEnum

from app.agents.reservoir import MWH_PER_WH, Reservoir


class DeviceClass(StrEnum):
    """What stands behind a window."""

    BATTERY = "battery"
    CAR = "car"
    HEAT_PUMP = "heat_pump"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOrder:
    """Energy over [earliest_s, latest_s), on boundaries of intervals.

    energy_wh            car, heat pump: to be in it by `latest_s`; battery: how much of it may be filled and emptied
    power_w              most that it draws, or a battery gives back, at the meter
    efficiency_permille  what comes out again, or arrives in the car, of what is drawn; of a battery the round trip
    limit_micro_per_kwh  most to be paid for a kWh drawn, what costs more is left out; None: needed in any case;
                         of a battery what a kWh that is left in it at `latest_s` is worth
    buffer_wh            heat pump: heat is used evenly over the window, and at most this much is made in advance; None
                         where only the end counts
    stored_wh            what is in it at `earliest_s`
    """

    window_id: str
    participant: str
    metering_point: str
    device: DeviceClass
    earliest_s: int
    latest_s: int
    energy_wh: int
    power_w: int
    efficiency_permille: int = 1000
    limit_micro_per_kwh: int | None = None
    buffer_wh: int | None = None
    stored_wh: int = 0

    def contains(self, start_s: int) -> bool:
        """Whether the interval that starts then lies in the window."""
        return self.earliest_s <= start_s < self.latest_s

    @property
    def drawn_most_wh(self) -> int:
        """What has to be drawn for all of `energy_wh`, Wh at the meter."""
        return _drawn(self.energy_wh, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """What a window's device drew and gave back so far, Wh at the meter."""

    drawn_wh: int = 0
    given_wh: int = 0


NOTHING_YET = Traded()


def content_mwh(window: WindowOrder, traded: Traded) -> int:
    """What is in the device after what it traded."""
    stored_mwh = window.stored_wh * MWH_PER_WH + traded.drawn_wh * window.efficiency_permille
    return max(0, stored_mwh - traded.given_wh * MWH_PER_WH)


def reservoir_of(window: WindowOrder, *, start_s: int, minutes: int, charge_wh: tuple[int, ...] = ()) -> Reservoir:
    """The device from the interval at `start_s` to the end of its window.

    `charge_wh` bounds what it can draw in each of these intervals below its own power.
    """
    slots = range((window.latest_s - start_s) // (minutes * 60))
    power_wh = window.power_w * minutes // 60
    filled_mwh = window.drawn_most_wh * window.efficiency_permille
    needed = window.device is not DeviceClass.BATTERY and window.limit_micro_per_kwh is None
    slope = 0 if window.limit_micro_per_kwh is None else window.limit_micro_per_kwh * MWH_PER_WH
    least, most = [0] * len(slots), [filled_mwh] * len(slots)
    if window.device is DeviceClass.BATTERY:
        slope = slope // MWH_PER_WH * window.efficiency_permille
        most = [window.energy_wh * MWH_PER_WH] * len(slots)
    elif window.buffer_wh is not None:
        used = [_used_mwh(window, start_s + (k + 1) * minutes * 60) for k in slots]
        buffer_mwh = _drawn(window.buffer_wh, window) * window.efficiency_permille
        most = [min(filled_mwh, each + buffer_mwh) for each in used]
        least = used if needed else least
    elif needed and least:
        least[-1] = filled_mwh
    gives = window.device is DeviceClass.BATTERY
    return Reservoir(
        charge_wh=tuple(min(power_wh, most_wh) for most_wh in charge_wh) if charge_wh else (power_wh,) * len(slots),
        discharge_wh=(power_wh if gives else 0,) * len(slots),
        least_mwh=tuple(least),
        most_mwh=tuple(most),
        efficiency_permille=window.efficiency_permille,
        end_slope=slope,
    )


def _used_mwh(window: WindowOrder, at_s: int) -> int:
    """Heat that is used by then, rounded up to what whole watt-hours bring: what full power all the time keeps up."""
    share_wh = -(-window.drawn_most_wh * (at_s - window.earliest_s) // (window.latest_s - window.earliest_s))
    return share_wh * window.efficiency_permille


def _drawn(energy_wh: int, window: WindowOrder) -> int:
    return -(-energy_wh * MWH_PER_WH // window.efficiency_permille)
