"""The simulator: answers from the source at the moment of the request, refuses as devices do, stays small."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from meters.address import BusAddress
from meters.answer import DeviceRefusedError
from meters.bus import Bus
from meters.clock import system_clock
from meters.profile import load_profile
from meters.reader import MeterReader, ModelMissingError
from meters.simulator import SimulatedMeter, serve_meters, start_meters


async def with_bus(meters: list[SimulatedMeter], work) -> object:
    servers = await start_meters({0: meters})
    bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{servers.ports[0]}"), clock=system_clock)
    try:
        return await work(bus)
    finally:
        await bus.close()
        await servers.close()


def test_registers_are_answered_from_the_source_at_that_moment():
    shown = {"energy_import_wh": 1000}

    async def work(bus: Bus) -> None:
        reader = MeterReader(load_profile("schneider_iem3155"), bus, 1)
        for wh in (1000, 1234, 5000):
            shown["energy_import_wh"] = wh
            assert (await reader.read()).values["energy_import_wh"] == wh

    asyncio.run(with_bus([SimulatedMeter("schneider_iem3155", 1, lambda: shown)], work))


def test_a_power_beyond_sixteen_bits_moves_the_scale_factor_and_is_read_with_it():
    shown = {"active_power_w": 12_345.0}

    async def work(bus: Bus) -> None:
        reader = MeterReader(load_profile("sunspec_203"), bus, 1)
        assert (await reader.read()).values["active_power_w"] == 12_345
        shown["active_power_w"] = -98_760.0
        assert (await reader.read()).values["active_power_w"] == -98_760

    asyncio.run(with_bus([SimulatedMeter("sunspec_203", 1, lambda: shown)], work))


def test_what_a_meter_does_not_have_is_refused_with_the_right_exception():
    async def work(bus: Bus) -> None:
        for function_code, address, count, exception in (
            (4, 5000, 2, 2),
            (3, 72, 2, 2),
            (4, 0, 81, 3),
        ):
            with pytest.raises(DeviceRefusedError) as refused:
                await bus.read(1, function_code, address, count)
            assert refused.value.code == exception
        with pytest.raises(DeviceRefusedError):
            await bus.write(1, 72, [1, 2])

    asyncio.run(with_bus([SimulatedMeter("eastron_sdm630", 1, dict)], work))


def test_a_sunspec_profile_of_another_model_is_named():
    async def work(bus: Bus) -> None:
        with pytest.raises(ModelMissingError, match="no SunSpec model 203; it has 1, 201"):
            await MeterReader(load_profile("sunspec_203"), bus, 1).read()

    asyncio.run(with_bus([SimulatedMeter("sunspec_201", 1, dict)], work))


def test_two_devices_on_one_address_answer_for_themselves():
    async def work(bus: Bus) -> None:
        meter = await MeterReader(load_profile("eastron_sdm630"), bus, 1).read()
        inverter = await MeterReader(load_profile("sunspec_103"), bus, 2).read()
        assert meter.values["active_power_w"] == -2000
        assert inverter.values["active_power_w"] == -5000
        assert inverter.identity == "Commonwatt Simulated 103 SIM-2"

    values = {"active_power_w": -2000.0, "generation_w": 5000.0, "energy_export_wh": 7}
    meters = [
        SimulatedMeter("eastron_sdm630", 1, lambda: values),
        SimulatedMeter("sunspec_103", 2, lambda: values, lambda *_: None),
    ]
    asyncio.run(with_bus(meters, work))


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open():
    async def scenario() -> None:
        servers = await start_meters({0: [SimulatedMeter("abb_b23", 1, dict)]})
        with pytest.raises(OSError, match="address already in use"):
            await serve_meters({0: [], servers.ports[0]: []})
        await servers.close()

    asyncio.run(scenario())


MANY = """
import asyncio, json, sys
from meters.simulator import SimulatedMeter, start_meters
values = {"energy_import_wh": 1234567, "energy_export_wh": 89012, "active_power_w": 250.0}
async def main():
    servers = []
    for number in range(120):
        pair = [SimulatedMeter("eastron_sdm630", 1, lambda: values),
                SimulatedMeter("sunspec_103", 2, lambda: values, lambda *_: None)]
        servers.append(await start_meters({0: pair}))
    sys.stdout.write(json.dumps([one.ports[0] for one in servers]) + "\\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
asyncio.run(main())
"""
MEMORY_MAX_MB = 60


def test_a_hundred_and_twenty_meters_fit_in_one_small_process():
    process = subprocess.Popen([sys.executable, "-c", MANY], stdout=subprocess.PIPE, text=True)
    try:
        ports = json.loads(process.stdout.readline())

        async def read_all() -> list[object]:
            where = [BusAddress.parse(f"tcp://127.0.0.1:{port}") for port in ports]
            buses = [Bus(address, clock=system_clock, timeout_s=30) for address in where]
            readers = [MeterReader(load_profile("eastron_sdm630"), bus, 1) for bus in buses]
            readings = await asyncio.gather(*(reader.read() for reader in readers))
            await asyncio.gather(*(bus.close() for bus in buses))
            return [reading.values["energy_import_wh"] for reading in readings]

        assert asyncio.run(read_all()) == [1_234_567] * 120
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        assert resident_kb / 1024 < MEMORY_MAX_MB
    finally:
        process.kill()
        process.communicate()
