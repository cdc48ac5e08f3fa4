"""What a running gateway leaves in its state directory for `commonwatt gateway status`, and what that means.

The outbox holds what was read; `status.json` beside it holds what is only known while running: what fails, the last
upload, the clock. It is replaced as a whole and never synced: after a power cut it may be missing, and nothing is lost.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from meters.clock import Clock
from meters.counters import CounterState
from meters.gateway_config import GatewayConfig
from meters.outbox import Outbox
from meters.outbox_file import is_in_use
from meters.vee import clock_unsynced

STATUS_NAME = "status.json"
OUTBOX_NAME = "outbox.sqlite"
LATE_POLLS, LATE_S = 3, 60.0
"""A meter or a gateway is late after so many missed polls, at least so many seconds."""


class StatusFile:
    """Keeps `status.json` up to date while the gateway runs."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._path = state_dir / STATUS_NAME
        self._clock = clock
        self._known: dict[str, Any] = {
            "failures": {},
            "disobedient": {},
            "overruns": {},
            "uploaded_at": None,
            "upload_error": "",
            "clock_error_s": None,
            "config_error": "",
        }

    def read(self, failures: Mapping[str, str], clock_error_s: float | None, overruns: Mapping[str, str]) -> None:
        """Every meter was asked: who has no reading and why, and who exports more than its inverter confirmed."""
        self._write(failures=dict(failures), clock_error_s=clock_error_s, overruns=dict(overruns))

    def controlled(self, failures: Mapping[str, str]) -> None:
        """Every inverter was told; `failures` says who does not obey and why."""
        self._write(disobedient=dict(failures))

    def uploaded(self, error: str) -> None:
        """An upload ended; `error` is empty if the platform has everything."""
        self._write(upload_error=error, **({} if error else {"uploaded_at": self._clock().isoformat()}))

    @property
    def troubles(self) -> tuple[Mapping[str, str], ...]:
        """What is wrong with devices: not read, not obeying, exporting more than confirmed."""
        return self._known["failures"], self._known["disobedient"], self._known["overruns"]

    def configured(self, error: str) -> None:
        """The configuration changed; `error` is why its new version is not used, empty if it is."""
        self._write(config_error=error)

    def _write(self, **news: object) -> None:
        self._known |= {**news, "written_at": self._clock().isoformat()}
        draft = self._path.with_name(f"{STATUS_NAME}.new")
        draft.write_text(json.dumps(self._known), encoding="utf-8")
        draft.replace(self._path)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLine:
    """One thing about a gateway in plain words, and whether it is as it should be."""

    what: str
    good: bool


def gateway_status(config: GatewayConfig, now: datetime) -> tuple[StatusLine, ...]:
    """How the gateway of `config` is. Raises OutboxError if its outbox cannot be read."""
    path = config.state_dir / OUTBOX_NAME
    if not path.exists():
        return (StatusLine(what=f"{config.name} has never run: there is no {path}", good=False),)
    known = _known(config.state_dir / STATUS_NAME)
    with Outbox(path, read_only=True) as outbox:
        states, chains, alarms = outbox.states(), outbox.chains(), outbox.alarms()
    waiting = sum(chain.pending for chain in chains if not chain.blocked)
    lines = [_running(config, known, path, now)]
    lines += [_meter(config, meter.device, states.get(meter.device), known, now) for meter in config.meters]
    lines += [
        StatusLine(what=f"{device}: {said}", good=False)
        for what in ("disobedient", "overruns")
        for device, said in sorted(known.get(what, {}).items())
    ]
    lines += [StatusLine(what=f"outbox: {waiting} readings wait", good=True), _upload(known, waiting)]
    lines.append(_clock(known))
    if refused := known.get("config_error", ""):
        lines.append(StatusLine(what=f"the changed configuration is not used: {refused}", good=False))
    lines += [
        StatusLine(what=f"{chain.device} epoch {chain.epoch}: no longer sent, {chain.blocked}", good=False)
        for chain in chains
        if chain.blocked
    ]
    lines += [StatusLine(what=f"alarm: {alarm.device}: {alarm.kind}, {alarm.message}", good=False) for alarm in alarms]
    return tuple(lines)


def is_well(lines: Iterable[StatusLine]) -> bool:
    """Whether everything is as it should be."""
    return all(line.good for line in lines)


def _known(path: Path) -> Mapping[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _late(config: GatewayConfig) -> timedelta:
    return timedelta(seconds=max(LATE_POLLS * config.poll_s, LATE_S))


def _running(config: GatewayConfig, known: Mapping[str, Any], outbox: Path, now: datetime) -> StatusLine:
    if not is_in_use(outbox):
        return StatusLine(what=f"{config.name} is not running", good=False)
    if "written_at" not in known:
        return StatusLine(what=f"{config.name} has just started", good=True)
    since = now - datetime.fromisoformat(known["written_at"])
    if since > _late(config):
        return StatusLine(what=f"{config.name} runs, but did nothing for {_ago(since)}", good=False)
    return StatusLine(what=f"{config.name} is running", good=True)


def _meter(
    config: GatewayConfig, device: str, state: CounterState | None, known: Mapping[str, Any], now: datetime
) -> StatusLine:
    failure = known.get("failures", {}).get(device, "")
    if state is None or state.last is None:
        return StatusLine(what=f"{device}: never read{f', {failure}' if failure else ''}", good=False)
    since = now - state.last.at
    shown = f"import {state.last.import_mwh / 1e6:.3f} kWh, export {state.last.export_mwh / 1e6:.3f} kWh"
    what = f"{device}: read {_ago(since)} ago, {shown}{f'; now {failure}' if failure else ''}"
    return StatusLine(what=what, good=not failure and since <= _late(config))


def _upload(known: Mapping[str, Any], waiting: int) -> StatusLine:
    last = f"last complete upload at {known['uploaded_at']}" if known.get("uploaded_at") else "nothing uploaded yet"
    if error := known.get("upload_error", ""):
        return StatusLine(what=f"{last}; fails: {error}", good=False)
    return StatusLine(what=last, good=bool(known.get("uploaded_at")) or waiting == 0)


def _clock(known: Mapping[str, Any]) -> StatusLine:
    error_s = known.get("clock_error_s")
    if error_s is None:
        return StatusLine(what="clock: not compared with the platform yet", good=True)
    side = "ahead of" if error_s >= 0 else "behind"
    return StatusLine(what=f"clock: {abs(error_s):.1f} s {side} the platform", good=not clock_unsynced(error_s))


def _ago(since: timedelta) -> str:
    seconds = max(0, round(since.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
