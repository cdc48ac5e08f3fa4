"""A limit that an inverter confirmed is confirmed by the meter too, or the gateway says so."""

import asyncio
from datetime import timedelta

import pytest
from neighbourhood import Street, ahead, gateway_of

from meters.gateway_status import OUTBOX_NAME, StatusFile, gateway_status
from meters.interval import DeliveryInterval
from meters.kept_limits import KeptLimits
from meters.outbox import Outbox
from meters.reading import CounterRead


def watched(clock, *, export_w: float, limit_w: float, battery_w: float | None = None, seconds=600, step_mwh=1_000):
    """What is found when a meter counts `export_w` for so many seconds after a limit, in whole steps."""
    kept, began = KeptLimits(), clock()
    kept.told({"D1": limit_w}, {} if battery_w is None else {"D1": battery_w}, began)
    for second in range(0, seconds + 1, 30):
        counted = int(export_w * second / 3.6) // step_mwh * step_mwh
        at = began + timedelta(seconds=second)
        kept.look("D1", CounterRead(at=at, import_mwh=0, export_mwh=counted, step_mwh=step_mwh))
    return kept.overruns


@pytest.mark.parametrize(
    ("export_w", "limit_w", "battery_w", "found"),
    [
        (2_000, 2_000, None, False),
        (2_090, 2_000, None, False),
        (2_500, 2_000, None, True),
        (5_000, 0, None, True),
        (90, 0, None, False),
        # A battery that was told to discharge exports beside what is generated.
        (2_900, 2_000, -1_000, False),
        (3_500, 2_000, -1_000, True),
        (2_500, 2_000, 1_000, True),
    ],
)
def test_export_beyond_the_limit_and_its_tolerance_is_found(clock, export_w, limit_w, battery_w, found):
    assert bool(watched(clock, export_w=export_w, limit_w=limit_w, battery_w=battery_w)) == found


def test_an_inverter_may_take_its_time_to_come_down(clock):
    assert watched(clock, export_w=5_000, limit_w=2_000, seconds=120) == {}
    assert watched(clock, export_w=5_000, limit_w=2_000, seconds=150) != {}


def test_a_counter_of_coarse_steps_accuses_nobody_before_it_can_tell(clock):
    # 100 Wh in ten minutes are 600 W: 500 W above the limit is within one step at each end, 5 kW is not.
    assert watched(clock, export_w=2_500, limit_w=2_000, step_mwh=100_000) == {}
    assert watched(clock, export_w=9_000, limit_w=2_000, step_mwh=100_000) != {}


def test_who_is_no_longer_limited_is_no_longer_accused(clock):
    kept = KeptLimits()
    kept.overruns["D1"] = "exports"
    kept.told({}, {}, clock())
    assert kept.overruns == {}


def test_the_gateway_says_who_feeds_in_more_than_its_inverter_confirmed(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 2)
        await street.open()
        for home in street.homes:
            home.shown = {"energy_export_wh": 50_000.0, "energy_import_wh": 1_000_000.0}
        config = street.config(tmp_path)
        async with gateway_of(config, clock, platform, credentials) as gateway:
            limits = [{"device": name, "generation_limit_w": 1_000, "battery_w": None} for name in ("D001", "D002")]
            platform.set_points = limits
            report = await gateway.apply_set_points(DeliveryInterval.containing(clock()))
            assert report.limited == {"D001": pytest.approx(1000), "D002": pytest.approx(1000)}
            for minute in range(3, 9):
                ahead(clock, timedelta(minutes=1) if minute > 3 else timedelta(minutes=3))
                # Both registers read back as written; one inverter feeds in 1 kW, the other 6 kW.
                street.homes[0].shown["energy_export_wh"] = 50_000 + 1_000 * minute / 60
                street.homes[1].shown["energy_export_wh"] = 50_000 + 6_000 * minute / 60
                await gateway.poll()
            assert list(gateway.overruns) == ["D002"]
            assert gateway.overruns["D002"].startswith("exports 6000 W, but its inverter confirmed a limit of 1000 W")
            StatusFile(config.state_dir, clock).read({}, None, gateway.overruns)
            said = [line for line in gateway_status(config, clock()) if "D002: exports 6000 W" in line.what]
            assert [line.good for line in said] == [False]
        await street.close()

    asyncio.run(scenario())


def test_an_inverter_that_does_not_obey_is_in_the_status(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        config = street.config(tmp_path)
        async with gateway_of(config, clock, platform, credentials):
            StatusFile(config.state_dir, clock).controlled({"D001": "tcp://h unit 2: no answer in time"})
        with Outbox(config.state_dir / OUTBOX_NAME, read_only=True):
            lines = [line.what for line in gateway_status(config, clock()) if not line.good]
        assert "D001: tcp://h unit 2: no answer in time" in lines
        await street.close()

    asyncio.run(scenario())
