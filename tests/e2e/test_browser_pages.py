"""Every page in a browser, on a phone in the light and a desk in the dark: nothing foreign, nothing axe objects to."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.app.community_day import MEMBER_EMAIL, OPERATOR_EMAIL, PASSWORD, PLANT_EMAIL, CommunityDay
from tests.app.street_server import application, serving
from tests.e2e.browser_pages import DESKTOP, NO_PAGES, PAGES, PHONE, SHOWN
from tests.e2e.screenshots import sign_in

pytestmark = pytest.mark.needs("chromium")

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def address(street: CommunityDay) -> Iterator[str]:
    with serving(street) as found:
        yield found


@pytest.fixture(scope="module")
def sessions(browser: Browser, address: str) -> dict[str, object]:
    """Cookies of everybody who signs in, by email."""
    states: dict[str, object] = {"": None}
    for email in (MEMBER_EMAIL, PLANT_EMAIL, OPERATOR_EMAIL):
        context = browser.new_context()
        sign_in(context.new_page(), address, f"{email}:{PASSWORD}")
        states[email] = context.storage_state()
        context.close()
    return states


def violations(page: Page) -> list[str]:
    """What axe finds on the page as it is shown now."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]


def watched(context: BrowserContext, address: str, complaints: list[str]) -> Page:
    """A page that notes errors of scripts and policy, and requests to anywhere else."""
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.on(
        "console",
        lambda message: (
            complaints.append(f"{page.url}: {message.text}")
            if message.type == "error" and "status of 40" not in message.text
            else None
        ),
    )
    page.on("request", lambda request: None if request.url.startswith(address) else complaints.append(request.url))
    return page


def test_no_page_is_forgotten(street: CommunityDay) -> None:
    app = application(street)
    addresses = app.url_map.bind("localhost")
    looked_at = {
        addresses.match(path.partition("?")[0])[0] for paths in PAGES.values() for path in paths if path != "/nowhere"
    }
    answering = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.rule.startswith(("/api/", "/assets/"))
    }
    assert answering - looked_at == NO_PAGES


@pytest.mark.parametrize("email", PAGES)
@pytest.mark.parametrize("look", SHOWN.values(), ids=SHOWN)
def test_every_page_is_accessible_quiet_and_as_wide_as_its_window(
    browser: Browser, address: str, sessions: dict[str, object], email: str, look: dict[str, object]
) -> None:
    complaints: list[str] = []
    context = browser.new_context(**look, storage_state=sessions[email], reduced_motion="reduce")
    page = watched(context, address, complaints)
    for path in PAGES[email]:
        page.goto(address + path)
        complaints += [f"{path} {violation}" for violation in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            complaints.append(f"{path} scrolls sideways")
    context.close()
    assert complaints == []


def test_open_tables_and_errors_of_forms_are_accessible_too(
    browser: Browser, address: str, sessions: dict[str, object]
) -> None:
    context = browser.new_context(**PHONE, storage_state=sessions[MEMBER_EMAIL])
    page = context.new_page()
    page.goto(f"{address}/home")
    for summary in page.get_by_text("Show as table").all():
        summary.click()
    assert violations(page) == []
    page.goto(f"{address}/orders")
    page.fill("#energy", "much")
    page.get_by_role("button", name="Place order").click()
    assert page.get_by_role("alert").inner_text() == "Type an energy in kWh, for example 1.5."
    assert violations(page) == []
    context.close()


def test_a_bill_is_verified_in_the_browser_and_both_verdicts_are_accessible(
    browser: Browser, address: str, sessions: dict[str, object], tmp_path: Path
) -> None:
    complaints: list[str] = []
    context = browser.new_context(**PHONE, storage_state=sessions[MEMBER_EMAIL])
    page = watched(context, address, complaints)
    page.goto(f"{address}/statements/2016-06")
    page.get_by_role("link", name="Verify this bill").click()
    page.get_by_role("button", name="Check this month").click()
    page.get_by_role("heading", name="Everything holds").wait_for()
    complaints += violations(page)
    with page.expect_download() as download:
        page.evaluate("location.assign('/statements/2016-06.json')")
    altered = tmp_path / "altered.json"
    document = json.loads(Path(download.value.path()).read_text())
    document["bill"]["total_cents"] -= 100
    altered.write_text(json.dumps(document))
    page.set_input_files("#statement", altered)
    page.get_by_role("button", name="Check this file").click()
    page.get_by_role("heading", name="Something does not hold").wait_for()
    assert "bill.total_cents" in page.get_by_role("status").inner_text()
    complaints += violations(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
    assert complaints == []


def test_the_home_page_is_light(browser: Browser, address: str, sessions: dict[str, object]) -> None:
    """What a first visit loads, compressed as a proxy does: fonts are so already. The chart is part of the page."""
    context = browser.new_context(**PHONE, storage_state=sessions[MEMBER_EMAIL])
    page = context.new_page()
    loaded: list[bytes] = []
    page.on("response", lambda response: loaded.append(response.body()))
    page.goto(f"{address}/home", wait_until="networkidle")
    context.close()
    assert len(loaded) >= 5
    assert sum(min(len(body), len(gzip.compress(body))) for body in loaded) <= 150_000


def test_the_tab_key_passes_every_control_of_a_page(
    browser: Browser, address: str, sessions: dict[str, object]
) -> None:
    context = browser.new_context(**DESKTOP, storage_state=sessions[MEMBER_EMAIL])
    page = context.new_page()
    for path in ("/home", "/orders", "/preferences"):
        page.goto(address + path)
        controls = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']"
        shown = page.locator(controls).locator("visible=true").count()
        # A group of radio buttons is one stop.
        groups = page.evaluate(
            "() => { const all = [...document.querySelectorAll('input[type=radio]')];"
            " return all.length - new Set(all.map((each) => each.name)).size; }"
        )
        reached = set()
        for _ in range(shown + 2):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        assert len(reached) >= shown - groups, path
    context.close()


def test_a_page_with_a_planted_fault_is_found(browser: Browser, address: str) -> None:
    context = browser.new_context(**PHONE)
    page = context.new_page()
    page.goto(address)
    faults = '<img src="/assets/img/mark.svg"><a href="#x"></a>'
    page.evaluate("faults => { document.querySelector('.hero').innerHTML += faults }", faults)
    assert {line.partition(":")[0] for line in violations(page)} >= {"image-alt", "link-name"}
    context.close()


def test_the_keyboard_reaches_the_content_first_and_reads_the_chart(
    browser: Browser, address: str, sessions: dict[str, object]
) -> None:
    context = browser.new_context(**DESKTOP, storage_state=sessions[MEMBER_EMAIL])
    page = context.new_page()
    page.goto(f"{address}/home?day=2016-06-14")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    page.locator("[data-readout]").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    readout = page.locator(".readout").first.inner_text()
    assert readout.startswith("00:30–00:45 · From neighbours 0.000 · From supplier")
    assert "reading" in str(page.locator("[data-readout]").first.get_attribute("class"))
    assert float(str(page.locator(".crosshair").first.get_attribute("x1"))) > 0
    context.close()


def test_the_theme_follows_the_system_until_it_is_chosen(
    browser: Browser, address: str, sessions: dict[str, object]
) -> None:
    context = browser.new_context(**DESKTOP, storage_state=sessions[MEMBER_EMAIL])
    page = context.new_page()
    background = "getComputedStyle(document.body).backgroundColor"
    page.goto(f"{address}/home")
    dark = page.evaluate(background)
    page.get_by_role("button", name="Switch between light and dark").click()
    light = page.evaluate(background)
    assert light != dark
    page.goto(f"{address}/prices")
    assert page.evaluate(background) == light
    assert violations(page) == []
    context.close()


def test_without_scripts_the_theme_and_every_form_still_work(
    browser: Browser, address: str, sessions: dict[str, object]
) -> None:
    context = browser.new_context(**PHONE, storage_state=sessions[MEMBER_EMAIL], java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/prices")
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.url == f"{address}/prices"
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("link", name="More").locator("visible=true").click()
    page.get_by_role("main").get_by_role("link", name="Preferences").click()
    assert page.locator("#buy_at_most").input_value() == "16.00"
    context.close()
