"""One meter over time: what its counters said last, and which boundaries still lack a reading."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meters.counters import CounterState, CounterStep, advance, replaced
from meters.energy import LINEAR_UP_TO_S, BoundaryReading, boundary_readings
from meters.gateway_config import MeterConfig
from meters.reader import MeterReader
from meters.reading import CounterRead, MeterReading, counter_read
from meters.signing import FLAG_CLOCK_UNSYNCED, FLAG_SUSPECT, RegisterReading
from meters.similar_day import SimilarDay, energies_of, similar_day
from meters.vee import CounterLimits, Finding, Rule, clock_unsynced

History = Callable[[str, int], Sequence[RegisterReading]]
"""The readings of a device's epoch that are still kept, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one read of a meter means: new readings, the counter state behind them, and what the rules found.

    state    None if nothing was learned
    failure  why there is no reading from this read; empty if there is nothing to complain about
    reading  what the meter showed; None if it was not read
    """

    device: str
    state: CounterState | None = None
    entries: tuple[BoundaryReading, ...] = ()
    findings: tuple[Finding, ...] = ()
    failure: str = ""
    reading: MeterReading | None = None

    @property
    def epoch(self) -> int:
        return self.state.epoch if self.state else 0


class MeterWatch:
    """Follows one meter. It observes without remembering; `take` is called once what was observed is durable."""

    def __init__(
        self,
        config: MeterConfig,
        reader: MeterReader,
        state: CounterState,
        last_end_s: int | None,
        interval_s: int,
        history: History,
    ) -> None:
        self.config = config
        self.reader = reader
        self._state = state
        self._last_end_s = last_end_s
        self._interval_s = interval_s
        self._history = history

    @property
    def device(self) -> str:
        return self.config.device

    def reaches(self, boundary: datetime) -> bool:
        """Whether the reading of the interval that ended at `boundary` is there."""
        return self._last_end_s is not None and self._last_end_s >= boundary.timestamp()

    def observe(self, reading: MeterReading, *, clock_error_s: float | None) -> Observation:
        """What a reading means for this meter's chain."""
        profile = self.reader.profile
        read = counter_read(
            reading,
            has_import=profile.register("energy_import_wh") is not None,
            has_export=profile.register("energy_export_wh") is not None,
        )
        if read is None:
            message = "; ".join(reading.findings)
            finding = Finding(rule=Rule.NOT_CERTAIN, message=message)
            return Observation(device=self.device, findings=(finding,), failure=message)
        if reading.identity_changed and self._state.last is not None:
            step = replaced(self._state, read)
        else:
            step = advance(self._state, read, self._limits(reading))
        clock_findings = clock_unsynced(clock_error_s)
        flags = FLAG_CLOCK_UNSYNCED if clock_findings else 0
        flags |= FLAG_SUSPECT if not profile.verified else 0
        findings = (*step.findings, *clock_findings)
        if step.after is None:
            failure = "; ".join(finding.message for finding in step.findings)
            return Observation(device=self.device, state=step.state, findings=findings, failure=failure)
        entries = self._entries(step, flags)
        return Observation(device=self.device, state=step.state, entries=entries, findings=findings)

    def _entries(self, step: CounterStep, flags: int) -> tuple[BoundaryReading, ...]:
        assert step.after is not None
        same_epoch = step.state.epoch == self._state.epoch
        last_end_s = self._last_end_s if same_epoch else None
        similar = self._similar_day(step) if same_epoch else None
        entries = boundary_readings(last_end_s, step.before, step.after, self._interval_s, similar)
        return tuple(replace(entry, flags=entry.flags | flags) for entry in entries)

    def _similar_day(self, step: CounterStep) -> SimilarDay | None:
        """The shape of what was not read, where the gap is too long for a straight line."""
        before, after = step.before, step.after
        if before is None or after is None or (after.at - before.at).total_seconds() <= LINEAR_UP_TO_S:
            return None
        return similar_day(
            energies_of(self._history(self.device, step.state.epoch), self._interval_s),
            before,
            after,
            interval_s=self._interval_s,
            connection_w=self.config.connection_w,
        )

    def _limits(self, reading: MeterReading) -> CounterLimits:
        return CounterLimits(
            connection_w=self.config.connection_w,
            import_rollover_mwh=self._rollover_mwh(reading, "energy_import_wh"),
            export_rollover_mwh=self._rollover_mwh(reading, "energy_export_wh"),
        )

    def _rollover_mwh(self, reading: MeterReading, quantity: str) -> int | None:
        register, counter = self.reader.profile.register(quantity), reading.energy.get(quantity)
        if register is None or counter is None or register.counter_bits is None:
            return None
        return counter.step_mwh << register.counter_bits

    def continued(self, entries: Sequence[BoundaryReading]) -> Observation:
        """Readings from elsewhere that go before the meter's own. Raises ValueError if they cannot."""
        end_s, last = self._last_end_s, self._state.last
        registers = (last.import_mwh, last.export_mwh) if last and end_s is not None else (0, 0)
        for entry in entries:
            if end_s is not None and entry.start_s != end_s:
                raise ValueError(f"{self.device}: imported reading starts at {entry.start_s}, expected {end_s}")
            if entry.import_mwh < registers[0] or entry.export_mwh < registers[1]:
                raise ValueError(f"{self.device}: imported register falls at {entry.start_s}")
            end_s, registers = entry.start_s + entry.duration_s, (entry.import_mwh, entry.export_mwh)
        if end_s is None or not entries:
            return Observation(device=self.device)
        at = datetime.fromtimestamp(end_s, UTC)
        read = CounterRead(at=at, import_mwh=registers[0], export_mwh=registers[1], step_mwh=1)
        return Observation(
            device=self.device, state=replace(self._state, last=read, suspect=None), entries=tuple(entries)
        )

    def restarted(self) -> Observation:
        """The platform contradicts this chain: a new epoch goes on from the last read."""
        state = replace(self._state, epoch=self._state.epoch + 1)
        return Observation(device=self.device, state=state)

    def take(self, observation: Observation) -> None:
        """Remember what has been recorded."""
        assert observation.state is not None
        if observation.state.epoch != self._state.epoch:
            self._last_end_s = None
            self.reader.accept_identity()
        self._state = observation.state
        if observation.entries:
            last = observation.entries[-1]
            self._last_end_s = last.start_s + last.duration_s
