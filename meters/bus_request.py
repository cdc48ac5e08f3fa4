"""One request to a unit, and how pymodbus sends it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pymodbus.client.base import ModbusBaseClient
from pymodbus.pdu import ModbusPDU

from meters.answer import Answer


@dataclass(slots=True, kw_only=True)
class Request:
    """A request in the queue. `words` is None for a read; asked_at_s is when it was last sent (loop time)."""

    unit: int
    function_code: int
    address: int
    count: int
    words: tuple[int, ...] | None
    future: "asyncio.Future[Answer]"
    attempts: int = 0
    asked_at_s: float = 0.0


_SENDERS: dict[int, Callable[[ModbusBaseClient, Request], Awaitable[ModbusPDU]]] = {
    3: lambda client, ask: client.read_holding_registers(ask.address, count=ask.count, device_id=ask.unit),
    4: lambda client, ask: client.read_input_registers(ask.address, count=ask.count, device_id=ask.unit),
    6: lambda client, ask: client.write_register(ask.address, (ask.words or (0,))[0], device_id=ask.unit),
    16: lambda client, ask: client.write_registers(ask.address, list(ask.words or ()), device_id=ask.unit),
}


async def send(client: ModbusBaseClient, request: Request) -> ModbusPDU:
    """What came back. Raises ModbusException or OSError."""
    return await _SENDERS[request.function_code](client, request)


def next_transaction(client: ModbusBaseClient) -> int:
    """The transaction id that pymodbus gives to the next request (`TransactionManager.getNextTID`)."""
    return 1 if client.ctx.next_tid >= 65_000 else client.ctx.next_tid + 1
