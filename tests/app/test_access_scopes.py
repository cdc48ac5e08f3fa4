"""A token opens what its scope says and its person may, nothing else: every route with every scope.

ASVS v5.0.0-8.2.1 (functions only for who may call them), v5.0.0-10.3.2 (a token's scope is enforced).
"""

import re
from contextlib import suppress

import pytest
from flask import Flask
from sqlalchemy import Engine
from werkzeug.routing import Rule

from app.access import Access, access, rule_of, scope_of
from app.access_tokens import DAY_S, TOKENS_MAX, issue_token
from app.audit import entries
from app.auth import set_password
from app.errors import InputError
from app.scopes import MEANING, Scope, chosen_scopes, scopes_of
from app.storage.database import reading, writing
from app.storage.store.members import Participant
from tests.app.neighbourhood import NOON_S, StandingClock, token_for

PASSWORD = "seven-green-kettles"  # pragma: allowlist secret
NOBODYS = {Access.PUBLIC, Access.SIGNATURE, Access.GATEWAY}
CHANGES = {"POST", "PUT", "PATCH", "DELETE"}


def _of_people(app: Flask) -> list[tuple[Rule, str]]:
    """Every operation of the API that asks who somebody is."""
    return [
        (rule, method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule_of(app, rule.endpoint) not in NOBODYS
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def _address(app: Flask, rule: Rule) -> str:
    for value in (1, "x"):
        with suppress(ValueError):
            return app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, value))
    raise AssertionError(rule)


def _with(engine: Engine, name: str, *scopes: Scope) -> dict[str, str]:
    with writing(engine) as connection:
        token, _ = issue_token(connection, name, name="test", now_s=NOON_S, scopes=scopes)
    return {"Authorization": f"Bearer {token}"}


def test_every_operation_of_the_api_says_which_tokens_it_takes(web_app: Flask) -> None:
    silent = [
        f"{method} {rule.rule}" for rule, method in _of_people(web_app) if scope_of(web_app, rule.endpoint) is None
    ]
    assert silent == [], "declare a scope beside the access rule: @access(Access.HOUSEHOLD, Scope.OWN_READ)"


def test_no_scope_to_read_changes_anything(web_app: Flask) -> None:
    for rule, method in _of_people(web_app):
        scope = scope_of(web_app, rule.endpoint)
        if str(scope).endswith(":read"):
            assert method not in CHANGES, rule


def test_no_page_takes_a_token(web_app: Flask) -> None:
    pages = [rule.endpoint for rule in web_app.url_map.iter_rules() if not rule.rule.startswith("/api/")]
    assert pages
    assert [endpoint for endpoint in pages if scope_of(web_app, endpoint) is not None] == []


@pytest.mark.parametrize("name", ["anna", "olga"])
@pytest.mark.parametrize("held", list(MEANING))
def test_a_token_is_refused_wherever_another_scope_is_asked_for(
    web_app: Flask, community: Engine, name: str, held: Scope
) -> None:
    client, headers, opened = web_app.test_client(), _with(community, name, held), 0
    for rule, method in _of_people(web_app):
        scope = scope_of(web_app, rule.endpoint)
        if scope in {held, Scope.ANY}:
            opened += 1
            continue
        answer = client.open(_address(web_app, rule), method=method, headers=headers)
        assert answer.status_code == 403, (method, rule)
    assert opened


def test_a_scope_opens_only_what_its_person_may(web_app: Flask, community: Engine) -> None:
    everything = _with(community, "anna", *MEANING)
    client = web_app.test_client()
    assert client.get("/api/v1/me", headers=everything).status_code == 200
    assert client.get("/api/v1/gateways", headers=everything).status_code == 403
    assert client.get("/api/v1/treasury", headers=everything).status_code == 403


def test_an_operation_that_declares_no_scope_refuses_every_token(web_app: Flask, community: Engine) -> None:
    web_app.add_url_rule("/api/v1/forgotten", "forgotten", access(Access.HOUSEHOLD)(lambda: "secret"))
    answer = web_app.test_client().get("/api/v1/forgotten", headers=_with(community, "anna", *MEANING))
    assert answer.status_code == 403
    assert b"secret" not in answer.data


def test_the_openapi_document_names_the_scope_of_every_operation(web_app: Flask) -> None:
    document = web_app.test_client().get("/api/v1/openapi.json").json
    assert document is not None
    for rule, method in _of_people(web_app):
        operation = document["paths"][re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)][method.lower()]
        scope = scope_of(web_app, rule.endpoint)
        assert {"bearer": [] if scope is Scope.ANY else [scope]} in operation["security"], rule


def test_a_token_can_be_made_to_read_only_and_ends_when_it_was_said_to(
    web_app: Flask, community: Engine, clock: StandingClock
) -> None:
    with writing(community) as connection:
        set_password(connection, "anna", PASSWORD)
    client = web_app.test_client()
    asked = {"email": "anna@example.org", "password": PASSWORD, "name": "car", "scopes": ["own:read"], "days": 7}
    made = client.post("/api/v1/tokens", json=asked)
    assert made.status_code == 201
    assert made.json is not None
    assert (made.json["scopes"], made.json["expires_s"]) == (["own:read"], NOON_S + 7 * DAY_S)
    headers = {"Authorization": f"Bearer {made.json['token']}"}
    assert client.get("/api/v1/me", headers=headers).status_code == 200
    assert client.delete("/api/v1/orders/x", headers=headers).status_code == 403
    clock.now_s += 7 * DAY_S
    assert client.get("/api/v1/me", headers=headers).status_code == 401
    for wrong in ({"scopes": ["operator:read"]}, {"scopes": ["any"]}, {"scopes": []}, {"days": 0}, {"days": 367}):
        assert client.post("/api/v1/tokens", json=asked | wrong).status_code == 422, wrong


def test_tokens_are_listed_without_themselves_and_revoked_by_their_id(web_app: Flask, community: Engine) -> None:
    client, keys = web_app.test_client(), _with(community, "anna", Scope.TOKENS)
    reader, other = _with(community, "anna", Scope.OWN_READ), token_for(community, "bela")
    assert client.get("/api/v1/me", headers=reader).status_code == 200
    answer = client.get("/api/v1/tokens", headers=keys)
    assert answer.json is not None
    assert reader["Authorization"].split()[1] not in answer.text
    notes = {tuple(note["scopes"]): note for note in answer.json["tokens"]}
    assert notes.keys() == {("tokens",), ("own:read",)}
    assert notes["own:read",]["used_s"] == NOON_S
    address = f"/api/v1/tokens/{notes['own:read',]['id']}"
    assert client.delete(address, headers=other).status_code == 404
    assert client.get("/api/v1/me", headers=reader).status_code == 200
    assert client.delete(address, headers=keys).status_code == 204
    assert client.get("/api/v1/me", headers=reader).status_code == 401
    assert client.delete(address, headers=keys).status_code == 404
    with reading(community) as connection:
        assert [entry.action for entry in entries(connection)] == ["token revoked"] + ["token issued"] * 3


def test_what_a_token_can_be_given_is_what_its_person_may(community: Engine) -> None:
    def of(*roles: str, status: str = "active") -> set[str]:
        person = Participant(id="x", display_name="X", role=roles[0], extra_roles=" ".join(roles[1:]), status=status)
        return {str(scope) for scope in scopes_of(person)}

    assert of("household") == {"own:read", "own:trade", "own:write", "tokens"}
    assert of("support") == {"own:read", "operator:read", "tokens"}
    assert of("grid_viewer") == {"own:read", "operator:read", "tokens"}
    assert of("household", "treasurer") == of("household") | {"treasury:read", "treasury:write"}
    assert of("operator", status="suspended") == {"own:read", "tokens"}
    with pytest.raises(InputError, match="is no scope of yours"):
        chosen_scopes(Participant(id="x", display_name="X", role="support"), ["operator:write"])


def test_one_person_cannot_fill_the_table_of_tokens(community: Engine) -> None:
    with writing(community) as connection:
        for _ in range(TOKENS_MAX):
            issue_token(connection, "anna", name="test", now_s=NOON_S - 100 * DAY_S)
        issue_token(connection, "anna", name="test", now_s=NOON_S)  # the others have expired
        for _ in range(TOKENS_MAX - 1):
            issue_token(connection, "anna", name="test", now_s=NOON_S)
        with pytest.raises(InputError, match="revoke one first"):
            issue_token(connection, "anna", name="test", now_s=NOON_S)
