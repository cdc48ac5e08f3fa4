"""A small Modbus server: many devices on one address, TCP or RTU framing, and faults on demand.

It shares no code with the client that reads it (pymodbus), so that neither can hide the other's mistakes.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from meters.faults import IN_THE_COUNTERS, Fault, FaultKind

Framing = Literal["tcp", "rtu"]

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE, NOBODY_THERE = 1, 2, 3, 4, 11
READ_FUNCTIONS, WRITE_ONE, WRITE_MANY = (3, 4), 6, 16
READ_MAX = 125
ADU_MAX = 260


class RequestRefusedError(Exception):
    """A device's answer to a request it cannot fulfil: a Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Device(Protocol):
    """What answers at one device id."""

    fault: Fault | None

    def read(self, function_code: int, address: int, count: int) -> Sequence[int]:
        """Registers now. Raises RequestRefusedError."""

    def write(self, address: int, words: Sequence[int]) -> None:
        """Take what is written. Raises RequestRefusedError."""


class ModbusConnection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, devices: Mapping[int, Device], framing: Framing) -> None:
        self._devices = devices
        self._framing = framing
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the name is asyncio's
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        take = self._take_tcp if self._framing == "tcp" else self._take_rtu
        while (frame := take()) is not None:
            transaction, unit, pdu = frame
            self._handle(transaction, unit, pdu)

    def _take_tcp(self) -> tuple[bytes, int, bytes] | None:
        if len(self._buffer) < 8:
            return None
        length = int.from_bytes(self._buffer[4:6], "big")
        if self._buffer[2:4] != b"\x00\x00" or not 2 <= length <= ADU_MAX - 6:
            self._close()
            return None
        if len(self._buffer) < 6 + length:
            return None
        frame, self._buffer = self._buffer[: 6 + length], self._buffer[6 + length :]
        return frame[:2], frame[6], frame[7:]

    def _take_rtu(self) -> tuple[bytes, int, bytes] | None:
        if len(self._buffer) < 8:
            return None
        length = 9 + self._buffer[6] if self._buffer[1] == WRITE_MANY else 8
        if len(self._buffer) < length:
            return None
        frame, self._buffer = self._buffer[:length], self._buffer[length:]
        if crc16(frame) != 0:
            self._buffer = b""
            return None
        return b"", frame[0], frame[1:-2]

    def _handle(self, transaction: bytes, unit: int, pdu: bytes) -> None:
        device = self._devices.get(unit)
        if device is None:
            if self._framing == "tcp":
                self._send(transaction, unit, bytes([pdu[0] | 0x80, NOBODY_THERE]))
            return
        if device.fault is None or device.fault.kind in IN_THE_COUNTERS:
            self._send(transaction, unit, answer(device, pdu))
        else:
            self._misbehave(device, device.fault, transaction, unit, pdu)

    def _misbehave(self, device: Device, fault: Fault, transaction: bytes, unit: int, pdu: bytes) -> None:
        match fault.kind:
            case FaultKind.SILENT:
                return
            case FaultKind.DROP:
                self._close()
            case FaultKind.EXCEPTION:
                self._send(transaction, unit, bytes([pdu[0] | 0x80, int(fault.amount)]))
            case FaultKind.WRONG_UNIT:
                self._send(transaction, unit % 247 + 1, answer(device, pdu))
            case FaultKind.GARBAGE:
                right = answer(device, pdu)
                self._send(transaction, unit, right[:2] + secrets.token_bytes(len(right) - 2))
            case FaultKind.DELAY:
                right = answer(device, pdu)
                asyncio.get_running_loop().call_later(fault.amount, self._send, transaction, unit, right)
            case FaultKind.TRUNCATE:
                frame = self._frame(transaction, unit, answer(device, pdu))
                self._write(frame[: len(frame) // 2])
            case FaultKind.DUPLICATE:
                self._send(transaction, unit, answer(device, pdu))
                self._send(transaction, unit, answer(device, pdu))

    def _frame(self, transaction: bytes, unit: int, pdu: bytes) -> bytes:
        if self._framing == "tcp":
            return transaction + b"\x00\x00" + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu
        frame = bytes([unit]) + pdu
        return frame + crc16(frame).to_bytes(2, "little")

    def _send(self, transaction: bytes, unit: int, pdu: bytes) -> None:
        self._write(self._frame(transaction, unit, pdu))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        self._buffer = b""
        if self._transport is not None:
            self._transport.close()


def answer(device: Device, pdu: bytes) -> bytes:
    """The response to one request, an exception response where the request cannot be fulfilled."""
    try:
        return _answer(device, pdu)
    except RequestRefusedError as error:
        return bytes([pdu[0] | 0x80, error.code])


def _answer(device: Device, pdu: bytes) -> bytes:
    function_code, address = pdu[0], int.from_bytes(pdu[1:3], "big")
    if function_code in READ_FUNCTIONS and len(pdu) == 5:
        count = int.from_bytes(pdu[3:5], "big")
        if not 1 <= count <= READ_MAX or address + count > 0x10000:
            raise RequestRefusedError(ILLEGAL_VALUE)
        words = device.read(function_code, address, count)
        return bytes([function_code, 2 * count]) + b"".join(word.to_bytes(2, "big") for word in words)
    if function_code == WRITE_ONE and len(pdu) == 5:
        device.write(address, [int.from_bytes(pdu[3:5], "big")])
        return pdu
    if function_code == WRITE_MANY and len(pdu) >= 8 and len(pdu) == 6 + pdu[5]:
        device.write(address, [int.from_bytes(pdu[at : at + 2], "big") for at in range(6, len(pdu), 2)])
        return pdu[:5]
    raise RequestRefusedError(ILLEGAL_FUNCTION)


def crc16(data: bytes) -> int:
    """The CRC of Modbus over Serial Line V1.02, 2.5.1.2; zero over a frame with its own CRC, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc
