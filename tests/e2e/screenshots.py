"""Pictures of the main pages for the documents.

python tests/e2e/screenshots.py [ADDRESS MEMBER_EMAIL:PASSWORD OPERATOR_EMAIL:PASSWORD] [--out DIR] [--only NAME]

With an address of a running community it shows that one, without it the small community of the tests.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PHONE, DESKTOP = (390, 844), (1280, 860)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture: which page as whom, links clicked on the way, how wide, which theme, all of it or one screen."""

    name: str
    path: str
    role: str = ""
    click: tuple[str, ...] = ()
    size: tuple[int, int] = DESKTOP
    theme: str = "light"
    whole: bool = True


SHOTS = (
    Shot(name="start", path="/", whole=False),
    Shot(name="start-phone-dark", path="/", size=PHONE, theme="dark"),
    Shot(name="sign-in-phone", path="/sign-in", size=PHONE, whole=False),
    Shot(name="help", path="/help"),
    Shot(name="home", path="/home", role="member"),
    Shot(name="home-phone", path="/home", role="member", size=PHONE),
    Shot(name="home-phone-dark", path="/home", role="member", size=PHONE, theme="dark"),
    Shot(name="home-yesterday", path="/home", role="member", click=("Previous day",)),
    Shot(name="prices", path="/prices", role="member", whole=False),
    Shot(name="why", path="/why", role="member"),
    Shot(name="why-phone-dark", path="/why", role="member", size=PHONE, theme="dark"),
    Shot(name="orders", path="/orders", role="member", whole=False),
    Shot(name="orders-phone", path="/orders", role="member", size=PHONE, whole=False),
    Shot(name="preferences-phone", path="/preferences", role="member", size=PHONE),
    Shot(name="statements", path="/statements", role="member", whole=False),
    Shot(name="statement", path="/home", role="member", click=("Open the statement",)),
    Shot(name="statement-phone", path="/home", role="member", click=("Open the statement",), size=PHONE),
    Shot(name="history", path="/history", role="member", click=("Day",)),
    Shot(name="history-phone", path="/history", role="member", click=("Day",), size=PHONE),
    Shot(name="sharing", path="/sharing", role="member"),
    Shot(name="sharing-phone", path="/sharing", role="member", size=PHONE),
    Shot(name="data-phone", path="/data", role="member", size=PHONE),
    Shot(name="follow", path="/follow", role="member"),
    Shot(name="devices-phone", path="/devices", role="member", size=PHONE),
    Shot(name="more-phone", path="/more", role="member", size=PHONE, whole=False),
    Shot(name="operator", path="/operator", role="operator", whole=False),
    Shot(name="operator-phone", path="/operator", role="operator", size=PHONE),
    Shot(name="network", path="/operator/network", role="operator", click=("Tightest round",)),
    Shot(name="network-dark", path="/operator/network", role="operator", click=("Tightest round",), theme="dark"),
    Shot(name="round", path="/operator/network", role="operator", click=("Tightest round", "Open the round")),
    Shot(name="rounds", path="/operator/rounds", role="operator", whole=False),
    Shot(name="gateways", path="/operator/devices", role="operator"),
    Shot(name="settlement", path="/operator/settlement", role="operator", whole=False),
    Shot(name="members", path="/operator/members", role="operator", whole=False),
)


def sign_in(page: Page, address: str, account: str) -> None:
    """Sign in through the form; `account` is EMAIL:PASSWORD."""
    email, _, password = account.partition(":")
    page.goto(f"{address}/sign-in")
    page.fill("#email", email)
    page.fill("#password", password)
    page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def take(browser: Browser, address: str, accounts: dict[str, str], out: Path, wanted: tuple[Shot, ...] = SHOTS) -> None:
    """Take the pictures into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    states: dict[str, dict[str, object]] = {}
    for shot in wanted:
        width, height = shot.size
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=shot.theme,
            locale="en-IE",
            device_scale_factor=2 if shot.size == PHONE else 1,
            reduced_motion="reduce",
            storage_state=states.get(shot.role),
        )
        page = context.new_page()
        if shot.role and shot.role not in states:
            sign_in(page, address, accounts[shot.role])
            states[shot.role] = json.loads(json.dumps(context.storage_state()))
        page.goto(address + shot.path)
        for text in shot.click:
            page.get_by_role("main").get_by_role("link", name=text).first.click()
        page.wait_for_load_state("networkidle")
        if shot.whole and shot.size == PHONE:
            # As high as the page, so that the bar that sticks to the window's lower edge stands at the page's own.
            page.set_viewport_size({"width": width, "height": page.evaluate("document.documentElement.scrollHeight")})
        page.screenshot(path=out / f"{shot.name}.png", full_page=shot.whole)
        context.close()


def main() -> None:
    """Parse the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="?")
    parser.add_argument("member", nargs="?")
    parser.add_argument("operator", nargs="?")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "docs" / "images")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--state", type=Path, help="folder of a community of the tests that was built before")
    given = parser.parse_args()
    wanted = tuple(shot for shot in SHOTS if not given.only or shot.name in given.only)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        if given.address:
            take(browser, given.address, {"member": given.member, "operator": given.operator}, given.out, wanted)
        else:
            _take_of_tests(browser, given.state, given.out, wanted)
        browser.close()


def _take_of_tests(browser: Browser, state: Path | None, out: Path, wanted: tuple[Shot, ...]) -> None:
    sys.path.insert(0, str(HERE.parents[1]))
    from tests.app import community_day
    from tests.app.street_server import serving

    with tempfile.TemporaryDirectory() as folder:
        if state is None:
            day = community_day.build(Path(folder))
        else:
            files = {"database": state / "community.sqlite", "chain": state / "chain"}
            day = community_day.CommunityDay(**files, now=community_day.NOW)
        accounts = {
            "member": f"{community_day.MEMBER_EMAIL}:{community_day.PASSWORD}",
            "operator": f"{community_day.OPERATOR_EMAIL}:{community_day.PASSWORD}",
        }
        with serving(day) as address:
            take(browser, address, accounts, out, wanted)


if __name__ == "__main__":
    main()
