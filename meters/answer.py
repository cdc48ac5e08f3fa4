"""What came of one request to a device: its registers, or why there are none."""

from dataclasses import dataclass
from datetime import datetime, timedelta


class BusError(Exception):
    """A request that brought no certain answer; the message names bus, unit and what happened."""


class DeviceSilentError(BusError):
    """Nobody answered in time, or what came was not an answer to this request."""


class DeviceUnreachableError(DeviceSilentError):
    """There is no way to the bus: no such line, no such host, or nobody listens there."""


class DeviceRefusedError(BusError):
    """The device answered with a Modbus exception `code`."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Registers of one read and when they were asked for and received."""

    words: tuple[int, ...]
    sent_at: datetime
    received_at: datetime

    @property
    def at(self) -> datetime:
        """Midpoint of sending and receiving: the device looked at its registers about then."""
        return self.sent_at + (self.received_at - self.sent_at) / 2

    @property
    def uncertainty(self) -> timedelta:
        return (self.received_at - self.sent_at) / 2
