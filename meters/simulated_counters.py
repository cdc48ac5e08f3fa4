"""Counters that misbehave: they start again from zero, as after an exchange, or roll over at their end."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from meters.clock import Clock
from meters.decoding import Number
from meters.faults import Fault, FaultKind
from meters.profile import Profile, Register


class DisturbedCounters:
    """The energy registers of one simulated meter, with the fault it has at the moment."""

    def __init__(self, profile: Profile, clock: Clock) -> None:
        self._registers = profile.energy_registers
        self._clock = clock
        self._begun: datetime | None = None
        self._zero_wh: Mapping[str, Number] | None = None
        self._offset_wh: Mapping[str, Number] | None = None

    def shown(self, values: Mapping[str, Number], fault: Fault | None) -> Mapping[str, Number]:
        """What the registers show in place of `values`. Raises ValueError for a register that cannot roll over."""
        if fault is None or fault.kind not in {FaultKind.RESET, FaultKind.ROLLOVER}:
            self._begun = self._zero_wh = self._offset_wh = None
            return values
        counted = {each.quantity: values[each.quantity] for each in self._registers if each.quantity in values}
        if fault.kind is FaultKind.RESET:
            return {**values, **self._reset(counted, fault.amount)}
        return {**values, **self._rolled_over(counted, fault.amount)}

    def _reset(self, counted: Mapping[str, Number], after_s: float) -> Mapping[str, Number]:
        self._begun = self._begun or self._clock()
        if self._clock() < self._begun + timedelta(seconds=after_s):
            return counted
        self._zero_wh = self._zero_wh or counted
        return {name: wh - self._zero_wh[name] for name, wh in counted.items()}

    def _rolled_over(self, counted: Mapping[str, Number], ahead_wh: float) -> Mapping[str, Number]:
        spans = {each.quantity: span_wh(each) for each in self._registers}
        if self._offset_wh is None:
            self._offset_wh = {name: spans[name] - ahead_wh - wh for name, wh in counted.items()}
        return {name: (wh + self._offset_wh[name]) % spans[name] for name, wh in counted.items()}


def span_wh(register: Register) -> Number:
    """Where a counter starts again from zero, Wh. Raises ValueError for floats, which never do."""
    if register.word_type.is_float:
        raise ValueError(f"fault rollover: {register.quantity} is a float, which does not roll over")
    sign = 1 if register.word_type.name.startswith("s") else 0
    bits = register.counter_bits or 16 * register.count - sign
    return register.scale * (1 << bits)
