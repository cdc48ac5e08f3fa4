"""Windows over the API: placed, planned, seen and cancelled by their own household, refused by the name of a rule."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app.audit import entries
from app.auth import issue_sign_in_code
from app.storage.database import reading, writing
from app.storage.store.community import add_tariff
from app.storage.store.members import MeteringPoint, add_metering_point, end_contract, set_status
from contracts.tariff import Tariff
from tests.app.neighbourhood import NOON_S, StandingClock, token_for

OPEN_S = NOON_S + 1_800
WISH = {
    "metering_point": "mp-anna",
    "device": "car",
    "earliest_s": OPEN_S,
    "latest_s": OPEN_S + 4 * 900,
    "energy_wh": 5_000,
    "power_w": 8_000,
}
BATTERY = {
    "metering_point": "mp-cellar",
    "device": "battery",
    "energy_wh": 4_000,
    "power_w": 2_000,
    "limit_micro_per_kwh": 100_000,
}


@pytest.fixture
def anna(community: Engine) -> dict[str, str]:
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
        cellar = MeteringPoint(id="mp-cellar", participant_id="anna", battery_w=3_000, battery_wh=6_000)
        add_metering_point(connection, cellar)
    return token_for(community, "anna")


def _place(client: FlaskClient, who: dict[str, str], **changes: object) -> TestResponse:
    return client.post("/api/v1/windows", json=WISH | changes, headers=who)


def _own(client: FlaskClient, who: dict[str, str]) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/windows", query_string={"start_s": NOON_S, "end_s": NOON_S + 86_400}, headers=who)
    assert answer.json is not None
    windows: list[dict[str, Any]] = answer.json["windows"]
    return windows


def _refused(answer: TestResponse) -> tuple[int, str]:
    assert answer.json is not None
    assert answer.content_type == "application/problem+json"
    return answer.status_code, str(answer.json["type"]).removeprefix("urn:commonwatt:problem:")


def test_a_window_is_placed_with_a_plan_that_brings_its_energy(
    client: FlaskClient, community: Engine, anna: dict[str, str]
) -> None:
    answer = _place(client, anna, window_id="tonight")
    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.json["window_id"] == "anna:tonight"
    planned = answer.json["planned"]
    assert sum(each["energy_wh"] for each in planned) == 5_000
    assert all(0 < each["energy_wh"] <= 2_000 for each in planned)
    assert {each["start_s"] for each in planned} <= set(range(OPEN_S, OPEN_S + 3_600, 900))
    assert (answer.json["drawn_wh"], answer.json["efficiency_permille"]) == (0, 1_000)
    assert _own(client, anna) == [answer.json]
    with reading(community) as connection:
        deeds = [(entry.actor, entry.action) for entry in entries(connection)]
    assert deeds == [("anna", "window placed"), ("anna", "token issued")]


def test_a_window_without_a_begin_starts_with_the_first_open_interval(
    client: FlaskClient, anna: dict[str, str]
) -> None:
    answer = _place(client, anna, earliest_s=0)
    assert answer.json is not None
    assert answer.json["earliest_s"] == OPEN_S


def test_a_retry_with_the_same_id_is_the_same_window_and_another_content_is_refused(
    client: FlaskClient, anna: dict[str, str]
) -> None:
    assert _place(client, anna, window_id="mine").status_code == 201
    assert _place(client, anna, window_id="mine", earliest_s=0).status_code == 201
    assert _refused(_place(client, anna, window_id="mine", energy_wh=4_999)) == (409, "order-id-used")
    assert len(_own(client, anna)) == 1


def test_a_battery_asks_for_a_part_of_it_and_what_is_left_in_it_is_worth_something(
    client: FlaskClient, anna: dict[str, str]
) -> None:
    assert _place(client, anna, **BATTERY, stored_wh=1_000, efficiency_permille=900).status_code == 201
    assert _place(client, anna, device="heat_pump", buffer_wh=500).status_code == 201


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"latest_s": NOON_S - 900, "earliest_s": NOON_S - 1_800}, (409, "past-window")),
        ({"earliest_s": OPEN_S - 900}, (409, "past-window")),
        ({"earliest_s": NOON_S, "latest_s": OPEN_S}, (409, "gate-closed")),
        ({"latest_s": OPEN_S}, (409, "gate-closed")),
        ({"earliest_s": OPEN_S + 900, "latest_s": OPEN_S + 900}, (409, "empty-window")),
        ({"latest_s": OPEN_S + 1}, (409, "unknown-interval")),
        ({"latest_s": OPEN_S + 7 * 86_400 + 900}, (409, "window-too-long")),
        ({"energy_wh": 8_001}, (409, "too-much-energy")),
        ({"energy_wh": 7_500, "efficiency_permille": 900}, (409, "too-much-energy")),
        ({"energy_wh": 0}, (409, "quantity")),
        ({"power_w": 10_001}, (409, "above-rating")),
        ({"power_w": 0}, (409, "too-much-energy")),
        ({"limit_micro_per_kwh": 150_050}, (409, "off-tick")),
        ({"limit_micro_per_kwh": -100}, (409, "price-range")),
        ({"limit_micro_per_kwh": 10_000_100}, (409, "price-range")),
        ({"stored_wh": 1}, (409, "stored")),
        ({"buffer_wh": 1}, (409, "buffer")),
        ({"metering_point": "mp-bela"}, (404, "unknown-metering-point")),
        ({"metering_point": "mp-nobody"}, (404, "unknown-metering-point")),
        ({"metering_point": "mp-cellar"}, (409, "one-device")),
        (BATTERY | {"metering_point": "mp-anna"}, (409, "no-battery")),
        (BATTERY | {"limit_micro_per_kwh": None}, (409, "no-value")),
        (BATTERY | {"power_w": 3_001}, (409, "above-rating")),
        (BATTERY | {"energy_wh": 6_001}, (409, "above-capacity")),
        (BATTERY | {"stored_wh": 4_001}, (409, "above-capacity")),
        ({"device": "kettle"}, (422, "invalid")),
        ({"energy_wh": "5"}, (422, "invalid")),
        ({"efficiency_permille": 1_001}, (422, "invalid")),
        ({"participant": "bela"}, (422, "invalid")),
        ({"window_id": "../../etc"}, (422, "invalid")),
    ],
)
def test_a_window_against_a_rule_is_refused_by_its_name(
    client: FlaskClient, anna: dict[str, str], changes: dict[str, object], refusal: tuple[int, str]
) -> None:
    assert _refused(_place(client, anna, **changes)) == refusal
    assert _own(client, anna) == []


def test_two_windows_do_not_share_a_connection_at_the_same_time(client: FlaskClient, anna: dict[str, str]) -> None:
    first = _place(client, anna).json
    assert first is not None
    later = {"earliest_s": OPEN_S + 3_600, "latest_s": OPEN_S + 7_200}
    assert _place(client, anna, **later).status_code == 201
    assert _refused(_place(client, anna, latest_s=OPEN_S + 1_800, energy_wh=1)) == (409, "window-overlaps")
    assert client.delete(f"/api/v1/windows/{first['window_id']}", headers=anna).status_code == 200
    assert _place(client, anna).status_code == 201


def test_a_window_can_be_cancelled_until_its_last_gate_closes(
    client: FlaskClient, anna: dict[str, str], clock: StandingClock
) -> None:
    for name, begin_s in (("one", OPEN_S), ("two", OPEN_S + 3_600)):
        assert _place(client, anna, window_id=name, earliest_s=begin_s, latest_s=begin_s + 3_600).status_code == 201
    cancelled = client.delete("/api/v1/windows/anna:one", headers=anna)
    assert cancelled.json is not None
    assert (cancelled.json["cancelled_s"], cancelled.json["planned"]) == (NOON_S, [])
    clock.now_s = OPEN_S + 7_200 - 1_800
    assert _refused(client.delete("/api/v1/windows/anna:two", headers=anna)) == (409, "gate-closed")
    assert client.delete("/api/v1/windows/anna:one", headers=anna).status_code == 200


def test_nobody_sees_or_cancels_a_window_of_another_home(
    web_app: Flask, community: Engine, anna: dict[str, str]
) -> None:
    client, bela = web_app.test_client(), token_for(community, "bela")
    assert _place(client, anna, window_id="mine").status_code == 201
    assert _own(client, bela) == []
    assert _refused(client.delete("/api/v1/windows/anna:mine", headers=bela)) == (404, "unknown-order")
    assert _refused(client.delete("/api/v1/windows/no-such", headers=bela)) == (404, "unknown-order")
    # The same id of another member is another window, not a sign that the first exists.
    assert _place(client, bela, window_id="mine", metering_point="mp-bela").status_code == 201


def test_the_home_page_shows_what_the_car_will_have_and_by_when(
    web_app: Flask, community: Engine, anna: dict[str, str]
) -> None:
    client = web_app.test_client()
    assert _place(client, anna).status_code == 201
    with writing(community) as connection:
        code = issue_sign_in_code(connection, "anna", now_s=NOON_S)
    page = client.get(f"/sign-in/link/{code}").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    client.post(f"/sign-in/link/{code}", data={"csrf_token": token[1]})
    shown = " ".join(client.get("/home").get_data(as_text=True).split())
    assert re.search(r"Car</strong> <span>5\.00\skWh by 16 Jun 2025, 15:30<", shown)


def test_who_is_suspended_or_without_a_contract_places_no_window(
    client: FlaskClient, community: Engine, anna: dict[str, str]
) -> None:
    with writing(community) as connection:
        end_contract(connection, "anna", end_s=NOON_S)
    assert _refused(_place(client, anna)) == (409, "no-contract")
    with writing(community) as connection:
        set_status(connection, "anna", "suspended")
    assert _place(client, anna).status_code in {401, 403}
