"""What everybody may see, what every page must keep to, and how the pages look before anything happened."""

import re
from pathlib import Path

import pytest
from flask import Flask

from app.access import Access, rule_of
from app.config import Settings
from app.factory import create_app
from app.platform import EXTENSION
from app.storage.database import open_database, reading, writing
from app.storage.store.community import Community, create_community
from app.storage.store.members import PARTICIPANTS, Participant, add_participant
from app.web.read_models.community import public_totals
from tests.app.community_day import FIRST_DAY, NOW, StandingClock
from tests.app.street_server import member
from tests.app.test_web_household import PAGES as HOUSEHOLD_PAGES
from tests.app.test_web_household import shown
from tests.app.test_web_operator import PAGES as OPERATOR_PAGES

SPAN = {"start_s": int(FIRST_DAY.timestamp()), "end_s": int(NOW.timestamp())}


def test_the_start_page_shows_totals_of_all_homes_together(street_app: Flask) -> None:
    page = shown(street_app.test_client().get("/").text)
    assert "Homes 8" in page
    assert re.search(r"Of what homes drew \d+% came from neighbours", page)
    assert "with solar" not in page  # four homes: too few to count apart


def test_totals_of_fewer_than_five_homes_are_told_to_nobody(own_street: Flask) -> None:
    engine = own_street.extensions[EXTENSION].engine
    with reading(engine) as connection:
        totals = public_totals(connection, **SPAN)
    assert totals.shared_wh > 0
    with writing(engine) as connection:
        connection.execute(
            PARTICIPANTS.update().where(PARTICIPANTS.c.id.in_(["M05", "M06", "M07", "M08"])).values(status="suspended")
        )
        assert public_totals(connection, **SPAN) is None
    assert "Figures follow" in own_street.test_client().get("/").text


def test_who_is_signed_in_goes_on_to_their_own_first_page(street_app: Flask) -> None:
    assert member(street_app, "M01").get("/").headers["Location"] == "/home"
    assert member(street_app, "OP").get("/").headers["Location"] == "/operator"


def test_the_glossary_explains_every_word_that_pages_point_to(street_app: Flask) -> None:
    page = street_app.test_client().get("/help").text
    assert {"clearing-price", "network-limit", "savings", "green-amber-red"} <= set(
        re.findall(r'<dt id="([\w-]+)"', page)
    )


def test_light_or_dark_is_remembered_without_scripts(street_app: Flask) -> None:
    client = street_app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/help").text)[1]
    chosen = client.post("/theme", data={"theme": "dark", "back": "/help", "csrf_token": token})
    assert (chosen.status_code, chosen.headers["Location"]) == (302, "/help")
    assert '<html lang="en" data-theme="dark">' in client.get("/help").text
    away = client.post("/theme", data={"theme": "light", "back": "//elsewhere.example", "csrf_token": token})
    assert away.headers["Location"] == "/"
    assert client.post("/theme", data={"theme": "pink", "csrf_token": token}).status_code == 400
    assert client.post("/theme", data={"theme": "dark"}).status_code == 400


@pytest.mark.parametrize(
    ("who", "path"),
    [
        *(("M01", path) for path in HOUSEHOLD_PAGES),
        *(("OP", path) for path in OPERATOR_PAGES),
        ("", "/"),
        ("", "/sign-in"),
    ],
)
def test_no_page_needs_an_inline_style_an_inline_script_or_another_site(street_app: Flask, who: str, path: str) -> None:
    client = member(street_app, who) if who else street_app.test_client()
    response = client.get(path)
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", response.text)
    assert not re.search(r"<script(?![^>]* src=)", response.text)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', response.text)


def test_assets_are_kept_for_good_under_an_address_with_their_version(street_app: Flask) -> None:
    client = street_app.test_client()
    page = client.get("/").text
    addresses = set(re.findall(r'(?:src|href)="(/assets/[^"#]+)', page))
    assert len(addresses) >= 4
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        if "v=" in address:
            assert "immutable" in answer.headers["Cache-Control"]
    assert "no-store" in client.get("/").headers["Cache-Control"]
    assert client.get("/assets/../factory.py").status_code == 404


def test_scripts_and_styles_weigh_little(street_app: Flask) -> None:
    client = street_app.test_client()
    addresses = set(re.findall(r'(?:src|href)="(/assets/[^"#]+)', member(street_app, "M01").get("/home").text))
    assert sum(len(client.get(address).data) for address in addresses) < 150_000  # not even compressed


def test_every_page_declares_who_may_open_it(street_app: Flask) -> None:
    rules = {
        "public": Access.PUBLIC,
        "assets": Access.PUBLIC,
        "household": Access.HOUSEHOLD,
        "operator": Access.OPERATOR,
    }
    pages = [name for name in street_app.view_functions if name.partition(".")[0] in rules]
    assert len(pages) > 30
    of_the_grid = dict.fromkeys(("operator.network", "operator.rounds", "operator.round_page"), Access.GRID)
    assert {name: rule_of(street_app, name) for name in pages} == {
        name: rules[name.partition(".")[0]] for name in pages
    } | of_the_grid


def test_an_address_that_leads_nowhere_says_so_in_the_sites_own_dress(street_app: Flask) -> None:
    lost = street_app.test_client().get("/nowhere")
    assert lost.status_code == 404
    assert "To the start page" in lost.text


@pytest.fixture
def new_app(tmp_path: Path) -> Flask:
    """A community on its first morning: two people, no meter, no tariff, no round."""
    engine = open_database(f"sqlite:///{tmp_path / 'new.sqlite'}")
    with writing(engine) as connection:
        create_community(connection, Community(id="new", name="Neubau", network="transformer:100", tie_seed="new"))
        add_participant(connection, Participant(id="M01", display_name="First home", lane=0))
        add_participant(connection, Participant(id="OP", display_name="Operator", role="operator"))
    settings = Settings(environment="local", state=tmp_path, database_url="", secret_key="new " * 12)
    return create_app(settings, engine, StandingClock(NOW))


@pytest.mark.parametrize("path", [path for path in HOUSEHOLD_PAGES if not path.startswith(("/why", "/statements/"))])
def test_a_household_page_without_data_says_what_will_come(new_app: Flask, path: str) -> None:
    response = member(new_app, "M01").get(path)
    assert response.status_code == 200
    assert "Simulated" not in response.text


@pytest.mark.parametrize("path", [path for path in OPERATOR_PAGES if "M03" not in path])
def test_an_operator_page_without_data_says_what_will_come(new_app: Flask, path: str) -> None:
    assert member(new_app, "OP").get(path).status_code == 200


def test_before_the_first_round_there_is_no_price_and_no_statement(new_app: Flask) -> None:
    client = member(new_app, "M01")
    assert client.get("/why").headers["Location"] == "/prices"
    assert "No prices on this day" in client.get("/prices").text
    assert "No meter is connected to your home yet" in client.get("/home").text
    assert client.get("/statements/2016-06").status_code == 404


def test_before_the_community_is_founded_the_start_page_still_opens(tmp_path: Path) -> None:
    settings = Settings(environment="local", state=tmp_path, database_url="", secret_key="none " * 12)
    app = create_app(settings, open_database(f"sqlite:///{tmp_path / 'empty.sqlite'}"), StandingClock(NOW))
    assert "This neighbourhood shares its solar power" in app.test_client().get("/").text
