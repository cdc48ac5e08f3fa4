"""A gateway's day in real time: read at every boundary and between, deliver, obey.

Reading never waits for the network: delivery and control are tasks of their own, woken after every boundary.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from meters.clock import Clock
from meters.config_file import ConfigFile
from meters.delivery import UploadReport
from meters.gateway_config import ConfigError, GatewayConfig, config_to_run
from meters.gateway_reports import ControlReport, SweepReport
from meters.gateway_status import StatusFile
from meters.interval import DeliveryInterval
from meters.outbox import Outbox
from meters.site import SiteChange

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

    @property
    def clock_error_s(self) -> float | None: ...

    @property
    def overruns(self) -> Mapping[str, str]: ...

    async def sweep(self, boundary: datetime, *, within_s: float = 0.0) -> SweepReport: ...

    async def poll(self) -> Mapping[str, str]: ...

    async def upload(self) -> UploadReport: ...

    async def apply_set_points(self, interval: DeliveryInterval) -> ControlReport: ...

    async def report_batteries(self) -> Mapping[str, int]: ...

    async def report_health(self, *troubles: Mapping[str, str]) -> None: ...

    async def reconfigure(self, config: GatewayConfig) -> SiteChange: ...


async def run(
    gateway: RunsInRealTime,
    *,
    clock: Clock,
    stop: asyncio.Event,
    file: ConfigFile | None,
    alive: Callable[[], None],
) -> None:
    """Run until `stop` is set, calling `alive` while reading goes on. Errors that no retry can mend end it.

    file  the configuration, followed when it changes; None if it cannot
    """
    status = StatusFile(gateway.config.state_dir, clock)
    boundary_read = asyncio.Event()
    interval_began = asyncio.Event()
    interval_began.set()
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(_read(gateway, clock, boundary_read, interval_began, status, alive)),
            tasks.create_task(_deliver(gateway, clock, boundary_read, status)),
            tasks.create_task(_obey(gateway, clock, interval_began, status)),
        ]
        if file is not None:
            running.append(tasks.create_task(_follow(gateway, file, status)))
        await stop.wait()
        for task in running:
            task.cancel()


async def _read(
    gateway: RunsInRealTime,
    clock: Clock,
    boundary_read: asyncio.Event,
    interval_began: asyncio.Event,
    status: StatusFile,
    alive: Callable[[], None],
) -> None:
    minutes = gateway.config.interval_minutes
    pace = timedelta(seconds=gateway.config.poll_s)
    # Settled before polling: a poll that ends behind the boundary must not make it forgotten.
    began, boundary = clock(), DeliveryInterval.containing(clock(), minutes).end
    status.read(await gateway.poll(), gateway.clock_error_s, gateway.overruns)
    # What passed while the gateway was down is known by now.
    boundary_read.set()
    while True:
        # From beginning to beginning; a poll that took longer than that is followed at once by the next.
        while (began := max(clock(), began + pace)) < boundary:
            await _until(began, clock, alive)
            status.read(await gateway.poll(), gateway.clock_error_s, gateway.overruns)
        await _until(boundary + timedelta(seconds=AFTER_BOUNDARY_S), clock, alive)
        interval_began.set()
        began = clock()
        # After a pause of the machine several boundaries may have passed: one read interpolates them all.
        latest = DeliveryInterval.containing(clock(), minutes).start
        report = await gateway.sweep(max(boundary, latest), within_s=SWEEP_WITHIN_S)
        status.read(report.failed, gateway.clock_error_s, gateway.overruns)
        for device, failure in sorted(report.failed.items()):
            log.warning("%s was not read at %s: %s", device, report.boundary.strftime("%H:%M"), failure)
        boundary_read.set()
        boundary = DeliveryInterval.containing(clock(), minutes).end


async def _deliver(gateway: RunsInRealTime, clock: Clock, boundary_read: asyncio.Event, status: StatusFile) -> None:
    pruned = None
    while True:
        if gateway.outbox.pending():
            report = await gateway.upload()
            refusals = (f"{refusal.device} {refusal.code} {refusal.message}" for refusal in report.refused)
            status.uploaded(report.error or "; ".join(refusals))
        await gateway.report_health(*status.troubles)
        today = clock().date()
        if today != pruned:
            oldest = clock() - timedelta(days=gateway.config.keep_days)
            gateway.outbox.prune(int(oldest.timestamp()))
            pruned = today
        await _woken(boundary_read, AGAIN_S)


async def _obey(gateway: RunsInRealTime, clock: Clock, interval_began: asyncio.Event, status: StatusFile) -> None:
    done: datetime | None = None
    while True:
        interval = DeliveryInterval.containing(clock(), gateway.config.interval_minutes)
        if interval.start != done and any(meter.control for meter in gateway.config.meters):
            report = await gateway.apply_set_points(interval)
            status.controlled(report.failed)
            done = None if report.error or report.failed else interval.start
            await gateway.report_batteries()
        await _woken(interval_began, AGAIN_S)


async def _follow(gateway: RunsInRealTime, file: ConfigFile, status: StatusFile) -> None:
    """Take over what changes in the configuration file; with mistakes in it everything stays as it is."""
    while True:
        await file.next_version()
        try:
            change = await gateway.reconfigure(config_to_run(file.path))
        except ConfigError as error:
            # First what others look at: who reads the log may look at once.
            status.configured(str(error))
            log.error("%s is refused, the configuration before it stays: %s", file.path, error)  # noqa: TRY400  no bug
            continue
        status.configured("")
        log.info("%s: %s", file.path, change)
        # Who is new is read now, not at the next poll.
        status.read(await gateway.poll(), gateway.clock_error_s, gateway.overruns)


async def _woken(event: asyncio.Event, timeout_s: float) -> None:
    """Wait until the event, or until it is time to try again."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
    event.clear()


async def _until(instant: datetime, clock: Clock, alive: Callable[[], None]) -> None:
    alive()
    while (left_s := (instant - clock()).total_seconds()) > 0:
        await asyncio.sleep(min(left_s, NAP_S))
        alive()
