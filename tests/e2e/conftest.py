"""The street of the web tests, shown to a real browser."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.app.community_day import CommunityDay, shared
from tests.e2e.screenshots import CHROMIUM, FLAGS


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> CommunityDay:
    """Eight homes with two days behind them; made once for all processes of a test run, never written to."""
    base = tmp_path_factory.getbasetemp()
    return shared((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "street")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()
