"""The controls of a simulated inverter: SunSpec models 120 (nameplate), 121 (settings), 123 (limits), 124 (storage).

Feed-in is limited by WMaxLimPct of WMax while WMaxLim_Ena is 1. The battery is kept in the window
[-OutWRte, InWRte] percent of WChaMax, + charging, while both bits of StorCtl_Mod are set: a window of one point is a
set-point (the reading of model 124 that Fronius documents). A reversion time releases by itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from meters import sunspec_controls as points
from meters.clock import Clock
from meters.modbus_server import ILLEGAL_ADDRESS, RequestRefusedError
from meters.sunspec import signed

OnWrite = Callable[[str, float], None]
"""Called with a quantity and its new set-point in W, NaN when the set-point is released."""

PERCENT_SF = -2
"""Percentages in hundredths."""
HUNDRED_PERCENT = 10_000
CONN_CONNECTED = 1
RATING_MAX_W = 65_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Set-points that an inverter obeyed before it was restarted, W; released `revert_s` seconds after its start."""

    generation_limit_w: float | None = None
    battery_w: float | None = None
    revert_s: int


class InverterControls:
    """Registers of the control models, in one image that starts at the first model's ID."""

    def __init__(
        self, on_write: OnWrite, *, rated_w: float, battery_rated_w: float, battery_wh: float = 0.0, clock: Clock
    ) -> None:
        self._on_write = on_write
        self._clock = clock
        self._image: list[int] = []
        self._at: dict[int, int] = {}
        for number in (points.NAMEPLATE, points.SETTINGS, points.IMMEDIATE, points.STORAGE):
            layout = points.LAYOUTS[number]
            self._at[number] = len(self._image)
            self._image += [number, layout.length, *layout.absent_words()]
        self._set_watts(points.NAMEPLATE, points.W_RTG, points.W_RTG_SF, rated_w)
        self._set_watts(points.SETTINGS, points.W_MAX, points.W_MAX_SF, rated_w)
        self._battery_wh = battery_wh
        if battery_wh:
            self._set_watts(points.NAMEPLATE, points.WH_RTG, points.WH_RTG_SF, battery_wh)
            self._set(points.STORAGE, {points.CHARGE_STATE_SF: PERCENT_SF})
        self._set_watts(points.STORAGE, points.CHARGE_MAX_W, points.CHARGE_MAX_W_SF, battery_rated_w)
        self._set(
            points.IMMEDIATE,
            {
                4: CONN_CONNECTED,
                points.LIMIT_PERCENT: HUNDRED_PERCENT,
                points.LIMIT_REVERT_S: 0,
                points.LIMIT_ENABLE: 0,
            },
        )
        self._set(points.IMMEDIATE, {points.LIMIT_PERCENT_SF: PERCENT_SF})
        self._set(
            points.STORAGE,
            {
                points.STORAGE_MODE: points.STORAGE_FREE,
                points.STORAGE_REVERT_S: 0,
                points.STORAGE_PERCENT_SF: PERCENT_SF,
            },
        )
        self._set(points.STORAGE, {points.DISCHARGE_PERCENT: HUNDRED_PERCENT, points.CHARGE_PERCENT: HUNDRED_PERCENT})
        self._writable = {
            self._at[points.IMMEDIATE] + offset for offset in range(points.LIMIT_PERCENT, points.LIMIT_ENABLE + 1)
        } | {
            self._at[points.STORAGE] + offset
            for offset in (points.STORAGE_MODE, *range(points.DISCHARGE_PERCENT, points.STORAGE_REVERT_S + 1))
        }
        self._reverts: dict[int, datetime] = {}
        self._told = {"generation_limit_w": math.nan, "battery_w": math.nan}

    def hold(self, held: Held) -> None:
        """Start with what was obeyed before; nobody is told again."""
        until = self._clock() + timedelta(seconds=held.revert_s)
        if held.generation_limit_w is not None:
            share = held.generation_limit_w / self._watts(points.SETTINGS, points.W_MAX, points.W_MAX_SF)
            percent = round(share * HUNDRED_PERCENT)
            self._set(
                points.IMMEDIATE,
                {points.LIMIT_PERCENT: percent, points.LIMIT_REVERT_S: held.revert_s, points.LIMIT_ENABLE: 1},
            )
            self._reverts[points.IMMEDIATE] = until
        if held.battery_w is not None:
            share = held.battery_w / self._watts(points.STORAGE, points.CHARGE_MAX_W, points.CHARGE_MAX_W_SF)
            percent = round(share * HUNDRED_PERCENT)
            self._set(points.STORAGE, {points.DISCHARGE_PERCENT: -percent, points.CHARGE_PERCENT: percent})
            self._set(
                points.STORAGE, {points.STORAGE_REVERT_S: held.revert_s, points.STORAGE_MODE: points.STORAGE_LIMIT_BOTH}
            )
            self._reverts[points.STORAGE] = until
        self._told = {"generation_limit_w": self._generation_limit_w(), "battery_w": self._battery_w()}

    def words(self) -> Sequence[int]:
        """All control models with their IDs and lengths."""
        return self._image

    def show_stored(self, stored_wh: float) -> None:
        """Let the battery show this energy, as a percentage of its rating rounded down."""
        if self._battery_wh:
            self._set(
                points.STORAGE, {points.CHARGE_STATE: math.floor(stored_wh / self._battery_wh * HUNDRED_PERCENT + 1e-9)}
            )

    def write(self, offset: int, words: Sequence[int]) -> None:
        """Take words at `offset` from the first control model's ID, and obey."""
        if any(offset + index not in self._writable for index in range(len(words))):
            raise RequestRefusedError(ILLEGAL_ADDRESS)
        self._image[offset : offset + len(words)] = words
        number = points.IMMEDIATE if offset < self._at[points.STORAGE] else points.STORAGE
        revert_s = self._get(number, points.LIMIT_REVERT_S if number == points.IMMEDIATE else points.STORAGE_REVERT_S)
        self._reverts.pop(number, None)
        if revert_s:
            self._reverts[number] = self._clock() + timedelta(seconds=revert_s)
        self._obey()

    def tick(self) -> None:
        """Release what has not been refreshed within its reversion time."""
        passed = [number for number, at in self._reverts.items() if self._clock() >= at]
        for number in passed:
            del self._reverts[number]
            self._set(
                number,
                {points.LIMIT_ENABLE: 0} if number == points.IMMEDIATE else {points.STORAGE_MODE: points.STORAGE_FREE},
            )
        if passed:
            self._obey()

    def _obey(self) -> None:
        wanted = {"generation_limit_w": self._generation_limit_w(), "battery_w": self._battery_w()}
        for quantity, watts in wanted.items():
            before = self._told[quantity]
            if watts != before and not (math.isnan(watts) and math.isnan(before)):
                self._told[quantity] = watts
                self._on_write(quantity, watts)

    def _generation_limit_w(self) -> float:
        if self._get(points.IMMEDIATE, points.LIMIT_ENABLE) != 1:
            return math.nan
        return (
            self._get(points.IMMEDIATE, points.LIMIT_PERCENT)
            / HUNDRED_PERCENT
            * self._watts(points.SETTINGS, points.W_MAX, points.W_MAX_SF)
        )

    def _battery_w(self) -> float:
        if self._get(points.STORAGE, points.STORAGE_MODE) != points.STORAGE_LIMIT_BOTH:
            return math.nan
        lowest, highest = (
            -signed(self._get(points.STORAGE, points.DISCHARGE_PERCENT)),
            signed(self._get(points.STORAGE, points.CHARGE_PERCENT)),
        )
        if lowest > highest or (lowest <= 0 <= highest and lowest != highest):
            return math.nan
        forced = lowest if lowest > 0 else highest
        return forced / HUNDRED_PERCENT * self._watts(points.STORAGE, points.CHARGE_MAX_W, points.CHARGE_MAX_W_SF)

    def _get(self, number: int, offset: int) -> int:
        return self._image[self._at[number] + offset]

    def _set(self, number: int, points: dict[int, int]) -> None:
        for offset, value in points.items():
            self._image[self._at[number] + offset] = value & 0xFFFF

    def _set_watts(self, number: int, offset: int, factor_offset: int, watts: float) -> None:
        factor = 0 if watts <= RATING_MAX_W else 1
        self._set(number, {offset: round(watts / 10**factor), factor_offset: factor})

    def _watts(self, number: int, offset: int, factor_offset: int) -> float:
        return self._get(number, offset) * 10.0 ** signed(self._get(number, factor_offset))
