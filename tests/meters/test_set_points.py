"""Set-points reach the inverter in the safe order, are read back, and end by themselves."""

import asyncio
import math
from datetime import timedelta

import pytest
from neighbourhood import QUARTER, Street, ahead, gateway_of

from meters.address import BusAddress
from meters.answer import DeviceRefusedError
from meters.bus import Bus
from meters.clock import system_clock
from meters.control import ControlError, SunSpecControl
from meters.faults import Fault
from meters.interval import DeliveryInterval
from meters.simulator import SimulatedMeter, start_meters
from meters.sunspec import SunSpecError


def point(device: str, limit_w: int | None = None, battery_w: int | None = None) -> dict:
    return {"device": device, "generation_limit_w": limit_w, "battery_w": battery_w}


def test_a_limit_and_a_battery_power_reach_the_inverter_and_are_released(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 3)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            platform.set_points = [point("D001", 4321), point("D002", None, -1500)]
            report = await gateway.apply_set_points(DeliveryInterval.containing(clock()))
            assert report.limited == {"D001": pytest.approx(4321)}
            assert report.batteries == {"D002": pytest.approx(-1500)}
            assert (report.released, report.failed, report.error) == ({"D003"}, {}, "")
            assert street.homes[0].told == [("generation_limit_w", pytest.approx(4321))]
            assert street.homes[1].told == [("battery_w", pytest.approx(-1500))]
            platform.set_points = []
            report = await gateway.apply_set_points(DeliveryInterval.containing(ahead(clock)))
            assert report.released == {"D001", "D002", "D003"}
            assert [quantity for quantity, watts in street.homes[0].told[1:] if math.isnan(watts)] == [
                "generation_limit_w"
            ]
        await street.close()

    asyncio.run(scenario())


def test_a_limit_that_is_not_refreshed_ends_by_itself(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            platform.set_points = [point("D001", 2000, 500)]
            await gateway.apply_set_points(DeliveryInterval.containing(clock()))
        # The gateway is gone. Half the reversion time is one interval.
        told = street.homes[0].told
        ahead(clock, 2 * QUARTER - timedelta(seconds=1))
        street.inverters[0].tick()
        assert len(told) == 2
        ahead(clock, timedelta(seconds=1))
        street.inverters[0].tick()
        assert [quantity for quantity, watts in told if math.isnan(watts)] == ["generation_limit_w", "battery_w"]
        await street.close()

    asyncio.run(scenario())


def test_an_inverter_that_does_not_answer_is_named_and_the_others_obey(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 2)
        await street.open()
        street.inverters[0].fault = Fault.parse("silent")
        async with gateway_of(street.config(tmp_path, timeout_s=0.1), clock, platform, credentials) as gateway:
            platform.set_points = [point("D001", 1000), point("D002", 1000)]
            report = await gateway.apply_set_points(DeliveryInterval.containing(clock()))
            assert list(report.failed) == ["D001"]
            assert list(report.limited) == ["D002"]
        await street.close()

    asyncio.run(scenario())


def test_set_points_that_cannot_be_fetched_change_nothing(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            gateway._api.token = "guess"
            report = await gateway.apply_set_points(DeliveryInterval.containing(clock()))
            assert "401" in report.error
            assert street.homes[0].told == []
        await street.close()

    asyncio.run(scenario())


async def controlled(meter: SimulatedMeter, work) -> object:
    servers = await start_meters({0: [meter]})
    bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{servers.ports[0]}"), clock=system_clock)
    try:
        return await work(SunSpecControl(bus, meter.device_id))
    finally:
        await bus.close()
        await servers.close()


class WriteLog(SimulatedMeter):
    """An inverter that keeps the order in which it was written."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.writes: list[tuple[int, list[int]]] = []

    def write(self, address, words) -> None:
        super().write(address, words)
        self.writes.append((address - self._map.controls_address, list(words)))


class Deaf(SimulatedMeter):
    """An inverter that acknowledges every write and obeys none."""

    def write(self, address, words) -> None:
        pass


def inverter(kind=SimulatedMeter, **options) -> SimulatedMeter:
    return kind("sunspec_103", 1, lambda: {"energy_export_wh": 0}, lambda *_: None, **options)


def test_percentage_reversion_time_and_enable_are_written_in_that_order():
    meter = inverter(WriteLog, rated_w=8000)
    held = asyncio.run(controlled(meter, lambda control: control.limit_generation(2000, revert_s=1800)))
    # Model 123 follows models 120 (28 registers) and 121 (32): its points begin at 60.
    assert meter.writes == [(65, [2500]), (67, [1800]), (69, [1])]
    assert held == 2000


@pytest.mark.parametrize(("limit_w", "held_w"), [(0, 0), (3333, 3332.8), (8000, 8000), (9999, 8000)])
def test_a_limit_is_rounded_down_to_what_the_inverter_can_express(limit_w, held_w):
    work = lambda control: control.limit_generation(limit_w, revert_s=60)  # noqa: E731  shorter than a function
    assert asyncio.run(controlled(inverter(rated_w=8000), work)) == pytest.approx(held_w)


def test_a_rating_beyond_sixteen_bits_is_understood():
    work = lambda control: control.limit_generation(60_000, revert_s=60)  # noqa: E731  shorter than a function
    assert asyncio.run(controlled(inverter(rated_w=120_000), work)) == pytest.approx(60_000)


def test_an_inverter_that_does_not_obey_is_found_out():
    with pytest.raises(ControlError, match="reads 0 instead of 1"):
        asyncio.run(controlled(inverter(Deaf), lambda control: control.limit_generation(2000, revert_s=60)))


def test_a_device_without_controls_is_refused():
    plain = SimulatedMeter("sunspec_203", 1, dict)
    with pytest.raises(ControlError, match="no SunSpec model 123"):
        asyncio.run(controlled(plain, lambda control: control.limit_generation(2000, revert_s=60)))
    assert asyncio.run(controlled(plain, lambda control: control.limit_generation(None, revert_s=60))) is None
    meter = SimulatedMeter("eastron_sdm630", 1, dict)
    with pytest.raises(SunSpecError, match="no SunSpec map"):
        asyncio.run(controlled(meter, lambda control: control.set_battery(500, revert_s=60)))


def test_a_device_that_knows_only_single_writes_is_written_register_by_register():
    async def scenario() -> None:
        seen: list[tuple[int, int]] = []

        async def single_writes_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.read(7):
                pdu = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                seen.append((pdu[0], int.from_bytes(pdu[1:3], "big")))
                answer = pdu if pdu[0] == 6 else bytes([pdu[0] | 0x80, 1])
                writer.write(head[:4] + (len(answer) + 1).to_bytes(2, "big") + head[6:7] + answer)
            writer.close()

        server = await asyncio.start_server(single_writes_only, "127.0.0.1", 0)
        bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"), clock=system_clock)
        await bus.write(1, 40217, [50])
        assert seen == [(16, 40217), (6, 40217)]
        with pytest.raises(DeviceRefusedError, match="function 16"):
            await bus.write(1, 40217, [50, 1])
        await bus.close()
        server.close()

    asyncio.run(scenario())
