"""What a gateway says it did."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from meters.vee import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """One round over all meters for one boundary.

    readings  how many readings were appended to the outbox
    complete  devices whose reading for this boundary is there, now or from before
    failed    device to why it has none: silent, refused, or a value that is not certain
    findings  device to what the rules found
    seconds   real time it took
    """

    boundary: datetime
    readings: int
    complete: frozenset[str]
    failed: Mapping[str, str]
    findings: Mapping[str, tuple[Finding, ...]]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlReport:
    """One round of set-points.

    limited   device to the feed-in limit its inverter confirmed, W
    batteries device to the battery power its inverter confirmed, W, + charging
    released  devices that were set free
    failed    device to why it does not obey
    error     why the set-points could not be fetched; empty if they were
    """

    limited: Mapping[str, float]
    batteries: Mapping[str, float]
    released: frozenset[str]
    failed: Mapping[str, str]
    error: str = ""
