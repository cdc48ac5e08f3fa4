"""A community from nothing: `commonwatt up` prints a link, and two files later the first round is announced."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from meters.clock import SimulatedClock
from tests.app.test_browser_founding import PEOPLE, POINTS
from tests.e2e.rehearsal import Rehearsal, wait_for
from tests.e2e.screenshots import PHONE
from tests.e2e.test_browser_pages import violations

pytestmark = pytest.mark.needs("chromium")

NOW = datetime(2025, 6, 16, 12, 5, tzinfo=UTC)


def test_an_operator_founds_a_community_from_two_files_with_nothing_but_a_link(
    browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "commonwatt.toml").write_text('[web]\nlisten = "127.0.0.1:0"\n')
    for name, text in (("members.csv", PEOPLE), ("points.csv", POINTS)):
        (tmp_path / name).write_text(text)
    rehearsal = Rehearsal(folder=tmp_path, clock=SimulatedClock(tmp_path / "clock", start=NOW))
    context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]})
    page = context.new_page()
    try:
        page.goto(rehearsal.start("up", "up", "--browser", until=r"works once:\s+(http://\S+)"))
        page.get_by_role("button", name=re.compile("Sign in")).click()
        page.get_by_label("New password").fill("forty-two-watts")  # pragma: allowlist secret (of this test alone)
        page.get_by_role("button", name="Save password").click()
        expect(page.get_by_role("heading", name="Found a community")).to_be_visible()
        assert violations(page) == []
        page.get_by_label("Name", exact=True).fill("Hill Road")
        page.get_by_label("SimBench network or transformer").fill("transformer:100")
        page.get_by_role("button", name="Found the community").click()
        expect(page.get_by_text("members.csv: is missing: choose the file")).to_be_visible()
        assert violations(page) == []
        page.get_by_label("Members", exact=True).set_input_files(tmp_path / "members.csv")
        page.get_by_label("Metering points", exact=True).set_input_files(tmp_path / "points.csv")
        page.get_by_role("button", name="Found the community").click()
        expect(page.get_by_role("heading", name="Members")).to_be_visible(timeout=30_000)
        expect(page.get_by_role("row", name=re.compile("anna"))).to_be_visible()

        def announced() -> int | None:
            with closing(sqlite3.connect(tmp_path / "state" / "community.sqlite")) as database:
                found = database.execute("SELECT COUNT(*) FROM market_round").fetchone()[0]
            return int(found) or None

        assert wait_for(announced, process=rehearsal.processes["up"], log=tmp_path / "up.err")
    finally:
        context.close()
        rehearsal.close()
