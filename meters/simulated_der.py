"""The controls of a simulated IEEE 1547-2018 device: SunSpec models 702 (capacity) and 704 (limits).

Feed-in is limited by WMaxLimPct of WMax while WMaxLimPctEna is 1. When the reversion time has passed without a refresh,
the point of reversion takes the place of both.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from meters import sunspec_controls as points
from meters.clock import Clock
from meters.modbus_server import ILLEGAL_ADDRESS, RequestRefusedError

PERCENT_SF = -1
HUNDRED_PERCENT = 1_000
RATING_MAX_W = 65_000
REVERT_REMAINING_S = points.DER_REVERT_S + 2


class DerControls:
    """Registers of both models, in one image that starts at the first model's ID."""

    def __init__(self, on_write: Callable[[str, float], None], *, rated_w: float, clock: Clock) -> None:
        self._on_write = on_write
        self._clock = clock
        self._factor = 0 if rated_w <= RATING_MAX_W else 1
        self._rated_w = round(rated_w / 10**self._factor) * 10**self._factor
        capacity, controls = points.LAYOUTS[points.DER_CAPACITY], points.LAYOUTS[points.DER_CONTROLS]
        self._image = [points.DER_CAPACITY, capacity.length, *capacity.absent_words()]
        self._image[points.DER_W_MAX] = round(rated_w / 10**self._factor)
        self._image[points.DER_W_SF] = self._factor
        self._at = len(self._image)
        self._image += [points.DER_CONTROLS, controls.length, *controls.absent_words()]
        self._set(points.DER_LIMIT_PERCENT_SF, PERCENT_SF & 0xFFFF)
        for offset, value in ((points.DER_LIMIT_ENABLE, 0), (points.DER_LIMIT_PERCENT, HUNDRED_PERCENT)):
            self._set(offset, value)
        for offset, value in ((points.DER_REVERT_PERCENT, HUNDRED_PERCENT), (points.DER_REVERT_ENABLE, 0)):
            self._set(offset, value)
        for offset in range(points.DER_REVERT_S, REVERT_REMAINING_S + 2):
            self._set(offset, 0)
        self._reverts_at: datetime | None = None
        self._told = math.nan

    def words(self) -> Sequence[int]:
        """Both models with their IDs and lengths."""
        return self._image

    def show_stored(self, stored_wh: float) -> None:
        """Such a device shows no battery."""

    def write(self, offset: int, words: Sequence[int]) -> None:
        """Take words at `offset` from the first model's ID, and obey."""
        places = range(offset - self._at, offset - self._at + len(words))
        if any(not points.DER_LIMIT_ENABLE <= place < REVERT_REMAINING_S for place in places):
            raise RequestRefusedError(ILLEGAL_ADDRESS)
        self._image[offset : offset + len(words)] = words
        revert_s = self._get(points.DER_REVERT_S) << 16 | self._get(points.DER_REVERT_S + 1)
        limited = self._get(points.DER_LIMIT_ENABLE) == 1 and revert_s > 0
        self._reverts_at = self._clock() + timedelta(seconds=revert_s) if limited else None
        self._obey()

    def tick(self) -> None:
        """Revert what has not been refreshed in time."""
        if self._reverts_at is not None and self._clock() >= self._reverts_at:
            self._reverts_at = None
            self._set(points.DER_LIMIT_PERCENT, self._get(points.DER_REVERT_PERCENT))
            self._set(points.DER_LIMIT_ENABLE, self._get(points.DER_REVERT_ENABLE))
            self._obey()

    def _obey(self) -> None:
        watts = math.nan
        if self._get(points.DER_LIMIT_ENABLE) == 1:
            watts = self._get(points.DER_LIMIT_PERCENT) / HUNDRED_PERCENT * self._rated_w
        if watts != self._told and not (math.isnan(watts) and math.isnan(self._told)):
            self._told = watts
            self._on_write("generation_limit_w", watts)

    def _get(self, offset: int) -> int:
        return self._image[self._at + offset]

    def _set(self, offset: int, word: int) -> None:
        self._image[self._at + offset] = word
