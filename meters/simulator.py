"""Simulated meters on real sockets: every request is answered from the source at that moment.

One process serves a whole neighbourhood. A source gives canonical quantities (`energy_import_wh`, `active_power_w`
with + for import, `voltage_l1_v` ...); what it leaves out is filled in plausibly. A device with `on_write` is a
controllable inverter: see `meters.simulated_inverter`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from meters.clock import Clock, system_clock
from meters.control_profile import SUNSPEC, load_control_profile
from meters.decoding import Number, encode
from meters.faults import Fault
from meters.modbus_server import (
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    Device,
    Framing,
    ModbusConnection,
    RequestRefusedError,
)
from meters.profile import Profile, Register, load_profile
from meters.simulated_counters import DisturbedCounters
from meters.simulated_der import DerControls
from meters.simulated_inverter import Held, InverterControls, OnWrite
from meters.simulated_vendor import VendorControls
from meters.sunspec import BASES, COMMON, COMMON_LAYOUT, END_OF_MAP, MARK, text_words

Source = Callable[[], Mapping[str, Number]]
"""Canonical quantities now."""

DER_MEASUREMENTS = 701
TICK_S = 1.0
NOMINAL_VOLTAGE_V, NOMINAL_FREQUENCY_HZ = 230.0, 50.0
SCALE_FACTORS = {"voltage": -1, "current": -2, "frequency": -2, "energy": 0}
S16_MAX = 32_000
BATTERY_RATED_W = 5_000.0


class SimulatedMeter:
    """One device of the kind `profile_name` at `device_id`.

    on_write  called with ("generation_limit_w", watts) or ("battery_w", watts, + charging) when a set-point changes,
              and with NaN when it is released; makes a SunSpec inverter (101-113, 701) controllable
    rated_w   what percentages of limits refer to; a source that gives `rated_w` or `battery_rated_w` overrides it,
              `battery_wh` and `battery_stored_wh` make a state of charge
    held      set-points it obeys from the start, because it did before it was restarted
    fault     how it misbehaves from now on; None for not at all
    control   where set-points are written: SunSpec's models, or a table of `meters.control_profile`
    """

    def __init__(
        self,
        profile_name: str,
        device_id: int,
        source: Source,
        on_write: OnWrite | None = None,
        *,
        rated_w: float = 10_000,
        fault: Fault | None = None,
        clock: Clock = system_clock,
        held: Held | None = None,
        control: str = SUNSPEC,
    ) -> None:
        self.profile = load_profile(profile_name)
        self.device_id = device_id
        self.fault = fault
        self._source = source
        self._counters = DisturbedCounters(self.profile, clock)
        self._counters.shown(source(), fault)
        self._controls: InverterControls | DerControls | None = None
        self._map: _RegisterMap | _SunSpecMap
        self._vendor: VendorControls | None = None
        if on_write is not None and control != SUNSPEC:
            given_w = source().get("rated_w", rated_w)
            self._vendor = VendorControls(load_control_profile(control), on_write, rated_w=given_w, clock=clock)
            on_write = None
        if self.profile.sunspec is None:
            self._map = _RegisterMap(self.profile)
            return
        if on_write is not None and self.profile.role == "inverter":
            given = source()
            if self.profile.sunspec.model == DER_MEASUREMENTS:
                self._controls = DerControls(on_write, rated_w=given.get("rated_w", rated_w), clock=clock)
                self._map = _SunSpecMap(self.profile, device_id, self._controls)
                return
            self._controls = InverterControls(
                on_write,
                rated_w=given.get("rated_w", rated_w),
                battery_rated_w=given.get("battery_rated_w", BATTERY_RATED_W),
                battery_wh=given.get("battery_wh", 0.0),
                clock=clock,
            )
            if held is not None:
                self._controls.hold(held)
        self._map = _SunSpecMap(self.profile, device_id, self._controls)

    def read(self, function_code: int, address: int, count: int) -> Sequence[int]:
        """Registers now. Raises RequestRefusedError as the real device would."""
        if self._vendor is not None and self._vendor.covers(address):
            self.tick()
            return self._vendor.read(address, count)
        if count > self.profile.max_registers:
            raise RequestRefusedError(ILLEGAL_VALUE)
        if function_code not in self.profile.registers[0].function_codes:
            raise RequestRefusedError(ILLEGAL_ADDRESS)
        self.tick()
        values = _completed(self._counters.shown(self._source(), self.fault), self.profile)
        if self._controls is not None:
            self._controls.show_stored(values.get("battery_stored_wh", 0.0))
        return self._map.words(address, count, values)

    def write(self, address: int, words: Sequence[int]) -> None:
        """Take a set-point. Raises RequestRefusedError for registers that cannot be written."""
        if self._vendor is not None:
            self.tick()
            self._vendor.write(address, words)
            return
        if self._controls is None or not isinstance(self._map, _SunSpecMap):
            raise RequestRefusedError(ILLEGAL_ADDRESS)
        self.tick()
        self._controls.write(address - self._map.controls_address, words)

    def tick(self) -> None:
        """Release set-points whose reversion time has passed."""
        for controls in (self._controls, self._vendor):
            if controls is not None:
                controls.tick()


class _RegisterMap:
    """A device with fixed addresses. Gaps inside the map read as zero where the profile says they can be read."""

    def __init__(self, profile: Profile) -> None:
        self._registers = sorted(profile.registers, key=lambda register: register.address)
        self._max_gap = profile.max_gap

    def words(self, address: int, count: int, values: Mapping[str, Number]) -> list[int]:
        end = address + count
        wanted = [register for register in self._registers if register.address < end and register.end > address]
        covered = address
        words = [0] * count
        for register in wanted:
            if register.address - covered > self._max_gap:
                raise RequestRefusedError(ILLEGAL_ADDRESS)
            encoded = encode(register, values.get(register.quantity), None)
            for index in range(register.count):
                if address <= register.address + index < end:
                    words[register.address + index - address] = encoded[index]
            covered = register.end
        if not wanted or end - covered > self._max_gap:
            raise RequestRefusedError(ILLEGAL_ADDRESS)
        return words


class _SunSpecMap:
    """A device whose models hang together from 40000 on."""

    def __init__(self, profile: Profile, device_id: int, controls: InverterControls | DerControls | None) -> None:
        assert profile.sunspec is not None
        common = COMMON_LAYOUT.absent_words()
        common[0:16] = text_words("Commonwatt", 16)
        common[16:32] = text_words(f"Simulated {profile.sunspec.model}", 16)
        common[40:48] = text_words("1", 8)
        common[48:64] = text_words(f"SIM-{device_id}", 16)
        common[64] = device_id
        self._fixed = [*MARK, COMMON, len(common), *common]
        self._model_address = BASES[0] + len(self._fixed)
        self._fixed += [profile.sunspec.model, profile.sunspec.length, *profile.sunspec.layout.absent_words()]
        self.controls_address = BASES[0] + len(self._fixed)
        self._controls = controls
        self._profile = profile

    def words(self, address: int, count: int, values: Mapping[str, Number]) -> list[int]:
        image = [*self._fixed, *(self._controls.words() if self._controls else ()), END_OF_MAP, 0]
        start = address - BASES[0]
        if start < 0 or start + count > len(image):
            raise RequestRefusedError(ILLEGAL_ADDRESS)
        base = self._model_address - BASES[0]
        if start < self.controls_address - BASES[0] and start + count > base:
            self._show(image, base, values)
        return image[start : start + count]

    def _show(self, image: list[int], base: int, values: Mapping[str, Number]) -> None:
        for register in self._profile.registers:
            value = values.get(register.quantity)
            factor = None
            if register.scale_register is not None:
                factor = _scale_factor(register, value)
                image[base + register.scale_register] = factor & 0xFFFF
            at = base + register.address
            image[at : at + register.count] = encode(register, value, factor)


def _scale_factor(register: Register, value: Number | None) -> int:
    """A power that does not fit its sixteen bits moves its scale factor: readers must read it with every value."""
    kind = register.quantity.partition("_")[0]
    if kind in SCALE_FACTORS:
        return SCALE_FACTORS[kind]
    return 1 if value is not None and abs(value) > S16_MAX else 0


def _completed(given: Mapping[str, Number], profile: Profile) -> Mapping[str, Number]:
    """The source's values and, where it gives none, plausible ones."""
    values = dict(given)
    if profile.role == "inverter" and "generation_w" in given:
        values["active_power_w"] = -given["generation_w"]
    power_w = values.setdefault("active_power_w", 0.0)
    values.setdefault("frequency_hz", NOMINAL_FREQUENCY_HZ)
    values.setdefault("power_import_w", max(power_w, 0))
    values.setdefault("power_export_w", max(-power_w, 0))
    if "energy_import_wh" in values:
        values.setdefault("energy_total_wh", values["energy_import_wh"] + values.get("energy_export_wh", 0))
    for phase in range(1, profile.phases + 1):
        voltage_v = values.setdefault(f"voltage_l{phase}_v", NOMINAL_VOLTAGE_V)
        values.setdefault(f"active_power_l{phase}_w", power_w / profile.phases)
        values.setdefault(f"current_l{phase}_a", abs(power_w) / profile.phases / (voltage_v or NOMINAL_VOLTAGE_V))
    return values


@dataclass(frozen=True, slots=True)
class MeterServers:
    """Listening servers; `ports` in the order they were asked for (useful with port 0)."""

    servers: tuple[asyncio.Server, ...]
    ports: tuple[int, ...]
    _ticking: "asyncio.Task[None]"

    async def close(self) -> None:
        """Stop listening and end open connections."""
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        for server in self.servers:
            server.close()


async def start_meters(
    meters: Mapping[int, Sequence[SimulatedMeter]], host: str = "127.0.0.1", *, framing: Framing = "tcp"
) -> MeterServers:
    """Listen on every port (0 for any free one) with the meters of that port at their device ids.

    Raises OSError naming the address if a port is taken.
    """
    loop = asyncio.get_running_loop()
    servers: list[asyncio.Server] = []
    try:
        for port, devices in meters.items():
            known: dict[int, Device] = {meter.device_id: meter for meter in devices}
            servers.append(await loop.create_server(_connection(known, framing), host, port))
    except OSError:
        for server in servers:
            server.close()
        raise
    ports = tuple(int(server.sockets[0].getsockname()[1]) for server in servers)
    ticking = asyncio.create_task(_tick([meter for devices in meters.values() for meter in devices]))
    return MeterServers(tuple(servers), ports, ticking)


def _connection(devices: Mapping[int, Device], framing: Framing) -> Callable[[], ModbusConnection]:
    return lambda: ModbusConnection(devices, framing)


async def _tick(meters: Iterable[SimulatedMeter]) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        for meter in meters:
            meter.tick()


async def serve_meters(
    meters: Mapping[int, Sequence[SimulatedMeter]],
    host: str = "127.0.0.1",
    *,
    framing: Framing = "tcp",
    on_ready: Callable[[tuple[int, ...]], None] | None = None,
) -> None:
    """Serve until cancelled; `on_ready` gets the ports once all of them listen. Raises OSError if a port is taken."""
    running = await start_meters(meters, host, framing=framing)
    try:
        if on_ready is not None:
            on_ready(running.ports)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    finally:
        await running.close()
