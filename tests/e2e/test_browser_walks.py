"""What members and operators come for, done in a browser from the sign-in on."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.app.community_day import MEMBER_EMAIL, NOW, OPERATOR_EMAIL, PASSWORD, CommunityDay, StandingClock
from tests.app.street_server import serving
from tests.e2e.screenshots import PHONE, sign_in

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def clock() -> StandingClock:
    return StandingClock(NOW)


@pytest.fixture(scope="module")
def address(street: CommunityDay, clock: StandingClock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A street that may be changed."""
    with serving(street.copy(tmp_path_factory.mktemp("walks")), clock) as found:
        yield found


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=True, accept_downloads=True
    )
    yield context.new_page()
    context.close()


@pytest.fixture
def desk(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme="dark")
    yield context.new_page()
    context.close()


def test_a_member_asks_why_orders_sets_limits_and_takes_the_bill_home(
    phone: Page, address: str, tmp_path: Path
) -> None:
    sign_in(phone, address, f"{MEMBER_EMAIL}:{PASSWORD}")
    expect(phone.get_by_role("heading", name="Today")).to_be_visible()
    phone.get_by_role("link", name="Why this price?").click()
    expect(phone.get_by_text("You asked for at least")).to_be_visible()

    phone.get_by_role("link", name="Trades").locator("visible=true").click()
    phone.get_by_role("link", name="an order of your own").click()
    phone.get_by_role("radio", name="Sell").check()
    phone.get_by_label("Energy").fill("0.5")
    phone.get_by_label("Price limit").fill("11")
    phone.get_by_role("button", name="Place order").click()
    expect(phone.get_by_text("Order placed for 19:00–19:15")).to_be_visible()
    phone.get_by_role("button", name="Cancel the order of 19:00–19:15").click()
    expect(phone.get_by_text("Order cancelled.")).to_be_visible()

    phone.get_by_role("link", name="More").locator("visible=true").click()
    phone.get_by_role("link", name="Preferences").locator("visible=true").click()
    phone.get_by_label("Pay at most, as a slider").fill("18.25")
    expect(phone.get_by_label("Pay at most", exact=True)).to_have_value("18.25")
    phone.get_by_role("button", name="Save preferences").click()
    expect(phone.get_by_text("Saved.")).to_be_visible()
    phone.get_by_role("button", name="Pause trading").click()
    expect(phone.get_by_role("heading", name="Trading is paused")).to_be_visible()
    phone.get_by_role("link", name="Home", exact=True).locator("visible=true").click()
    expect(phone.get_by_text("Trading is paused")).to_be_visible()

    phone.get_by_role("link", name="Bills").locator("visible=true").click()
    phone.get_by_role("main").get_by_role("link", name="June 2016", exact=True).click()
    expect(phone.get_by_role("heading", name="The community owes you")).to_be_visible()
    with phone.expect_download() as download:
        phone.get_by_role("link", name="PDF").click()
    download.value.save_as(tmp_path / "june.pdf")
    assert (tmp_path / "june.pdf").read_bytes().startswith(b"%PDF")


def test_a_member_follows_one_kilowatt_hour_to_its_proof(phone: Page, address: str) -> None:
    sign_in(phone, address, f"{MEMBER_EMAIL}:{PASSWORD}")
    phone.get_by_role("link", name="Follow one kWh").click()
    for heading in ("The reading", "The order", "The price", "The bill", "The proof"):
        expect(phone.get_by_role("heading", name=heading)).to_be_visible()
    phone.get_by_text("Signature", exact=True).first.click()
    expect(phone.get_by_text("Key of gateway G1")).to_be_visible()
    expect(phone.get_by_text("Checked now")).to_be_visible()
    with phone.expect_download() as download:
        phone.get_by_role("link", name="Proof file").click()
    assert download.value.suggested_filename == "statement-M01-2016-06.json"


def test_an_operator_approves_a_gateway_and_finds_what_limited_the_network(desk: Page, address: str) -> None:
    sign_in(desk, address, f"{OPERATOR_EMAIL}:{PASSWORD}")
    expect(desk.get_by_text("1 gateway waits for approval")).to_be_visible()
    desk.get_by_role("link", name="Look at the key and approve").click()
    desk.get_by_role("button", name="Approve Ulmenweg").click()
    expect(desk.get_by_text("Ulmenweg: Approved")).to_be_visible()

    desk.get_by_role("link", name="Network").locator("visible=true").click()
    desk.get_by_role("link", name="Tightest round of the day").click()
    expect(desk.get_by_text("Lindenweg station").first).to_be_visible()
    desk.get_by_role("link", name="Open the round").click()
    expect(desk.get_by_role("cell", name="Transformer loading")).to_be_visible()

    desk.get_by_role("link", name="Settlement").locator("visible=true").click()
    desk.get_by_text("Hashes").click()
    expect(desk.get_by_text("Readings", exact=True)).to_be_visible()
    desk.get_by_role("link", name="Overview").locator("visible=true").click()
    expect(desk.get_by_text("Nothing needs your attention.")).to_be_visible()


def test_a_wrong_password_is_refused_and_signing_out_ends_the_visit(desk: Page, address: str) -> None:
    desk.goto(f"{address}/home")
    assert desk.url.startswith(f"{address}/sign-in")
    desk.get_by_label("Email").fill(MEMBER_EMAIL)
    desk.get_by_label("Password").fill("wrong password")
    desk.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(desk.get_by_role("alert")).to_contain_text("Email or password is wrong")
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("main").get_by_role("button", name="Sign in").click()
    assert desk.url == f"{address}/home"
    desk.get_by_role("button", name="Sign out Home 1").click()
    desk.goto(f"{address}/home")
    assert desk.url.startswith(f"{address}/sign-in")


def test_home_renews_itself_and_waits_while_somebody_reads_a_table(
    desk: Page, address: str, clock: StandingClock
) -> None:
    sign_in(desk, address, f"{MEMBER_EMAIL}:{PASSWORD}")
    price = desk.get_by_role("region", name="Neighbourhood price")
    expect(price).to_contain_text("18:30–18:45")
    desk.get_by_text("Show as table").first.click()
    clock.instant += timedelta(minutes=15)
    desk.wait_for_timeout(6_000)
    expect(price).to_contain_text("18:30–18:45")
    desk.get_by_text("Show as table").first.click()
    desk.locator("h1").click()
    expect(price).to_contain_text("18:45–19:00", timeout=8_000)
    clock.instant -= timedelta(minutes=15)
