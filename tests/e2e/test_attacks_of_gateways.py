"""What the owner of a gateway tries, and what somebody with another gateway's readings tries."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from coincurve.utils import GROUP_ORDER_INT
from sqlalchemy import update

from app.auth import hash_of
from app.storage.database import reading, writing
from app.storage.store.devices import DEVICES, GATEWAYS, Gateway, add_gateway
from app.storage.store.readings import alarms, energies_of_points
from meters.signing import GENESIS_HASH, ReadingBatch, SigningDomain, sign_batch
from tests.app.neighbourhood import (
    DOMAIN,
    GATEWAY_KEY,
    NOON_S,
    STRANGERS_KEY,
    address_of,
    as_json,
    readings_from,
    signed,
)
from tests.e2e.attacked_platform import AttackedPlatform, attacked_platform

FIRST = readings_from([(1_000_000, 0), (1_250_000, 0)], start_s=NOON_S - 3_600)


@pytest.fixture
def platform(tmp_path: Any) -> Iterator[AttackedPlatform]:
    """bela's meter is behind a gateway of bela's own, whose key is the stranger's."""
    with attacked_platform(tmp_path) as running:
        with writing(running.engine) as connection:
            hostile = Gateway(id="g2", name="Attic", address=address_of(STRANGERS_KEY), status="approved")
            add_gateway(connection, hostile, token_hash=hash_of("token of g2"))
            connection.execute(update(GATEWAYS).where(GATEWAYS.c.id == "g1").values(token_hash=hash_of("token of g1")))
            connection.execute(update(DEVICES).where(DEVICES.c.id == "d-bela").values(gateway_id="g2"))
        yield running


def _send(platform: AttackedPlatform, *batches: ReadingBatch) -> list[dict[str, Any]]:
    body = {"batches": [as_json(batch) for batch in batches]}
    answer = httpx.post(f"{platform.url}/api/v1/readings", json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


def _verdict(platform: AttackedPlatform, batch: ReadingBatch) -> tuple[str, str | None]:
    (result,) = _send(platform, batch)
    assert result["code"] is None or result["message"]
    assert "\n" not in result["message"]
    return result["status"], result["code"]


def _energy_wh(platform: AttackedPlatform, point: str) -> list[int]:
    with reading(platform.engine) as connection:
        found = energies_of_points(connection, [point], start_s=0, end_s=NOON_S + 86_400, minutes=15)
    return [each.import_wh for each in found]


def test_the_other_signature_of_the_same_content_changes_nothing(platform: AttackedPlatform) -> None:
    good = signed(FIRST)
    r, s, v = good.signature[:32], int.from_bytes(good.signature[32:64]), good.signature[64]
    mirrored = r + (GROUP_ORDER_INT - s).to_bytes(32) + bytes([55 - v])
    assert _verdict(platform, good) == ("accepted", None)
    assert _verdict(platform, replace(good, signature=mirrored)) == ("refused", "bad_signature")
    assert _energy_wh(platform, "mp-anna") == [250]


@pytest.mark.parametrize("domain", [replace(DOMAIN, chain_id=1), replace(DOMAIN, verifying_contract="0x" + "bb" * 20)])
def test_readings_signed_for_another_community_are_refused(platform: AttackedPlatform, domain: SigningDomain) -> None:
    assert _verdict(platform, sign_batch(GATEWAY_KEY, domain, FIRST, GENESIS_HASH)) == ("refused", "unknown_key")
    assert _energy_wh(platform, "mp-anna") == []


def test_a_gateway_signs_for_its_own_devices_only(platform: AttackedPlatform) -> None:
    assert _verdict(platform, signed(FIRST, key=STRANGERS_KEY)) == ("refused", "unknown_key")
    own = tuple(replace(each, device="d-bela") for each in FIRST)
    assert _verdict(platform, signed(own, key=STRANGERS_KEY)) == ("accepted", None)
    assert (_energy_wh(platform, "mp-anna"), _energy_wh(platform, "mp-bela")) == ([], [250])


def test_a_gateway_reports_batteries_and_gets_set_points_of_its_own_devices_only(platform: AttackedPlatform) -> None:
    token = {"Authorization": "Bearer token of g2"}
    report = {"at_s": NOON_S, "batteries": [{"device": "d-anna", "stored_wh": 1}]}
    refused = httpx.post(f"{platform.url}/api/v1/gateway/batteries", json=report, headers=token)
    assert (refused.status_code, refused.json()["detail"]) == (403, "d-anna is not a device of this gateway")
    for odd in (-1, 2**63, True, "7", 1.5, None):
        report = {"at_s": NOON_S, "batteries": [{"device": "d-bela", "stored_wh": odd}]}
        answer = httpx.post(f"{platform.url}/api/v1/gateway/batteries", json=report, headers=token)
        assert answer.status_code == 422, odd
        own = report | {"at_s": odd, "batteries": []}
        assert httpx.post(f"{platform.url}/api/v1/gateway/batteries", json=own, headers=token).status_code == 422, odd


def test_a_battery_is_not_reported_from_the_future(platform: AttackedPlatform) -> None:
    token = {"Authorization": "Bearer token of g2"}
    for at_s, status in ((NOON_S + 86_400, 422), (NOON_S + 60, 200), (NOON_S - 60, 200)):
        report = {"at_s": at_s, "batteries": [{"device": "d-bela", "stored_wh": 1}]}
        answer = httpx.post(f"{platform.url}/api/v1/gateway/batteries", json=report, headers=token)
        assert answer.status_code == status, answer.text


def test_readings_from_the_future_and_from_years_ago_are_refused(platform: AttackedPlatform) -> None:
    for start_s in (NOON_S, NOON_S + 86_400, 0, NOON_S - 4 * 366 * 86_400, 2**62):
        status, code = _verdict(platform, signed(readings_from([(1, 0)], start_s=start_s)))
        assert (status, code) == ("refused", "malformed"), start_s
    assert _verdict(platform, signed(FIRST)) == ("accepted", None)


@pytest.mark.parametrize("register", [2**63 - 1, 10**15, 1_000_000 + 251_000_000])
def test_energy_that_no_connection_carries_is_refused_and_the_meter_goes_on(
    platform: AttackedPlatform, register: int
) -> None:
    assert _verdict(platform, signed(FIRST[:1])) == ("accepted", None)
    for name in ("import_mwh", "export_mwh"):
        forged = (replace(FIRST[1], **{name: register}),)
        assert _verdict(platform, signed(forged, signed(FIRST[:1]).head)) == ("refused", "malformed")
    assert _energy_wh(platform, "mp-anna") == []
    assert _verdict(platform, signed(FIRST[1:], signed(FIRST[:1]).head)) == ("accepted", None)
    assert _energy_wh(platform, "mp-anna") == [250]
    with reading(platform.engine) as connection:
        assert {alarm.kind for alarm in alarms(connection, since_s=0)} == {"malformed"}


def test_a_new_epoch_opens_no_second_past_and_hides_no_energy_of_the_first(platform: AttackedPlatform) -> None:
    assert _verdict(platform, signed(FIRST)) == ("accepted", None)
    again = tuple(replace(each, epoch=1, import_mwh=0) for each in FIRST)
    assert _verdict(platform, signed(again)) == ("refused", "malformed")
    later = readings_from([(0, 0), (7_000, 0)], epoch=2**31 - 1, start_s=NOON_S - 1_800)
    assert _verdict(platform, signed(later)) == ("accepted", None)
    assert _energy_wh(platform, "mp-anna") == [250, 7]
    old = readings_from([(9_000_000, 0)], first_seq=2, start_s=NOON_S - 900)
    assert _verdict(platform, signed(old, signed(FIRST).head)) == ("refused", "malformed")


def test_tokens_of_gateways_open_nothing_of_members_and_the_other_way_round(platform: AttackedPlatform) -> None:
    gateway = {"Authorization": "Bearer token of g2"}
    for path in ("/api/v1/me", "/api/v1/energy?start_s=0&end_s=9", "/api/v1/gateways"):
        assert httpx.get(platform.url + path, headers=gateway).status_code == 401
    assert httpx.get(f"{platform.url}/api/v1/gateway/set-points?start=0", headers=gateway).status_code == 200
    with reading(platform.engine) as connection:
        hashes = [row.token_hash for row in connection.execute(GATEWAYS.select())]
    for stored in hashes:  # what a stolen database holds signs nobody in
        stolen = {"Authorization": f"Bearer {stored}"}
        assert httpx.get(f"{platform.url}/api/v1/gateway/set-points?start=0", headers=stolen).status_code == 401
