"""Feed-in limits of inverters that have registers of their own for it (`meters.control_profile`).

The order is the one of SunSpec's models: the limit, how long it may hold without a refresh and what comes after it,
and only then is it switched on. All of it is read back.
"""

import math
import struct

from meters.bus import Bus
from meters.control import ControlError
from meters.control_profile import ControlProfile
from meters.words import raw_value, words_of

HUNDRED_PERCENT = 100.0
PERCENT_TOLERANCE = 0.1
"""How far a percentage that is read back may be from what was written: some firmware keeps tenths."""


class RegisterControl:
    """The feed-in limit of one inverter. Raises BusError or ControlError from every method."""

    def __init__(self, profile: ControlProfile, bus: Bus, device_id: int) -> None:
        self._profile = profile
        self._bus = bus
        self._device_id = device_id

    async def limit_generation(self, limit_w: int | None, *, revert_s: int) -> float | None:
        """Let the inverter feed in at most `limit_w`, for at most `revert_s` without a refresh; None releases it.

        Returns the limit it then shows, W.
        """
        if limit_w is None:
            await self._set({"limit_percent": HUNDRED_PERCENT, "enable": 0})
            return None
        rated_w = await self._get("rated_w")
        if not rated_w > 0:
            raise ControlError(f"{self._where} shows a rated power of {rated_w:g} W")
        percent = _not_above(min(limit_w / rated_w, 1.0) * HUNDRED_PERCENT)
        wanted = {"limit_percent": percent, "revert_percent": HUNDRED_PERCENT, "revert_s": revert_s, "enable": 1}
        shown = await self._set(wanted)
        return shown["limit_percent"] / HUNDRED_PERCENT * rated_w

    async def set_battery(self, power_w: int | None, *, revert_s: int) -> float | None:  # noqa: ARG002  as of SunSpec
        """Such an inverter has no battery that could be told; None is fine with it."""
        if power_w is not None:
            raise ControlError(f"{self._where}: the registers of {self._profile.vendor} have no battery set-point")
        return None

    async def stored_wh(self) -> int | None:
        """Not shown in these registers."""
        return None

    def forget(self) -> None:
        """Nothing is remembered of the inverter."""

    async def _set(self, wanted: dict[str, float]) -> dict[str, float]:
        """Write in this order, then read all of it back; returns what it shows."""
        for name, value in wanted.items():
            point = self._profile.points[name]
            words = words_of(point.word_type, value, self._profile.word_order)
            await self._bus.write(self._device_id, point.address, words)
        shown = {name: await self._get(name) for name in wanted}
        for name, value in wanted.items():
            tolerance = PERCENT_TOLERANCE if self._profile.points[name].word_type.is_float else 0.0
            if not math.isclose(shown[name], value, rel_tol=0.0, abs_tol=tolerance):
                raise ControlError(f"{self._where}: {name} was written as {value:g} and reads {shown[name]:g}")
        return shown

    async def _get(self, name: str) -> float:
        point = self._profile.points[name]
        answer = await self._bus.read(self._device_id, 3, point.address, point.count, insist=True)
        value = raw_value(point.word_type, answer.words, self._profile.word_order)
        if value is None:
            raise ControlError(f"{self._where}: {name} at register {point.address} holds no value")
        return value

    @property
    def _where(self) -> str:
        return f"{self._bus.address} unit {self._device_id}"


def _not_above(value: float) -> float:
    """The nearest float32 that is not above `value`, for values from 0 on."""
    bits: int = struct.unpack(">I", struct.pack(">f", value))[0]
    nearest, below = struct.unpack(">2f", struct.pack(">2I", bits, max(bits - 1, 0)))
    return float(nearest if nearest <= value else below)
