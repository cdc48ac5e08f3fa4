"""Signing in: by password, by a one-time link, by a token; and everything that must not work."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select
from werkzeug.test import TestResponse

from app.audit import entries
from app.auth import SIGN_IN_CODE_S, issue_sign_in_code, set_password
from app.auth_pages import local_path
from app.config import Settings
from app.errors import InputError
from app.factory import create_app
from app.guess_limits import guesses
from app.storage.database import reading, writing
from app.storage.store.members import PARTICIPANTS
from tests.app.neighbourhood import NOON_S, StandingClock, token_for

PASSWORD = "seven-green-kettles"  # pragma: allowlist secret


@pytest.fixture
def with_password(web_app: Flask, community: Engine) -> FlaskClient:
    """A browser in a community where anna and olga have passwords."""
    with writing(community) as connection:
        set_password(connection, "anna", PASSWORD)
        set_password(connection, "olga", PASSWORD + "!")
    return web_app.test_client()


def _csrf(client: FlaskClient, path: str = "/sign-in") -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).get_data(as_text=True))
    assert found is not None
    return found[1]


def _sign_in(client: FlaskClient, email: str, password: str, next_path: str = "") -> TestResponse:
    form = {"email": email, "password": password, "next": next_path, "csrf_token": _csrf(client)}
    return client.post("/sign-in", data=form)


def _is_signed_in(client: FlaskClient) -> bool:
    return client.get("/api/v1/me").status_code == 200


def test_email_and_password_sign_in_whatever_the_case_of_the_email(with_password: FlaskClient) -> None:
    answer = _sign_in(with_password, " ANNA@Example.org ", PASSWORD, next_path="/preferences?day=1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/preferences?day=1")
    assert _is_signed_in(with_password)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("anna@example.org", "wrong-password-here"),
        ("anna@example.org", ""),
        ("bela@example.org", ""),
        ("bela@example.org", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("", ""),
    ],
)
def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(
    with_password: FlaskClient, email: str, password: str
) -> None:
    answer = _sign_in(with_password, email, password)
    assert answer.status_code == 401
    assert "Email or password is wrong." in answer.get_data(as_text=True)
    assert not _is_signed_in(with_password)


def test_the_password_is_kept_as_an_argon2id_hash(with_password: FlaskClient, community: Engine) -> None:
    with reading(community) as connection:
        stored = connection.execute(select(PARTICIPANTS.c.password_hash).where(PARTICIPANTS.c.id == "anna")).scalar()
    assert str(stored).startswith("$argon2id$")
    assert PASSWORD not in str(stored)


@pytest.mark.parametrize("password", ["short", "x" * 201, "aaaaaaaaaaaaaaa", "anna@example.org", "Anna@Example.org"])
def test_a_guessable_password_is_refused(community: Engine, password: str) -> None:
    with pytest.raises(InputError), writing(community) as connection:
        set_password(connection, "anna", password)


def test_a_form_from_another_site_is_refused(with_password: FlaskClient) -> None:
    answer = with_password.post("/sign-in", data={"email": "anna@example.org", "password": PASSWORD})
    assert answer.status_code == 400
    assert not _is_signed_in(with_password)


def test_the_api_takes_a_session_only_with_its_csrf_token(with_password: FlaskClient) -> None:
    _sign_in(with_password, "anna@example.org", PASSWORD)
    assert with_password.get("/api/v1/me").status_code == 200
    forged = with_password.delete("/api/v1/orders/x")
    assert forged.status_code == 400
    token = _csrf(with_password)
    meant = with_password.delete("/api/v1/orders/x", headers={"X-CSRFToken": token})
    assert meant.status_code == 404


def test_signing_out_ends_the_session(with_password: FlaskClient) -> None:
    _sign_in(with_password, "anna@example.org", PASSWORD)
    with_password.post("/sign-out", data={"csrf_token": _csrf(with_password)})
    assert not _is_signed_in(with_password)


def test_a_new_password_ends_the_sessions_of_before(with_password: FlaskClient, community: Engine) -> None:
    _sign_in(with_password, "anna@example.org", PASSWORD)
    with writing(community) as connection:
        set_password(connection, "anna", "nine-blue-kettles")
    assert not _is_signed_in(with_password)


def test_changing_the_own_password_keeps_this_browser_signed_in(with_password: FlaskClient) -> None:
    _sign_in(with_password, "anna@example.org", PASSWORD)
    token = _csrf(with_password, "/password")
    weak = with_password.post("/password", data={"password": "short", "csrf_token": token})
    assert weak.status_code == 400
    good = with_password.post("/password", data={"password": "nine-blue-kettles", "csrf_token": token})
    assert good.status_code == 302
    assert _is_signed_in(with_password)


def _link(community: Engine, now_s: int = NOON_S) -> str:
    with writing(community) as connection:
        return f"/sign-in/link/{issue_sign_in_code(connection, 'olga', now_s=now_s)}"


def test_a_link_signs_in_once_and_only_by_a_click(web_app: Flask, community: Engine) -> None:
    link, browser = _link(community), web_app.test_client()
    token = _csrf(browser, link)  # looking ahead does not spend it
    answer = browser.post(link, data={"csrf_token": token})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/password")
    assert _is_signed_in(browser)
    other = web_app.test_client()
    again = other.post(link, data={"csrf_token": _csrf(other)})
    assert again.status_code == 401
    assert "used before or is too old" in again.get_data(as_text=True)
    assert not _is_signed_in(other)


def test_a_link_is_too_old_after_three_days(client: FlaskClient, community: Engine) -> None:
    link = _link(community, now_s=NOON_S - SIGN_IN_CODE_S)
    assert client.post(link, data={"csrf_token": _csrf(client)}).status_code == 401


def test_a_newer_link_replaces_the_older(client: FlaskClient, community: Engine) -> None:
    older, newer = _link(community), _link(community)
    assert client.post(older, data={"csrf_token": _csrf(client)}).status_code == 401
    assert client.post(newer, data={"csrf_token": _csrf(client)}).status_code == 302


def test_a_token_is_given_for_email_and_password_only(with_password: FlaskClient) -> None:
    good = with_password.post("/api/v1/tokens", json={"email": "anna@example.org", "password": PASSWORD})
    assert good.status_code == 201
    assert good.json is not None
    headers = {"Authorization": f"Bearer {good.json['token']}"}
    me = with_password.get("/api/v1/me", headers=headers).json
    assert me is not None
    assert me["id"] == "anna"
    bad = with_password.post("/api/v1/tokens", json={"email": "anna@example.org", "password": "guess"})
    assert bad.status_code == 401


def test_a_token_opens_the_api_and_no_page(web_app: Flask, community: Engine) -> None:
    headers = token_for(community, "olga")
    assert web_app.test_client().get("/password", headers=headers).status_code == 302


def test_who_signed_in_and_who_failed_is_in_the_audit_log(with_password: FlaskClient, community: Engine) -> None:
    _sign_in(with_password, "anna@example.org", "wrong")
    _sign_in(with_password, "anna@example.org", PASSWORD)
    with reading(community) as connection:
        noted = [(entry.actor, entry.action) for entry in entries(connection)]
    assert noted == [("anna", "signed in"), ("anna@example.org", "sign-in refused")]


@pytest.fixture
def limited(settings: Settings, community: Engine, clock: StandingClock) -> FlaskClient:
    app = create_app(settings, community, clock)
    app.testing = True
    guesses.enabled = True
    return app.test_client()


def test_guessing_is_slowed_down(limited: FlaskClient) -> None:
    answers = [_sign_in(limited, "anna@example.org", f"guess-{i}").status_code for i in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert limited.get("/sign-in").status_code == 200


def test_tokens_and_codes_are_slowed_down_too(limited: FlaskClient) -> None:
    body = {"email": "anna@example.org", "password": "guess"}  # pragma: allowlist secret
    answers = [limited.post("/api/v1/tokens", json=body) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].content_type == "application/problem+json"
    enrol = {"code": "guess", "address": "0x" + "00" * 20}
    codes = [limited.post("/api/v1/gateway/enrol", json=enrol).status_code for _ in range(11)]
    assert codes == [403] * 10 + [429]


@pytest.mark.parametrize("path", ["https://elsewhere", "//elsewhere", "/\\elsewhere", "elsewhere", "", "/a\nb"])
def test_sign_in_leads_to_no_other_site(web_app: Flask, path: str) -> None:
    with web_app.test_request_context():
        assert local_path(path) == "/"


def test_sign_in_leads_back_to_the_page_that_was_asked_for(web_app: Flask) -> None:
    with web_app.test_request_context():
        assert local_path("/statements?month=2025-06") == "/statements?month=2025-06"


def test_session_cookies_are_out_of_reach_of_scripts_and_other_sites(
    community: Engine, clock: StandingClock, settings: Settings
) -> None:
    encrypted = Settings.load(
        None,
        {
            "COMMONWATT_STATE": str(settings.state),
            "COMMONWATT_SECRET_KEY": "t" * 40,
            "COMMONWATT_PUBLIC_URL": "https://hill.example.org",
        },
    )
    answer = create_app(encrypted, community, clock).test_client().get("/sign-in", base_url="https://hill.example.org")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert "SameSite=Lax" in cookie
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
