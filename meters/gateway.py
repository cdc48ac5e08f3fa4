"""The gateway: reads its meters, turns registers into readings at interval boundaries, signs and delivers them.

One round over all meters ends in one durable commit. What was read is in the outbox before anybody hears of it; what
the platform has not acknowledged is sent again. Set-points come from the platform and go to the inverters.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from meters.api import ApiError, MeterApi
from meters.clock import Clock
from meters.config_file import ConfigFile
from meters.credentials import Credentials, load_credentials
from meters.delivery import UploadReport, deliver
from meters.device_errors import DeviceErrors
from meters.energy import BoundaryReading
from meters.gateway_config import ConfigError, GatewayConfig, MeterConfig, check, restart_problems
from meters.gateway_loop import run
from meters.gateway_reports import ControlReport, SweepReport
from meters.gateway_status import OUTBOX_NAME
from meters.health import meter_health
from meters.interval import DeliveryInterval
from meters.kept_limits import KeptLimits
from meters.outbox import Outbox
from meters.outbox_file import Parcel
from meters.platform_reports import PlatformReports
from meters.reading import MeterReading
from meters.signing import FLAG_IMPORTED, ReadingBatch, RegisterReading, sign_batch
from meters.site import Site, SiteChange
from meters.watch import MeterWatch, Observation

RETRY_S = 0.1
REFUSED_FIRST_S, REFUSED_LONGEST_S = 60.0, 3600.0

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who wants to hear what meters show, for other purposes than settlement."""

    def announce(self, meters: Sequence[MeterConfig]) -> None: ...

    def tell(self, device: str, reading: MeterReading) -> None: ...


class Gateway:
    """One gateway. `open` before anything else, `close` at the end.

    clock        the present; a simulated one makes a simulated day
    api          the platform
    credentials  key and signing domain; read from the state directory if not given
    listener     hears what polls showed and was found plausible, and which meters there are
    """

    def __init__(
        self,
        config: GatewayConfig,
        *,
        clock: Clock,
        api: MeterApi,
        credentials: Credentials | None = None,
        listener: Listener | None = None,
    ) -> None:
        self.config = config
        self._clock = clock
        self._api = api
        self._credentials = credentials
        self._listener = listener
        self._outbox: Outbox | None = None
        self._site = Site(clock)
        self._kept_limits = KeptLimits()
        self._told = PlatformReports(api, clock)
        # Held while meters are read: no meter is exchanged between its read and the record of it.
        self._reading = asyncio.Lock()
        self._refused: dict[tuple[str, int], tuple[float, float]] = {}

    @property
    def outbox(self) -> Outbox:
        """The readings kept so far. Raises RuntimeError before `open`."""
        if self._outbox is None:
            raise RuntimeError("the gateway is not open")
        return self._outbox

    async def open(self) -> None:
        """Open the outbox and prepare every meter; connects to none of them yet.

        Raises ConfigError, CredentialsError or OutboxError.
        """
        if problems := check(self.config):
            raise ConfigError(problems)
        self._credentials = self._credentials or load_credentials(self.config.state_dir)
        if not self._api.token:
            self._api.token = self._credentials.token
        self._outbox = Outbox(self.config.state_dir / OUTBOX_NAME)
        await self._site.arrange(self.config, self._outbox)
        if self._listener is not None:
            self._listener.announce(self.config.meters)

    async def reconfigure(self, config: GatewayConfig) -> SiteChange:
        """Go on with another configuration: what it leaves as it was is not touched, the outbox stays.

        Raises ConfigError, and changes nothing, if there are mistakes in it or if it needs a restart.
        """
        if problems := (*check(config), *restart_problems(self.config, config)):
            raise ConfigError(problems)
        async with self._reading:
            self.config = config
            change = await self._site.arrange(config, self.outbox)
        if self._listener is not None:
            self._listener.announce(config.meters)
        return change

    async def close(self) -> None:
        """Close connections and outbox; set-points are left to run out."""
        await self._site.close()
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None

    async def sweep(self, boundary: datetime, *, within_s: float = 0.0) -> SweepReport:
        """Read every meter now and append the reading of the interval that ended at `boundary`.

        Meters that already have it are not asked. Those that fail are asked again until `within_s` seconds of real
        time have passed, whatever their circuit breaker says; with 0 once, sparing devices that were silent lately.
        What is missed is interpolated when the meter answers again.
        Raises ValueError for an instant off the grid or still to come.
        """
        interval_s = self.config.interval_minutes * 60
        if boundary.timestamp() % interval_s or boundary > self._clock():
            raise ValueError(f"{boundary.isoformat()} is no boundary that has passed")
        async with self._reading:
            return await self._sweep(boundary, within_s)

    async def _sweep(self, boundary: datetime, within_s: float) -> SweepReport:
        started = time.monotonic()
        waiting = [watch for watch in self._site.watches.values() if not watch.reaches(boundary)]
        observations: list[Observation] = []
        appended = 0
        while waiting:
            seen = await asyncio.gather(*(self._observe(watch, insist=within_s > 0) for watch in waiting))
            appended += self._record(seen)
            observations += seen
            waiting = [watch for watch, observation in zip(waiting, seen, strict=True) if observation.failure]
            if time.monotonic() - started + RETRY_S > within_s:
                break
            await asyncio.sleep(RETRY_S)
        complete = frozenset(name for name, watch in self._site.watches.items() if watch.reaches(boundary))
        return SweepReport(
            boundary=boundary,
            readings=appended,
            complete=complete,
            failed={seen.device: seen.failure for seen in observations if seen.failure and seen.device not in complete},
            findings={seen.device: seen.findings for seen in observations if seen.findings},
            seconds=time.monotonic() - started,
        )

    async def poll(self) -> Mapping[str, str]:
        """Read every meter between boundaries, all of it if somebody listens; returns device to why a read failed."""
        energy_only = self._listener is None
        async with self._reading:
            watches = self._site.watches.values()
            seen = await asyncio.gather(
                *(self._observe(watch, insist=False, energy_only=energy_only) for watch in watches)
            )
            self._record(seen)
        for observation in seen:
            if self._listener is not None and observation.reading is not None and not observation.failure:
                self._listener.tell(observation.device, observation.reading)
        return {observation.device: observation.failure for observation in seen if observation.failure}

    async def _observe(self, watch: MeterWatch, *, insist: bool, energy_only: bool = True) -> Observation:
        try:
            reading = await watch.reader.read(energy_only=energy_only, insist=insist)
        except DeviceErrors as error:
            watch.reader.forget_identity()
            return Observation(device=watch.device, failure=str(error))
        return replace(watch.observe(reading, clock_error_s=self._api.clock_error_s), reading=reading)

    def _record(self, observations: Sequence[Observation]) -> int:
        """Commit what was seen; only then do the watches believe it. Returns how many readings were appended."""
        seen = [observation for observation in observations if observation.state is not None]
        entries = [
            (observation.device, observation.epoch, entry) for observation in seen for entry in observation.entries
        ]
        states = {observation.device: observation.state for observation in seen if observation.state is not None}
        if states:
            self.outbox.record(entries, states)
        for observation in seen:
            self._site.watches[observation.device].take(observation)
            if observation.state is not None and observation.state.last is not None:
                self._kept_limits.look(observation.device, observation.state.last)
        for observation in observations:
            for finding in observation.findings:
                log.warning("%s: %s: %s", observation.device, finding.rule, finding.message)
        return len(entries)

    def import_history(self, device: str, readings: Iterable[RegisterReading]) -> int:
        """Append readings from elsewhere, oldest first, marked as imported; returns how many.

        Epoch and sequence number are given anew by the outbox. The chain goes on from the last of them, so the meter
        must show about those registers. Raises KeyError for an unknown device, ValueError if the readings overlap
        what is there, leave a gap, or decrease.
        """
        return self.import_histories({device: readings})

    def import_histories(self, histories: Mapping[str, Iterable[RegisterReading]]) -> int:
        """`import_history` for many devices in one commit: all of it or nothing."""
        seen = [
            self._site.watches[device].continued(
                [
                    BoundaryReading(
                        start_s=reading.start_s,
                        duration_s=reading.duration_s,
                        import_mwh=reading.import_mwh,
                        export_mwh=reading.export_mwh,
                        flags=reading.flags | FLAG_IMPORTED,
                    )
                    for reading in readings
                ]
            )
            for device, readings in histories.items()
        ]
        return self._record(seen)

    async def upload(self) -> UploadReport:
        """Deliver what is waiting; what is not acknowledged stays. Never raises for what the platform says."""
        held = frozenset(key for key, (until, _) in self._refused.items() if time.monotonic() < until)
        now_s = int(self._clock().timestamp())
        report = await deliver(self.outbox, self._api, self._sign, now_s=now_s, without=held)
        for refusal in report.refused:
            log.error("%s epoch %s refused: %s %s", refusal.device, refusal.epoch, refusal.code, refusal.message)
            if refusal.code != "unknown_key":
                key = (refusal.device, refusal.epoch)
                wait_s = min(2 * self._refused.get(key, (0.0, REFUSED_FIRST_S / 2))[1], REFUSED_LONGEST_S)
                self._refused[key] = (time.monotonic() + wait_s, wait_s)
        restarted = [self._site.watches[device] for device, _ in report.restarted if device in self._site.watches]
        self._record([watch.restarted() for watch in restarted])
        if report.error:
            log.warning("upload: %s; %s readings wait", report.error, report.pending)
        return report

    def _sign(self, parcel: Parcel) -> ReadingBatch:
        assert self._credentials is not None
        if self._credentials.domain is None:
            raise ConfigError(("this gateway is not enrolled: run `commonwatt gateway enroll`",))
        return sign_batch(self._credentials.key, self._credentials.domain, parcel.readings, parcel.previous_hash)

    async def apply_set_points(self, interval: DeliveryInterval) -> ControlReport:
        """Fetch the set-points of `interval` and write them to the inverters; devices without one are released."""
        try:
            points = {point.device: point for point in await self._api.set_points(interval.start_s)}
        except ApiError as error:
            log.warning("set-points: %s", error)
            return ControlReport(limited={}, batteries={}, released=frozenset(), failed={}, error=str(error))
        report = await self._site.inverters.apply(points, revert_s=2 * interval.minutes * 60)
        self._kept_limits.told(report.limited, report.batteries, self._clock())
        return report

    async def report_batteries(self) -> Mapping[str, int]:
        """Read what the batteries hold and tell the platform; device to Wh. What cannot be read or told is left out."""
        stored_wh = await self._site.inverters.stored_wh()
        await self._told.batteries(stored_wh)
        return stored_wh

    async def report_health(self, *troubles: Mapping[str, str]) -> None:
        """Tell the platform how the meters are, if that changed; `troubles` say what is wrong, device to words."""
        await self._told.health(meter_health(self.config, *troubles))

    @property
    def clock_error_s(self) -> float | None:
        """How far the machine's clock is ahead of the platform's; None before the first answer."""
        return self._api.clock_error_s

    @property
    def overruns(self) -> Mapping[str, str]:
        """Devices that export more than their inverter confirmed, and by how much."""
        return self._kept_limits.overruns

    async def run(
        self,
        stop: asyncio.Event | None = None,
        *,
        file: ConfigFile | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Read, deliver and control in real time until `stop` is set or the task is cancelled.

        file   the configuration, followed when it changes
        alive  called again and again as long as meters are read
        """
        await run(self, clock=self._clock, stop=stop or asyncio.Event(), file=file, alive=alive)
