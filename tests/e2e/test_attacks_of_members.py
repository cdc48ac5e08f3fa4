"""What a member tries to see of a neighbour's, and what other sites try through a member's browser."""

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.access import Access, rule_of
from app.auth_pages import local_path
from app.guess_limits import guesses
from app.platform import EXTENSION
from app.storage.database import reading
from app.storage.store.orders import ORDERS
from tests.app.community_day import FIRST_DAY, MEMBER_EMAIL, PASSWORD, CommunityDay
from tests.app.neighbourhood import forget_guesses
from tests.app.street_server import application, member

DAY_S = 86_400
OTHERS = tuple(f"M{number:02}" for number in range(2, 9))
SECOND_DAY_S = int(FIRST_DAY.timestamp()) + DAY_S
TAMPERED = (
    {"participant": "M03"},
    {"participant_id": "M03", "member": "M03", "member_id": "M03", "id": "M03"},
    {"metering_point": "MP-M03", "point": "MP-M03", "metering_point_id": "MP-M03", "device": "D-M03"},
    {"as": "OP", "role": "operator", "user": "M03", "_user_id": "M03"},
)


@pytest.fixture(scope="module")
def app(street: CommunityDay) -> Iterator[Flask]:
    guesses.enabled = False
    yield application(street)
    guesses.enabled = True


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return member(app, "M01")


def _addresses(app: Flask, starts_s: list[int], order_ids: list[str]) -> Iterator[str]:
    """Every address a member may open, with everything there is in the place of variables."""
    values: dict[str, list[object]] = {
        "start_s": list(starts_s),
        "month": ["2016-06", "2016-05"],
        "order_id": list(order_ids),
        "day": ["2016-06-14"],
        "code": ["x"],
        "filename": ["css/10-tokens.css"],
    }
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule_of(app, rule.endpoint) not in {
            Access.PUBLIC,
            Access.SIGNED_IN,
            Access.HOUSEHOLD,
        }:
            continue
        if not rule.arguments:
            yield rule.rule
        elif len(rule.arguments) == 1:
            (name,) = rule.arguments
            for value in values.get(name, ["x"]):
                yield re.sub(r"<[^>]+>", str(value), rule.rule)


def _of_others(text: str) -> list[str]:
    names = "|".join(OTHERS)
    return re.findall(rf"(?<![\w.-])(?:MP-|D-)?(?:{names})(?![\w])", text)


def _text(answer: TestResponse) -> str:
    """What it says; of an archive its names and all of its files."""
    if answer.mimetype != "application/zip":
        return answer.get_data(as_text=True)
    with ZipFile(BytesIO(answer.get_data())) as archive:
        return "\n".join([*archive.namelist(), *(archive.read(name).decode() for name in archive.namelist())])


def test_nothing_of_the_neighbours_is_on_any_page_in_any_format(app: Flask, client: FlaskClient) -> None:
    with reading(app.extensions[EXTENSION].engine) as connection:
        rows = connection.execute(select(ORDERS.c.order_id, ORDERS.c.participant_id)).all()
    foreign = [row.order_id for row in rows if row.participant_id != "M01"][::40]
    starts_s = [SECOND_DAY_S + hour * 3_600 for hour in (9, 12, 15)]
    opened = set()
    for address in _addresses(app, starts_s, foreign):
        spans = {"start_s": SECOND_DAY_S, "end_s": SECOND_DAY_S + DAY_S, "day": "2016-06-14"}
        for query in ({}, {"day": "2016-06-14"}, {key: value for key, value in spans.items() if key != "day"}):
            answer = client.get(address, query_string=query)
            assert answer.status_code < 500, address
            if answer.status_code == 200 and "static" not in address and not address.endswith(".pdf"):
                opened.add(address)
                assert _of_others(_text(answer)) == [], address
    assert {"/home", "/statements/2016-06", "/statements/2016-06.csv", "/statements/2016-06.json"} <= opened
    assert any(address.startswith("/follow/") for address in opened)
    assert not any(order_id in address for address in opened for order_id in foreign)


@pytest.mark.parametrize("tampering", TAMPERED, ids=lambda values: next(iter(values)))
def test_parameters_that_nobody_asked_for_open_nothing(client: FlaskClient, tampering: dict[str, str]) -> None:
    for address in ("/home", "/statements/2016-06.json", f"/follow/{SECOND_DAY_S + 43_200}", "/orders", "/devices"):
        plain = client.get(address, query_string={"day": "2016-06-14"}).get_data()
        tampered = client.get(address, query_string={"day": "2016-06-14", **tampering}).get_data()
        assert _without_tokens(tampered) == _without_tokens(plain), address
    for address in ("/api/v1/energy", "/api/v1/readings", "/api/v1/orders"):
        span = {"start_s": SECOND_DAY_S, "end_s": SECOND_DAY_S + DAY_S}
        answer = client.get(address, query_string={**span, **tampering})
        assert answer.status_code == 422, address


def _without_tokens(page: bytes) -> str:
    return re.sub(r'name="(?:csrf_token|order_id|back)" value="[^"]*"', "", page.decode())


def test_the_proof_of_a_member_holds_readings_and_figures_of_that_member_alone(client: FlaskClient) -> None:
    document = client.get("/statements/2016-06.json").get_json()
    assert {batch["device"] for batch in document["readings"]} == {"D-M01"}
    assert _of_others(json.dumps(document)) == []


def test_orders_are_cancelled_by_whoever_placed_them_only(app: Flask, client: FlaskClient) -> None:
    page = client.get("/orders").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    with reading(app.extensions[EXTENSION].engine) as connection:
        query = select(ORDERS.c.order_id).where(ORDERS.c.participant_id == "M02").limit(1)
        foreign = connection.execute(query).scalar_one()
    headers = {"X-CSRFToken": token[1]}
    answer = client.delete(f"/api/v1/orders/{foreign}", headers=headers)
    unknown = client.delete("/api/v1/orders/never-was", headers=headers)
    assert (answer.status_code, unknown.status_code) == (404, 404)
    assert answer.get_json()["detail"].replace(foreign, "") == unknown.get_json()["detail"].replace("never-was", "")


def test_no_form_and_no_call_with_a_cookie_works_from_another_site(app: Flask) -> None:
    tried = 0
    for rule in app.url_map.iter_rules():
        declared = rule_of(app, rule.endpoint)
        if declared in {Access.SIGNATURE, Access.GATEWAY} or rule.endpoint in OPEN_BY_TOKEN:
            continue
        browser = member(app, "OP" if declared in {Access.OPERATOR, Access.TREASURER} else "M01")
        for method in sorted((rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}):
            address = re.sub(r"<[^>]+>", str(SECOND_DAY_S), rule.rule)
            for token in ("", "forged"):
                answer = browser.open(address, method=method, data={"csrf_token": token})
                assert answer.status_code == 400, (method, address, answer.status_code)
                assert "CSRF" in answer.text, address
            tried += 1
    assert tried > 10


# These change nothing that belongs to the owner of the cookie: they take a password, a code, or nothing at all.
OPEN_BY_TOKEN = {"public_api.chain", "token_api.create_token", "gateway_api.enrol"}


def test_a_session_from_before_the_sign_in_is_worth_nothing_after_it(app: Flask) -> None:
    victim = app.test_client()
    page = victim.get("/sign-in").text
    planted = victim.get_cookie("commonwatt_session")
    assert planted is not None
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    form = {"csrf_token": token[1], "email": MEMBER_EMAIL, "password": PASSWORD}
    assert victim.post("/sign-in", data=form).status_code == 302
    signed_in = victim.get_cookie("commonwatt_session")
    assert signed_in is not None
    assert signed_in.value != planted.value
    attacker = app.test_client()
    attacker.set_cookie("commonwatt_session", planted.value)
    assert attacker.get("/home").status_code == 302
    attacker.set_cookie("commonwatt_session", signed_in.value.replace(".", ".A", 1))
    assert attacker.get("/home").status_code == 302
    assert (signed_in.http_only, signed_in.same_site) == (True, "Lax")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        "/home\r\nSet-Cookie: a=b",
        "@evil.example",
        "",
    ],
)
def test_signing_in_leads_to_no_other_site(app: Flask, path: str) -> None:
    with app.test_request_context():
        assert local_path(path) == "/"
        assert local_path("/prices?day=2016-06-14") == "/prices?day=2016-06-14"


def test_guesses_of_a_password_are_counted_by_sender_and_by_account(street: CommunityDay, tmp_path: Path) -> None:
    guesses.enabled = True
    day = street.copy(tmp_path)
    app = application(day)
    forget_guesses(day.open())
    guess = {"email": MEMBER_EMAIL, "password": "not the password"}  # pragma: allowlist secret

    def tried(sender: str, forwarded: str = "") -> int:
        return (
            app.test_client()
            .post(
                "/api/v1/tokens",
                json=guess,
                environ_base={"REMOTE_ADDR": sender},
                headers={"X-Forwarded-For": forwarded} if forwarded else {},
            )
            .status_code
        )

    assert [tried("10.0.0.1", f"192.0.2.{number}") for number in range(12)].count(401) == 10
    others = [tried(f"10.0.1.{number}") for number in range(40)]
    assert others.count(401) == 10
    assert set(others[10:]) == {429}
