"""A community is founded in the browser: kept while something is missing, looked at by a worker, founded as a whole."""

import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app.audit import entries
from app.auth_pages import limiter
from app.config import Settings
from app.factory import create_app
from app.founding import ensure_operator
from app.storage.database import reading, writing
from app.storage.store.community import find_community, tariff_json_at
from app.storage.store.members import contract_at, metering_points
from app.untrusted import NETWORK_BYTES_MAX
from app.worker import Worker
from contracts.tariff import Tariff
from tests.app.neighbourhood import NOON_S, StandingClock
from tests.app.street_server import member, post
from tests.app.test_member_files import HEADER

PLACE = "/operator/founding"
PEOPLE = f"{HEADER}\nanna,Anna,anna@example.org,private,190000,70000,,\nben,Ben,,,190000,70000,2025-07-01,\n"
POINTS = "metering_point,member,generation_w,gateway,meter_profile\nAT1,anna,8000,mill,eastron_sdm630\nAT2,ben,,,\n"
TEXTS = {
    "name": "Hill Road",
    "timezone": "Europe/Vienna",
    "currency": "EUR",
    "market_time_unit_minutes": "15",
    "network": "transformer:100",
}


def text_of(answer: TestResponse) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def given(**files: str) -> dict[str, object]:
    named = {name.replace("_", "."): (io.BytesIO(text.encode()), "file") for name, text in files.items()}
    return TEXTS | named


@pytest.fixture
def empty(any_engine: Engine, settings: Settings) -> Iterator[Flask]:
    """The application over an empty database, with its first operator."""
    limiter.enabled = False
    with writing(any_engine) as connection:
        ensure_operator(connection, now_s=NOON_S)
    yield create_app(settings, any_engine, StandingClock(NOON_S))
    limiter.enabled = True


@pytest.fixture
def operator(empty: Flask) -> FlaskClient:
    return member(empty, "operator")


@pytest.fixture
def worker(any_engine: Engine, settings: Settings) -> Iterator[Worker]:
    working = Worker(settings, any_engine, StandingClock(NOON_S))
    yield working
    working.close()


def test_a_community_is_founded_from_two_files(
    operator: FlaskClient, worker: Worker, any_engine: Engine, settings: Settings
) -> None:
    assert operator.get("/operator").headers["Location"] == PLACE
    assert not worker.prepare()
    assert post(operator, PLACE, PLACE, given(members_csv=PEOPLE, points_csv=POINTS)).status_code == 302
    assert "The network is being looked at" in text_of(operator.get(PLACE))
    assert operator.get(PLACE, headers={"HX-Request": "true"}).status_code == 204
    assert worker.prepare()
    assert operator.get(PLACE, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    assert operator.get(PLACE).headers["Location"] == "/operator/members"
    page = text_of(operator.get("/operator/members"))
    assert "anna Anna anna@example.org Joins" in page
    assert "ben Ben Joins" in page
    with reading(any_engine) as connection:
        community = find_community(connection)
        assert (community.name, community.timezone, community.network) == (
            "Hill Road",
            "Europe/Vienna",
            TEXTS["network"],
        )
        assert [point.id for point in metering_points(connection)] == ["AT1", "AT2"]
        assert contract_at(connection, "anna", NOON_S + 900) is not None
        assert Tariff.from_json(tariff_json_at(connection, NOON_S)).version == "default"
        actions = [each.action for each in entries(connection)]
    assert actions == ["community.founded", "member.added", "member.added", "community.described"]
    assert post(operator, "/operator/members/add", PLACE, given()).status_code == 409


def test_what_was_given_is_kept_while_something_is_missing(operator: FlaskClient, any_engine: Engine) -> None:
    wrong = PEOPLE.replace("190000,70000,2025", "19 ct,70000,2025")
    first = post(operator, PLACE, PLACE, given(members_csv=wrong, points_csv=POINTS))
    assert first.status_code == 422
    assert "One thing is missing or wrong members.csv line 3: supplier_price_micro_per_kwh: is '19 ct'" in text_of(
        first
    )
    back = operator.get(PLACE)
    assert 'value="Hill Road"' in back.text
    assert "Given: 3 lines." in text_of(back)
    again = post(operator, PLACE, PLACE, given(members_csv=PEOPLE))
    assert again.status_code == 302
    with reading(any_engine) as connection:
        assert find_community(connection) is None


@pytest.mark.parametrize(
    ("texts", "files", "said"),
    [
        ({}, {}, "members.csv: is missing: choose the file"),
        ({"name": ""}, {"members_csv": PEOPLE}, "name: is empty"),
        ({"currency": "euro"}, {"members_csv": PEOPLE}, "currency: is 'euro': use its three letters"),
        ({"timezone": "Mars/Base"}, {"members_csv": PEOPLE}, "'Mars/Base' is not a time zone"),
        ({"market_time_unit_minutes": "7"}, {"members_csv": PEOPLE}, "market_time_unit_minutes: use one of"),
        ({"network": "/etc/passwd"}, {"members_csv": PEOPLE}, "network: name a SimBench network or"),
        ({}, {"members_csv": PEOPLE, "tariff_toml": "x"}, "tariff.toml is not TOML"),
        ({"currency": "CHF"}, {"members_csv": PEOPLE, "tariff_toml": "V"}, "tariff.toml is not TOML"),
        ({}, {"members_csv": PEOPLE.replace(",,\nben", ",2025-07-01,\nben")}, "nobody begins now"),
    ],
)
def test_what_is_wrong_is_told_before_any_worker_looks(
    operator: FlaskClient, texts: dict[str, str], files: dict[str, str], said: str
) -> None:
    answer = post(operator, PLACE, PLACE, given(**files) | texts)
    assert answer.status_code == 422
    assert said in text_of(answer)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"network": "transformer:lots"}, "network: "),
        ({"network.json": (b"{}", "street.json")}, "network: "),
        ({"members.csv": (PEOPLE.replace("private", "noble").encode(), "m.csv")}, "members.csv line 2: vat_class"),
    ],
)
def test_what_only_a_worker_can_see_is_told_on_the_page_and_nothing_is_founded(
    operator: FlaskClient, worker: Worker, any_engine: Engine, wrong: dict[str, object], said: str
) -> None:
    files = {
        name: (io.BytesIO(value[0]), value[1]) if isinstance(value, tuple) else value for name, value in wrong.items()
    }
    assert post(operator, PLACE, PLACE, given(members_csv=PEOPLE) | files).status_code == 302
    assert not worker.prepare()
    assert said in text_of(operator.get(PLACE))
    with reading(any_engine) as connection:
        assert find_community(connection) is None
        assert metering_points(connection) == ()
    assert not worker.prepare()


def test_an_uploaded_network_is_kept_beside_the_keys_and_its_size_is_limited(
    operator: FlaskClient, worker: Worker, settings: Settings, any_engine: Engine
) -> None:
    import pandapower

    net = pandapower.create_empty_network()
    high, low = (pandapower.create_bus(net, vn_kv=kv, name=name) for kv, name in ((20, "station"), (0.4, "house 1")))
    pandapower.create_ext_grid(net, high)
    pandapower.create_transformer(net, high, low, std_type="0.4 MVA 20/0.4 kV")
    text = pandapower.to_json(net)
    too_large = {"network.json": (io.BytesIO(b"x" * (NETWORK_BYTES_MAX + 1)), "n.json")}
    assert post(operator, PLACE, PLACE, given() | too_large).status_code == 413
    assert post(operator, PLACE, PLACE, given(members_csv=PEOPLE, network_json=text)).status_code == 302
    assert worker.prepare(), text_of(operator.get(PLACE))
    assert json.loads((settings.state / "network.json").read_text())
    with reading(any_engine) as connection:
        community = find_community(connection)
        assert Path(community.network) == settings.state / "network.json"
        assert {bus["name"] for bus in json.loads(community.drawing_json)["buses"]} == {"station", "house 1"}
