"""The gateway from register to platform: every boundary once, exactly, through silence, restarts and bad answers."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from neighbourhood import QUARTER, Street, ahead, gateway_of

from meters.faults import Fault
from meters.gateway_config import ConfigError
from meters.outbox_file import OutboxError
from meters.signing import FLAG_ESTIMATED, FLAG_IMPORTED, FLAG_SUSPECT, RegisterReading
from meters.vee import Rule

QUARTER_MWH = 100_000
"""400 W for a quarter of an hour."""


def column(readings: list[list[int]], name: str) -> list[int]:
    names = ("seq", "start_s", "duration_s", "import_mwh", "export_mwh", "flags")
    return [reading[names.index(name)] for reading in readings]


def test_every_interval_arrives_once_with_the_registers_at_its_end(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 3)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            start_s = int(clock().timestamp())
            first = await gateway.sweep(clock())
            assert (first.readings, first.complete, first.failed) == (3, {"D001", "D002", "D003"}, {})
            for _ in range(4):
                assert (await gateway.sweep(ahead(clock))).readings == 3
                report = await gateway.upload()
            assert (report.accepted, report.pending, report.refused, report.error) == (3, 0, (), "")
        await street.close()
        for device in ("D001", "D002", "D003"):
            readings = platform.accepted(device)
            assert column(readings, "seq") == [0, 1, 2, 3, 4]
            assert column(readings, "start_s") == [start_s, *(start_s + 900 * number for number in range(4))]
            assert column(readings, "duration_s") == [0, 900, 900, 900, 900]
            assert column(readings, "import_mwh") == [1_000_000_000 + QUARTER_MWH * number for number in range(5)]
            assert set(column(readings, "export_mwh")) == {50_000_000}
            assert set(column(readings, "flags")) == {0}

    asyncio.run(scenario())


def test_a_boundary_is_read_once_and_one_to_come_is_refused(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            assert (await gateway.sweep(clock())).readings == 0
            for instant in (clock() + QUARTER, clock() - timedelta(minutes=1)):
                with pytest.raises(ValueError, match="no boundary that has passed"):
                    await gateway.sweep(instant)
        await street.close()

    asyncio.run(scenario())


def test_a_dead_meter_does_not_hold_up_the_others_and_its_gap_is_filled_when_it_is_back(
    tmp_path, clock, platform, credentials
):
    async def scenario() -> None:
        street = Street.of(clock, 3)
        await street.open()
        config = street.config(tmp_path, timeout_s=0.2)
        async with gateway_of(config, clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            street.meters[1].fault = Fault.parse("silent")
            report = await gateway.sweep(ahead(clock))
            assert report.complete == {"D001", "D003"}
            assert "no answer in time" in report.failed["D002"]
            assert report.seconds < 1.0
            # While the breaker is open it costs nothing.
            assert (await gateway.sweep(ahead(clock))).seconds < 0.1
            street.meters[1].fault = None
            assert (await gateway.sweep(ahead(clock), within_s=2)).complete == {"D001", "D002", "D003"}
            await gateway.upload()
        await street.close()
        readings = platform.accepted("D002")
        assert column(readings, "seq") == [0, 1, 2, 3]
        assert column(readings, "import_mwh") == [1_000_000_000 + QUARTER_MWH * number for number in range(4)]
        assert column(readings, "flags") == [0, FLAG_ESTIMATED, FLAG_ESTIMATED, FLAG_ESTIMATED]
        assert set(column(platform.accepted("D001"), "flags")) == {0}

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["exception:4", "exception:6", "drop", "wrong_unit", "truncate", "delay:0.6"])
def test_a_misbehaving_meter_gives_no_reading_rather_than_a_wrong_one(tmp_path, clock, platform, credentials, fault):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        config = street.config(tmp_path, timeout_s=0.1)
        async with gateway_of(config, clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            street.meters[0].fault = Fault.parse(fault)
            report = await gateway.sweep(ahead(clock))
            assert (report.readings, list(report.failed)) == (0, ["D001"])
        await street.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("shown", [0, 990_000, 90_000_000, float("nan")])
def test_a_register_that_cannot_be_is_no_reading_and_the_next_good_one_closes_the_gap(
    tmp_path, clock, platform, credentials, shown
):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            street.homes[0].shown = {"energy_import_wh": shown}
            report = await gateway.sweep(ahead(clock))
            assert (report.readings, list(report.failed)) == (0, ["D001"])
            assert report.findings["D001"]
            street.homes[0].shown = None
            assert (await gateway.sweep(ahead(clock))).readings == 2
            await gateway.upload()
        await street.close()
        readings = platform.accepted("D001")
        assert column(readings, "import_mwh") == [1_000_000_000 + QUARTER_MWH * number for number in range(3)]

    asyncio.run(scenario())


def test_a_replaced_meter_goes_on_in_a_new_epoch_and_its_registers_are_no_energy(
    tmp_path, clock, platform, credentials
):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            await gateway.sweep(ahead(clock))
            street.homes[0].shown = {"energy_import_wh": 12.0, "energy_export_wh": 0}
            await gateway.sweep(ahead(clock))
            street.homes[0].shown = {"energy_import_wh": 112.0, "energy_export_wh": 0}
            report = await gateway.sweep(ahead(clock))
            assert Rule.REPLACED in {finding.rule for finding in report.findings["D001"]}
            await gateway.sweep(ahead(clock))
            await gateway.upload()
        await street.close()
        assert column(platform.accepted("D001", 0), "seq") == [0, 1]
        assert column(platform.accepted("D001", 1), "import_mwh") == [12_000, 112_000, 112_000]
        assert column(platform.accepted("D001", 1), "duration_s") == [0, 900, 900]

    asyncio.run(scenario())


def test_a_restarted_gateway_and_restarted_meters_lose_nothing_and_restart_no_counter(
    tmp_path, clock, platform, credentials
):
    async def scenario() -> None:
        street = Street.of(clock, 2)
        await street.open()
        config = street.config(tmp_path)
        for _ in range(3):
            async with gateway_of(config, clock, platform, credentials) as gateway:
                await gateway.sweep(ahead(clock))
                # The meters' process ends and comes back between two reads of an open gateway.
                await street.close()
                await street.open()
                assert (await gateway.sweep(ahead(clock), within_s=2)).failed == {}
        async with gateway_of(config, clock, platform, credentials) as gateway:
            report = await gateway.upload()
        await street.close()
        assert report.accepted == 12
        assert column(platform.accepted("D001"), "seq") == [0, 1, 2, 3, 4, 5]
        assert column(platform.accepted("D001"), "import_mwh") == [
            1_000_000_000 + QUARTER_MWH * number for number in range(1, 7)
        ]
        assert set(column(platform.accepted("D001"), "flags")) == {0}

    asyncio.run(scenario())


def history(clock, count: int) -> list[RegisterReading]:
    begin_s = int(clock().timestamp()) - 900 * count
    return [
        RegisterReading(
            device="D001", epoch=0, seq=0, start_s=begin_s + 900 * number, duration_s=900,
            import_mwh=1_000_000_000 - QUARTER_MWH * (count - 1 - number), export_mwh=50_000_000,
        )
        for number in range(count)
    ]  # fmt: skip


def test_imported_history_is_marked_and_the_meter_goes_on_from_it(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            assert gateway.import_history("D001", history(clock, 1344)) == 1344
            assert (await gateway.sweep(clock())).readings == 0
            assert (await gateway.sweep(ahead(clock))).readings == 1
            assert (await gateway.upload()).accepted == 1345
        await street.close()
        readings = platform.accepted("D001")
        assert column(readings, "seq") == list(range(1345))
        assert set(column(readings, "flags")[:-1]) == {FLAG_IMPORTED}
        assert column(readings, "flags")[-1] == 0
        assert column(readings, "import_mwh")[-2:] == [1_000_000_000, 1_000_000_000 + QUARTER_MWH]

    asyncio.run(scenario())


def test_history_that_leaves_a_gap_or_falls_is_refused_as_a_whole(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            good = history(clock, 4)
            for bad in ([good[0], good[2]], [good[0], replace(good[1], import_mwh=0)]):
                with pytest.raises(ValueError, match="imported"):
                    gateway.import_history("D001", bad)
            with pytest.raises(KeyError):
                gateway.import_history("D999", good)
            assert gateway.outbox.pending() == 0
        await street.close()

    asyncio.run(scenario())


def test_an_unverified_meter_is_refused_unless_it_is_allowed_and_then_marked(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1, profile="chint_dtsu666")
        await street.open()
        config = street.config(tmp_path)
        with pytest.raises(ConfigError, match="not verified"):
            async with gateway_of(config, clock, platform, credentials):
                pass
        allowed = replace(config, meters=(replace(config.meters[0], allow_unverified=True),))
        async with gateway_of(allowed, clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            await gateway.upload()
        await street.close()
        assert column(platform.accepted("D001"), "flags") == [FLAG_SUSPECT]

    asyncio.run(scenario())


def test_a_second_gateway_on_the_same_state_is_refused(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 1)
        await street.open()
        config = street.config(tmp_path)
        async with gateway_of(config, clock, platform, credentials):
            with pytest.raises(OutboxError, match="another gateway"):
                async with gateway_of(config, clock, platform, credentials):
                    pass
        await street.close()

    asyncio.run(scenario())


def test_a_hundred_and_twenty_meters_are_swept_together(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 120)
        await street.open()
        # Meters and gateway share one loop here: on a busy machine an answer may take a while.
        async with gateway_of(street.config(tmp_path, timeout_s=5.0), clock, platform, credentials) as gateway:
            await gateway.sweep(clock())
            assert (await gateway.sweep(ahead(clock))).readings == 120
            assert (await gateway.upload()).accepted == 240
        await street.close()

    asyncio.run(scenario())


def test_a_meter_whose_certificate_is_gone_does_not_hold_up_the_others(tmp_path, clock, platform, credentials):
    async def scenario() -> None:
        street = Street.of(clock, 2)
        await street.open()
        config = street.config(tmp_path)
        first = replace(config.meters[0], address=f"tls://127.0.0.1:1?ca={tmp_path}/gone.pem")
        async with gateway_of(
            replace(config, meters=(first, config.meters[1])), clock, platform, credentials
        ) as gateway:
            report = await gateway.sweep(clock())
            assert report.complete == {"D002"}
            assert "certificate files cannot be read" in report.failed["D001"]
        await street.close()

    asyncio.run(scenario())
