"""A gateway's day in real time: read at every boundary and between, deliver, obey.

Reading never waits for the network: delivery and control are tasks of their own, woken after every boundary.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from meters.clock import Clock
from meters.delivery import UploadReport
from meters.gateway_config import GatewayConfig
from meters.gateway_reports import ControlReport, SweepReport
from meters.interval import DeliveryInterval
from meters.outbox import Outbox

AFTER_BOUNDARY_S = 0.3
"""How long after a boundary its read begins, so that it surely lies behind it."""
SWEEP_WITHIN_S = 5.0
"""How long a sweep goes on asking silent meters: a read this close to the boundary still measures it."""
AGAIN_S = 30.0
"""How long delivery and control wait before they try again what failed."""
NAP_S = 1.0
"""Longest sleep without a look at the clock, which may be set."""


log = logging.getLogger(__name__)


class RunsInRealTime(Protocol):
    """What the loop needs of a gateway."""

    config: GatewayConfig

    @property
    def outbox(self) -> Outbox: ...

    async def sweep(self, boundary: datetime, *, within_s: float = 0.0) -> SweepReport: ...

    async def poll(self) -> Mapping[str, str]: ...

    async def upload(self) -> UploadReport: ...

    async def apply_set_points(self, interval: DeliveryInterval) -> ControlReport: ...

    async def report_batteries(self) -> Mapping[str, int]: ...


async def run(gateway: RunsInRealTime, *, clock: Clock, stop: asyncio.Event) -> None:
    """Run until `stop` is set. Errors that no retry can mend end it."""
    boundary_read = asyncio.Event()
    interval_began = asyncio.Event()
    interval_began.set()
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(_read(gateway, clock, boundary_read, interval_began)),
            tasks.create_task(_deliver(gateway, clock, boundary_read)),
            tasks.create_task(_obey(gateway, clock, interval_began)),
        ]
        await stop.wait()
        for task in running:
            task.cancel()


async def _read(
    gateway: RunsInRealTime, clock: Clock, boundary_read: asyncio.Event, interval_began: asyncio.Event
) -> None:
    minutes = gateway.config.interval_minutes
    # Settled before polling: a poll that ends behind the boundary must not make it forgotten.
    boundary = DeliveryInterval.containing(clock(), minutes).end
    await gateway.poll()
    # What passed while the gateway was down is known by now.
    boundary_read.set()
    while True:
        while (next_poll := clock() + timedelta(seconds=gateway.config.poll_s)) < boundary:
            await _until(next_poll, clock)
            await gateway.poll()
        await _until(boundary + timedelta(seconds=AFTER_BOUNDARY_S), clock)
        interval_began.set()
        # After a pause of the machine several boundaries may have passed: one read interpolates them all.
        latest = DeliveryInterval.containing(clock(), minutes).start
        report = await gateway.sweep(max(boundary, latest), within_s=SWEEP_WITHIN_S)
        for device, failure in sorted(report.failed.items()):
            log.warning("%s was not read at %s: %s", device, report.boundary.strftime("%H:%M"), failure)
        boundary_read.set()
        boundary = DeliveryInterval.containing(clock(), minutes).end


async def _deliver(gateway: RunsInRealTime, clock: Clock, boundary_read: asyncio.Event) -> None:
    pruned = None
    while True:
        if gateway.outbox.pending():
            await gateway.upload()
        today = clock().date()
        if today != pruned:
            oldest = clock() - timedelta(days=gateway.config.keep_days)
            gateway.outbox.prune(int(oldest.timestamp()))
            pruned = today
        await _woken(boundary_read, AGAIN_S)


async def _obey(gateway: RunsInRealTime, clock: Clock, interval_began: asyncio.Event) -> None:
    done: datetime | None = None
    while True:
        interval = DeliveryInterval.containing(clock(), gateway.config.interval_minutes)
        if interval.start != done and any(meter.control for meter in gateway.config.meters):
            report = await gateway.apply_set_points(interval)
            done = None if report.error or report.failed else interval.start
            await gateway.report_batteries()
        await _woken(interval_began, AGAIN_S)


async def _woken(event: asyncio.Event, timeout_s: float) -> None:
    """Wait until the event, or until it is time to try again."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
    event.clear()


async def _until(instant: datetime, clock: Clock) -> None:
    while (left_s := (instant - clock()).total_seconds()) > 0:  # noqa: ASYNC110  the clock may be set, and nobody says so
        await asyncio.sleep(min(left_s, NAP_S))
