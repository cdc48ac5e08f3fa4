"""What a bus answers is the answer to that request, or nothing: late, foreign, doubled and broken frames included."""

import asyncio
import random
import time

import pytest
from slow_device import SlowDevice, serving

from meters.address import BusAddress
from meters.answer import BusError, DeviceSilentError
from meters.bus import Bus
from meters.clock import system_clock

FRAMINGS = pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu"])


async def asked(bus: Bus, unit: int, address: int, count: int = 2) -> tuple[int, ...] | None:
    try:
        return (await bus.read(unit, 3, address, count, insist=True)).words
    except DeviceSilentError:
        return None


def right(address: int, count: int = 2) -> tuple[int, ...]:
    return tuple(range(address + 1, address + 1 + count))


@FRAMINGS
def test_a_late_answer_never_becomes_the_answer_to_the_next_request(rtu):
    async def scenario() -> None:
        # The first answer comes after its timeout, while the next request is under way.
        device = SlowDevice(lambda number, _: 0.25 if number in {1, 3} else 0.05, rtu=rtu)
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.2)
            answers = [(at, await asked(bus, 1, at)) for at in (0, 72, 10, 20, 72, 0)]
            await bus.close()
        assert all(words in {None, right(at)} for at, words in answers)
        assert sum(words is not None for _, words in answers) >= 5
        assert device.connections > 1

    asyncio.run(scenario())


@FRAMINGS
def test_under_random_delays_no_read_brings_a_wrong_value_and_most_succeed(rtu):
    async def scenario() -> None:
        chance = random.Random(7)  # noqa: S311  a seeded test
        delays = [chance.choice([0, 0, 0, 0, 0.01, 0.06, None]) for _ in range(2000)]
        device = SlowDevice(lambda number, _: delays[number], rtu=rtu)
        wanted = [(chance.randrange(200), chance.randrange(1, 9)) for _ in range(60)]
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.04)
            answers = []
            for first in range(0, len(wanted), 20):
                asking = (asked(bus, unit, *wanted[first + unit]) for unit in range(20))
                answers += await asyncio.gather(*asking)
            await bus.close()
        wrong = [words for at, words in zip(wanted, answers, strict=True) if words not in {None, right(*at)}]
        assert wrong == []
        assert sum(words is not None for words in answers) >= 40

    asyncio.run(scenario())


def test_a_unit_that_was_given_little_time_may_still_answer_as_late_as_any_other():
    """A converter delivers it into the new connection: nothing else may be asked of the unit by then."""

    async def scenario() -> None:
        asked_at: list[float] = []

        def delay(number: int, _unit: int) -> float | None:
            asked_at.append(asyncio.get_running_loop().time())
            return 1.05 if number == 21 else 0.0

        device = SlowDevice(delay, rtu=True)
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.5)
            for number in range(20):
                assert await asked(bus, 1, number) == right(number)
            late, other = await asyncio.gather(asked(bus, 1, 100), asked(bus, 1, 200))
            await bus.close()
        assert (late, other) == (right(100), right(200))
        assert asked_at[21] - asked_at[20] >= 1.05

    asyncio.run(scenario())


def broken(kind: str, rtu: bool):
    def change(number: int, answer: bytes) -> bytes:
        if number > 1:
            return answer
        head = 0 if rtu else 6
        return {
            "wrong unit": answer[:head] + bytes([9]) + answer[head + 1 :],
            "wrong function": answer[: head + 1] + b"\x04" + answer[head + 2 :],
            "wrong length": answer[: head + 2] + b"\x02" + answer[head + 3 :],
            "noise": bytes(range(60, 60 + len(answer))),
            "half": answer[: len(answer) // 2],
            "transaction 0": answer if rtu else b"\x00\x00" + answer[2:],
            "twice": answer + answer,
        }[kind]

    return change


@FRAMINGS
@pytest.mark.parametrize(
    "kind", ["wrong unit", "wrong function", "wrong length", "noise", "half", "transaction 0", "twice"]
)
def test_a_broken_frame_is_no_answer_and_the_next_one_is(rtu, kind):
    async def scenario() -> None:
        device = SlowDevice(lambda *_: 0.0, rtu=rtu, change=broken(kind, rtu))
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.2)
            assert await asked(bus, 1, 72, 4) == right(72, 4)
            assert await asked(bus, 1, 10, 2) == right(10, 2)
            await bus.close()

    asyncio.run(scenario())


@FRAMINGS
def test_one_dead_unit_costs_the_others_one_timeout(rtu):
    async def scenario() -> None:
        device = SlowDevice(lambda _, unit: None if unit == 9 else 0.0, rtu=rtu)
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.5)
            dead = asyncio.create_task(asked(bus, 9, 0))
            await asyncio.sleep(0.02)
            started = time.monotonic()
            alive = await asyncio.gather(*(asked(bus, unit, 72) for unit in range(1, 9)))
            waited = time.monotonic() - started
            assert alive == [right(72)] * 8
            # Two timeouts would be a second.
            assert waited < 0.9
            assert await dead is None
            await bus.close()

    asyncio.run(scenario())


def test_a_unit_that_was_silent_is_spared_until_its_breaker_closes_unless_one_insists():
    async def scenario() -> None:
        device = SlowDevice(lambda number, _: None if number <= 2 else 0.0, rtu=False)
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.1)
            assert await asked(bus, 1, 0) is None
            started = time.monotonic()
            with pytest.raises(DeviceSilentError, match="asked again in"):
                await bus.read(1, 3, 0, 2)
            assert time.monotonic() - started < 0.05
            assert device.requests == 2
            assert await asked(bus, 1, 0) == right(0)
            assert (await bus.read(1, 3, 0, 2)).words == right(0)
            await bus.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("registers", [2, 3, 9])
def test_an_answer_that_was_cut_is_not_completed_by_another_frame(registers):
    """Eight registers are cut to half of one; what comes then is a whole frame of fewer, as many, or more bytes."""

    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked_first = await reader.readexactly(12)
            head = asked_first[:4] + (19).to_bytes(2, "big") + asked_first[6:8] + bytes([16])
            writer.write(head + bytes(1))
            await asyncio.sleep(0.05)
            late = b"\x00\x07\x00\x00" + (3 + 2 * registers).to_bytes(2, "big") + bytes([9, 3, 2 * registers])
            writer.write(late + bytes(2 * registers))
            await reader.read(100)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=0.3, attempts=1)
        assert await asked(bus, 1, 0, 8) is None
        await bus.close()
        server.close()

    asyncio.run(scenario())


@FRAMINGS
def test_a_bus_closed_while_it_waits_for_an_answer_ends_at_once(rtu):
    async def scenario() -> None:
        async with serving(SlowDevice(lambda *_: None, rtu=rtu)) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=60)
            asking = asyncio.create_task(asked(bus, 1, 0))
            await asyncio.sleep(0.2)
            async with asyncio.timeout(10):
                await bus.close()
            assert await asking is None

    asyncio.run(scenario())


def test_a_connection_closed_while_idle_is_opened_again_unnoticed():
    async def scenario() -> None:
        device = SlowDevice(lambda *_: 0.0, rtu=False)
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock)
            assert await asked(bus, 1, 0) == right(0)
            device.writer.close()
            await asyncio.sleep(0.05)
            assert await asked(bus, 1, 0) == right(0)
            assert device.connections == 2
            await bus.close()

    asyncio.run(scenario())


def test_an_address_where_nobody_listens_says_so_at_once_for_every_unit():
    async def scenario() -> None:
        bus = Bus(BusAddress.parse("tcp://127.0.0.1:1"), clock=system_clock)
        started = time.monotonic()
        outcomes = await asyncio.gather(*(bus.read(unit, 3, 0, 2) for unit in range(1, 20)), return_exceptions=True)
        assert all(isinstance(outcome, BusError) and "cannot connect" in str(outcome) for outcome in outcomes)
        assert time.monotonic() - started < 1
        await bus.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://x", "no meter address"),
        ("tcp://", "names no host"),
        ("tcp://host:99999", "out of range"),
        ("rtu://ttyUSB0", "three slashes"),
        ("rtu:///dev/ttyUSB0?speed=9600", "unknown option 'speed'"),
        ("tcp://host?baud=9600", "unknown option 'baud'"),
    ],
)
def test_an_address_with_a_mistake_is_explained(text, message):
    with pytest.raises(ValueError, match=r"://") as error:
        BusAddress.parse(text)
    assert message in str(error.value)
