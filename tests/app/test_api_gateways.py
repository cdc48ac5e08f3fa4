"""The gateway's interface over HTTP: enrolment, readings, set-points."""

from dataclasses import asdict
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, update

from app.auth import hash_of
from app.storage.database import writing
from app.storage.store.community import COMMUNITY
from app.storage.store.devices import DEVICES, GATEWAYS
from app.storage.store.rounds import SET_POINTS
from app.untrusted import READINGS_BYTES_MAX
from tests.app.neighbourhood import (
    DOMAIN,
    NOON_S,
    STRANGERS_KEY,
    address_of,
    as_json,
    readings_from,
    signed,
    token_for,
)


def _readings(client: FlaskClient, *batches: object) -> list[dict[str, Any]]:
    answer = client.post("/api/v1/readings", json={"batches": list(batches)})
    assert answer.status_code == 200
    assert answer.json is not None
    results: list[dict[str, Any]] = answer.json["results"]
    return results


def _code(client: FlaskClient, community: Engine) -> str:
    answer = client.post("/api/v1/gateways", json={"id": "g2", "name": "Attic"}, headers=token_for(community, "olga"))
    assert answer.status_code == 201
    assert answer.json is not None
    return str(answer.json["code"])


def test_signed_readings_need_no_token_and_get_a_result_each(client: FlaskClient) -> None:
    good = as_json(signed(readings_from([(1_000_000, 0), (1_250_000, 0)], start_s=NOON_S - 1_800)))
    bad = as_json(signed(readings_from([(0, 0)], device="d-bela"), key=STRANGERS_KEY))
    accepted, refused, malformed, again = _readings(client, good, bad, {"device": 5}, good)
    assert accepted == {
        "device": "d-anna", "epoch": 0, "next_seq": 2, "status": "accepted", "code": None, "message": "",
    }  # fmt: skip
    assert (refused["status"], refused["code"]) == ("refused", "unknown_key")
    assert (malformed["status"], malformed["code"]) == ("refused", "malformed")
    assert again["status"] == "duplicate"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"batches": 7}', b'{"readings": []}'])
def test_a_body_that_is_no_list_of_batches_is_refused_as_a_whole(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/api/v1/readings", data=body, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert answer.content_type == "application/problem+json"


def test_before_the_ledger_is_deployed_readings_are_wanted_later(client: FlaskClient, community: Engine) -> None:
    with writing(community) as connection:
        connection.execute(update(COMMUNITY).values(ledger_address=None))
    answer = client.post("/api/v1/readings", json={"batches": []})
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"


def test_a_body_beyond_all_measure_is_refused_unread(client: FlaskClient) -> None:
    answer = client.post("/api/v1/readings", data=b"x" * (READINGS_BYTES_MAX + 1), content_type="application/json")
    assert answer.status_code == 413
    assert answer.content_type == "application/problem+json"


def test_a_home_reads_its_own_registers_as_they_were_signed(client: FlaskClient, community: Engine) -> None:
    readings = readings_from([(1_000_000, 0), (1_250_000, 5)], start_s=NOON_S - 1_800)
    _readings(client, as_json(signed(readings)))
    span = {"start_s": NOON_S - 86_400, "end_s": NOON_S}
    own = client.get("/api/v1/readings", query_string=span, headers=token_for(community, "anna")).json
    assert own == {"readings": [asdict(each) for each in readings]}
    foreign = client.get("/api/v1/readings", query_string=span, headers=token_for(community, "bela")).json
    assert foreign == {"readings": []}


def test_a_gateway_enrols_waits_for_approval_and_delivers(client: FlaskClient, community: Engine) -> None:
    code, operator = _code(client, community), token_for(community, "olga")
    with writing(community) as connection:
        connection.execute(update(DEVICES).where(DEVICES.c.id == "d-bela").values(gateway_id="g2"))
    address = address_of(STRANGERS_KEY)
    enrolled = client.post("/api/v1/gateway/enrol", json={"code": code, "address": address.lower()})
    assert enrolled.status_code == 200
    answer = enrolled.json
    assert answer is not None
    token = {"Authorization": f"Bearer {answer.pop('token')}"}
    assert answer == {
        "gateway": "g2",
        "status": "pending",
        "domain": {"chain_id": DOMAIN.chain_id, "verifying_contract": DOMAIN.verifying_contract},
        "devices": ["d-bela"],
        "interval_minutes": 15,
    }
    batch = as_json(signed(readings_from([(5, 5)], device="d-bela"), key=STRANGERS_KEY))
    assert _readings(client, batch)[0]["code"] == "unknown_key"
    asked = {"query_string": {"start": NOON_S}, "headers": token}
    assert client.get("/api/v1/gateway/set-points", **asked).status_code == 403
    approved = client.post("/api/v1/gateways/g2/approve", headers=operator)
    assert approved.json is not None
    assert (approved.json["status"], approved.json["address"]) == ("approved", address)
    assert _readings(client, batch)[0]["status"] == "accepted"
    assert client.get("/api/v1/gateway/set-points", **asked).json == {"set_points": []}
    client.post("/api/v1/gateways/g2/revoke", headers=operator)
    assert _readings(client, batch)[0]["code"] == "revoked"
    assert client.get("/api/v1/gateway/set-points", **asked).status_code == 403


def test_an_enrolment_code_works_once(client: FlaskClient, community: Engine) -> None:
    body = {"code": _code(client, community), "address": address_of(STRANGERS_KEY)}
    assert client.post("/api/v1/gateway/enrol", json=body).status_code == 200
    again = client.post("/api/v1/gateway/enrol", json=body)
    assert again.status_code == 403
    assert again.json is not None
    assert "used before or is too old" in again.json["detail"]


@pytest.mark.parametrize(
    ("change", "status"),
    [({"code": "guessed"}, 403), ({"address": "0x12"}, 422), ({"address": None}, 422), ({"extra": 1}, 422)],
)
def test_enrolment_with_anything_wrong_is_refused(
    client: FlaskClient, community: Engine, change: dict[str, object], status: int
) -> None:
    body = {"code": _code(client, community), "address": address_of(STRANGERS_KEY)}
    assert client.post("/api/v1/gateway/enrol", json=body | change).status_code == status
    assert client.post("/api/v1/gateway/enrol", json=body).status_code == 200


def test_an_unknown_or_not_enrolled_gateway_cannot_be_approved(client: FlaskClient, community: Engine) -> None:
    operator = token_for(community, "olga")
    _code(client, community)
    assert client.post("/api/v1/gateways/g9/approve", headers=operator).status_code == 404
    assert client.post("/api/v1/gateways/g2/approve", headers=operator).status_code == 409
    twice = client.post("/api/v1/gateways", json={"id": "g2", "name": "Again"}, headers=operator)
    assert twice.status_code == 409


def test_a_gateway_gets_the_set_points_of_its_own_devices_only(client: FlaskClient, community: Engine) -> None:
    with writing(community) as connection:
        connection.execute(update(GATEWAYS).where(GATEWAYS.c.id == "g1").values(token_hash=hash_of("t1")))
        connection.execute(
            GATEWAYS.insert(), {"id": "g2", "name": "Attic", "status": "approved", "token_hash": hash_of("t2")}
        )
        connection.execute(update(DEVICES).where(DEVICES.c.id == "d-bela").values(gateway_id="g2"))
        for point, limit_w in (("mp-anna", 1_500), ("mp-bela", 2_500)):
            row = {"metering_point_id": point, "start_s": NOON_S, "generation_limit_w": limit_w, "battery_w": None}
            connection.execute(SET_POINTS.insert(), row)
    answers = [
        client.get(
            "/api/v1/gateway/set-points",
            query_string={"start": NOON_S},
            headers={"Authorization": f"Bearer {token}"},
        ).json
        for token in ("t1", "t2")
    ]
    assert answers == [
        {"set_points": [{"device": device, "start": NOON_S, "generation_limit_w": limit_w, "battery_w": None}]}
        for device, limit_w in (("d-anna", 1_500), ("d-bela", 2_500))
    ]


def test_the_list_of_gateways_is_for_operators_and_holds_no_secret(client: FlaskClient, community: Engine) -> None:
    answer = client.get("/api/v1/gateways", headers=token_for(community, "olga"))
    assert answer.json is not None
    assert [gateway["id"] for gateway in answer.json["gateways"]] == ["g1"]
    assert not any("hash" in key or "token" in key for key in answer.json["gateways"][0])
