"""A constant load or generator behind a simulated meter, for trying a gateway out."""

import math
from collections.abc import Mapping
from datetime import datetime

from meters.clock import Clock
from meters.decoding import Number


class SimulatedLoad:
    """Registers that follow a constant power from the moment it is made, or from an earlier one.

    power_w  + imports, - exports; a feed-in limit holds back what is exported, a battery's power is added
    since    when the registers were what they are given as; the same instant shows the same counters after a restart
    """

    def __init__(
        self, *, import_wh: float, export_wh: float, power_w: float, clock: Clock, since: datetime | None = None
    ) -> None:
        self._import_wh = import_wh
        self._export_wh = export_wh
        self._power_w = power_w
        self._clock = clock
        self._since = clock() if since is None else since
        self._limit_w = math.nan
        self._battery_w = math.nan

    @property
    def power_w(self) -> float:
        """Power now, + for import."""
        limited_w = self._power_w if math.isnan(self._limit_w) else max(self._power_w, -self._limit_w)
        return limited_w + (0.0 if math.isnan(self._battery_w) else self._battery_w)

    def values(self) -> Mapping[str, Number]:
        """Canonical quantities now."""
        self._advance()
        return {
            "energy_import_wh": self._import_wh,
            "energy_export_wh": self._export_wh,
            "active_power_w": self.power_w,
        }

    def obey(self, quantity: str, watts: float) -> None:
        """Take a set-point from now on; NaN releases it."""
        self._advance()
        if quantity == "generation_limit_w":
            self._limit_w = watts
        else:
            self._battery_w = watts

    def _advance(self) -> None:
        now = self._clock()
        hours = (now - self._since).total_seconds() / 3600
        self._since = now
        self._import_wh += max(self.power_w, 0.0) * hours
        self._export_wh += max(-self.power_w, 0.0) * hours
