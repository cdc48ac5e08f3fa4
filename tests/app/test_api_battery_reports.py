"""What gateways report of batteries, and what they may not."""

from flask.testing import FlaskClient
from sqlalchemy import Engine, update

from app.auth import hash_of
from app.storage.database import reading, writing
from app.storage.store.devices import GATEWAYS
from app.storage.store.outcomes import battery_looks_since
from tests.app.neighbourhood import NOON_S

TOKEN = {"Authorization": "Bearer token-of-the-gateway"}


def report(client: FlaskClient, community: Engine, batteries: list[dict[str, object]], at_s: object = NOON_S) -> int:
    with writing(community) as connection:
        connection.execute(update(GATEWAYS).values(token_hash=hash_of("token-of-the-gateway"), status="approved"))
    return client.post(
        "/api/v1/gateway/batteries", json={"at_s": at_s, "batteries": batteries}, headers=TOKEN
    ).status_code


def test_what_batteries_hold_is_kept_once_for_each_moment(client: FlaskClient, community: Engine) -> None:
    assert report(client, community, [{"device": "d-anna", "stored_wh": 4_200}]) == 200
    assert report(client, community, [{"device": "d-anna", "stored_wh": 9_999}]) == 200
    with reading(community) as connection:
        looks = battery_looks_since(connection, since_s=NOON_S, until_s=NOON_S + 1)
    assert [[look.stored_wh for look in of_point] for of_point in looks.values()] == [[4_200]]


def test_a_gateway_cannot_speak_for_another_ones_device_nor_without_a_token(
    client: FlaskClient, community: Engine
) -> None:
    assert report(client, community, [{"device": "somebody-elses", "stored_wh": 1}]) == 403
    body = {"at_s": NOON_S, "batteries": []}
    assert client.post("/api/v1/gateway/batteries", json=body).status_code == 401
    with reading(community) as connection:
        assert battery_looks_since(connection, since_s=0, until_s=NOON_S + 1) == {}


def test_malformed_reports_are_refused(client: FlaskClient, community: Engine) -> None:
    for stored in (-1, 1.5, True, "5", None, 10**12):
        assert report(client, community, [{"device": "d-anna", "stored_wh": stored}]) == 422
    assert report(client, community, [], at_s="now") == 422
