"""The gateway: reads its meters, turns registers into readings at interval boundaries, signs and delivers them.

One round over all meters ends in one durable commit. What was read is in the outbox before anybody hears of it; what
the platform has not acknowledged is sent again. Set-points come from the platform and go to the inverters.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from meters.address import AddressError, BusAddress
from meters.answer import BusError
from meters.api import ApiError, MeterApi, SetPoint
from meters.bus import Bus
from meters.clock import Clock
from meters.control import ControlError, SunSpecControl
from meters.counters import CounterState
from meters.credentials import Credentials, load_credentials
from meters.delivery import UploadReport, deliver
from meters.energy import BoundaryReading
from meters.gateway_config import ConfigError, GatewayConfig, check
from meters.gateway_loop import run
from meters.gateway_reports import ControlReport, SweepReport
from meters.gateway_status import OUTBOX_NAME
from meters.interval import DeliveryInterval
from meters.outbox import Outbox
from meters.outbox_file import Parcel
from meters.profile import load_profile
from meters.reader import MeterReader, ModelMissingError
from meters.signing import FLAG_IMPORTED, ReadingBatch, RegisterReading, sign_batch
from meters.sunspec import SunSpecError
from meters.watch import MeterWatch, Observation

RETRY_S = 0.1
REFUSED_FIRST_S, REFUSED_LONGEST_S = 60.0, 3600.0

log = logging.getLogger(__name__)

DeviceErrors = (BusError, SunSpecError, ModelMissingError, ControlError, AddressError)


class Gateway:
    """One gateway. `open` before anything else, `close` at the end.

    clock        the present; a simulated one makes a simulated day
    api          the platform
    credentials  key and signing domain; read from the state directory if not given
    """

    def __init__(
        self, config: GatewayConfig, *, clock: Clock, api: MeterApi, credentials: Credentials | None = None
    ) -> None:
        self.config = config
        self._clock = clock
        self._api = api
        self._credentials = credentials
        self._outbox: Outbox | None = None
        self._buses: dict[BusAddress, Bus] = {}
        self._watches: dict[str, MeterWatch] = {}
        self._controls: dict[str, SunSpecControl] = {}
        self._set: set[str] = set()
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
        states = self._outbox.states()
        ends = {(chain.device, chain.epoch): chain.last_end_s for chain in self._outbox.chains()}
        for meter in self.config.meters:
            state = states.get(meter.device, CounterState())
            reader = MeterReader(load_profile(meter.profile), self._bus(meter.address), meter.device_id)
            self._watches[meter.device] = MeterWatch(
                meter, reader, state, ends.get((meter.device, state.epoch)), self.config.interval_minutes * 60
            )
            if meter.control is not None:
                self._controls[meter.device] = SunSpecControl(self._bus(meter.control.address), meter.control.device_id)
        self._set = set(self._controls)

    def _bus(self, address: str) -> Bus:
        parsed = BusAddress.parse(address)
        if parsed not in self._buses:
            self._buses[parsed] = Bus(parsed, clock=self._clock, timeout_s=self.config.timeout_s)
        return self._buses[parsed]

    async def close(self) -> None:
        """Close connections and outbox; set-points are left to run out."""
        await asyncio.gather(*(bus.close() for bus in self._buses.values()))
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
        started = time.monotonic()
        waiting = [watch for watch in self._watches.values() if not watch.reaches(boundary)]
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
        complete = frozenset(name for name, watch in self._watches.items() if watch.reaches(boundary))
        return SweepReport(
            boundary=boundary,
            readings=appended,
            complete=complete,
            failed={seen.device: seen.failure for seen in observations if seen.failure and seen.device not in complete},
            findings={seen.device: seen.findings for seen in observations if seen.findings},
            seconds=time.monotonic() - started,
        )

    async def poll(self) -> Mapping[str, str]:
        """Read every meter between boundaries; returns device to why a read failed."""
        seen = await asyncio.gather(*(self._observe(watch, insist=False) for watch in self._watches.values()))
        self._record(seen)
        return {observation.device: observation.failure for observation in seen if observation.failure}

    async def _observe(self, watch: MeterWatch, *, insist: bool) -> Observation:
        try:
            reading = await watch.reader.read(energy_only=True, insist=insist)
        except DeviceErrors as error:
            watch.reader.forget_identity()
            return Observation(device=watch.device, failure=str(error))
        return watch.observe(reading, clock_error_s=self._api.clock_error_s)

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
            self._watches[observation.device].take(observation)
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
            self._watches[device].continued(
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
        restarted = [self._watches[device] for device, _ in report.restarted if device in self._watches]
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
            fetched = {point.device: point for point in await self._api.set_points(interval.start_s)}
        except ApiError as error:
            log.warning("set-points: %s", error)
            return ControlReport(limited={}, batteries={}, released=frozenset(), failed={}, error=str(error))
        revert_s = 2 * interval.minutes * 60
        outcomes = await asyncio.gather(
            *(self._control(device, fetched.get(device), revert_s) for device in self._controls)
        )
        by_device = dict(zip(self._controls, outcomes, strict=True))
        for device, outcome in by_device.items():
            if isinstance(outcome, str):
                log.error("%s does not obey: %s", device, outcome)
        obeyed = {device: outcome for device, outcome in by_device.items() if not isinstance(outcome, str)}
        return ControlReport(
            limited={device: limit_w for device, (limit_w, _) in obeyed.items() if limit_w is not None},
            batteries={device: power_w for device, (_, power_w) in obeyed.items() if power_w is not None},
            released=frozenset(device for device, outcome in obeyed.items() if outcome == (None, None)),
            failed={device: outcome for device, outcome in by_device.items() if isinstance(outcome, str)},
        )

    async def report_batteries(self) -> Mapping[str, int]:
        """Read what the batteries hold and tell the platform; device to Wh. What cannot be read or told is left out."""
        seen = await asyncio.gather(*(self._stored_wh(control) for control in self._controls.values()))
        stored_wh = {device: energy for device, energy in zip(self._controls, seen, strict=True) if energy is not None}
        if stored_wh:
            try:
                await self._api.report_batteries(stored_wh, at_s=int(self._clock().timestamp()))
            except ApiError as error:
                log.warning("batteries: %s", error)
        return stored_wh

    async def _stored_wh(self, control: SunSpecControl) -> int | None:
        try:
            return await control.stored_wh()
        except DeviceErrors as error:
            control.forget()
            log.warning("battery: %s", error)
            return None

    async def _control(
        self, device: str, point: SetPoint | None, revert_s: int
    ) -> tuple[float | None, float | None] | str:
        """What the inverter confirmed (limit, battery power), or why it does not obey."""
        limit_w = point.generation_limit_w if point else None
        battery_w = point.battery_w if point else None
        if limit_w is None and battery_w is None and device not in self._set:
            return None, None
        control = self._controls[device]
        self._set.add(device)
        try:
            limited_w = await control.limit_generation(limit_w, revert_s=revert_s)
            powered_w = await control.set_battery(battery_w, revert_s=revert_s)
        except DeviceErrors as error:
            control.forget()
            return str(error)
        if limit_w is None and battery_w is None:
            self._set.discard(device)
        return limited_w, powered_w

    @property
    def clock_error_s(self) -> float | None:
        """How far the machine's clock is ahead of the platform's; None before the first answer."""
        return self._api.clock_error_s

    async def run(self, stop: asyncio.Event | None = None, *, alive: Callable[[], None] = lambda: None) -> None:
        """Read, deliver and control in real time until `stop` is set or the task is cancelled.

        alive  called again and again as long as meters are read
        """
        await run(self, clock=self._clock, stop=stop or asyncio.Event(), alive=alive)
