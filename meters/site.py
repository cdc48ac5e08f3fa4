"""What a gateway has around it: buses, meters and inverters, kept through changes of its configuration."""

import asyncio
from dataclasses import dataclass

from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import Clock
from meters.control import SunSpecControl
from meters.control_profile import SUNSPEC, load_control_profile
from meters.counters import CounterState
from meters.gateway_config import GatewayConfig, MeterConfig
from meters.inverters import Control, Inverters
from meters.outbox import Outbox
from meters.profile import load_profile
from meters.reader import MeterReader
from meters.register_control import RegisterControl
from meters.watch import History, MeterWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteChange:
    """Devices that a new configuration added, removed, changed or left alone."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    untouched: tuple[str, ...]

    def __str__(self) -> str:
        parts = [("added", self.added), ("removed", self.removed), ("changed", self.changed)]
        said = [f"{word} {', '.join(devices)}" for word, devices in parts if devices]
        return "; ".join([*said, f"{len(self.untouched)} untouched"])


class Site:
    """The devices of a configuration. Nothing is connected before it is asked."""

    def __init__(self, clock: Clock) -> None:
        self.watches: dict[str, MeterWatch] = {}
        self.inverters = Inverters()
        self._clock = clock
        self._buses: dict[BusAddress, Bus] = {}
        self._timeout_s = 0.0

    async def arrange(self, config: GatewayConfig, outbox: Outbox) -> SiteChange:
        """Have the devices of `config`; those that it says nothing new about keep connection and memory.

        A new or changed one goes on from what the outbox knows of it.
        """
        before = {} if config.timeout_s != self._timeout_s else self._buses
        dropped = [bus for address, bus in self._buses.items() if before.get(address) is not bus]
        self._buses, self._timeout_s = dict(before), config.timeout_s
        states = outbox.states()
        ends = {(chain.device, chain.epoch): chain.last_end_s for chain in outbox.chains()}
        old, watches, controls = self.watches, {}, {}
        for meter in config.meters:
            watch = old.get(meter.device)
            if watch is None or watch.config != meter or dropped:
                state = states.get(meter.device, CounterState())
                end_s = ends.get((meter.device, state.epoch))
                watch = self._watch(meter, state, end_s, config.interval_minutes * 60, outbox.history)
            watches[meter.device] = watch
            if meter.control is not None:
                kept = watch is old.get(meter.device)
                controls[meter.device] = self.inverters[meter.device] if kept else self._control(meter)
        self.watches = watches
        self.inverters.arrange(controls)
        dropped += self._without_use(config)
        await asyncio.gather(*(bus.close() for bus in dropped))
        return _change(old, watches)

    def _watch(
        self, meter: MeterConfig, state: CounterState, last_end_s: int | None, interval_s: int, history: History
    ) -> MeterWatch:
        reader = MeterReader(load_profile(meter.profile), self._bus(meter.address), meter.device_id)
        return MeterWatch(meter, reader, state, last_end_s, interval_s, history)

    def _control(self, meter: MeterConfig) -> Control:
        assert meter.control is not None
        bus, device_id = self._bus(meter.control.address), meter.control.device_id
        if meter.control.profile == SUNSPEC:
            return SunSpecControl(bus, device_id)
        return RegisterControl(load_control_profile(meter.control.profile), bus, device_id)

    def _bus(self, address: str) -> Bus:
        parsed = BusAddress.parse(address)
        if parsed not in self._buses:
            self._buses[parsed] = Bus(parsed, clock=self._clock, timeout_s=self._timeout_s)
        return self._buses[parsed]

    def _without_use(self, config: GatewayConfig) -> list[Bus]:
        used = {meter.address for meter in config.meters}
        used |= {meter.control.address for meter in config.meters if meter.control}
        unused = self._buses.keys() - {BusAddress.parse(address) for address in used}
        return [self._buses.pop(address) for address in unused]

    async def close(self) -> None:
        """Close every connection; set-points are left to run out."""
        await asyncio.gather(*(bus.close() for bus in self._buses.values()))


def _change(old: dict[str, MeterWatch], new: dict[str, MeterWatch]) -> SiteChange:
    both = [device for device in new if device in old]
    return SiteChange(
        added=tuple(device for device in new if device not in old),
        removed=tuple(device for device in old if device not in new),
        changed=tuple(device for device in both if new[device] is not old[device]),
        untouched=tuple(device for device in both if new[device] is old[device]),
    )
