"""The reports of commissioning in a gateway's state directory: one for programs and one for people, for each device."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from meters.commissioning import Outcome
from meters.commissioning_run import Commissioning
from meters.gateway_config import MeterConfig

SAID_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Commissioned:
    """How a meter was commissioned last: what it came to, when (Unix seconds), and what stood against it."""

    outcome: Outcome
    at_s: int
    said: str


def write_report(state_dir: Path, report: Commissioning) -> None:
    """Leave a report; one of an earlier commissioning of the same device is replaced."""
    state_dir.mkdir(parents=True, exist_ok=True)
    for suffix, text in (("json", json.dumps(report.document(), indent=2) + "\n"), ("txt", report.text())):
        path = _path(state_dir, report.device, suffix)
        draft = path.with_name(f"{path.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)


def read_report(state_dir: Path, meter: MeterConfig) -> Commissioned | None:
    """How this meter was commissioned; None if it was not, or was another one: other profile, address or device id."""
    try:
        document: dict[str, Any] = json.loads(_path(state_dir, meter.device, "json").read_text(encoding="utf-8"))
        if (document["profile"], document["address"], document["device_id"]) != (
            meter.profile,
            meter.address,
            meter.device_id,
        ):
            return None
        outcome = Outcome(document["outcome"])
        at_s = int(datetime.fromisoformat(document["at"]).timestamp())
        said = "; ".join(_against(document["checks"], outcome))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Commissioned(outcome=outcome, at_s=at_s, said=said[:SAID_LONGEST])


def _against(checks: list[dict[str, str]], outcome: Outcome) -> Iterator[str]:
    """What stood against it, without what the registers hold: that is the household's."""
    if outcome is Outcome.PASSED:
        return
    for check in checks:
        if check["outcome"] == outcome:
            said = [part for part in check["what"].split("; ") if "kWh" not in part]
            yield ", ".join(said) or f"{check['name']}: display and registers differ"


def _path(state_dir: Path, device: str, suffix: str) -> Path:
    return state_dir / f"commissioning-{quote(device, safe='')}.{suffix}"
