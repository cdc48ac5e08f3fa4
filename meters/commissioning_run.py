"""Commissioning a meter with somebody beside it: ask, wait for the load to come, look, judge."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any, Protocol

from meters.clock import Clock
from meters.commissioning import (
    Check,
    Look,
    Outcome,
    display_checks,
    has_changed,
    load_checks,
    outcome_of,
    phase_sum_checks,
    register_check,
    voltage_checks,
)
from meters.gateway_config import MeterConfig
from meters.reader import MeterReader

LOOKS, PAUSE_S = 3, 0.3
"""Looks behind one figure, and the time between them."""


class Installer(Protocol):
    """Who stands beside the meter, or a file with what they would say."""

    def shown_kwh(self, device: str, quantity: str) -> float | None: ...

    def load_w(self, device: str, phase: int) -> float | None: ...

    def tell(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Commissioning:
    """A meter's report."""

    device: str
    profile: str
    address: str
    device_id: int
    identity: str
    at: datetime
    checks: tuple[Check, ...]

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.checks)

    def document(self) -> dict[str, Any]:
        """The report for programs."""
        return {**asdict(self), "at": self.at.isoformat(), "outcome": self.outcome}

    def text(self) -> str:
        """The report for people."""
        signs = {Outcome.PASSED: "ok", Outcome.REFUSED: "REFUSED", Outcome.OPEN: "open"}
        head = f"{self.device}: {self.outcome}, {self.at:%Y-%m-%d %H:%M} UTC\n"
        meter = f"{self.profile}, device {self.device_id} at {self.address} {self.identity}".rstrip()
        rows = "".join(f"  {signs[check.outcome]:<8}{check.name:<10}{check.what}\n" for check in self.checks)
        return f"{head}{meter}\n{rows}"


async def commission(
    meter: MeterConfig, reader: MeterReader, installer: Installer, *, clock: Clock, within_s: float
) -> Commissioning:
    """Check one meter. `within_s` limits every single wait. Raises BusError and what else reading raises."""
    reading = await reader.read(insist=True)
    quantities = [register.quantity for register in reader.profile.energy_registers]
    shown = {quantity: installer.shown_kwh(meter.device, quantity) for quantity in quantities}
    known: Mapping[str, float] = {quantity: kwh for quantity, kwh in shown.items() if kwh is not None}
    # The installer took their time: what is compared is what the meter says now.
    reading = await reader.read(insist=True)
    checks = [*display_checks(reading, known), *voltage_checks(reading, reader.profile.phases)]
    checks += phase_sum_checks(reading)
    if reader.profile.role != "inverter":
        for phase in range(1, reader.profile.phases + 1):
            checks += await _load(meter.device, phase, reader, installer, within_s)
    return Commissioning(
        device=meter.device,
        profile=meter.profile,
        address=meter.address,
        device_id=meter.device_id,
        identity=reading.identity,
        at=clock(),
        checks=tuple(checks),
    )


async def _load(device: str, phase: int, reader: MeterReader, installer: Installer, within_s: float) -> list[Check]:
    load_w = installer.load_w(device, phase)
    if load_w is None:
        return [Check(name="sign", outcome=Outcome.OPEN, what=f"L{phase}: no load was switched on")]
    before = await _steady(reader)
    installer.tell(f"{device}: switch {load_w:.0f} W on at L{phase}")
    if not await _until(reader, lambda now: has_changed(before, now, load_w), within_s):
        what = f"L{phase}: no load was seen within {within_s:.0f} s"
        return [Check(name="sign", outcome=Outcome.REFUSED, what=f"{what}: is its current transformer connected?")]
    during = await _steady(reader)
    checks = load_checks(phase, load_w, before, during)
    if phase == 1 and during.power_w is not None and outcome_of(checks) is Outcome.PASSED:
        await _until(reader, lambda now: now.energy_mwh != during.energy_mwh, within_s)
        checks.append(register_check(during.power_w, during, Look.at(await reader.read(insist=True))))
    installer.tell(f"{device}: switch it off")
    await _until(reader, lambda now: has_changed(during, now, load_w), within_s)
    return checks


async def _steady(reader: MeterReader) -> Look:
    """The middle of a few looks, so that a fridge that starts does not count."""
    looks = []
    for _ in range(LOOKS):
        await asyncio.sleep(PAUSE_S)
        looks.append(Look.at(await reader.read(insist=True)))
    powers = [look.power_w for look in looks if look.power_w is not None]
    phases = looks[-1].current_a.keys()
    return Look(
        power_w=median(powers) if powers else None,
        current_a={phase: median(look.current_a.get(phase, 0.0) for look in looks) for phase in phases},
        energy_mwh=looks[-1].energy_mwh,
    )


async def _until(reader: MeterReader, seen: Callable[[Look], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        await asyncio.sleep(PAUSE_S)
        if seen(Look.at(await reader.read(insist=True))):
            return True
    return False
