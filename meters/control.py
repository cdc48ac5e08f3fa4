"""Set-points to a SunSpec inverter: written in the order that is safe, read back, and released by themselves.

The limit of models 123 and 704 is a percentage of WMax, so the percentage goes first, then how long it may hold without
being refreshed, and only then is it switched on. A gateway that dies refreshes nothing, and the inverter is free again.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from meters import sunspec_controls as points
from meters.bus import Bus
from meters.sunspec import FoundModel, find, signed, walk

NOT_IMPLEMENTED = 0xFFFF
NO_FACTOR = -0x8000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limit:
    """Where a model keeps a feed-in limit: offsets of its points from the ID register.

    revert_words    how many registers the reversion time has
    revert_percent, revert_enable  what holds after that time, where the model says so
    """

    model: int
    percent: int
    percent_factor: int
    enable: int
    revert_s: int
    revert_words: int = 1
    revert_percent: int | None = None
    revert_enable: int | None = None


LIMITS = (
    _Limit(
        model=points.IMMEDIATE,
        percent=points.LIMIT_PERCENT,
        percent_factor=points.LIMIT_PERCENT_SF,
        enable=points.LIMIT_ENABLE,
        revert_s=points.LIMIT_REVERT_S,
    ),
    _Limit(
        model=points.DER_CONTROLS,
        percent=points.DER_LIMIT_PERCENT,
        percent_factor=points.DER_LIMIT_PERCENT_SF,
        enable=points.DER_LIMIT_ENABLE,
        revert_s=points.DER_REVERT_S,
        revert_words=2,
        revert_percent=points.DER_REVERT_PERCENT,
        revert_enable=points.DER_REVERT_ENABLE,
    ),
)
"""Model 123, and 704 of devices that have no 123."""

RATINGS = (
    (points.SETTINGS, points.W_MAX, points.W_MAX_SF),
    (points.NAMEPLATE, points.W_RTG, points.W_RTG_SF),
    (points.DER_CAPACITY, points.DER_W_MAX, points.DER_W_SF),
    (points.DER_CAPACITY, points.DER_W_MAX_RTG, points.DER_W_SF),
)
"""Where a device says its rated power: as it is set, otherwise as it is built."""


class ControlError(Exception):
    """A device that cannot do what it is told, or does not; the message names bus, unit and what it showed."""


class SunSpecControl:
    """The controls of one inverter. Raises BusError, SunSpecError or ControlError from every method."""

    def __init__(self, bus: Bus, device_id: int) -> None:
        self._bus = bus
        self._device_id = device_id
        self._models: Sequence[FoundModel] = ()

    async def limit_generation(self, limit_w: int | None, *, revert_s: int) -> float | None:
        """Let the inverter feed in at most `limit_w`, for at most `revert_s` without a refresh; None releases it.

        Returns the limit it then holds, W: the nearest it can express that is not above `limit_w`.
        """
        limit = await self._limit()
        if limit is None:
            if limit_w is None:
                return None
            raise ControlError(f"{self._where} has no SunSpec model 123 or 704 and cannot be told this")
        controls = await self._model(limit.model)
        if limit_w is None:
            await self._write(controls, limit.enable, [0])
            await self._confirm(controls, {limit.enable: 0})
            return None
        rated_w = await self._rated_w()
        factor = await self._scale(controls, limit.percent_factor)
        # Rounded down: what a limit allows is never more than what was accepted.
        raw = math.floor(min(limit_w / rated_w, 1.0) * 100 / factor + 1e-9)
        await self._write(controls, limit.percent, [raw])
        reverting = await self._write_reversion(controls, limit.revert_s, revert_s, words=limit.revert_words)
        if reverting:
            reverting |= await self._free_after(controls, limit, round(100 / factor))
        await self._write(controls, limit.enable, [1])
        await self._confirm(controls, {limit.percent: raw, **reverting, limit.enable: 1})
        return raw * factor / 100 * rated_w

    async def set_battery(self, power_w: int | None, *, revert_s: int) -> float | None:
        """Let the battery charge (+) or discharge (-) with `power_w`; None leaves it to the inverter.

        Returns the power it is then held at, W. Model 124 knows a window [-OutWRte, InWRte] percent of WChaMax: a
        window of one point is a set-point.
        """
        if power_w is None and not await self._has(points.STORAGE):
            return None
        storage = await self._model(points.STORAGE)
        if power_w is None:
            await self._write(storage, points.STORAGE_MODE, [points.STORAGE_FREE])
            await self._confirm(storage, {points.STORAGE_MODE: points.STORAGE_FREE})
            return None
        rated_w = await self._watts(storage, points.CHARGE_MAX_W, points.CHARGE_MAX_W_SF)
        factor = await self._scale(storage, points.STORAGE_PERCENT_SF)
        raw = round(max(-1.0, min(power_w / rated_w, 1.0)) * 100 / factor)
        window = [-raw & 0xFFFF, raw & 0xFFFF]
        await self._write(storage, points.DISCHARGE_PERCENT, window)
        reverting = await self._write_reversion(storage, points.STORAGE_REVERT_S, revert_s)
        await self._write(storage, points.STORAGE_MODE, [points.STORAGE_LIMIT_BOTH])
        wanted = {
            points.DISCHARGE_PERCENT: window[0],
            points.CHARGE_PERCENT: window[1],
            points.STORAGE_MODE: points.STORAGE_LIMIT_BOTH,
        }
        await self._confirm(storage, {**wanted, **reverting})
        return raw * factor / 100 * rated_w

    async def stored_wh(self) -> int | None:
        """Energy in the battery, Wh, from its state of charge and rating; None where the device shows neither."""
        if not await self._has(points.STORAGE) or not await self._has(points.NAMEPLATE):
            return None
        storage, nameplate = await self._model(points.STORAGE), await self._model(points.NAMEPLATE)
        (charge,) = await self._read(storage.address + points.CHARGE_STATE, 1)
        rating, rating_factor = await self._read(nameplate.address + points.WH_RTG, 2)
        if NOT_IMPLEMENTED in {charge, rating} or signed(rating_factor) == NO_FACTOR:
            return None
        factor = await self._scale(storage, points.CHARGE_STATE_SF)
        return round(charge * factor / 100 * rating * 10.0 ** signed(rating_factor))

    def forget(self) -> None:
        """Find the models again before the next command: the device was silent and may be another one."""
        self._models = ()

    async def _limit(self) -> _Limit | None:
        """Which of its models this device takes a limit with, if any."""
        for limit in LIMITS:
            if await self._has(limit.model):
                return limit
        return None

    async def _free_after(self, controls: FoundModel, limit: _Limit, hundred_percent: int) -> dict[int, int]:
        """See to it that the end of the reversion time frees the device; returns what must read back."""
        wanted = {limit.revert_percent: hundred_percent, limit.revert_enable: 0}
        written = {}
        for offset, word in wanted.items():
            if offset is None or (await self._read(controls.address + offset, 1))[0] == NOT_IMPLEMENTED:
                continue
            await self._write(controls, offset, [word])
            written[offset] = word
        return written

    async def _has(self, number: int) -> bool:
        if not self._models:
            self._models = await walk(self._read)
        return find(self._models, number) is not None

    async def _model(self, number: int) -> FoundModel:
        await self._has(number)
        model = find(self._models, number)
        if model is None:
            raise ControlError(f"{self._where} has no SunSpec model {number} and cannot be told this")
        return model

    @property
    def _where(self) -> str:
        return f"{self._bus.address} unit {self._device_id}"

    async def _rated_w(self) -> float:
        """WMax, what percentages refer to; the nameplate's rating where the device has no settings."""
        for number, offset, factor in RATINGS:
            model = find(self._models, number)
            if model is not None and (number != points.DER_CAPACITY or await self._shows(model, offset)):
                return await self._watts(model, offset, factor)
        raise ControlError(f"{self._where} does not say its rated power (SunSpec model 121, 120 or 702)")

    async def _shows(self, model: FoundModel, offset: int) -> bool:
        return (await self._read(model.address + offset, 1))[0] not in {0, NOT_IMPLEMENTED}

    async def _watts(self, model: FoundModel, offset: int, factor_offset: int) -> float:
        (raw,) = await self._read(model.address + offset, 1)
        watts = raw * await self._scale(model, factor_offset)
        if raw in {0, NOT_IMPLEMENTED}:
            raise ControlError(f"{self._where} shows no rated power in SunSpec model {model.number}")
        return watts

    async def _scale(self, model: FoundModel, offset: int) -> float:
        (word,) = await self._read(model.address + offset, 1)
        factor = signed(word)
        return 10.0**factor if -10 <= factor <= 10 else 1.0

    async def _read(self, address: int, count: int) -> Sequence[int]:
        return (await self._bus.read(self._device_id, 3, address, count, insist=True)).words

    async def _write(self, model: FoundModel, offset: int, words: Sequence[int]) -> None:
        await self._bus.write(self._device_id, model.address + offset, words)

    async def _write_reversion(
        self, model: FoundModel, offset: int, revert_s: int, *, words: int = 1
    ) -> dict[int, int]:
        """Write the reversion time, an optional point; returns what must read back, nothing if the device has none."""
        shown = await self._read(model.address + offset, words)
        if set(shown) == {NOT_IMPLEMENTED}:
            return {}
        seconds = min(revert_s, (1 << 16 * words) - 2)
        raw = list(seconds.to_bytes(2 * words, "big"))
        written = [raw[at] << 8 | raw[at + 1] for at in range(0, 2 * words, 2)]
        await self._write(model, offset, written)
        return {offset + index: word for index, word in enumerate(written)}

    async def _confirm(self, model: FoundModel, wanted: dict[int, int]) -> None:
        first, last = min(wanted), max(wanted)
        words = await self._read(model.address + first, last - first + 1)
        wrong = {offset: words[offset - first] for offset, word in wanted.items() if words[offset - first] != word}
        if wrong:
            raise ControlError(
                f"{self._where}: written to SunSpec model {model.number}, but point "
                + ", ".join(f"{offset} reads {word} instead of {wanted[offset]}" for offset, word in wrong.items())
            )
