"""A load or generator behind a simulated meter, for trying a gateway out."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from meters.clock import Clock
from meters.decoding import Number

STEP = timedelta(minutes=1)
"""How finely a power that changes is added up."""


class SimulatedLoad:
    """Registers that follow a power from the moment it is made, or from an earlier one.

    power_w  + imports, - exports, constant or by the time; a feed-in limit holds back what is exported, a battery's
             power is added
    since    when the registers were what they are given as; the same instant shows the same counters after a restart
    """

    def __init__(
        self,
        *,
        import_wh: float,
        export_wh: float,
        power_w: float | Callable[[datetime], float],
        clock: Clock,
        since: datetime | None = None,
    ) -> None:
        self._import_wh = import_wh
        self._export_wh = export_wh
        self._power_at = power_w if callable(power_w) else _constant(power_w)
        self._step = STEP if callable(power_w) else None
        self._clock = clock
        self._since = clock() if since is None else since
        self._limit_w = math.nan
        self._battery_w = math.nan

    @property
    def power_w(self) -> float:
        """Power now, + for import."""
        return self._at(self._clock())

    def _at(self, instant: datetime) -> float:
        power_w = self._power_at(instant)
        limited_w = power_w if math.isnan(self._limit_w) else max(power_w, -self._limit_w)
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
        while self._since < now:
            until = now if self._step is None else min(now, self._since + self._step)
            power_w = self._at(self._since + (until - self._since) / 2)
            hours = (until - self._since).total_seconds() / 3600
            self._import_wh += max(power_w, 0.0) * hours
            self._export_wh += max(-power_w, 0.0) * hours
            self._since = until


def _constant(power_w: float) -> Callable[[datetime], float]:
    return lambda _instant: power_w
