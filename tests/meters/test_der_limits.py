"""Limits of IEEE 1547-2018 devices (SunSpec 704): safe order, read back, seen by another program, self-ending."""

import asyncio
import math
from datetime import timedelta

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import system_clock
from meters.control import ControlError, SunSpecControl
from meters.simulator import SimulatedMeter, start_meters

# Model 702 has 52 registers with its header: the points of model 704 begin there.
AT_704 = 52


class Device(SimulatedMeter):
    """A simulated device that keeps what it was told and in which order it was written."""

    def __init__(self, clock=system_clock, **options) -> None:
        self.told: list[float] = []
        self.writes: list[tuple[int, list[int]]] = []
        super().__init__(
            "sunspec_701", 1, lambda: {"energy_export_wh": 0}, lambda _, watts: self.told.append(watts), clock=clock,
            **options,
        )  # fmt: skip

    def write(self, address, words) -> None:
        super().write(address, words)
        self.writes.append((address - self._map.controls_address - AT_704, list(words)))


class Deaf(Device):
    """Acknowledges every write and obeys none."""

    def write(self, address, words) -> None:
        pass


async def controlled(device: Device, work):
    servers = await start_meters({0: [device]})
    bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{servers.ports[0]}"), clock=system_clock)
    try:
        return await work(SunSpecControl(bus, 1), servers.ports[0])
    finally:
        await bus.close()
        await servers.close()


def limited(device: Device, limit_w: int | None, revert_s: int = 1800):
    return asyncio.run(controlled(device, lambda control, _: control.limit_generation(limit_w, revert_s=revert_s)))


def test_percentage_then_reversion_then_enable_and_what_comes_after_is_freedom():
    device = Device(rated_w=8000)
    assert limited(device, 2000, revert_s=70_000) == 2000
    # 25.0 %; 70 000 s as two registers; afterwards 100 % and switched off.
    assert device.writes == [(15, [250]), (18, [1, 4464]), (16, [1000]), (17, [0]), (14, [1])]
    assert device.told == [2000]


@pytest.mark.parametrize(
    ("rated_w", "limit_w", "held_w"), [(8000, 3333, 3328), (8000, 0, 0), (8000, 9000, 8000), (120_000, 60_000, 60_000)]
)
def test_a_limit_is_rounded_down_to_what_the_device_can_express(rated_w, limit_w, held_w):
    assert limited(Device(rated_w=rated_w), limit_w) == pytest.approx(held_w)


def test_a_device_that_does_not_obey_is_found_out():
    with pytest.raises(ControlError, match=r"SunSpec model 704, but point .*14 reads 0 instead of 1"):
        limited(Deaf(), 2000)


def test_a_limit_that_nobody_refreshes_ends_by_itself_and_one_that_is_refreshed_stays(clock):
    device = Device(clock, rated_w=8000)
    limited(device, 2000, revert_s=1800)
    clock.set(clock() + timedelta(seconds=1799))
    device.tick()
    limited(device, 2000, revert_s=1800)
    clock.set(clock() + timedelta(seconds=1799))
    device.tick()
    assert device.told == [2000]
    clock.set(clock() + timedelta(seconds=1))
    device.tick()
    assert len(device.told) == 2
    assert math.isnan(device.told[1])


def test_a_release_frees_the_device_and_a_device_without_a_battery_is_asked_for_none():
    device = Device(rated_w=8000)

    async def work(control, _):
        await control.limit_generation(1000, revert_s=60)
        assert await control.set_battery(None, revert_s=60) is None
        with pytest.raises(ControlError, match="no SunSpec model 124"):
            await control.set_battery(500, revert_s=60)
        return await control.limit_generation(None, revert_s=60)

    assert asyncio.run(controlled(device, work)) is None
    assert math.isnan(device.told[-1])


def test_a_device_without_optional_points_is_limited_all_the_same():
    device = Device(rated_w=8000)
    for offset in (16, 17, 18, 19):
        device._controls._image[AT_704 + offset] = 0xFFFF
    assert limited(device, 2000) == 2000
    assert device.writes == [(15, [250]), (14, [1])]


def test_pysunspec2_reads_what_we_wrote_and_we_obey_what_it_writes():
    device = Device(rated_w=8000)

    def seen(port: int) -> tuple:
        other = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port)
        other.scan()
        controls = other.models[704][0]
        shown = (controls.WMaxLimPct.cvalue, controls.WMaxLimPctEna.value, controls.WMaxLimPctRvrtTms.value)
        assert other.models[702][0].WMax.cvalue == 8000
        controls.WMaxLimPct.cvalue = 45.5
        controls.WMaxLimPct.write()
        other.close()
        return shown

    async def work(control, port):
        await control.limit_generation(2000, revert_s=1800)
        return await asyncio.to_thread(seen, port)

    assert asyncio.run(controlled(device, work)) == (25.0, 1, 1800)
    assert device.told == [2000, 3640]
