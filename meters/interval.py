"""Delivery intervals and the energy metered in them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MARKET_TIME_UNITS_MINUTES = (5, 15, 30, 60)


class Quality(StrEnum):
    """How a value came to be known; the order of trust is the order of the members."""

    MEASURED = "measured"
    INTERPOLATED = "interpolated"
    MANUAL = "manual"
    ESTIMATED = "estimated"
    SUBSTITUTED = "substituted"
    PROVISIONAL = "provisional"


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class DeliveryInterval:
    """A half-open slot [start, end) in UTC, named by its start.

    `minutes` is the market time unit (5, 15, 30 or 60); `start` is aware, in UTC and on a multiple of it.
    Raises ValueError otherwise.
    """

    start: datetime
    minutes: int = 15

    def __post_init__(self) -> None:
        if self.minutes not in MARKET_TIME_UNITS_MINUTES:
            raise ValueError(f"market time unit {self.minutes} min: use one of {MARKET_TIME_UNITS_MINUTES}")
        if self.start.tzinfo is not UTC:
            raise ValueError(f"interval start {self.start!r} is not in UTC")
        if int(self.start.timestamp()) % (self.minutes * 60) or self.start.microsecond:
            raise ValueError(f"interval start {self.start.isoformat()} is off the {self.minutes}-minute grid")

    @classmethod
    def at(cls, start_s: int, minutes: int = 15) -> "DeliveryInterval":
        """The interval that starts at `start_s` seconds since the Unix epoch."""
        return cls(start=datetime.fromtimestamp(start_s, UTC), minutes=minutes)

    @classmethod
    def containing(cls, instant: datetime, minutes: int = 15) -> "DeliveryInterval":
        """The interval in which `instant` (aware) lies."""
        step_s = minutes * 60
        return cls.at(int(instant.timestamp()) // step_s * step_s, minutes)

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.minutes)

    @property
    def start_s(self) -> int:
        return int(self.start.timestamp())

    def shifted(self, count: int) -> "DeliveryInterval":
        """The interval `count` slots later (earlier when negative)."""
        return DeliveryInterval(start=self.start + count * timedelta(minutes=self.minutes), minutes=self.minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalEnergy:
    """Energy of one metering point in one interval, integer Wh, both non-negative."""

    metering_point: str
    interval: DeliveryInterval
    import_wh: int
    export_wh: int
    quality: Quality = Quality.MEASURED

    def __post_init__(self) -> None:
        if self.import_wh < 0 or self.export_wh < 0:
            raise ValueError(
                f"{self.metering_point} {self.interval.start.isoformat()}: negative energy "
                f"(import {self.import_wh} Wh, export {self.export_wh} Wh)"
            )
