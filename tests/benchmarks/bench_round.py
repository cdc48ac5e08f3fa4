"""One round of the default community from gate closure to published result, free and bound by the network.

The rounds are those of the sunny day's noon, played as `commonwatt demo` plays it; each includes the forecasts, the
agents' orders, the auction, power flows, set-points and every database transaction.
"""

import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field, fields
from pathlib import Path

from app.demo.neighbourhood import DEFAULT_NETWORK, SUNNY_DAY, local_midnight_s
from app.demo.runner import Demonstration
from app.demo.state import DemoPlan, DemoState
from app.jobs import Scheduler
from app.storage.database import reading
from app.storage.store.rounds import rounds_between
from meters.interval import DeliveryInterval

ELEVEN_O_CLOCK_S, INTERVALS = 11 * 3600, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedScheduler(Scheduler):
    """Notes how long each gate closure takes, by start of the interval."""

    seconds: dict[int, float] = field(default_factory=dict)

    def close(self, interval: DeliveryInterval) -> None:
        started = time.perf_counter()
        Scheduler.close(self, interval)
        self.seconds[interval.start_s] = time.perf_counter() - started


def played(folder: Path) -> dict[bool, list[float]]:
    """Seconds of each round of the noon, by whether the network bound it."""
    plan = DemoPlan(
        network=DEFAULT_NETWORK,
        day=SUNNY_DAY.isoformat(),
        households=None,
        first_s=local_midnight_s(SUNNY_DAY, "Europe/Berlin") + ELEVEN_O_CLOCK_S,
        intervals=INTERVALS,
        seed="commonwatt",
    )
    demo = Demonstration(DemoState(folder), plan, host="127.0.0.1", port=None, progress=lambda *_: None)
    try:
        demo.open()
        plain = demo._scheduler
        timed = TimedScheduler(**{each.name: getattr(plain, each.name) for each in fields(Scheduler)})
        demo._scheduler = timed
        demo.live(None)
        with reading(demo.engine) as connection:
            rounds = rounds_between(connection, start_s=plan.first_s, end_s=demo.end_s)
    finally:
        demo.close()
    found: dict[bool, list[float]] = {False: [], True: []}
    for each in rounds:
        found[bool(each.binding_count)].append(timed.seconds[each.start_s])
    return found


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    with tempfile.TemporaryDirectory() as folder:
        found = played(Path(folder))
    measures: dict[str, float | int] = {}
    for bound, seconds in found.items():
        what = "bound by the network" if bound else "not bound"
        measures[f"rounds {what}"] = len(seconds)
        if seconds:
            measures[f"round {what}, median ms"] = round(statistics.median(seconds) * 1_000)
            measures[f"round {what}, longest ms"] = round(max(seconds) * 1_000)
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
