"""Delivery against a platform written apart: exactly once, in order, through every way an answer can go wrong."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest
from neighbourhood import Street, ahead, gateway_of

from meters import gateway as gateway_module
from meters.api import ApiRefusedError, ApiUnavailableError, MeterApi
from meters.outbox import READINGS_PER_PARCEL
from meters.signing import FLAG_CLOCK_UNSYNCED, RegisterReading


async def swept(gateway, clock, times: int) -> None:
    for _ in range(times):
        await gateway.sweep(clock())
        ahead(clock)


def sequence(platform, device: str, epoch: int = 0) -> list[int]:
    return [reading[0] for reading in platform.accepted(device, epoch)]


def run_with_street(tmp_path, clock, platform, credentials, scenario, homes: int = 2) -> None:
    async def outer() -> None:
        street = Street.of(clock, homes)
        await street.open()
        async with gateway_of(street.config(tmp_path), clock, platform, credentials) as gateway:
            await scenario(gateway, street)
        await street.close()

    asyncio.run(outer())


def test_an_answer_that_got_lost_is_asked_for_again_and_nothing_is_doubled(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 2)
        platform.lost_answers = 1
        report = await gateway.upload()
        assert (report.accepted, report.pending) == (4, 0)
        assert platform.posts == 2
        assert sequence(platform, "D001") == sequence(platform, "D002") == [0, 1]

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_a_platform_that_is_busy_is_asked_again(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 1)
        platform.broken_answers = 2
        assert (await gateway.upload()).accepted == 2

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_a_platform_that_is_away_is_reported_and_everything_waits(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 2)
        platform.broken_answers = 99
        report = await gateway.upload()
        assert (report.accepted, report.pending) == (0, 4)
        assert "answered 503" in report.error
        platform.broken_answers = 0
        await swept(gateway, clock, 1)
        assert (await gateway.upload()).accepted == 6
        assert sequence(platform, "D001") == [0, 1, 2]

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_nobody_listening_is_an_error_and_not_a_crash(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 1)
        gateway._api = MeterApi("http://127.0.0.1:1")
        report = await gateway.upload()
        assert "cannot be reached" in report.error
        assert report.pending == 2
        await gateway._api.close()

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_a_gap_on_the_platforms_side_is_sent_again_from_there(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 4)
        await gateway.upload()
        del platform.chains["D001", 0][1:]
        await swept(gateway, clock, 1)
        report = await gateway.upload()
        assert (report.refused, report.pending) == ((), 0)
        assert sequence(platform, "D001") == [0, 1, 2, 3, 4]

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_a_gap_that_is_no_longer_here_is_an_alarm_and_the_meter_goes_on(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 4)
        await gateway.upload()
        gateway.outbox.prune(before_s=int(clock().timestamp()))
        del platform.chains["D001", 0][1:]
        await swept(gateway, clock, 1)
        report = await gateway.upload()
        assert [refusal.code for refusal in report.refused] == ["lost"]
        assert report.restarted == (("D001", 0),)
        await swept(gateway, clock, 2)
        await gateway.upload()
        assert sequence(platform, "D001", 1)[:2] == [0, 1]
        assert sequence(platform, "D002") == list(range(7))

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_another_past_on_the_platform_is_an_alarm_with_both_kept_and_a_new_epoch(
    tmp_path, clock, platform, credentials
):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 2)
        await gateway.upload()
        reading, _ = platform.chains["D001", 0][1]
        platform.chains["D001", 0][1] = (reading, b"\x05" * 32)
        await swept(gateway, clock, 1)
        report = await gateway.upload()
        assert [(refusal.device, refusal.code) for refusal in report.refused] == [("D001", "conflict")]
        (alarm,) = gateway.outbox.alarms()
        assert (alarm.kind, alarm.device, alarm.first_seq) == ("conflict", "D001", 2)
        assert json.loads(alarm.evidence)["signature"].startswith("0x")
        assert len(gateway.outbox.readings("D001", 0, 0, 99)) == 3
        await swept(gateway, clock, 2)
        await gateway.upload()
        await gateway.upload()
        assert len(gateway.outbox.alarms()) == 1
        assert sequence(platform, "D001", 1) == [0, 1, 2]
        assert sequence(platform, "D002") == [0, 1, 2, 3, 4]

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_readings_wait_until_an_operator_approves_the_gateway(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        platform.approved.clear()
        await swept(gateway, clock, 2)
        report = await gateway.upload()
        assert {refusal.code for refusal in report.refused} == {"unknown_key"}
        assert (report.accepted, report.pending) == (0, 4)
        assert gateway.outbox.alarms() == []
        platform.approved.add(credentials.address)
        assert (await gateway.upload()).accepted == 4

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_one_refused_device_does_not_hold_up_the_others_and_is_left_alone_for_a_while(
    tmp_path, clock, platform, credentials
):
    async def scenario(gateway, _street) -> None:
        honest = platform.take

        def suspicious(batch: dict) -> dict:
            if batch["device"] == "D001":
                return {**honest({**batch, "device": "?"}), "device": "D001", "code": "altered", "status": "refused"}
            return honest(batch)

        platform.take = suspicious
        await swept(gateway, clock, 2)
        report = await gateway.upload()
        assert [(refusal.device, refusal.code) for refusal in report.refused] == [("D001", "altered")]
        assert sequence(platform, "D002") == [0, 1]
        posts = platform.posts
        assert (await gateway.upload()).pending == 2
        assert platform.posts == posts
        assert [alarm.kind for alarm in gateway.outbox.alarms()] == ["altered"]

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_an_answer_that_makes_no_sense_acknowledges_nothing(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 1)
        honest = platform.take
        for nonsense in (
            lambda batch: {**honest(batch), "device": "D999"},
            lambda _: {"status": "accepted"},
            lambda _: [],
        ):
            platform.take = nonsense
            report = await gateway.upload()
            assert (report.accepted, report.pending) == (0, 2)
            assert report.error
        platform.take = honest
        assert (await gateway.upload()).accepted == 2
        assert sequence(platform, "D001") == [0]

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_a_backlog_of_a_month_is_drained_in_few_posts(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        begin_s = int(clock().timestamp()) - 900 * 2880
        past = [
            RegisterReading(
                device="", epoch=0, seq=0, start_s=begin_s + 900 * n, duration_s=900, import_mwh=n, export_mwh=0
            )
            for n in range(2880)
        ]
        gateway.import_histories({"D001": past, "D002": past})
        report = await gateway.upload()
        assert (report.accepted, report.pending) == (5760, 0)
        assert platform.posts == 1
        assert platform.batches == 2 * -(-2880 // READINGS_PER_PARCEL)
        assert sequence(platform, "D002") == list(range(2880))

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_a_clock_far_from_the_platforms_marks_the_readings(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 1)
        gateway._api._clock = lambda: clock() - timedelta(days=400)
        await gateway.upload()
        assert abs(gateway._api.clock_error_s) > 5
        await swept(gateway, clock, 1)
        await gateway.upload()
        assert [reading[5] for reading in platform.accepted("D001")] == [0, FLAG_CLOCK_UNSYNCED]

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_a_gateway_that_is_not_enrolled_says_what_to_do(tmp_path, clock, platform, credentials):
    async def scenario(gateway, _street) -> None:
        await swept(gateway, clock, 1)
        gateway._credentials = type(credentials)(key=credentials.key)
        with pytest.raises(gateway_module.ConfigError, match="gateway enroll"):
            await gateway.upload()

    run_with_street(tmp_path, clock, platform, credentials, scenario)


def test_a_one_time_code_works_once(platform):
    async def scenario() -> None:
        async with MeterApi(platform.url) as api:
            enrolment = await api.enrol(code="K7QF", address="0x1")
            assert (enrolment.gateway, enrolment.token, enrolment.devices) == ("G1", "secret", ("D001", "D002"))
            assert enrolment.domain.chain_id == 20260
            with pytest.raises(ApiRefusedError, match="unknown or was used"):
                await api.enrol(code="K7QF", address="0x1")

    asyncio.run(scenario())


def test_set_points_need_the_token(platform):
    async def scenario() -> None:
        platform.set_points = [{"device": "D001", "generation_limit_w": 3000, "battery_w": None}]
        async with MeterApi(platform.url, token="secret") as api:
            (point,) = await api.set_points(900)
            assert (point.device, point.start_s, point.generation_limit_w, point.battery_w) == ("D001", 900, 3000, None)
        async with MeterApi(platform.url, token="guess") as api:
            with pytest.raises(ApiRefusedError, match="401"):
                await api.set_points(900)

    asyncio.run(scenario())


def test_a_page_that_is_no_json_is_refused_and_a_closed_port_is_unavailable():
    async def scenario() -> None:
        page = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
        async with httpx.AsyncClient(base_url="http://portal", transport=page) as client:
            with pytest.raises(ApiRefusedError, match="makes no sense"):
                await MeterApi(client=client).post_readings([])
        async with MeterApi("http://127.0.0.1:1") as api:
            with pytest.raises(ApiUnavailableError, match="cannot be reached"):
                await api.post_readings([])

    asyncio.run(scenario())
