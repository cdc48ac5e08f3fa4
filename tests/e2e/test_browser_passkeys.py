"""A passkey from beginning to end in Chromium, whose virtual authenticator stands for a phone with a fingerprint."""

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page
from werkzeug.serving import make_server

from app.config import WebSettings
from app.factory import create_app
from app.guess_limits import guesses
from tests.app.community_day import MEMBER_EMAIL, PASSWORD, CommunityDay, StandingClock
from tests.app.street_server import application
from tests.e2e.browser_pages import LOOKS
from tests.e2e.screenshots import sign_in
from tests.e2e.test_browser_pages import violations, watched

pytestmark = pytest.mark.needs("chromium")
PHONE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def address(street: CommunityDay, tmp_path: Path) -> Iterator[str]:
    """The street at a name that browsers make passkeys for: http://localhost."""
    day = street.copy(tmp_path)
    guesses.enabled = False
    server = make_server("127.0.0.1", 0, application(day), threaded=True)
    own = f"http://localhost:{server.port}"
    settings = application(day).extensions["commonwatt"].settings
    named = dataclasses.replace(settings, web=WebSettings(public_url=own))
    server.app = create_app(named, day.open(), StandingClock(day.now))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield own
    server.shutdown()
    thread.join()
    server.server_close()


def _phone(context: BrowserContext, page: Page) -> tuple[CDPSession, str]:
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    added = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": PHONE})
    return cdp, str(added["authenticatorId"])


def test_a_passkey_is_made_signs_in_without_a_name_and_is_deleted(browser: Browser, address: str) -> None:
    complaints: list[str] = []
    context = browser.new_context(**LOOKS["phone-light"], reduced_motion="reduce")
    page = watched(context, address, complaints)
    cdp, phone = _phone(context, page)
    sign_in(page, address, f"{MEMBER_EMAIL}:{PASSWORD}")
    page.get_by_role("link", name="Sign-in and security").click()
    page.fill("#passkey-name", "Phone")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("The passkey is saved.").wait_for()
    assert violations(page) == []
    (credential,) = cdp.send("WebAuthn.getCredentials", {"authenticatorId": phone})["credentials"]
    assert credential["isResidentCredential"]
    assert credential["rpId"] == "localhost"

    page.fill("#passkey-name", "Phone again")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("This device holds a passkey for you already.").wait_for()
    assert violations(page) == []

    page.get_by_role("button", name="Sign out M01").or_(
        page.locator("header form[action$='sign-out'] button")
    ).first.click()
    page.goto(f"{address}/sign-in?next=/prices")
    assert page.input_value("#email") == ""
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{address}/prices")

    page.goto(f"{address}/security")
    assert "By passkey" in page.get_by_role("main").inner_text()
    page.get_by_role("button", name="Delete Phone").click()
    page.get_by_text("The passkey is deleted here.").wait_for()
    page.locator("header form[action$='sign-out'] button").click()
    page.goto(f"{address}/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_text("The passkey was not accepted.").wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
    assert [line for line in complaints if "status of 401" not in line] == []


def test_a_copy_of_a_passkey_with_an_older_counter_does_not_sign_in(browser: Browser, address: str) -> None:
    context = browser.new_context(**LOOKS["desktop-dark"])
    page = context.new_page()
    cdp, phone = _phone(context, page)
    sign_in(page, address, f"{MEMBER_EMAIL}:{PASSWORD}")
    page.goto(f"{address}/security")
    page.fill("#passkey-name", "Key")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_text("The passkey is saved.").wait_for()
    (copied,) = cdp.send("WebAuthn.getCredentials", {"authenticatorId": phone})["credentials"]
    for _ in range(2):
        page.locator("header form[action$='sign-out'] button").click()
        page.goto(f"{address}/sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.wait_for_url(lambda url: "/sign-in" not in url)
    page.locator("header form[action$='sign-out'] button").click()
    cdp.send("WebAuthn.removeCredential", {"authenticatorId": phone, "credentialId": copied["credentialId"]})
    cdp.send("WebAuthn.addCredential", {"authenticatorId": phone, "credential": copied})
    page.goto(f"{address}/sign-in")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_text("The passkey was not accepted.").wait_for()
    context.close()
