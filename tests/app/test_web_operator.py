"""The operator runs the community from these pages, without seeing what anybody uses."""

import json
import re

import pytest
from flask import Flask
from sqlalchemy import insert

from app.audit import entries
from app.platform import EXTENSION
from app.storage.database import reading, writing
from app.storage.store.devices import find_gateway
from app.storage.store.readings import ALARMS
from app.storage.store.rounds import ROUNDS, set_points_of
from app.web.explanations import binding_limits
from app.web.formats import Formats
from tests.app.community_day import NOW
from tests.app.street_server import member, post
from tests.app.test_web_household import BERLIN_FORMATS, amber_start_s, shown

PAGES = (
    "/operator",
    "/operator/network",
    "/operator/rounds",
    "/operator/rounds?day=2016-06-14",
    "/operator/devices",
    "/operator/settlement",
    "/operator/members",
    "/operator/members/M03",
    "/operator/members/add",
    "/operator/members.csv",
    "/operator/members/files/points.csv",
    "/operator/more",
    "/operator/audit",
    "/operator/tariffs",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_operator_page_opens_for_operators_alone(street_app: Flask, path: str) -> None:
    assert member(street_app, "OP").get(path).status_code == 200
    assert member(street_app, "M01").get(path).status_code == 403
    assert street_app.test_client().get(path).headers["Location"].startswith("/sign-in?next=/operator")


def test_the_overview_begins_with_what_needs_attention(street_app: Flask) -> None:
    page = shown(member(street_app, "OP").get("/operator").text)
    assert "1 gateway waits for approval. Look at the key and approve" in page
    assert "Members 8" in page
    assert "Batches 1 Not final yet 0" in page


def test_a_round_shows_its_binding_limit_with_name_and_shadow_price(street_app: Flask) -> None:
    page = shown(member(street_app, "OP").get(f"/operator/rounds/{amber_start_s(street_app)}").text)
    assert "Amber" in page
    assert re.search(r"Transformer loading Lindenweg station 100\.0% (99\.\d|100\.0)% [\d.]+ ct per %", page)
    assert re.search(r"Solved by [^.]*HiGHS", page)
    assert "Checked by pandapower.runpp" in page
    assert re.search(r"MP-M0[35] \d sell, curtailable", page)


def test_an_open_round_tells_the_operator_nothing_of_its_book(street_app: Flask) -> None:
    open_s = int(NOW.timestamp()) // 900 * 900 + 3 * 900
    page = shown(member(street_app, "OP").get(f"/operator/rounds/{open_s}").text)
    assert "The book is open and sealed" in page
    assert "MP-M" not in page


def test_the_map_colours_the_street_and_rings_the_full_transformer(street_app: Flask) -> None:
    response = member(street_app, "OP").get(f"/operator/network/{amber_start_s(street_app)}")
    assert response.text.count('class="net-line load-') == 8
    assert '<circle class="net-halo"' in response.text
    page = shown(response.text)
    assert "Fullest line" in page
    assert "Lindenweg station" in page
    assert re.search(r"house 8 1\.0\d{3}", page)  # the table beside the map


def test_the_network_page_tells_what_each_feeder_may_feed_in_and_which_limit_stops_it(street_app: Flask) -> None:
    start_s = amber_start_s(street_app)
    page = shown(member(street_app, "OP").get(f"/operator/network/{start_s}").text)
    with reading(street_app.extensions[EXTENSION].engine) as connection:
        limits_w = [each.generation_limit_w or 0 for each in set_points_of(connection, start_s)]
    row = rf"house 1 2 23\.0 {sum(limits_w) / 1000:.1f} Transformer loading, Lindenweg station"
    assert re.search(row, page), page


def test_a_round_tells_what_the_limit_held_back_and_what_that_was_worth(street_app: Flask) -> None:
    page = shown(member(street_app, "OP").get(f"/operator/rounds/{amber_start_s(street_app)}").text)
    assert re.search(r"0\.\d+ kWh of solar were held back, worth [\d.]+ ct as feed-in\.", page)
    assert "Room for feed-in, by feeder" in page


@pytest.mark.parametrize("kind", ["network", "rounds"])
@pytest.mark.parametrize("start_s", [1, 900])
def test_a_round_that_is_none_is_not_found(street_app: Flask, kind: str, start_s: int) -> None:
    assert member(street_app, "OP").get(f"/operator/{kind}/{start_s}").status_code == 404


def test_a_waiting_gateway_is_approved_and_revoked_and_both_are_recorded(own_street: Flask) -> None:
    client, engine = member(own_street, "OP"), own_street.extensions[EXTENSION].engine
    for deed, status in (("approve", "approved"), ("revoke", "revoked")):
        assert post(client, "/operator/devices", f"/operator/gateways/G2/{deed}", {}).status_code == 302
        with reading(engine) as connection:
            assert find_gateway(connection, "G2").status == status
            entry = entries(connection, limit=1)[0]
        assert (entry.actor, entry.action, entry.subject) == ("OP", f"gateway.{status}", "G2")
    assert "Ulmenweg: Revoked" in client.get("/operator/devices").text


def test_a_gateway_is_decided_by_operators_with_a_form_of_this_site(own_street: Flask) -> None:
    operator, household = member(own_street, "OP"), member(own_street, "M01")
    assert post(operator, "/operator/devices", "/operator/gateways/G9/approve", {}).status_code == 404
    assert operator.post("/operator/gateways/G2/approve").status_code == 400
    assert post(household, "/orders", "/operator/gateways/G2/approve", {}).status_code == 403
    with reading(own_street.extensions[EXTENSION].engine) as connection:
        assert find_gateway(connection, "G2").status == "pending"


def test_refused_readings_are_listed_with_their_reason(own_street: Flask) -> None:
    with writing(own_street.extensions[EXTENSION].engine) as connection:
        alarm = {"at_s": int(NOW.timestamp()) - 60, "kind": "bad_signature", "device_id": "D-M04", "evidence": "{}"}
        connection.execute(insert(ALARMS), alarm | {"message": "signed <script>alert(1)</script> by a stranger"})
    client = member(own_street, "OP")
    page = client.get("/operator/devices").text
    assert "bad signature" in page
    assert "<script>alert" not in page
    assert "1 batch of readings was refused today" in shown(client.get("/operator").text)


def test_a_red_round_is_the_first_thing_an_operator_reads(own_street: Flask) -> None:
    start_s = int(NOW.timestamp()) // 900 * 900
    with writing(own_street.extensions[EXTENSION].engine) as connection:
        connection.execute(ROUNDS.update().where(ROUNDS.c.start_s == start_s).values(status="red"))
    client = member(own_street, "OP")
    page = shown(client.get("/operator").text)
    assert page.index("1 round today could not keep the network's limits") < page.index("1 gateway waits")
    assert "could not be kept even with everything curtailed" in client.get(f"/operator/rounds/{start_s}").text


def test_the_operators_pages_show_no_homes_consumption(street_app: Flask) -> None:
    client = member(street_app, "OP")
    for path in ("/operator/members", "/operator/members/M03", "/operator/devices"):
        page = shown(client.get(path).text)
        for unit in ("Battery, kWh", "Energy in kWh", "ct/kWh"):  # of equipment, of the footer, of prices
            page = page.replace(unit, "")
        assert "kWh" not in page


def test_limits_of_voltage_are_told_in_parts_of_nominal_whatever_their_sign() -> None:
    row = {"kind": "voltage_low", "element": 7, "name": "house 7", "limit": -0.9, "value": -0.9001, "shadow_price": 5e9}
    (limit,) = binding_limits({"binding": [row]}, json.loads('{"buses": []}'), BERLIN_FORMATS)
    assert (limit.name, limit.limit_text, limit.value_text) == ("house 7", "0.900 of nominal", "0.900 of nominal")
    assert limit.shadow_text == "5.000\N{NO-BREAK SPACE}ct per 0.01 of nominal"
    assert isinstance(BERLIN_FORMATS, Formats)
