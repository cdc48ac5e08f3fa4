"""Envelopes over the API: everyone sees their own, with the reason; operators see feeders; orders keep within them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app.storage.database import writing
from app.storage.store.community import Envelope, save_drawing, save_envelopes
from app.storage.store.members import change_metering_point, metering_point
from app.storage.store.rounds import open_rounds
from tests.app.neighbourhood import NOON_S, token_for

START_S = NOON_S + 3_600
SPAN = {"start_s": START_S, "end_s": START_S + 900}
DRAWING = {
    "buses": [
        {"id": 4, "name": "house 1", "vn_kv": 0.4, "feeder": "Mill Lane"},
        {"id": 5, "name": "house 2", "vn_kv": 0.4, "feeder": "Hill Road"},
    ],
    "lines": [{"id": 3, "name": "cable 3", "from": 4, "to": 5}],
    "trafos": [],
}


@pytest.fixture
def published(community: Engine) -> Engine:
    """anna's 5 kW plant stopped at 1.2 kW by cable 3, bela's connection is free."""
    with writing(community) as connection:
        save_drawing(connection, json.dumps(DRAWING))
        anna = metering_point(connection, "mp-anna")
        assert anna is not None
        change_metering_point(connection, replace(anna, bus=4))
        stopped = Envelope(
            metering_point_id="mp-anna",
            start_s=START_S,
            import_limit_w=10_000,
            export_limit_w=1_200,
            stopped_by_kind="line_loading",
            stopped_by_element=3,
        )
        free = Envelope(metering_point_id="mp-bela", start_s=START_S, import_limit_w=25_000, export_limit_w=25_000)
        save_envelopes(connection, [stopped, free])
        open_rounds(connection, [START_S])
    return community


def _own(client: FlaskClient, engine: Engine, name: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/envelopes", query_string=SPAN, headers=token_for(engine, name))
    assert answer.json is not None
    envelopes: list[dict[str, Any]] = answer.json["envelopes"]
    return envelopes


def test_a_household_sees_its_own_envelope_and_what_stopped_it_and_never_anothers(
    client: FlaskClient, published: Engine
) -> None:
    assert _own(client, published, "anna") == [
        {
            "metering_point": "mp-anna",
            "start_s": START_S,
            "import_limit_w": 10_000,
            "export_limit_w": 1_200,
            "stopped_by": {"kind": "line_loading", "element": 3, "name": "cable 3"},
        }
    ]
    (belas,) = _own(client, published, "bela")
    assert (belas["metering_point"], belas["export_limit_w"], belas["stopped_by"]) == ("mp-bela", 25_000, None)


def test_envelopes_are_for_who_is_signed_in_and_feeders_for_operators(client: FlaskClient, published: Engine) -> None:
    feeders = {"start": START_S}
    assert client.get("/api/v1/envelopes", query_string=SPAN).status_code == 401
    assert client.get("/api/v1/envelopes/feeders", query_string=feeders).status_code == 401
    refused = client.get("/api/v1/envelopes/feeders", query_string=feeders, headers=token_for(published, "anna"))
    assert refused.status_code == 403


def test_an_operator_sees_what_each_feeder_may_feed_in_and_why(client: FlaskClient, published: Engine) -> None:
    answer = client.get(
        "/api/v1/envelopes/feeders", query_string={"start": START_S}, headers=token_for(published, "olga")
    )
    assert answer.json == {
        "feeders": [
            {
                "feeder": "Mill Lane",
                "plants": 1,
                "generation_w": 5_000,
                "limit_w": 1_200,
                "stopped_by": [{"kind": "line_loading", "element": 3, "name": "cable 3"}],
            }
        ]
    }


@pytest.mark.parametrize(
    ("side", "quantity_wh", "slug"),
    [("sell", 300, None), ("sell", 301, "above-envelope"), ("buy", 2_500, None), ("buy", 2_501, "above-rating")],
)
def test_an_order_by_hand_keeps_within_the_envelope_of_its_side(
    client: FlaskClient, published: Engine, side: str, quantity_wh: int, slug: str | None
) -> None:
    wish = {"metering_point": "mp-anna", "start_s": START_S, "side": side, "quantity_wh": quantity_wh}
    answer = client.post(
        "/api/v1/orders", json=wish | {"limit_micro_per_kwh": 150_000}, headers=token_for(published, "anna")
    )
    assert answer.json is not None
    if slug is None:
        assert answer.status_code == 201
    else:
        assert answer.json["type"] == f"urn:commonwatt:problem:{slug}"


def test_orders_together_keep_within_the_envelope(client: FlaskClient, published: Engine) -> None:
    wish = {"metering_point": "mp-anna", "start_s": START_S, "side": "sell", "limit_micro_per_kwh": 150_000}
    anna = token_for(published, "anna")
    assert client.post("/api/v1/orders", json=wish | {"quantity_wh": 200}, headers=anna).status_code == 201
    refused = client.post("/api/v1/orders", json=wish | {"quantity_wh": 101}, headers=anna)
    assert refused.json is not None
    assert "room for 300 Wh of yours in this interval, and 200 Wh are ordered already" in refused.json["detail"]
