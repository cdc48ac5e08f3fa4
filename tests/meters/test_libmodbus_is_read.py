"""A server of libmodbus, the C library, is read by us: other framing, other author, the same registers."""

import asyncio
import ctypes
import ctypes.util
import socket
import struct
import threading

import pytest

from meters.address import BusAddress
from meters.bus import Bus
from meters.clock import system_clock
from meters.profile import load_profile
from meters.reader import MeterReader

pytestmark = pytest.mark.needs("libmodbus")
REGISTERS = 400
VALUES = {"energy_import_wh": 1_234_500, "energy_export_wh": 50_250, "active_power_w": -3_480, "voltage_l2_v": 231.5}
"""An SDM630 counts kWh in floats, at registers that begin with 0."""


class Mapping(ctypes.Structure):
    """`modbus_mapping_t` of modbus.h."""

    _fields_ = [
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_input", "start_input", "nb_holding", "start_holding")),
        ("bits", ctypes.POINTER(ctypes.c_uint8)),
        ("input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("input", ctypes.POINTER(ctypes.c_uint16)),
        ("holding", ctypes.POINTER(ctypes.c_uint16)),
    ]


class Server:
    """One connection served on a thread; every request is answered by the library itself."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(ctypes.util.find_library("modbus"))
        self._library.modbus_new_tcp.restype = ctypes.c_void_p
        self._library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
        self._context = ctypes.c_void_p(self._library.modbus_new_tcp(b"127.0.0.1", 0))
        self._mapping = self._library.modbus_mapping_new(0, 0, REGISTERS, REGISTERS)
        self.answered = 0
        self._listening = ctypes.c_int(self._library.modbus_tcp_listen(self._context, 1))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        with socket.socket(fileno=self._listening.value) as line:
            port = line.getsockname()[1]
            line.detach()
        return port

    def show(self, address: int, value: float) -> None:
        words = struct.unpack(">2H", struct.pack(">f", value))
        for index, word in enumerate(words):
            self._mapping.contents.input[address + index] = word

    def start(self) -> None:
        self._thread.start()

    def _serve(self) -> None:
        question = (ctypes.c_uint8 * 260)()
        self._library.modbus_tcp_accept(self._context, ctypes.byref(self._listening))
        while (length := self._library.modbus_receive(self._context, question)) >= 0:
            self.answered += 1
            self._library.modbus_reply(self._context, question, length, self._mapping)


def test_we_read_an_sdm630_that_libmodbus_serves():
    server, profile = Server(), load_profile("eastron_sdm630")
    for register in profile.registers:
        server.show(register.address, VALUES.get(register.quantity, 50) / register.scale)
    server.start()

    async def scenario():
        bus = Bus(BusAddress.parse(f"tcp://127.0.0.1:{server.port}"), clock=system_clock, timeout_s=20)
        reading = await MeterReader(profile, bus, 1).read()
        await bus.close()
        return reading

    reading = asyncio.run(scenario())
    assert reading.findings == ()
    assert {quantity: reading.values[quantity] for quantity in VALUES} == {
        quantity: pytest.approx(value) for quantity, value in VALUES.items()
    }
    assert server.answered >= 1
