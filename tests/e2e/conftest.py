"""The street of the web tests, shown to a real browser."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.app.community_day import CommunityDay


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> "CommunityDay":
    """Eight homes with two days behind them; made once for all processes of a test run, never written to."""
    # Only who uses the street pays for importing network and market.
    from tests.app.community_day import shared

    base = tmp_path_factory.getbasetemp()
    return shared((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "street")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Debian's Chromium without a window. Not for the whole session: its event loop would be in other tests' way."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.screenshots import CHROMIUM, FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()
