"""Programs nobody here wrote read our simulator, and we read a server nobody here wrote."""

import asyncio
import re
import struct
import threading
from contextlib import contextmanager

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pyModbusTCP.client import ModbusClient
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import system_clock
from meters.profile import load_profile
from meters.reader import MeterReader
from meters.simulator import SimulatedMeter, start_meters

VALUES = {
    "energy_import_wh": 7_654_321,
    "energy_export_wh": 1_234_567,
    "active_power_w": -3480,
    "voltage_l1_v": 231.5,
    "voltage_l2_v": 229.0,
    "voltage_l3_v": 230.0,
    "current_l1_a": 5.25,
    "frequency_hz": 50.02,
}


@contextmanager
def simulated(*meters: SimulatedMeter, framing: str = "tcp"):
    """The port on which the meters listen, served by a thread of their own while a blocking client reads."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers = asyncio.run_coroutine_threadsafe(start_meters({0: list(meters)}, framing=framing), loop).result(5)
    try:
        yield servers.ports[0]
    finally:
        asyncio.run_coroutine_threadsafe(servers.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def read_by_us(port: int, profile: str, device_id: int = 1):
    bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{port}"), clock=system_clock)
    try:
        return await MeterReader(load_profile(profile), bus, device_id).read()
    finally:
        await bus.close()


async def mbpoll(port: int, *arguments: str) -> tuple[int, dict[int, float]]:
    process = await asyncio.create_subprocess_exec(
        "mbpoll", "-m", "tcp", "-0", "-1", "-p", str(port), *arguments, "127.0.0.1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    found = re.findall(r"^\[(\d+)\]:\s+(\S+)", output.decode(), re.MULTILINE)
    return process.returncode, {int(address): float(value) for address, value in found}


@pytest.mark.needs("mbpoll")
def test_mbpoll_reads_the_registers_of_an_sdm630():
    async def scenario() -> None:
        servers = await start_meters({0: [SimulatedMeter("eastron_sdm630", 7, lambda: VALUES)]})
        port = servers.ports[0]
        code, energy = await mbpoll(port, "-a", "7", "-t", "3:float", "-B", "-r", "72", "-c", "2")
        assert (code, energy) == (0, {72: 7654.32, 74: 1234.57})
        _, power = await mbpoll(port, "-a", "7", "-t", "3:float", "-B", "-r", "52", "-c", "1")
        assert power == {52: -3480}
        # Without -B mbpoll takes the words in the wrong order: a good negative.
        _, swapped = await mbpoll(port, "-a", "7", "-t", "3:float", "-r", "72", "-c", "1")
        assert swapped[72] != pytest.approx(7654.32, rel=0.1)
        await servers.close()

    asyncio.run(scenario())


@pytest.mark.needs("mbpoll")
def test_mbpoll_is_refused_where_the_meter_has_nothing():
    async def scenario() -> None:
        servers = await start_meters({0: [SimulatedMeter("abb_b23", 1, lambda: VALUES)]})
        code, values = await mbpoll(servers.ports[0], "-a", "1", "-t", "4", "-r", "4000", "-c", "1")
        assert (code != 0, values) == (True, {})
        code, values = await mbpoll(servers.ports[0], "-a", "2", "-t", "4", "-r", "20480", "-c", "1")
        assert (code != 0, values) == (True, {})
        await servers.close()

    asyncio.run(scenario())


def test_pymodbustcp_reads_an_iem3155_as_its_manual_says():
    with simulated(SimulatedMeter("schneider_iem3155", 1, lambda: VALUES)) as port:
        client = ModbusClient(host="127.0.0.1", port=port, unit_id=1, timeout=2)
        energy = client.read_holding_registers(3203, 8)
        power = client.read_holding_registers(3059, 2)
        assert client.read_input_registers(3203, 8) is None
        client.close()
    assert struct.unpack(">2q", struct.pack(">8H", *energy)) == (7_654_321, 1_234_567)
    assert struct.unpack(">f", struct.pack(">2H", *power)) == pytest.approx((-3.48,))


@pytest.mark.parametrize("model", [201, 203, 213])
def test_pysunspec2_walks_a_sunspec_meter(model):
    with simulated(SimulatedMeter(f"sunspec_{model}", 3, lambda: VALUES)) as port:
        device = SunSpecModbusClientDeviceTCP(slave_id=3, ipaddr="127.0.0.1", ipport=port)
        device.scan()
        meter = device.models[model][0]
        device.close()
    assert device.models[1][0].Mn.value == "Commonwatt"
    assert (meter.TotWhImp.cvalue, meter.TotWhExp.cvalue, meter.W.cvalue) == (7_654_321, 1_234_567, -3480)
    assert meter.PhVphA.cvalue == pytest.approx(231.5)
    assert meter.Hz.cvalue == pytest.approx(50.02)


def test_pysunspec2_limits_a_simulated_inverter_and_charges_its_battery():
    heard: list[tuple[str, float]] = []
    inverter = SimulatedMeter(
        "sunspec_103", 2, lambda: {**VALUES, "generation_w": 6000}, lambda *told: heard.append(told)
    )
    with simulated(inverter) as port:
        device = SunSpecModbusClientDeviceTCP(slave_id=2, ipaddr="127.0.0.1", ipport=port)
        device.scan()
        assert device.models[103][0].W.cvalue == 6000
        assert device.models[121][0].WMax.cvalue == 10_000
        controls, storage = device.models[123][0], device.models[124][0]
        controls.WMaxLimPct.cvalue = 45.67
        controls.WMaxLim_Ena.value = 1
        controls.write()
        storage.InWRte.cvalue, storage.OutWRte.cvalue = 50, -50
        storage.StorCtl_Mod.value = 3
        storage.write()
        device.models[103][0].W.value = 1
        with pytest.raises(Exception, match="2"):
            device.models[103][0].write()
        device.close()
    assert heard == [("generation_limit_w", pytest.approx(4567)), ("battery_w", pytest.approx(2500))]


@pytest.mark.parametrize("profile", ["eastron_sdm630", "abb_b23"])
def test_we_read_a_server_that_has_nothing_but_the_documented_registers(profile):
    """Gaps between them are answered with an exception: blocks must be split, values found all the same."""

    async def scenario() -> None:
        registers = load_profile(profile).registers
        words = {"eastron_sdm630": float_words, "abb_b23": integer_words}[profile]
        data = [
            SimData(register.address, values=words(register), datatype=DataType.REGISTERS)
            for register in registers
            if register.quantity != "voltage_l3_v"
        ]
        server = ModbusTcpServer(SimDevice(id=5, simdata=data), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
        reading = await read_by_us(port, profile, 5)
        assert reading.values["energy_import_wh"] == {"abb_b23": 7_654_320}.get(profile, 7_654_321)
        assert reading.values["active_power_w"] == -3480
        assert reading.values["voltage_l3_v"] is None
        assert "voltage_l3_v: no certain value" in reading.findings
        await server.shutdown()

    asyncio.run(scenario())


def float_words(register) -> list[int]:
    return list(struct.unpack(">2H", struct.pack(">f", VALUES.get(register.quantity, 1) / register.scale)))


def integer_words(register) -> list[int]:
    raw = round(VALUES.get(register.quantity, 1) / register.scale)
    raw = raw if register.quantity != "energy_import_wh" else 765_432
    return [(raw >> 16 * shift) & 0xFFFF for shift in reversed(range(register.count))]


@pytest.mark.parametrize("profile", ["eastron_sdm120", "carlo_gavazzi_em340", "sma_home_manager_2", "victron_gx_grid"])
def test_we_read_what_we_simulate(profile):
    async def scenario() -> None:
        servers = await start_meters({0: [SimulatedMeter(profile, 1, lambda: VALUES)]})
        reading = await read_by_us(servers.ports[0], profile)
        await servers.close()
        assert reading.values["energy_import_wh"] == pytest.approx(7_654_321, abs=100)
        assert reading.values["energy_import_wh"] <= 7_654_321
        assert reading.values["active_power_w"] == pytest.approx(-3480)
        assert reading.findings == ()

    asyncio.run(scenario())
