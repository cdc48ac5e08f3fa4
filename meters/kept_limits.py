"""Whether a limit is kept: what a meter counts as export, beside what its inverter confirmed.

An inverter may show every register as it was written and feed in as before: with a switch in a menu off, or with
another inverter behind the same meter. The counter knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from meters.reading import CounterRead

SETTLING = timedelta(seconds=90)
"""How long an inverter may take to come down to its limit."""
WATCHED = timedelta(seconds=60)
"""Less time than that says nothing about a power."""
TOLERANCE_SHARE, TOLERANCE_W = 0.05, 100.0
"""How far the export may be above the limit: the accuracy of a small inverter's own measurement."""
MILLIWATT_HOURS_PER_WATT_SECOND = 1000 / 3600


@dataclass(slots=True, kw_only=True)
class _Window:
    """One limit: what may be exported from when on, and the first counter reading after that."""

    limit_w: float
    battery_w: float
    settled_at: datetime
    first: CounterRead | None = None


class KeptLimits:
    """Watches the devices that were limited. `overruns` says who exports more than it confirmed."""

    def __init__(self) -> None:
        self.overruns: dict[str, str] = {}
        self._windows: dict[str, _Window] = {}

    def told(self, limited: Mapping[str, float], batteries: Mapping[str, float], at: datetime) -> None:
        """From `at` on these limits hold, W, device by device, with these battery powers, + charging; no others."""
        self._windows = {
            device: _Window(limit_w=limit_w, battery_w=batteries.get(device, 0.0), settled_at=at + SETTLING)
            for device, limit_w in limited.items()
        }
        self.overruns = {device: said for device, said in self.overruns.items() if device in limited}

    def look(self, device: str, read: CounterRead) -> None:
        """Take a meter's counters into account."""
        window = self._windows.get(device)
        if window is None or read.at < window.settled_at:
            return
        first = window.first
        if first is None or read.export_mwh < first.export_mwh:
            window.first = read
            return
        watched_s = (read.at - first.at).total_seconds()
        if watched_s < WATCHED.total_seconds():
            return
        export_w = (read.export_mwh - first.export_mwh) / MILLIWATT_HOURS_PER_WATT_SECOND / watched_s
        # What the counter may have held back since its last step, at the start and now.
        unsure_w = 2 * max(first.step_mwh, read.step_mwh) / MILLIWATT_HOURS_PER_WATT_SECOND / watched_s
        allowed_w = window.limit_w + max(0.0, -window.battery_w)
        allowed_w += max(TOLERANCE_W, TOLERANCE_SHARE * window.limit_w)
        if export_w - unsure_w > allowed_w:
            confirmed = f"its inverter confirmed a limit of {window.limit_w:.0f} W"
            self.overruns[device] = f"exports {export_w:.0f} W, but {confirmed}"
        else:
            self.overruns.pop(device, None)
