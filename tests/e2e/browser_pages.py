"""The pages that a browser looks at, by who opens them, and the looks in which it does."""

from datetime import timedelta

from tests.app.community_day import FIRST_DAY, MEMBER_EMAIL, OPERATOR_EMAIL, PLANT_EMAIL
from tests.conftest import FULL

NOON_S = int((FIRST_DAY + timedelta(days=1, hours=13)).timestamp())
PAGES = {
    "": (
        "/",
        "/sign-in",
        "/sign-in/forgotten",
        "/sign-in/link/x",
        "/help",
        "/explorer",
        "/explorer?before=0",
        "/nowhere",
    ),
    MEMBER_EMAIL: (
        "/home",
        "/home?day=2016-06-14",
        "/home?day=2016-01-01",
        "/prices",
        f"/why/{NOON_S}",
        "/orders",
        "/preferences",
        "/devices",
        "/statements",
        "/statements/2016-06",
        "/statements/2016-06/origin",
        "/statements/2016-05/origin",
        "/history/2016-06-14",
        "/history/2016-06",
        "/history/2015",
        "/sharing",
        "/sharing/2016-01",
        "/data",
        "/notices",
        "/plan",
        "/account",
        "/verify",
        f"/follow/{NOON_S}",
        "/more",
        "/operator",
        "/password",
        "/security",
        "/security/tokens",
    ),
    PLANT_EMAIL: (f"/why/{NOON_S}", "/devices"),
    OPERATOR_EMAIL: (
        "/operator",
        f"/operator/network/{NOON_S}",
        "/operator/rounds",
        f"/operator/rounds/{NOON_S}",
        "/operator/devices",
        "/operator/settlement",
        "/operator/members",
        "/operator/members/M03",
        "/operator/members/add",
        "/operator/more",
        "/operator/audit",
        "/operator/tariffs",
        "/operator/audit?actor=nobody",
        "/treasury",
    ),
}
# What answers GET and is no page of its own: files, an answer for machines, and ways to a page above. Founding is
# walked through in tests/e2e/test_founding_walk.py: here the community is founded.
NO_PAGES = {
    "healthz",
    "public.verifier_script",
    "household.statement_pdf_file",
    "household.statement_csv_file",
    "household.statement_proof_file",
    "household.history",
    "household.history_csv_file",
    "household.follow",
    "household.own_data_file",
    "household.why_now",
    "operator.audit_file",
    "operator.member_file_example",
    "operator.members_file",
    "operator.founding",
    "operator.founding_example",
}
VIEWPORTS = {
    "phone": {"width": 360, "height": 740},
    "tablet": {"width": 820, "height": 1180},
    "desktop": {"width": 1280, "height": 860},
}
THEMES = ("light", "dark")
LOOKS = {
    f"{name}-{theme}": {"viewport": viewport, "color_scheme": theme, "locale": "en-IE"}
    for name, viewport in VIEWPORTS.items()
    for theme in THEMES
}
# German words are longer: what fits in them on a phone fits.
GERMAN = {"phone-german": {"viewport": VIEWPORTS["phone"], "color_scheme": "light", "locale": "de-DE"}}
PHONE, DESKTOP = LOOKS["phone-light"], LOOKS["desktop-dark"]
SHOWN = LOOKS | GERMAN if FULL else {"phone-light": PHONE, "desktop-dark": DESKTOP} | GERMAN
