"""The operator adds members by form and by files, agrees contracts, invites and ends memberships, in the browser."""

import html
import io
import json
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app.storage.database import reading, writing
from app.storage.store.community import add_tariff
from app.storage.store.members import contract_at, metering_point, participants
from app.untrusted import POST_BYTES_MAX
from contracts.tariff import Tariff
from tests.app.neighbourhood import DAY_S, NOON_S
from tests.app.street_server import member, post
from tests.app.test_member_files import HEADER, PEOPLE, POINTS

CORA = {"id": "cora", "name": "Cora", "email": "cora@example.org", "supplier_price": "19,5", "feed_in_price": "7"}
ADD = "/operator/members/add"


def text_of(answer: TestResponse) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def ids(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [person.id for person in participants(connection, role="household")]


def upload(client: FlaskClient, members: str | bytes, points: str = "") -> TestResponse:
    files = {"members.csv": (io.BytesIO(members.encode() if isinstance(members, str) else members), "members.csv")}
    if points:
        files["points.csv"] = (io.BytesIO(points.encode()), "points.csv")
    return post(client, ADD, "/operator/members/files", files)


@pytest.fixture
def olga(web_app: Flask, community: Engine) -> FlaskClient:
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="1").to_json()))
    return member(web_app, "olga")


def test_a_member_is_added_by_a_form_and_signs_in_with_the_invitation(
    web_app: Flask, olga: FlaskClient, community: Engine
) -> None:
    typed = CORA | {"generation_w": "5.5", "connection_w": "11", "metering_point": "AT001", "from_day": "2025-06-20"}
    answer = post(olga, ADD, ADD, typed)
    assert answer.headers["Location"] == "/operator/members/cora"
    page = text_of(olga.get("/operator/members/cora"))
    assert "Cora is a member now." in page
    assert re.search(r"20 Jun 2025[^A-Z]*00:00 open 19\.50 7\.00", page), page
    with reading(community) as connection:
        point = metering_point(connection, "AT001")
    assert (point.connection_w, point.generation_w) == (11_000, 5_500)
    link = re.search(r"/sign-in/link/[\w-]+", post(olga, ADD, "/operator/members/cora/link", {}).text)
    stranger = web_app.test_client()
    assert post(stranger, link[0], link[0], {}).status_code == 302
    assert stranger.get("/home").status_code == 200


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"supplier_price": ""}, "Type a price in ct/kWh"),
        ({"feed_in_price": "20"}, "are the two swapped?"),
        ({"id": "anna"}, "Id: anna is taken: choose another."),
        ({"generation_w": "-1"}, "Type a number of kW"),
        ({"from_day": "2025-06-01"}, "has passed"),
        ({"meter_profile": "eastron_sdm630"}, "the gateway that reads it"),
        ({"name": ""}, "Name: is missing"),
    ],
)
def test_what_is_wrong_in_the_form_is_told_and_what_was_typed_stays(
    olga: FlaskClient, community: Engine, wrong: dict[str, str], said: str
) -> None:
    answer = post(olga, ADD, ADD, CORA | wrong)
    assert answer.status_code == 422
    assert said.lower() in text_of(answer).lower()
    assert 'value="cora@example.org"' in answer.text
    assert ids(community) == ["anna", "bela"]


def test_two_files_are_looked_at_first_and_taken_in_afterwards(olga: FlaskClient, community: Engine) -> None:
    people = PEOPLE.replace("anna", "carla").replace("Anna", "Carla")
    points = POINTS.replace("anna", "carla").replace("house 1", "").replace(",4,", ",,")
    looked = upload(olga, people, points)
    page = text_of(looked)
    assert "Nothing is stored yet." in page
    assert "Carla carla@example.org" in page
    assert "AT001-1, AT001-2" in page
    assert ids(community) == ["anna", "bela"]
    texts = dict(re.findall(r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', looked.text, re.DOTALL))
    assert set(texts) == {"members.csv-text", "points.csv-text"}
    values = {name: html.unescape(text) for name, text in texts.items()} | {"confirmed": "yes"}
    assert post(olga, ADD, "/operator/members/files", values).headers["Location"] == "/operator/members"
    assert "2 members added." in text_of(olga.get("/operator/members"))
    assert ids(community) == ["anna", "bela", "ben", "carla"]
    again = upload(olga, people, points)
    assert again.status_code == 422
    assert "members.csv line 2: id: carla is taken" in text_of(again)


def test_one_wrong_line_and_nobody_is_added(olga: FlaskClient, community: Engine) -> None:
    text = f"{HEADER}\ncarla,Carla,,,190000,70000,,\ndora,Dora,anna@example.org,,190000,70000,,\n"
    for values in ({"members.csv-text": text}, {"members.csv-text": text, "confirmed": "yes"}):
        answer = post(olga, ADD, "/operator/members/files", values)
        assert answer.status_code == 422
        assert "One mistake members.csv line 3: email: anna@example.org belongs to somebody" in text_of(answer)
    assert ids(community) == ["anna", "bela"]


def test_files_that_are_no_text_or_too_large_are_refused(olga: FlaskClient, community: Engine) -> None:
    assert upload(olga, Path("app/web/static/fonts/figtree-latin.woff2").read_bytes()).status_code == 302
    assert "members.csv: is not text in UTF-8" in text_of(olga.get(ADD))
    assert upload(olga, "x" * (POST_BYTES_MAX + 1)).status_code == 413
    assert upload(olga, "").status_code == 400
    assert ids(community) == ["anna", "bela"]


def test_examples_of_the_files_are_read_back(olga: FlaskClient, community: Engine) -> None:
    members, points = (olga.get(f"/operator/members/files/{name}.csv").text for name in ("members", "points"))
    answer = upload(olga, members.replace("anna", "dora"), points.replace("anna", "dora"))
    assert answer.status_code == 200, text_of(answer)
    assert "One member" in text_of(answer)


def test_prices_are_agreed_and_the_membership_ends(olga: FlaskClient, community: Engine) -> None:
    post(olga, ADD, ADD, CORA)
    place = "/operator/members/cora"
    values = {"supplier_price": "21", "feed_in_price": "6.5", "from_day": "2025-07-01"}
    post(olga, place, f"{place}/contract", values)
    assert "The new prices hold from" in text_of(olga.get(place))
    post(olga, place, f"{place}/vat-class", {"vat_class": "business", "vat_from_day": "2025-07-01"})
    assert "private, business from 1 Jul 2025" in text_of(olga.get(place))
    post(olga, place, f"{place}/end", {"last_day": "2025-07-31"})
    page = text_of(olga.get(place))
    assert "The membership ends at 1 Aug 2025" in page
    assert "Joins" in page
    post(olga, place, f"{place}/contract", values | {"from_day": "2025-06-01"})
    assert "has passed: nothing changes what was settled" in text_of(olga.get(place))
    with reading(community) as connection:
        assert contract_at(connection, "cora", NOON_S + 60 * DAY_S) is None


def test_members_of_the_configuration_show_where_they_are_changed(olga: FlaskClient) -> None:
    page = text_of(olga.get("/operator/members/anna"))
    assert "Kept in commonwatt.toml, where changes are made" in page
    assert "Agree these prices" not in page
    post(olga, "/operator/members/anna", "/operator/members/anna/end", {"last_day": "2025-07-31"})
    assert "Member anna is kept in commonwatt.toml" in text_of(olga.get("/operator/members/anna"))
    assert olga.get("/operator/members/nobody").status_code == 404
    assert olga.get("/operator/members/olga").status_code == 404
