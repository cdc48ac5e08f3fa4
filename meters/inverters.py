"""The inverters and batteries of a gateway: what they are told every interval, and what they hold."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from meters.api import SetPoint
from meters.device_errors import DeviceErrors
from meters.gateway_reports import ControlReport

log = logging.getLogger(__name__)


class Control(Protocol):
    """One inverter: told, read back, and free again when nobody refreshes what it was told."""

    async def limit_generation(self, limit_w: int | None, *, revert_s: int) -> float | None: ...

    async def set_battery(self, power_w: int | None, *, revert_s: int) -> float | None: ...

    async def stored_wh(self) -> int | None: ...

    def forget(self) -> None: ...


class Inverters:
    """Every device that obeys set-points, by the device it belongs to.

    One that was never told anything may still hold what an earlier gateway told it: it is released once.
    """

    def __init__(self) -> None:
        self._controls: dict[str, Control] = {}
        self._set: set[str] = set()

    def __getitem__(self, device: str) -> Control:
        return self._controls[device]

    def arrange(self, controls: Mapping[str, Control]) -> None:
        """Go on with these; those that were here before keep what they were told."""
        new = {device for device, control in controls.items() if self._controls.get(device) is not control}
        self._set = (self._set & controls.keys()) | new
        self._controls = dict(controls)

    async def apply(self, points: Mapping[str, SetPoint], *, revert_s: int) -> ControlReport:
        """Write the set-points, to hold `revert_s` without a refresh; devices without one are released."""
        controls = dict(self._controls)
        outcomes = await asyncio.gather(
            *(self._apply(device, control, points.get(device), revert_s) for device, control in controls.items())
        )
        by_device = dict(zip(controls, outcomes, strict=True))
        for device, outcome in by_device.items():
            if isinstance(outcome, str):
                log.error("%s does not obey: %s", device, outcome)
        obeyed = {device: outcome for device, outcome in by_device.items() if not isinstance(outcome, str)}
        return ControlReport(
            limited={device: limit_w for device, (limit_w, _) in obeyed.items() if limit_w is not None},
            batteries={device: power_w for device, (_, power_w) in obeyed.items() if power_w is not None},
            released=frozenset(device for device, outcome in obeyed.items() if outcome == (None, None)),
            failed={device: outcome for device, outcome in by_device.items() if isinstance(outcome, str)},
        )

    async def _apply(
        self, device: str, control: Control, point: SetPoint | None, revert_s: int
    ) -> tuple[float | None, float | None] | str:
        """What the inverter confirmed (limit, battery power), or why it does not obey."""
        limit_w = point.generation_limit_w if point else None
        battery_w = point.battery_w if point else None
        if limit_w is None and battery_w is None and device not in self._set:
            return None, None
        self._set.add(device)
        try:
            limited_w = await control.limit_generation(limit_w, revert_s=revert_s)
            powered_w = await control.set_battery(battery_w, revert_s=revert_s)
        except DeviceErrors as error:
            control.forget()
            return str(error)
        if limit_w is None and battery_w is None:
            self._set.discard(device)
        return limited_w, powered_w

    async def stored_wh(self) -> dict[str, int]:
        """What the batteries hold, device to Wh; those that do not say are left out."""
        controls = dict(self._controls)
        seen = await asyncio.gather(*(_stored_wh(control) for control in controls.values()))
        return {device: energy for device, energy in zip(controls, seen, strict=True) if energy is not None}


async def _stored_wh(control: Control) -> int | None:
    try:
        return await control.stored_wh()
    except DeviceErrors as error:
        control.forget()
        log.warning("battery: %s", error)
        return None
