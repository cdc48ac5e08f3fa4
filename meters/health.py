"""What a gateway tells the platform of its meters beside readings: what is wrong, and how they were commissioned."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meters.commissioning_file import Commissioned, read_report
from meters.gateway_config import GatewayConfig

TROUBLE_LONGEST = 500
AMOUNT = re.compile(r"\d+(?= (?:to \d+ )?mWh)")
"""What a register holds is the household's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterHealth:
    """One meter: `trouble` is what is wrong with it or its inverter, empty if nothing is."""

    device: str
    trouble: str = ""
    commissioned: Commissioned | None = None


def meter_health(config: GatewayConfig, *troubles: Mapping[str, str]) -> tuple[MeterHealth, ...]:
    """How every meter is; `troubles` say what is wrong, device to words."""
    return tuple(
        MeterHealth(
            device=meter.device,
            trouble=_trouble(said for told in troubles if (said := told.get(meter.device))),
            commissioned=read_report(config.state_dir, meter),
        )
        for meter in config.meters
    )


def _trouble(said: Iterable[str]) -> str:
    return AMOUNT.sub("…", "; ".join(said))[:TROUBLE_LONGEST]
