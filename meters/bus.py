"""One physical bus: one connection, one task, one request under way, and no answer to the wrong question.

After a request without a certain answer the connection is closed and opened anew, so that a late answer to it finds
nobody. Where frames carry no transaction id (RTU) a converter may still deliver the late answer into the new
connection: the silent unit is then not asked again until `DRAIN_S` after the bus's timeout, while the other units go
on. Retries are made here, behind everything that was already waiting, so a dead unit costs the others one timeout and
not three. A unit that has answered before is given the time its answers took and some more, never above the bus's
timeout (`meters.pace`).
"""

import asyncio
import logging
import secrets
import termios
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException, ModbusIOException
from pymodbus.pdu import ExceptionResponse

from meters.address import BusAddress
from meters.answer import Answer, BusError, DeviceRefusedError, DeviceSilentError, DeviceUnreachableError
from meters.bus_request import Request, next_transaction, send
from meters.clock import Clock
from meters.frames import Expectation, Verdict
from meters.pace import AnswerTimes

TIMEOUT_S = 0.5
DRAIN_S = 0.6
"""How much later than the longest usual timeout an answer may still arrive on RTU framing."""
CLOSING_S = 0.05
EARLIER = 8
"""Answers to so many requests before may still come."""
ATTEMPTS = 2
RECONNECT_S = 0.05
UNREACHABLE_S = 0.5
"""How long a failed connection attempt speaks for every unit behind the same address."""
BREAKER_FIRST_S, BREAKER_LONGEST_S = 2.0, 300.0
BUSY_CODES = frozenset({5, 6})
"""Modbus exceptions "acknowledge" and "device busy": ask again."""
NOBODY_CODES = frozenset({10, 11})
"""Modbus exceptions of a converter behind which nobody answered."""

# Whatever pymodbus would log about a request is raised from here with the name of the unit.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


@dataclass(slots=True, kw_only=True)
class _Unit:
    """What is known of one device: not to be asked before, failures in a row, breaker open until (loop time).

    times  how fast it answers, by number of registers
    """

    not_before: float = 0.0
    failures: int = 0
    open_until: float = 0.0
    times: dict[int, AnswerTimes] = field(default_factory=dict)


class Bus:
    """Reads and writes registers of the units on one bus. It connects when it is first asked; `close` ends it.

    attempts  how often a silent or busy unit is asked before that is an error
    """

    def __init__(
        self, address: BusAddress, *, clock: Clock, timeout_s: float = TIMEOUT_S, attempts: int = ATTEMPTS
    ) -> None:
        self.address = address
        self._attempts = attempts
        self._clock = clock
        self._timeout_s = timeout_s
        self._queue: asyncio.Queue[Request] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._client: ModbusBaseClient | None = None
        self._expected: Expectation | None = None
        self._seen = 0
        self._transactions: deque[int] = deque(maxlen=EARLIER)
        self._units: dict[int, _Unit] = {}
        self._unreachable = (0.0, "")

    async def read(self, unit: int, function_code: int, address: int, count: int, *, insist: bool = False) -> Answer:
        """Read `count` registers with function code 3 or 4.

        insist  ask even a unit that was silent lately and whose circuit breaker is open.
        Raises DeviceSilentError or DeviceRefusedError.
        """
        return await self._ask(unit, function_code, address, count, None, insist=insist)

    async def write(self, unit: int, address: int, words: Sequence[int]) -> None:
        """Write holding registers (function code 16; 6 for one register if the device does not know 16)."""
        try:
            await self._ask(unit, 16, address, len(words), tuple(words), insist=True)
        except DeviceRefusedError as error:
            if error.code != 1 or len(words) != 1:
                raise
            await self._ask(unit, 6, address, 1, tuple(words), insist=True)

    async def close(self) -> None:
        """Close the connection and end the task; requests still waiting fail."""
        if self._worker is not None:
            # While pymodbus waits for an answer it takes a cancellation for a failed request: asked until it ends.
            while not self._worker.done():
                self._worker.cancel()
                await asyncio.wait({self._worker}, timeout=CLOSING_S)
            await asyncio.gather(self._worker, return_exceptions=True)
        self._disconnect()
        while not self._queue.empty():
            self._fail(self._queue.get_nowait(), _closed(self.address))

    async def _ask(
        self, unit: int, function_code: int, address: int, count: int, words: tuple[int, ...] | None, *, insist: bool
    ) -> Answer:
        loop = asyncio.get_running_loop()
        known = self._units.setdefault(unit, _Unit())
        if not insist and loop.time() < known.open_until:
            wait_s = known.open_until - loop.time()
            raise DeviceSilentError(f"{self.address} unit {unit}: silent, asked again in {wait_s:.0f} s")
        request = Request(
            unit=unit,
            function_code=function_code,
            address=address,
            count=count,
            words=words,
            future=loop.create_future(),
        )
        self._queue.put_nowait(request)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name=f"bus {self.address}")
        return await request.future

    async def _work(self) -> None:
        """Serve the queue for ever, one request at a time."""
        loop = asyncio.get_running_loop()
        while True:
            request = await self._queue.get()
            if request.future.done():
                continue
            unit = self._units[request.unit]
            if loop.time() < unit.not_before:
                loop.call_later(unit.not_before - loop.time(), self._requeue, request)
                continue
            try:
                answer = await self._exchange(request)
            except DeviceRefusedError as error:
                self._answered(unit)
                self._refused(request, error)
            except DeviceSilentError as error:
                self._disconnect()
                self._silent(request, unit, error)
            except BaseException as error:
                self._fail(request, error if isinstance(error, Exception) else _closed(self.address))
                raise
            else:
                self._answered(unit)
                if not request.future.done():
                    request.future.set_result(answer)

    async def _exchange(self, request: Request) -> Answer:
        client = await self._connected()
        if self.address.quiet_s:
            await asyncio.sleep(self.address.quiet_s)
        self._seen = 0
        self._expected = Expectation(
            unit=request.unit,
            function_code=request.function_code,
            registers=request.count if request.words is None else None,
            transaction=0 if self.address.is_rtu_framed else next_transaction(client),
            earlier=tuple(self._transactions),
        )
        self._transactions.append(self._expected.transaction)
        times = self._units[request.unit].times.setdefault(request.count, AnswerTimes(self._timeout_s))
        # How long pymodbus waits for a response, in spite of its name.
        client.ctx.comm_params.timeout_connect = times.timeout_s
        request.asked_at_s, sent_at = asyncio.get_running_loop().time(), self._clock()
        try:
            response = await send(client, request)
        except (ModbusException, OSError) as error:
            times.silent()
            raise DeviceSilentError(f"{self.address} unit {request.unit}: {_plain(error)}") from error
        finally:
            self._expected = None
        received_at = self._clock()
        times.answered(asyncio.get_running_loop().time() - request.asked_at_s)
        if isinstance(response, ExceptionResponse):
            raise self._exception(request, response.exception_code)
        words = tuple(response.registers) if request.words is None else ()
        if request.words is None and len(words) != request.count:
            raise DeviceSilentError(f"{self.address} unit {request.unit}: {len(words)} registers for {request.count}")
        return Answer(words=words, sent_at=sent_at, received_at=received_at)

    def _exception(self, request: Request, code: int) -> BusError:
        where = f"{self.address} unit {request.unit}"
        if code in NOBODY_CODES:
            return DeviceSilentError(f"{where}: the converter found nobody (exception {code})")
        what = f"registers {request.address} to {request.address + request.count - 1}"
        return DeviceRefusedError(
            f"{where}: refused function {request.function_code} on {what} (exception {code})", code
        )

    async def _connected(self) -> ModbusBaseClient:
        if self._client is not None and self._client.connected:
            return self._client
        self._disconnect()
        loop = asyncio.get_running_loop()
        until, why = self._unreachable
        if loop.time() < until:
            raise DeviceUnreachableError(why)
        client = self.address.client(
            timeout_s=self._timeout_s, trace_packet=self._judge, trace_connect=self._on_connection
        )
        try:
            connected = await client.connect()
        except (termios.error, ValueError) as error:
            raise DeviceSilentError(
                f"{self.address}: the line takes no {dict(self.address.options)}: {error}"
            ) from error
        if not connected:
            client.close()
            why = f"{self.address}: cannot connect; is the address right and the device switched on?"
            self._unreachable = (loop.time() + UNREACHABLE_S, why)
            raise DeviceUnreachableError(why)
        # Not in step with the connection before, nor with anybody else's behind the same converter.
        client.ctx.next_tid = 1 + secrets.randbelow(60_000)
        self._client = client
        return client

    def _judge(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001  pymodbus calls it with positions
        """Let through what answers the request under way; end the wait at once for what cannot."""
        if sending or self._expected is None or not data:
            return data
        seen, self._seen = self._seen if self._seen < len(data) else 0, len(data)
        verdict = self._expected.rtu(data) if self.address.is_rtu_framed else self._expected.tcp(data, seen)
        if verdict is not Verdict.WRONG:
            return data
        self._abort("what came back was no answer to this request")
        return b""

    def _on_connection(self, connected: bool) -> None:  # noqa: FBT001  pymodbus calls it with positions
        if not connected:
            self._abort("the connection was closed")

    def _abort(self, why: str) -> None:
        if self._expected is None or self._client is None:
            return
        waiting = self._client.ctx.response_future
        if not waiting.done():
            waiting.set_exception(ModbusIOException(why))

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _answered(self, unit: _Unit) -> None:
        unit.failures, unit.open_until = 0, 0.0

    def _refused(self, request: Request, error: DeviceRefusedError) -> None:
        request.attempts += 1
        if error.code in BUSY_CODES and request.attempts < self._attempts:
            asyncio.get_running_loop().call_later(RECONNECT_S, self._requeue, request)
        else:
            self._fail(request, error)

    def _silent(self, request: Request, unit: _Unit, error: DeviceSilentError) -> None:
        loop = asyncio.get_running_loop()
        if self.address.is_rtu_framed:
            # From when it was asked, however short the wait was: that does not make an answer come sooner.
            unit.not_before = request.asked_at_s + max(self._timeout_s, TIMEOUT_S) + DRAIN_S
        request.attempts += 1
        if request.attempts < self._attempts:
            loop.call_later(RECONNECT_S, self._requeue, request)
            return
        unit.open_until = loop.time() + min(BREAKER_FIRST_S * 2**unit.failures, BREAKER_LONGEST_S)
        unit.failures += 1
        self._fail(request, error)

    def _requeue(self, request: Request) -> None:
        """Ask again now; a bus that was closed meanwhile owes an end to whoever waits."""
        if self._worker is None or self._worker.done():
            self._fail(request, _closed(self.address))
        else:
            self._queue.put_nowait(request)

    @staticmethod
    def _fail(request: Request, error: Exception) -> None:
        if not request.future.done():
            request.future.set_exception(error)


def _closed(address: BusAddress) -> DeviceSilentError:
    return DeviceSilentError(f"{address} was closed")


def _plain(error: Exception) -> str:
    text = str(error).removeprefix("Modbus Error: ").removeprefix("[Input/Output] ")
    return "no answer in time" if text.startswith("No response") else text
