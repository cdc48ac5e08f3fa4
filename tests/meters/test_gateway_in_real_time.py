"""The gateway's own loop: polls, boundaries, delivery and set-points, on a clock that runs fast."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from neighbourhood import Street

from meters import gateway_loop
from meters.api import MeterApi
from meters.clock import Clock
from meters.gateway import Gateway

SPEED = 600


def fast_clock() -> Clock:
    """Starts a minute before a boundary; five minutes pass in half a second."""
    origin, began = datetime(2026, 6, 1, 9, 59, tzinfo=UTC), time.monotonic()
    return lambda: origin + SPEED * timedelta(seconds=time.monotonic() - began)


async def running(tmp_path, platform, credentials, seconds: float, during) -> None:
    clock = fast_clock()
    street = Street.of(clock, 2)
    await street.open()
    config = street.config(tmp_path, interval_minutes=5, poll_s=60)
    async with MeterApi(platform.url, token="secret") as api:
        gateway = Gateway(config, clock=clock, api=api, credentials=credentials)
        await gateway.open()
        stop = asyncio.Event()
        loop = asyncio.create_task(gateway.run(stop))
        await during(street)
        await asyncio.sleep(seconds)
        stop.set()
        await loop
        await gateway.close()
    await street.close()


@pytest.fixture(autouse=True)
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_loop, "NAP_S", 0.002)


def test_every_five_minutes_a_reading_is_delivered_and_set_points_are_obeyed(tmp_path, platform, credentials):
    platform.set_points = [{"device": "D001", "generation_limit_w": 1000, "battery_w": None}]

    async def nothing(_street: Street) -> None:
        pass

    asyncio.run(running(tmp_path, platform, credentials, 2.4, nothing))
    readings = platform.accepted("D001")
    assert len(readings) >= 4
    starts = [start_s + duration_s for _, start_s, duration_s, *_ in readings]
    assert starts == [starts[0] + 300 * number for number in range(len(starts))]
    energy_mwh = [after[3] - before[3] for before, after in pairwise(readings)]
    # 400 W for five minutes are 33 333 mWh; the meter counts whole Wh, and at this speed 15 ms of delay are one more.
    assert all(abs(energy - 33_333) <= 5000 for energy in energy_mwh)
    assert len(platform.tokens_seen) >= 4


def test_a_platform_that_comes_back_gets_everything(tmp_path, platform, credentials, monkeypatch):
    monkeypatch.setattr(gateway_loop, "AGAIN_S", 0.2)
    platform.broken_answers = 10**6

    async def then_back(_street: Street) -> None:
        await asyncio.sleep(1.2)
        assert platform.accepted("D001") == []
        platform.broken_answers = 0

    asyncio.run(running(tmp_path, platform, credentials, 2.6, then_back))
    assert len(platform.accepted("D002")) >= 5
    assert [reading[0] for reading in platform.accepted("D002")] == list(range(len(platform.accepted("D002"))))
