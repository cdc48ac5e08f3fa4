"""Ways back in: a letter with a link that works once, for an hour, and tells nobody who has an account.

ASVS v5.0.0-6.3.8 (no account can be told from an answer), v5.0.0-6.4.3 (recovery keeps to the strength of a sign-in).
"""

import dataclasses
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app.audit import entries
from app.auth import RECOVERY_S, issue_sign_in_code, set_password
from app.config import Settings
from app.factory import create_app
from app.guess_limits import guesses
from app.mail import mailbox
from app.mail_delivery import Postman
from app.mail_settings import MailSettings
from app.storage.database import reading, writing
from tests.app.mail_server import Postbox, mail_server
from tests.app.neighbourhood import NOON_S, StandingClock

PASSWORD = "seven-green-kettles"  # pragma: allowlist secret


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def mailing(settings: Settings, postbox: Postbox) -> Iterator[Settings]:
    with mail_server(postbox) as port:
        mail = MailSettings(host="127.0.0.1", port=port, sender="energy@example.org", encryption="none")
        yield dataclasses.replace(settings, mail=mail)


@pytest.fixture
def app(mailing: Settings, community: Engine, clock: StandingClock) -> Iterator[Flask]:
    before, guesses.enabled = guesses.enabled, False
    yield create_app(mailing, community, clock)
    guesses.enabled = before


def _post(client: FlaskClient, path: str, **values: str) -> TestResponse:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert token is not None
    return client.post(path, data={"csrf_token": token[1]} | values)


def _link(postbox: Postbox) -> str:
    text = bytes(postbox.letters[-1].get_payload(decode=True)).decode()
    found = re.search(r"/sign-in/link/\S+", text)
    assert found is not None
    return found[0]


def test_a_forgotten_password_is_replaced_through_a_letter(
    app: Flask, mailing: Settings, community: Engine, clock: StandingClock, postbox: Postbox
) -> None:
    with writing(community) as connection:
        set_password(connection, "anna", PASSWORD)
    browser = app.test_client()
    assert _post(browser, "/sign-in/forgotten", email=" Anna@Example.org").status_code == 200
    Postman(mailing, community, clock).deliver()
    assert postbox.letters[0]["To"] == "anna@example.org"
    link = _link(postbox)
    clock.now_s += RECOVERY_S - 1
    assert _post(browser, link).headers["Location"] == "/password"
    assert _post(browser, "/password", password="nine-blue-kettles").status_code == 302  # pragma: allowlist secret
    assert _post(app.test_client(), link).status_code == 401
    assert _post(app.test_client(), "/sign-in", email="anna@example.org", password=PASSWORD).status_code == 401
    with reading(community) as connection:
        actions = [entry.action for entry in entries(connection)]
    assert actions == ["sign-in refused", "sign-in link refused", "password changed", "signed in", "recovery asked for"]


def test_the_answer_does_not_tell_who_has_an_account(app: Flask, community: Engine) -> None:
    texts = {
        re.sub(r'value="[^"]+"', "", _post(app.test_client(), "/sign-in/forgotten", email=email).text)
        for email in ("anna@example.org", "nobody@example.org", "", "x\r\nBcc: y@example.org")
    }
    assert len(texts) == 1
    with reading(community) as connection:
        assert mailbox(connection).waiting == 1


def test_a_link_by_letter_is_too_old_after_an_hour(
    app: Flask, mailing: Settings, community: Engine, clock: StandingClock, postbox: Postbox
) -> None:
    _post(app.test_client(), "/sign-in/forgotten", email="anna@example.org")
    Postman(mailing, community, clock).deliver()
    clock.now_s += RECOVERY_S
    assert _post(app.test_client(), _link(postbox)).status_code == 401


def test_asking_for_a_letter_leaves_the_operators_link_alone(
    app: Flask, mailing: Settings, community: Engine, clock: StandingClock
) -> None:
    with writing(community) as connection:
        code = issue_sign_in_code(connection, "anna", now_s=NOON_S)
    _post(app.test_client(), "/sign-in/forgotten", email="anna@example.org")
    Postman(mailing, community, clock).deliver()
    assert _post(app.test_client(), f"/sign-in/link/{code}").status_code == 302


def test_nobodys_postbox_is_filled_by_somebody_else(app: Flask, community: Engine) -> None:
    guesses.enabled = True
    answers = [_post(app.test_client(), "/sign-in/forgotten", email="anna@example.org").status_code for _ in range(5)]
    assert answers == [200] * 3 + [429] * 2
    with reading(community) as connection:
        assert mailbox(connection).waiting == 3


def test_without_a_mail_server_the_page_says_whom_to_ask(client: FlaskClient) -> None:
    page = client.get("/sign-in/forgotten").text
    assert "operator" in page
    assert "<input id=" not in page
    assert _post(client, "/sign-in/forgotten", email="anna@example.org").status_code == 404
