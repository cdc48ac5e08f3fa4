"""The feed-in limit of a simulated inverter with registers of its own (`meters.control_profile`).

The limit holds while it is enabled; when the reversion time has passed without a write, the fallback takes its place.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from meters.clock import Clock
from meters.control_profile import ControlProfile
from meters.modbus_server import ILLEGAL_ADDRESS, RequestRefusedError
from meters.words import raw_value, words_of

HUNDRED_PERCENT = 100.0
REVERT_S = 60
"""What the reversion time is before anybody sets it."""


class VendorControls:
    """The registers of one table, each readable and writable as a whole; the rated power is read only."""

    def __init__(
        self, profile: ControlProfile, on_write: Callable[[str, float], None], *, rated_w: float, clock: Clock
    ) -> None:
        self._profile = profile
        self._on_write = on_write
        self._clock = clock
        self._values: dict[str, float] = {
            "rated_w": rated_w,
            "limit_percent": HUNDRED_PERCENT,
            "revert_percent": HUNDRED_PERCENT,
            "revert_s": REVERT_S,
            "enable": 0,
        }
        self._reverts_at: datetime | None = None
        self._told = math.nan

    def covers(self, address: int) -> bool:
        """Whether `address` lies among these registers."""
        return any(point.address <= address < point.address + point.count for point in self._profile.points.values())

    def read(self, address: int, count: int) -> Sequence[int]:
        """One value's registers. Raises RequestRefusedError for any other span."""
        name = self._name(address, count)
        return words_of(self._profile.points[name].word_type, self._values[name], self._profile.word_order)

    def write(self, address: int, words: Sequence[int]) -> None:
        """Take one value, and obey. Raises RequestRefusedError for what cannot be written."""
        name = self._name(address, len(words))
        value = raw_value(self._profile.points[name].word_type, words, self._profile.word_order)
        if name == "rated_w" or value is None:
            raise RequestRefusedError(ILLEGAL_ADDRESS)
        self._values[name] = value
        limited = self._values["enable"] == 1
        self._reverts_at = self._clock() + timedelta(seconds=self._values["revert_s"]) if limited else None
        self._obey()

    def tick(self) -> None:
        """Fall back where no command came in time."""
        if self._reverts_at is not None and self._clock() >= self._reverts_at:
            self._reverts_at = None
            self._values["limit_percent"] = self._values["revert_percent"]
            self._obey()

    def _name(self, address: int, count: int) -> str:
        for name, point in self._profile.points.items():
            if (point.address, point.count) == (address, count):
                return name
        raise RequestRefusedError(ILLEGAL_ADDRESS)

    def _obey(self) -> None:
        percent = self._values["limit_percent"]
        limited = self._values["enable"] == 1 and percent < HUNDRED_PERCENT
        watts = percent / HUNDRED_PERCENT * self._values["rated_w"] if limited else math.nan
        if watts != self._told and not (math.isnan(watts) and math.isnan(self._told)):
            self._told = watts
            self._on_write("generation_limit_w", watts)
