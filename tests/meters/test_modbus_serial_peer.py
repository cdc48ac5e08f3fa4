"""modbus-serial, the Modbus of Node, reads what we simulate and is read by us."""

import asyncio
import json
import struct
import subprocess
from pathlib import Path

import pytest

from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import system_clock
from meters.profile import load_profile
from meters.reader import MeterReader
from meters.simulator import SimulatedMeter, start_meters

PEERS = Path(__file__).parents[1] / "peers"
PROGRAM = ["node", str(PEERS / "modbus_serial.js")]
pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("tests/peers/node_modules/modbus-serial")]

# A Carlo Gavazzi EM340 keeps its import at 52 and 53, low word first, in steps of 100 Wh.
IMPORT_AT, UNIT = 52, 7


def test_modbus_serial_reads_what_we_simulate():
    def read(port: int) -> list[int]:
        command = [*PROGRAM, "read", str(port), str(UNIT), str(IMPORT_AT), "2"]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(result.stdout)

    async def scenario() -> list[int]:
        values = {"energy_import_wh": 12_345_600, "energy_export_wh": 50_200}
        servers = await start_meters({0: [SimulatedMeter("carlo_gavazzi_em340", UNIT, lambda: values)]})
        words = await asyncio.to_thread(read, servers.ports[0])
        await servers.close()
        return words

    # 123 456 is 0x0001E240.
    assert asyncio.run(scenario()) == [0xE240, 0x0001]


def test_we_read_what_modbus_serial_serves():
    profile = load_profile("carlo_gavazzi_em340")
    energies = {"energy_import_wh": 123_456, "energy_export_wh": 502}
    words = [0] * 400
    for register in profile.registers:
        raw = energies.get(register.quantity, round(50 / register.scale))
        words[register.address : register.address + 2] = struct.unpack("<2H", struct.pack("<i", raw))
    command = [*PROGRAM, "serve", str(UNIT), "0", *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline())

        async def scenario():
            bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{port}"), clock=system_clock, timeout_s=30)
            reading = await MeterReader(profile, bus, UNIT).read()
            await bus.close()
            return reading

        reading = asyncio.run(scenario())
        server.stdin.close()
    assert (reading.values["energy_import_wh"], reading.values["energy_export_wh"]) == (12_345_600, 50_200)
    assert reading.findings == ()
