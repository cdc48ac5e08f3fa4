"""What a home will draw or feed in, from its own past readings.

The agent sees one home's history and nothing that arrived after the moment it decides. The forecast is the mean of the
same quarter-hour on the days before, moved by how the last metered slots differed from their own mean: a cloudy
morning lowers the noon, a late dinner raises the evening.
"""

from dataclasses import dataclass

DAYS_OF_MEMORY = 7
RECENT_SLOTS = 4
DECAY = 0.7
"""How much of the latest difference is still expected two slots later."""

STANDARD_ANNUAL_WH = 3_500_000
# Use in each hour of the day (UTC) in thousandths: yearly mean of the household profiles H0-A, H0-B, H0-C of SimBench.
STANDARD_HOURLY = (18, 16, 15, 15, 17, 36, 45, 50, 52, 51, 52, 53, 50, 51, 50, 46, 48, 53, 56, 59, 58, 49, 38, 25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Net energy expected in one interval, integer Wh (one of the two is zero), and what it rests on.

    capability_wh  what the home may feed in on a better day than expected, never less than `export_wh`
    """

    import_wh: int
    export_wh: int
    basis: str
    capability_wh: int = 0


class History:
    """Net energy of one metering point, + fed in, as known at some moment.

    Where a limit was felt, what the home had offered counts: it could have delivered that.
    """

    __slots__ = ("_net_wh",)

    def __init__(self) -> None:
        self._net_wh: dict[int, int] = {}

    def learn(self, start_s: int, *, import_wh: int, export_wh: int, offered_wh: int = 0, moved_wh: int = 0) -> None:
        """Take in a validated value; a corrected one replaces the earlier. `offered_wh` only where a limit was felt.

        `moved_wh` (+ fed in) is the part that devices moved for the market: the home would not do it by itself.
        """
        self._net_wh[start_s] = max(export_wh, offered_wh) - import_wh - moved_wh

    def forget_before(self, start_s: int) -> None:
        """Drop values older than `start_s`."""
        for key in [key for key in self._net_wh if key < start_s]:
            del self._net_wh[key]

    def at(self, start_s: int) -> int | None:
        """Net energy of the slot that starts then, or None where it is not known."""
        return self._net_wh.get(start_s)

    def mean_at(self, start_s: int, days: int = DAYS_OF_MEMORY) -> float | None:
        """Mean of the same time of day on the days before `start_s`, over the days that are known."""
        known = [value for day in range(1, days + 1) if (value := self._net_wh.get(start_s - day * 86_400)) is not None]
        return sum(known) / len(known) if known else None

    def daily_export_wh(self, before_s: int, days: int = DAYS_OF_MEMORY) -> int:
        """What was fed in on a day before `before_s`, on average."""
        since_s = before_s - days * 86_400
        return sum(max(net, 0) for start, net in self._net_wh.items() if since_s <= start < before_s) // days

    def capability_wh(self, start_s: int, days: int = DAYS_OF_MEMORY) -> int:
        """Most that was fed in at this time of day on the days before."""
        return max((self._net_wh.get(start_s - day * 86_400, 0) for day in range(1, days + 1)), default=0)


def forecast(history: History, start_s: int, *, minutes: int, known_before_s: int) -> Forecast:
    """Expected net energy of the interval at `start_s`, using only slots that ended by `known_before_s`."""
    slot_s = minutes * 60
    newest_s = (known_before_s // slot_s - 1) * slot_s
    recent = range(newest_s - (RECENT_SLOTS - 1) * slot_s, newest_s + 1, slot_s)
    expected = history.mean_at(start_s)
    if expected is None:
        seen_today = [seen for start in recent if (seen := history.at(start)) is not None]
        return _like_now(seen_today[-1]) if seen_today else _standard(start_s, minutes)
    pairs = [
        (seen, mean)
        for start in recent
        if (seen := history.at(start)) is not None and (mean := history.mean_at(start)) is not None
    ]
    capability_wh = history.capability_wh(start_s)
    moved = _moved(expected, pairs, capability_wh)
    basis = f"own readings of the last {DAYS_OF_MEMORY} days"
    return _signed(round(moved), basis, capability_wh=capability_wh)


def _moved(expected: float, pairs: list[tuple[int, float]], capability_wh: int) -> float:
    """The mean, corrected by recent differences: in proportion under the sun, by addition otherwise.

    A home that needs less than usual does not feed in for that beyond what it ever did at this time of day.
    """
    if not pairs:
        return expected
    seen, mean = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if expected > 0 and seen > 0 and mean > 0:
        return expected * (1 + DECAY * (min(seen / mean, 3.0) - 1))
    return min(expected + DECAY * (seen - mean) / len(pairs), max(expected, capability_wh, 0))


def _like_now(net_wh: int) -> Forecast:
    """On a home's first day: it goes on as it was last metered."""
    return _signed(net_wh, "own latest reading: no earlier day yet")


def _standard(start_s: int, minutes: int) -> Forecast:
    hour = start_s % 86_400 // 3600
    energy_wh = STANDARD_ANNUAL_WH / 365 * STANDARD_HOURLY[hour] / sum(STANDARD_HOURLY) * minutes / 60
    return _signed(-round(energy_wh), "standard household profile: no readings of this home yet")


def _signed(net_wh: int, basis: str, *, capability_wh: int = 0) -> Forecast:
    export_wh = max(net_wh, 0)
    return Forecast(
        import_wh=max(-net_wh, 0), export_wh=export_wh, basis=basis, capability_wh=max(capability_wh, export_wh)
    )
