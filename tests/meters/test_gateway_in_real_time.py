"""The gateway's own loop: polls, boundaries, delivery and set-points, on a clock that runs fast.

Time passes in the loop that reads the meters: on a machine that is busy with something else these tests take longer,
and nothing in them comes late.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from neighbourhood import Street

from meters import gateway_loop
from meters.api import MeterApi
from meters.clock import SimulatedClock
from meters.gateway import Gateway

TICK_S, TICK = 0.002, timedelta(seconds=1.2)
PATIENCE_S = 120.0


async def passing(clock: SimulatedClock) -> None:
    """Let time pass, five minutes in half a second on an idle machine."""
    while True:
        await asyncio.sleep(TICK_S)
        clock.set(clock() + TICK)


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(tmp_path, platform, credentials):
    """A gateway for two homes that reads every five minutes; it starts a minute before a boundary."""
    clock = SimulatedClock(tmp_path / "clock", start=datetime(2026, 6, 1, 9, 59, tzinfo=UTC))
    street = Street.of(clock, 2)
    await street.open()
    config = street.config(tmp_path, interval_minutes=5, poll_s=60)
    async with MeterApi(platform.url, token="secret") as api:
        gateway = Gateway(config, clock=clock, api=api, credentials=credentials)
        await gateway.open()
        stop = asyncio.Event()
        loop, ticks = asyncio.create_task(gateway.run(stop)), asyncio.create_task(passing(clock))
        try:
            yield gateway
        finally:
            stop.set()
            await loop
            ticks.cancel()
            await gateway.close()
    await street.close()


@pytest.fixture(autouse=True)
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_loop, "NAP_S", TICK_S)


def test_every_five_minutes_a_reading_is_delivered_and_set_points_are_obeyed(tmp_path, platform, credentials):
    platform.set_points = [{"device": "D001", "generation_limit_w": 1000, "battery_w": None}]

    async def scenario() -> None:
        async with running(tmp_path, platform, credentials):
            await until(lambda: len(platform.accepted("D001")) >= 4 and len(platform.tokens_seen) >= 4)

    asyncio.run(scenario())
    readings = platform.accepted("D001")
    starts = [start_s + duration_s for _, start_s, duration_s, *_ in readings]
    assert starts == [starts[0] + 300 * number for number in range(len(starts))]
    energy_mwh = [after[3] - before[3] for before, after in pairwise(readings)]
    # 400 W for five minutes are 33 333 mWh; the meter counts whole Wh, and while it answers some ticks pass.
    assert all(abs(energy - 33_333) <= 3000 for energy in energy_mwh)


def test_a_platform_that_comes_back_gets_everything(tmp_path, platform, credentials, monkeypatch):
    monkeypatch.setattr(gateway_loop, "AGAIN_S", 0.2)
    platform.broken_answers = 10**6

    async def scenario() -> None:
        async with running(tmp_path, platform, credentials) as gateway:
            await until(lambda: gateway.outbox.pending() >= 6)
            assert platform.accepted("D001") == []
            platform.broken_answers = 0
            await until(lambda: len(platform.accepted("D002")) >= 5)

    asyncio.run(scenario())
    assert [reading[0] for reading in platform.accepted("D002")] == list(range(len(platform.accepted("D002"))))
