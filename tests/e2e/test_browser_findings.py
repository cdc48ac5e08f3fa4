"""What the rules found, in a browser: on a phone in the light and a desk in the dark, for the home and the operator."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from app.storage.database import writing
from app.storage.store.findings import replace_findings
from meters.vee import Rule
from tests.app.community_day import MEMBER_EMAIL, OPERATOR_EMAIL, PASSWORD, CommunityDay
from tests.app.day_doubts import doubt_of
from tests.app.street_server import serving
from tests.e2e.browser_pages import DESKTOP, PHONE
from tests.e2e.screenshots import sign_in
from tests.e2e.test_browser_pages import violations

pytestmark = pytest.mark.needs("chromium")

DAY = "2016-06-14"
NOTES = (Rule.MISSING, Rule.FROZEN, Rule.ZERO_USE, Rule.NIGHT_EXPORT, Rule.RATIO)
ABOUT = {
    MEMBER_EMAIL: ("/devices", "Why your meter is yellow"),
    OPERATOR_EMAIL: ("/operator/devices", "What the rules found"),
}


@pytest.mark.parametrize("look", [PHONE, DESKTOP], ids=["phone-light", "desktop-dark"])
def test_findings_are_accessible_and_as_wide_as_the_window(
    browser: Browser, street: CommunityDay, tmp_path: Path, look: dict[str, object]
) -> None:
    doubted = doubt_of("MP-M01", DAY)
    day = street.copy(tmp_path)
    engine = day.open()
    with writing(engine) as connection:
        notes = [replace(doubted, rule=rule.value, doubts=False, message="MP-M01: 4 of 96") for rule in NOTES]
        replace_findings(connection, DAY, [doubted, *notes])
    engine.dispose()
    with serving(day) as address:
        for email, (path, heading) in ABOUT.items():
            context = browser.new_context(**look, reduced_motion="reduce")
            page = context.new_page()
            sign_in(page, address, f"{email}:{PASSWORD}")
            page.goto(address + path)
            page.get_by_role("heading", name=heading).wait_for()
            assert violations(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            page.screenshot(path=tmp_path / f"{email}.png", full_page=True)
            context.close()
