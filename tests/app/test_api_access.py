"""Deny by default: every endpoint says who may call it, and says it truthfully."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.routing import Rule

from app.access import Access, rule_of
from app.config import Settings
from app.factory import create_deployed_app
from app.storage.database import writing
from app.storage.store.devices import set_gateway_status
from meters.clock import system_clock
from tests.app.neighbourhood import NOON_S, token_for

OPEN_WORDS = re.compile("health|openapi|docs|public|tariff")
SPAN = {"start_s": NOON_S, "end_s": NOON_S + 900}


def _example(app: Flask, rule: Rule) -> str:
    """An address of this rule with something in the place of every variable."""
    for value in (1, "x", "members"):
        with suppress(ValueError):
            return app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, value))
    raise AssertionError(rule)


def _api_gets(app: Flask) -> list[str]:
    return sorted(
        _example(app, rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and "GET" in (rule.methods or ())
    )


def test_every_endpoint_declares_who_may_call_it(web_app: Flask) -> None:
    undeclared = [rule.endpoint for rule in web_app.url_map.iter_rules() if rule_of(web_app, rule.endpoint) is None]
    assert undeclared == []


def test_an_endpoint_without_a_rule_answers_nobody(web_app: Flask, community: Engine) -> None:
    web_app.add_url_rule("/api/v1/forgotten", "forgotten", lambda: "secret")
    client = web_app.test_client()
    for headers in ({}, token_for(community, "anna"), token_for(community, "olga")):
        answer = client.get("/api/v1/forgotten", headers=headers)
        assert answer.status_code == 404
        assert b"secret" not in answer.data


def test_the_api_answers_without_sign_in_only_where_the_address_says_so(web_app: Flask, client: FlaskClient) -> None:
    for path in _api_gets(web_app):
        status = client.get(path, query_string=SPAN).status_code
        if OPEN_WORDS.search(path):
            assert status in {200, 404}, path
        else:
            assert status in {401, 403}, path


def test_pages_send_who_is_not_signed_in_to_the_sign_in(web_app: Flask, client: FlaskClient) -> None:
    guarded = [
        rule
        for rule in web_app.url_map.iter_rules()
        if rule_of(web_app, rule.endpoint) in {Access.HOUSEHOLD, Access.OPERATOR, Access.SIGNED_IN}
        and not rule.rule.startswith("/api/")
        and "GET" in (rule.methods or ())
    ]
    assert guarded
    for rule in guarded:
        answer = client.get(_example(web_app, rule))
        assert answer.status_code == 302, rule
        assert answer.headers["Location"].startswith("/sign-in?next="), rule


def test_what_is_for_operators_is_refused_to_members_and_the_other_way_round(web_app: Flask, community: Engine) -> None:
    client = web_app.test_client()
    for rule in web_app.url_map.iter_rules():
        declared = rule_of(web_app, rule.endpoint)
        if not rule.rule.startswith("/api/") or declared not in {Access.HOUSEHOLD, Access.OPERATOR}:
            continue
        wrong = token_for(community, "anna" if declared is Access.OPERATOR else "olga")
        for method in sorted((rule.methods or set()) & {"GET", "POST", "DELETE"}):
            answer = client.open(_example(web_app, rule), method=method, headers=wrong, query_string=SPAN)
            assert answer.status_code == 403, (method, rule)


def test_a_token_is_known_until_it_expires(web_app: Flask, community: Engine) -> None:
    client = web_app.test_client()
    fresh, expired = token_for(community, "anna"), token_for(community, "anna", now_s=NOON_S - 91 * 86_400)
    assert client.get("/api/v1/me", headers=fresh).status_code == 200
    assert client.get("/api/v1/me", headers=expired).status_code == 401
    assert client.get("/api/v1/me", headers={"Authorization": "Bearer made-up"}).status_code == 401
    assert client.get("/api/v1/me", headers={"Authorization": "Basic YTpi"}).status_code == 401


def test_a_revoked_token_opens_nothing(web_app: Flask, community: Engine) -> None:
    client, headers = web_app.test_client(), token_for(community, "anna")
    assert client.delete("/api/v1/tokens/current", headers=headers).status_code == 204
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_refusals_of_the_api_are_problem_documents(client: FlaskClient) -> None:
    for path, status in (("/api/v1/me", 401), ("/api/v1/nowhere", 404), ("/api/v1/public/rounds?start_s=x", 422)):
        answer = client.get(path)
        assert answer.status_code == status
        assert answer.content_type == "application/problem+json"
        assert answer.json is not None
        assert answer.json["status"] == status
        assert answer.json["detail"]
    assert client.get("/api/v1/me").headers["WWW-Authenticate"] == "Bearer"


def test_a_page_that_is_not_there_says_so_in_words(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.content_type.startswith("text/html")


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/health", "/sign-in", "/nowhere"])
def test_every_answer_carries_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers  # nothing here is encrypted


def test_the_server_process_has_a_window_onto_the_served_chain(tmp_path: Path, engine: Engine) -> None:
    environment = {"COMMONWATT_STATE": str(tmp_path), "COMMONWATT_CHAIN_URL": "http://127.0.0.1:1"}
    client = create_deployed_app(Settings.load(None, environment), engine, system_clock).test_client()
    assert client.get("/healthz").data == b"ok\n"
    answer = client.post("/api/v1/public/chain", json={"id": 1, "method": "eth_chainId"}).json
    assert answer is not None
    assert answer["error"]["message"] == "the chain does not answer; try again later"


def test_the_documentation_lists_the_interface(client: FlaskClient) -> None:
    page = client.get("/api/v1/docs").get_data(as_text=True)
    assert "POST /api/v1/readings" in page
    assert "openapi.json" in page


def test_health_is_for_everybody(client: FlaskClient) -> None:
    assert client.get("/healthz").data == b"ok\n"
    assert client.get("/api/v1/health").json == {
        "status": "ok",
        "community": "Hill Road",
        "now_s": NOON_S,
        "simulated": False,
    }


def test_a_suspended_member_still_sees_the_own_figures(web_app: Flask, community: Engine) -> None:
    from app.storage.store.members import set_status

    with writing(community) as connection:
        set_status(connection, "anna", "suspended")
    assert web_app.test_client().get("/api/v1/me", headers=token_for(community, "anna")).status_code == 200


def test_a_revoked_gateway_gets_no_set_points(web_app: Flask, community: Engine) -> None:
    with writing(community) as connection:
        set_gateway_status(connection, "g1", "revoked")
    answer = web_app.test_client().get("/api/v1/gateway/set-points", query_string={"start": NOON_S})
    assert answer.status_code == 401
