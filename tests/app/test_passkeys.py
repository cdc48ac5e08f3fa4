"""Passkeys: made, used, and everything that an answer must not get away with.

ASVS v5.0.0-6.3.3 and v5.0.0-6.5.1 (an authentication code works once), v5.0.0-6.7.2 (challenges are unique), W3C Web
Authentication, Level 3, sections 7.1 and 7.2.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, update
from werkzeug.test import TestResponse

from app.audit import entries
from app.auth import issue_sign_in_code, set_password
from app.config import Settings
from app.factory import create_app
from app.guess_limits import guesses
from app.passkeys import PASSKEYS, Site, passkeys_of
from app.storage.database import reading, writing
from tests.app.neighbourhood import StandingClock
from tests.app.soft_passkey import VERIFIED, SoftPasskey, b64, unb64

PASSWORD = "seven-green-kettles"  # pragma: allowlist secret


@pytest.fixture
def site(tmp_path: object, community: Engine, clock: StandingClock) -> Flask:
    """The neighbourhood at http://localhost, where browsers allow passkeys."""
    environment = {
        "COMMONWATT_STATE": str(tmp_path),
        "COMMONWATT_SECRET_KEY": "t" * 40,
        "COMMONWATT_PUBLIC_URL": "http://localhost",
    }
    app = create_app(Settings.load(None, environment), community, clock)
    app.testing = True
    guesses.enabled = False
    return app


def _csrf(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found is not None
    return found[1]


def _post(client: FlaskClient, path: str, body: object) -> TestResponse:
    return client.post(path, json=body, headers={"X-CSRFToken": _csrf(client)})


def _form(client: FlaskClient, path: str, **values: str) -> TestResponse:
    return client.post(path, data={"csrf_token": _csrf(client)} | values)


def _by_link(app: Flask, engine: Engine, name: str) -> FlaskClient:
    client = app.test_client()
    with writing(engine) as connection:
        code = issue_sign_in_code(connection, name, now_s=app.extensions["commonwatt"].now_s())
    assert _form(client, f"/sign-in/link/{code}").status_code == 302
    return client


def _make(client: FlaskClient, key: SoftPasskey, name: str = "Phone") -> TestResponse:
    options = _post(client, "/security/passkeys/options", {}).json
    assert options is not None
    return _post(client, "/security/passkeys", {"credential": key.made(options), "name": name})


def _use(client: FlaskClient, key: SoftPasskey, **changed: Any) -> TestResponse:
    options = _post(client, "/sign-in/passkey/options", {}).json
    assert options is not None
    assert "allowCredentials" not in options or options["allowCredentials"] == []
    return _post(client, "/sign-in/passkey", {"credential": key.signed(options) | changed, "next": "/devices"})


def _who(client: FlaskClient) -> object:
    answer = client.get("/api/v1/me")
    return answer.json["id"] if answer.status_code == 200 and answer.json else None


def test_passkeys_are_made_by_several_devices_and_sign_in_without_a_name(site: Flask, community: Engine) -> None:
    phone, laptop = SoftPasskey(), SoftPasskey()
    anna = _by_link(site, community, "anna")
    assert _make(anna, phone).json == {"location": "/security"}
    assert _make(anna, laptop, "Laptop").status_code == 200
    for key in (laptop, phone):
        browser = site.test_client()
        assert _use(browser, key).json == {"location": "/devices"}
        assert _who(browser) == "anna"
    with reading(community) as connection:
        assert {each.name for each in passkeys_of(connection, "anna")} == {"Phone", "Laptop"}
        actions = [entry.action for entry in entries(connection)]
    assert actions == ["signed in", "signed in", "passkey added", "passkey added", "signed in"]


def _other_origin(key: SoftPasskey) -> None:
    key.origin = "http://localhost.evil.example"


def _other_port(key: SoftPasskey) -> None:
    key.origin = "http://localhost:8080"


def _nobody_there(key: SoftPasskey) -> None:
    key.flags &= ~VERIFIED


@pytest.mark.parametrize("spoil", [_other_origin, _other_port, _nobody_there])
def test_an_answer_for_another_site_or_without_its_owner_is_refused(
    site: Flask, community: Engine, spoil: Callable[[SoftPasskey], None]
) -> None:
    anna, key, spoilt = _by_link(site, community, "anna"), SoftPasskey(), SoftPasskey()
    assert _make(anna, key).status_code == 200
    spoil(key)
    spoil(spoilt)
    assert _make(anna, spoilt).status_code == 400
    browser = site.test_client()
    assert _use(browser, key).status_code == 401
    assert _who(browser) is None
    with reading(community) as connection:
        assert [entry.action for entry in entries(connection)][:2] == ["sign-in refused", "passkey refused"]


def test_an_answer_is_good_once(site: Flask, community: Engine) -> None:
    key = SoftPasskey()
    _make(_by_link(site, community, "anna"), key)
    first, second = site.test_client(), site.test_client()
    options = _post(first, "/sign-in/passkey/options", {}).json
    assert options is not None
    answer = {"credential": key.signed(options)}
    assert _post(first, "/sign-in/passkey", answer).status_code == 200
    assert _post(second, "/sign-in/passkey", answer).status_code == 401
    assert _who(second) is None


def test_a_challenge_of_nobody_of_somebody_else_or_for_something_else_is_refused(
    site: Flask, community: Engine
) -> None:
    anna, bela, key = _by_link(site, community, "anna"), _by_link(site, community, "bela"), SoftPasskey()
    _make(anna, key)
    browser = site.test_client()
    for_sign_in = _post(browser, "/sign-in/passkey/options", {}).json
    for_bela = _post(bela, "/security/passkeys/options", {}).json
    assert for_sign_in is not None
    assert for_bela is not None
    made_up = for_sign_in | {"challenge": b64(b"x" * 40)}
    for_making = for_sign_in | {"challenge": for_bela["challenge"]}
    for options in (made_up, for_making):
        assert _post(browser, "/sign-in/passkey", {"credential": key.signed(options)}).status_code == 401
    taken = _post(anna, "/security/passkeys", {"credential": SoftPasskey().made(for_bela), "name": "x"})
    assert taken.status_code == 400


def test_a_counter_that_goes_backwards_is_a_copy_and_refused(site: Flask, community: Engine) -> None:
    key = SoftPasskey()
    key.count = 5
    _make(_by_link(site, community, "anna"), key)
    key.count = 7
    assert _use(site.test_client(), key).status_code == 200
    for count in (7, 6):
        key.count = count
        assert _use(site.test_client(), key).status_code == 401
    key.count = 8
    assert _use(site.test_client(), key).status_code == 200


def test_a_passkey_opens_the_account_it_was_made_for_and_no_other(site: Flask, community: Engine) -> None:
    annas, belas = SoftPasskey(), SoftPasskey()
    _make(_by_link(site, community, "anna"), annas)
    _make(_by_link(site, community, "bela"), belas)
    annas.handle, own = belas.handle, annas.handle
    assert _use(site.test_client(), annas).status_code == 401
    annas.handle = own
    # A row that somebody moved to another account in the database opens neither.
    with writing(community) as connection:
        moved = update(PASSKEYS).where(PASSKEYS.c.credential_id == b64(belas.id)).values(participant_id="anna")
        connection.execute(moved)
    assert _use(site.test_client(), belas).status_code == 401
    # Nor does the one key with the other's number.
    assert _use(site.test_client(), belas, id=b64(annas.id), rawId=b64(annas.id)).status_code == 401
    assert _use(site.test_client(), SoftPasskey()).status_code == 401
    assert _use(site.test_client(), annas).status_code == 200


def test_a_passkey_is_one_persons(site: Flask, community: Engine) -> None:
    key = SoftPasskey()
    assert _make(_by_link(site, community, "anna"), key).status_code == 200
    bela = _by_link(site, community, "bela")
    assert _make(bela, key).status_code == 400
    key_id = b64(key.id)
    assert _form(bela, f"/security/passkeys/{key_id}/delete").status_code == 404
    assert _form(bela, f"/security/passkeys/{key_id}/name", name="mine").status_code == 404


def test_passkeys_are_renamed_and_deleted_but_not_the_last_way_in(site: Flask, community: Engine) -> None:
    anna, phone, laptop = _by_link(site, community, "anna"), SoftPasskey(), SoftPasskey()
    _make(anna, phone)
    _make(anna, laptop)
    assert _form(anna, f"/security/passkeys/{b64(phone.id)}/name", name="Old phone").status_code == 302
    assert _form(anna, f"/security/passkeys/{b64(phone.id)}/name", name=" ").status_code == 400
    assert "Old phone" in anna.get("/security").text
    assert _form(anna, f"/security/passkeys/{b64(phone.id)}/delete").status_code == 302
    assert _use(site.test_client(), phone).status_code == 401
    kept = _form(anna, f"/security/passkeys/{b64(laptop.id)}/delete")
    assert kept.status_code == 400
    assert "your only way in" in kept.text
    with writing(community) as connection:
        set_password(connection, "anna", PASSWORD)
    anna = _by_link(site, community, "anna")
    assert _form(anna, f"/security/passkeys/{b64(laptop.id)}/delete").status_code == 302


@pytest.mark.parametrize("sent", [{}, [], "x", {"credential": None}, {"credential": {"id": "x", "response": {}}}])
def test_what_is_no_answer_of_a_passkey_is_refused(site: Flask, community: Engine, sent: object) -> None:
    browser, anna = site.test_client(), _by_link(site, community, "anna")
    assert _post(browser, "/sign-in/passkey", sent).status_code in {400, 401}
    assert _post(anna, "/security/passkeys", sent).status_code == 400
    assert _who(browser) is None


def test_answers_need_the_pages_own_token_against_forgery(site: Flask, community: Engine) -> None:
    anna = _by_link(site, community, "anna")
    for path in ("/sign-in/passkey", "/sign-in/passkey/options", "/security/passkeys", "/security/passkeys/options"):
        assert anna.post(path, json={}).status_code == 400, path


def test_a_passkey_is_asked_to_stay_in_the_device_and_to_verify_its_owner(site: Flask, community: Engine) -> None:
    options = _post(_by_link(site, community, "anna"), "/security/passkeys/options", {}).json
    assert options is not None
    assert options["rp"] == {"id": "localhost", "name": "Hill Road"}
    asked = options["authenticatorSelection"]
    assert (asked["residentKey"], asked["userVerification"]) == ("required", "required")
    assert b"anna" not in unb64(options["user"]["id"])


def test_ways_in_are_changed_only_a_short_while_after_a_sign_in(
    site: Flask, community: Engine, clock: StandingClock
) -> None:
    anna, key = _by_link(site, community, "anna"), SoftPasskey()
    _make(anna, key)
    clock.now_s += 3600
    assert _who(anna) == "anna"
    assert _post(anna, "/security/passkeys/options", {}).status_code == 403
    deleted = _form(anna, f"/security/passkeys/{b64(key.id)}/delete")
    assert deleted.headers["Location"] == "/sign-in?next=/security"
    assert _form(anna, "/password", password=PASSWORD).headers["Location"] == "/sign-in?next=/security"


@pytest.mark.parametrize(
    ("address", "takes"),
    [
        ("https://energy.example.org", True),
        ("http://localhost:8080", True),
        ("http://energy.example.org", False),
        ("http://127.0.0.1:8080", False),
        ("https://[2001:db8::1]", False),
    ],
)
def test_passkeys_need_a_name_and_encryption(address: str, *, takes: bool) -> None:
    assert Site(address=address, name="Hill Road", key="k").takes_passkeys is takes


def test_where_browsers_make_no_passkeys_none_are_offered(client: FlaskClient) -> None:
    page = client.get("/sign-in").text
    assert "passkey" not in page
    assert _post(client, "/sign-in/passkey/options", {}).status_code == 404
