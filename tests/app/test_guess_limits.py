"""Guessing is slowed down by all processes together, and nobody is locked out by somebody else's guesses.

ASVS v5.0.0-6.3.1 (brute force and malicious lockout).
"""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select, update

from app.auth import issue_sign_in_code, set_password
from app.config import Settings
from app.factory import create_app
from app.guess_limits import COUNTS, DEVICE_COOKIE, caller, guesses
from app.storage.database import reading, writing
from tests.app.neighbourhood import NOON_S, StandingClock

PASSWORD = "seven-green-kettles"  # pragma: allowlist secret


@pytest.fixture
def processes(settings: Settings, any_community: Engine, clock: StandingClock) -> Iterator[tuple[Flask, Flask]]:
    """Two applications over one database, as two processes have them."""
    with writing(any_community) as connection:
        set_password(connection, "anna", PASSWORD)
    apps = create_app(settings, any_community, clock), create_app(settings, any_community, clock)
    before = guesses.enabled
    guesses.enabled = True
    yield apps
    guesses.enabled = before


def _sign_in(client: FlaskClient, password: str, *, sender: str, name: str = "anna") -> int:
    page = client.get("/sign-in").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    form = {"email": f"{name}@example.org", "password": password, "csrf_token": token[1]}
    return client.post("/sign-in", data=form, environ_base={"REMOTE_ADDR": sender}).status_code


def test_two_processes_count_one_senders_guesses_together(processes: tuple[Flask, Flask]) -> None:
    browsers = [app.test_client() for app in processes]
    answers = [_sign_in(browsers[i % 2], f"guess-{i}", sender="10.0.0.1", name=f"n{i}") for i in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert _sign_in(browsers[0], PASSWORD, sender="10.0.0.2") == 302


def test_guesses_at_an_account_from_everywhere_lock_out_no_browser_that_was_there_before(
    processes: tuple[Flask, Flask], any_community: Engine
) -> None:
    own = processes[0].test_client()
    assert _sign_in(own, PASSWORD, sender="10.0.0.1") == 302
    cookie = own.get_cookie(DEVICE_COOKIE)
    assert cookie is not None
    assert "anna" not in cookie.value
    attackers = [_sign_in(processes[i % 2].test_client(), "guess", sender=f"10.0.1.{i}") for i in range(30)]
    # The first sign-in counted, too: from then on the browser is counted by itself.
    assert attackers == [401] * 19 + [429] * 11
    own.post("/sign-out")
    assert _sign_in(own, PASSWORD, sender="10.0.0.1") == 302
    # A browser that anna never used waits, but not for long, and a link lets her in at once.
    new = processes[0].test_client()
    assert _sign_in(new, PASSWORD, sender="10.0.2.1") == 429
    with writing(any_community) as connection:
        code = issue_sign_in_code(connection, "anna", now_s=NOON_S)
    page = new.get(f"/sign-in/link/{code}").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token is not None
    assert new.post(f"/sign-in/link/{code}", data={"csrf_token": token[1]}).status_code == 302


def test_the_wait_is_a_quarter_of_an_hour_at_most(processes: tuple[Flask, Flask], any_community: Engine) -> None:
    app = processes[0]
    for i in range(21):
        status = _sign_in(app.test_client(), "guess", sender=f"10.0.1.{i}")
    assert status == 429
    with reading(any_community) as connection:
        ends = connection.execute(select(COUNTS.c.expires_s)).scalars().all()
    import time

    assert 0 < max(ends) - time.time() <= 3600  # the longest counts a sender's hour
    with writing(any_community) as connection:  # as if the quarter of an hour were over
        connection.execute(update(COUNTS).values(expires_s=COUNTS.c.expires_s - 900))
    assert _sign_in(app.test_client(), PASSWORD, sender="10.0.2.1") == 302


def test_a_browser_that_was_there_before_is_limited_too(processes: tuple[Flask, Flask]) -> None:
    stolen = processes[0].test_client()
    assert _sign_in(stolen, PASSWORD, sender="10.0.0.1") == 302
    answers = [_sign_in(stolen, "guess", sender=f"10.0.1.{i}") for i in range(22)]
    assert answers == [401] * 20 + [429] * 2


def test_a_made_up_cookie_makes_no_known_browser(processes: tuple[Flask, Flask]) -> None:
    for i in range(20):
        _sign_in(processes[0].test_client(), "guess", sender=f"10.0.1.{i}")
    forger = processes[0].test_client()
    forger.set_cookie(DEVICE_COOKIE, "eyJhbm5hIjoiZGV2aWNlOngifQ.AAAA")
    assert _sign_in(forger, PASSWORD, sender="10.0.2.1") == 429


def test_addresses_and_accounts_are_not_kept_in_clear(processes: tuple[Flask, Flask], any_community: Engine) -> None:
    _sign_in(processes[0].test_client(), "guess", sender="10.0.0.1")
    with reading(any_community) as connection:
        keys = connection.execute(select(COUNTS.c.key_hash)).scalars().all()
    assert keys
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


@pytest.mark.parametrize(
    ("address", "home"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ],
)
def test_a_home_with_many_addresses_is_one_caller(web_app: Flask, address: str, home: str) -> None:
    with web_app.test_request_context(environ_base={"REMOTE_ADDR": address}):
        assert caller() == home
