"""What a gateway tells of its meters is kept, and shown to who operates; no gateway speaks for another's."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, update

from app.auth import hash_of
from app.storage.database import reading, writing
from app.storage.store.devices import GATEWAYS
from app.web.read_models.devices import device_health
from tests.app.neighbourhood import NOON_S

TOKEN = {"Authorization": "Bearer token-of-the-gateway"}
REFUSED = {"outcome": "refused", "at_s": NOON_S - 3_600, "said": "L1: <b>swapped</b>"}


def told(client: FlaskClient, community: Engine, *devices: object, at_s: object = NOON_S) -> int:
    with writing(community) as connection:
        connection.execute(update(GATEWAYS).values(token_hash=hash_of("token-of-the-gateway"), status="approved"))
    body = {"at_s": at_s, "devices": list(devices)}
    return client.post("/api/v1/gateway/health", json=body, headers=TOKEN).status_code


def shown(community: Engine, participant_id: str | None = None) -> dict[str, tuple[str, str, int | None, str]]:
    with reading(community) as connection:
        found = device_health(
            connection, day_start_s=NOON_S, day_end_s=NOON_S + 86_400, now_s=NOON_S, interval_s=900,
            participant_id=participant_id,
        )  # fmt: skip
    return {
        each.device_id: (each.trouble, each.commissioning, each.commissioned_s, each.commissioning_said)
        for each in found
    }


def test_the_last_word_of_a_gateway_counts_for_each_meter(client: FlaskClient, community: Engine) -> None:
    assert shown(community) == {"d-anna": ("", "", None, ""), "d-bela": ("", "", None, "")}
    bela = {"device": "d-bela", "trouble": "unit 3: no answer in time", "commissioned": None}
    assert told(client, community, {"device": "d-anna", "trouble": "", "commissioned": REFUSED}, bela) == 200
    assert shown(community) == {
        "d-anna": ("", "refused", NOON_S - 3_600, "L1: <b>swapped</b>"),
        "d-bela": ("unit 3: no answer in time", "", None, ""),
    }
    passed = {"outcome": "passed", "at_s": NOON_S, "said": ""}
    assert told(client, community, {"device": "d-anna", "trouble": "", "commissioned": passed}) == 200
    assert shown(community)["d-anna"] == ("", "passed", NOON_S, "")
    assert shown(community)["d-bela"][0] == "unit 3: no answer in time"
    assert set(shown(community, "anna")) == {"d-anna"}


@pytest.mark.parametrize(
    ("device", "at_s", "status"),
    [
        ({"device": "somebody-elses", "trouble": ""}, NOON_S, 403),
        ({"device": "d-anna", "trouble": ""}, NOON_S + 86_400, 422),
        ({"device": "d-anna", "trouble": "x" * 501}, NOON_S, 422),
        ({"device": "d-anna"}, NOON_S, 422),
        ({"device": "d-anna", "trouble": "", "commissioned": REFUSED | {"outcome": "fine"}}, NOON_S, 422),
        ({"device": "d-anna", "trouble": "", "commissioned": REFUSED | {"at_s": -1}}, NOON_S, 422),
        ({"device": "d-anna", "trouble": "a\x00b"}, NOON_S, 422),
        ({"device": "d-anna", "trouble": "", "odd": 1}, NOON_S, 422),
        ("d-anna", NOON_S, 422),
    ],
)
def test_what_cannot_be_or_is_not_the_gateways_own_is_refused_and_nothing_is_kept(
    client: FlaskClient, community: Engine, device: object, at_s: int, status: int
) -> None:
    good = {"device": "d-bela", "trouble": "broken", "commissioned": None}
    assert told(client, community, good, device, at_s=at_s) in {status, 400}
    assert shown(community)["d-bela"] == ("", "", None, "")


def test_nobody_tells_anything_without_a_token(client: FlaskClient) -> None:
    assert client.post("/api/v1/gateway/health", json={"at_s": NOON_S, "devices": []}).status_code == 401
