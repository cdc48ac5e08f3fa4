"""Sessions are rows: listed, ended one by one or all, and a cookie whose row has gone opens nothing.

ASVS v5.0.0-7.2.4 (a new session at each sign-in), v5.0.0-7.3.1 and v5.0.0-7.3.2 (sessions end by themselves),
v5.0.0-7.4.1 (what is signed out is worthless), v5.0.0-7.4.3 (a changed password ends the others),
v5.0.0-7.5.2 (a list).
"""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, select

from app.audit import entries
from app.auth import set_password
from app.browser_names import browser_name
from app.sign_ins import LONGEST_S, SIGN_INS
from app.storage.database import reading, writing
from tests.app.neighbourhood import StandingClock

PASSWORD = "seven-green-kettles"  # pragma: allowlist secret
HOUR_S = 3600
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
CHROMIUM = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def app(web_app: Flask, community: Engine) -> Flask:
    with writing(community) as connection:
        set_password(connection, "anna", PASSWORD)
        set_password(connection, "bela", PASSWORD + "!")
    return web_app


def _csrf(client: FlaskClient) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found is not None
    return found[1]


def _browser(app: Flask, *, agent: str = FIREFOX, name: str = "anna", password: str = PASSWORD) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_USER_AGENT"] = agent
    form = {"email": f"{name}@example.org", "password": password, "csrf_token": _csrf(client)}
    assert client.post("/sign-in", data=form).status_code == 302
    return client


def _is_in(client: FlaskClient) -> bool:
    return client.get("/api/v1/me").status_code == 200


def _post(client: FlaskClient, path: str, **values: str) -> int:
    return client.post(path, data={"csrf_token": _csrf(client)} | values).status_code


def _cookie(client: FlaskClient) -> str:
    cookie = client.get_cookie("commonwatt_session")
    assert cookie is not None
    return cookie.value


def _with_cookie(app: Flask, value: str) -> FlaskClient:
    thief = app.test_client()
    thief.set_cookie("commonwatt_session", value)
    return thief


def _ids(client: FlaskClient) -> dict[bool, str]:
    """The sessions on the page, by whether one is of this browser; of several others the last."""
    forms = re.findall(
        r'/security/browsers/([0-9a-f]+)/end">.*?<button[^>]*>(.*?)</button>', client.get("/security").text
    )
    return {"Sign out here" in button: sign_in_id for sign_in_id, button in forms}


def test_a_stolen_cookie_is_worthless_after_its_owner_signs_out(app: Flask) -> None:
    anna = _browser(app)
    thief = _with_cookie(app, _cookie(anna))
    assert _is_in(thief)
    _post(anna, "/sign-out")
    assert not _is_in(thief)
    assert not _is_in(anna)


def test_the_page_lists_where_somebody_is_signed_in_in_plain_words(app: Flask, clock: StandingClock) -> None:
    laptop = _browser(app)
    clock.now_s += HOUR_S
    _browser(app, agent=IPHONE)
    _browser(app, name="bela", password=PASSWORD + "!")
    page = laptop.get("/security").text
    assert "Firefox, Linux" in page
    assert "Safari, iPhone" in page
    assert page.count('/end">') == 2
    assert page.count("This browser") == 1


def test_one_browser_can_be_signed_out_from_another_and_nobody_elses(app: Flask, community: Engine) -> None:
    laptop, phone = _browser(app), _browser(app, agent=IPHONE)
    bela = _browser(app, name="bela", password=PASSWORD + "!")
    assert _post(laptop, f"/security/browsers/{_ids(bela)[True]}/end") == 404
    assert _is_in(bela)
    assert _post(laptop, f"/security/browsers/{_ids(laptop)[False]}/end") == 302
    assert not _is_in(phone)
    assert _is_in(laptop)
    with reading(community) as connection:
        assert entries(connection)[0].action == "signed out elsewhere"
    assert _post(laptop, f"/security/browsers/{_ids(laptop)[True]}/end") == 302
    assert not _is_in(laptop)


def test_everywhere_else_means_all_but_this_browser_of_this_person(app: Flask) -> None:
    here, phone, tablet = _browser(app), _browser(app, agent=IPHONE), _browser(app)
    bela = _browser(app, name="bela", password=PASSWORD + "!")
    assert _post(here, "/security/browsers/end-others") == 302
    assert [_is_in(each) for each in (here, phone, tablet, bela)] == [True, False, False, True]


def test_a_changed_password_ends_the_other_sessions_and_makes_this_one_anew(app: Flask) -> None:
    here, phone = _browser(app), _browser(app, agent=IPHONE)
    before = _cookie(here)
    assert _post(here, "/password", password="nine-blue-kettles") == 302  # pragma: allowlist secret
    assert _is_in(here)
    assert not _is_in(phone)
    assert not _is_in(_with_cookie(app, before))


def test_a_session_that_was_there_before_the_sign_in_is_not_signed_in_by_it(app: Flask) -> None:
    """Fixation: somebody plants a cookie of their own making or having in a browser that then signs in."""
    attacker = app.test_client()
    attacker.get("/sign-in")
    planted = _cookie(attacker)
    victim = app.test_client()
    victim.set_cookie("commonwatt_session", planted)
    form = {"email": "anna@example.org", "password": PASSWORD, "csrf_token": _csrf(victim)}
    assert victim.post("/sign-in", data=form).status_code == 302
    assert _is_in(victim)
    assert not _is_in(attacker)
    assert not _is_in(_with_cookie(app, planted))


def test_signing_in_again_ends_what_this_browser_was_before(app: Flask) -> None:
    anna = _browser(app)
    before = _cookie(anna)
    form = {"email": "bela@example.org", "password": PASSWORD + "!", "csrf_token": _csrf(anna)}
    assert anna.post("/sign-in", data=form).status_code == 302
    assert not _is_in(_with_cookie(app, before))


def test_a_session_ends_when_nothing_comes_for_long_and_after_a_month_in_any_case(
    app: Flask, clock: StandingClock
) -> None:
    idle, busy = _browser(app), _browser(app)
    began_s = clock.now_s
    clock.now_s += 11 * HOUR_S
    assert _is_in(busy)
    clock.now_s += HOUR_S
    assert not _is_in(idle)
    assert _is_in(busy)
    while clock.now_s < began_s + LONGEST_S - 11 * HOUR_S:
        clock.now_s += 11 * HOUR_S
        assert _is_in(busy)
    clock.now_s += 11 * HOUR_S
    assert not _is_in(busy)


def test_the_database_does_not_know_what_a_cookie_says(app: Flask, community: Engine) -> None:
    anna = _browser(app)
    with anna.session_transaction() as session:
        secret = str(session["_user_id"])
    with reading(community) as connection:
        (stored,) = connection.execute(select(SIGN_INS.c.secret_hash)).scalars()
    assert secret not in stored
    assert len(secret) >= 43  # 256 bits: v5.0.0-7.2.3
    assert not any(name in secret for name in ("anna", "example"))


def test_forms_of_the_page_from_elsewhere_are_refused(app: Flask) -> None:
    anna = _browser(app)
    for path in ("/security/browsers/end-others", "/security/browsers/x/end", "/security/tokens"):
        assert anna.post(path).status_code == 400
    assert _is_in(anna)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox, Linux"),
        (IPHONE, "Safari, iPhone"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROMIUM} Safari/537.36 Edg/142.0.0.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Linux; Android 15; Pixel 9) {CHROMIUM} Mobile Safari/537.36", "Chrome, Android"),
        ("curl/8.5", ""),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_browsers_are_called_what_people_call_them(agent: str, words: str) -> None:
    assert browser_name(agent) == words


def test_a_token_is_made_on_the_page_shown_once_and_revoked(app: Flask) -> None:
    anna = _browser(app)
    form = {"csrf_token": _csrf(anna), "name": "Charger", "scope": ["own:read", "own:trade"], "days": "30"}
    page = anna.post("/security/tokens", data=form).text
    token = re.search(r"<code>([A-Za-z0-9_-]{43})</code>", page)
    assert token is not None
    program = app.test_client()
    headers = {"Authorization": f"Bearer {token[1]}"}
    assert program.get("/api/v1/me", headers=headers).status_code == 200
    listed = anna.get("/security/tokens").text
    assert "Charger" in listed
    assert token[1] not in listed
    for wrong in ({"scope": []}, {"scope": ["operator:write"]}, {"name": " "}, {"days": "4000"}, {"days": "x"}):
        assert anna.post("/security/tokens", data=form | wrong).status_code == 400, wrong
    (token_id,) = re.findall(r"/security/tokens/([0-9a-f]+)/revoke", anna.get("/security/tokens").text)
    assert _post(_browser(app, name="bela", password=PASSWORD + "!"), f"/security/tokens/{token_id}/revoke") == 404
    assert _post(anna, f"/security/tokens/{token_id}/revoke") == 302
    assert program.get("/api/v1/me", headers=headers).status_code == 401
