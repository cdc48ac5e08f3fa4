"""How long a bus waits: learned from the answers, bounded on both sides, and never at the cost of the other units."""

import asyncio

import pytest
from slow_device import SlowDevice, serving

from meters.address import BusAddress
from meters.answer import DeviceSilentError
from meters.bus import Bus
from meters.clock import system_clock
from meters.pace import SHORTEST_S, AnswerTimes


def test_while_nothing_is_known_the_whole_time_is_given():
    assert AnswerTimes(0.5).timeout_s == 0.5


def test_a_quick_device_is_given_little_time_and_a_slow_one_twice_what_it_takes():
    quick, slow = AnswerTimes(2.0), AnswerTimes(2.0)
    for _ in range(100):
        quick.answered(0.004)
        slow.answered(0.4)
    assert quick.timeout_s == SHORTEST_S
    assert slow.timeout_s == pytest.approx(0.8)


def test_no_device_is_given_more_than_the_limit():
    times = AnswerTimes(0.5)
    times.answered(0.45)
    assert times.timeout_s == 0.5


def test_scattered_answers_are_waited_for_longer_than_even_ones():
    # By hand: mean 0.1, deviation 0.05; then 0.3: deviation 0.05 + 0.15/4, mean 0.1 + 0.2/8.
    times = AnswerTimes(2.0)
    times.answered(0.1)
    times.answered(0.3)
    assert times.timeout_s == pytest.approx(0.125 + 4 * 0.0875)


def test_after_a_silence_the_next_attempt_has_all_the_time():
    times = AnswerTimes(0.5)
    times.answered(0.01)
    times.silent()
    assert times.timeout_s == 0.5
    times.answered(0.01)
    assert times.timeout_s == SHORTEST_S


@pytest.mark.parametrize("rtu", [False, True], ids=["tcp", "rtu"])
def test_a_unit_that_grew_slower_is_still_read(rtu):
    async def scenario() -> None:
        device = SlowDevice(lambda number, _: 0.005 if number < 10 else 0.3, rtu=rtu)
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=1.0)
            for _ in range(12):
                assert (await bus.read(1, 3, 0, 2)).words == (1, 2)
            await bus.close()

    asyncio.run(scenario())


def test_units_beside_one_that_died_are_read_long_before_the_longest_timeout_has_passed():
    async def scenario() -> None:
        dead = False
        device = SlowDevice(lambda _, unit: None if dead and unit == 1 else 0.001, rtu=False)
        async with serving(device) as address:
            bus = Bus(BusAddress.parse(address), clock=system_clock, timeout_s=8.0)
            for unit in (1, 2):
                await bus.read(unit, 3, 0, 2)
            dead = True
            lost = asyncio.create_task(bus.read(1, 3, 0, 2))
            await asyncio.sleep(0)
            async with asyncio.timeout(4.0):
                assert (await bus.read(2, 3, 0, 2)).words == (1, 2)
            assert not lost.done()
            await bus.close()
            with pytest.raises(DeviceSilentError):
                await lost

    asyncio.run(scenario())
