"""How a simulated device can misbehave, as devices in the field do."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """Each answers a request wrongly, late or not at all, or shows counters that cannot be taken as they are."""

    SILENT = "silent"
    DELAY = "delay"
    GARBAGE = "garbage"
    EXCEPTION = "exception"
    WRONG_UNIT = "wrong_unit"
    DROP = "drop"
    TRUNCATE = "truncate"
    DUPLICATE = "duplicate"
    RESET = "reset"
    ROLLOVER = "rollover"


IN_THE_COUNTERS = frozenset({FaultKind.RESET, FaultKind.ROLLOVER})
"""Faults of what a device shows: it answers as it should."""

_DEFAULT_AMOUNT = {FaultKind.DELAY: 1.0, FaultKind.EXCEPTION: 4.0, FaultKind.ROLLOVER: 10.0}

DESCRIPTIONS = {
    FaultKind.SILENT: "never answers",
    FaultKind.DELAY: "answers after so many seconds (delay:0.7)",
    FaultKind.GARBAGE: "answers with registers full of noise",
    FaultKind.EXCEPTION: "answers with a Modbus exception (exception:6)",
    FaultKind.WRONG_UNIT: "answers in another unit's name",
    FaultKind.DROP: "closes the connection instead of answering",
    FaultKind.TRUNCATE: "sends half an answer",
    FaultKind.DUPLICATE: "sends every answer twice",
    FaultKind.RESET: "counters fall to zero after so many seconds (reset:60)",
    FaultKind.ROLLOVER: "counters stand so many Wh before their end and go on from zero (rollover:10)",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind and, where it has one, its amount: seconds of delay or until a reset, exception code, Wh to a rollover."""

    kind: FaultKind
    amount: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `KIND` or `KIND:AMOUNT`. Raises ValueError naming the kinds there are."""
        name, _, amount = text.partition(":")
        if name not in set(FaultKind):
            raise ValueError(f"unknown fault {name!r}: one of {', '.join(FaultKind)}")
        kind = FaultKind(name)
        try:
            return cls(kind, float(amount) if amount else _DEFAULT_AMOUNT.get(kind, 0.0))
        except ValueError as error:
            raise ValueError(f"fault {text!r}: {amount!r} is not a number") from error
