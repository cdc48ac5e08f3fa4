"""Readers choose their language, or their browser does; programs are answered in English."""

import re
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from app.languages import LANGUAGES, reader_language
from app.local_time import LocalMonth
from app.platform import EXTENSION
from app.statement_pdf import statement_html
from app.statements import statement_of
from app.storage.database import reading
from app.web.formats import Formats
from tests.app.street_server import member

GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


@pytest.mark.parametrize(
    ("chosen", "accepted", "default", "language"),
    [
        ("de", ["en"], "en", "de"),
        (None, ["fr", "de-CH", "en"], "en", "de"),
        (None, ["en-US", "de"], "de", "en"),
        (None, ["fr"], "de", "de"),
        (None, [], "en", "en"),
        ("xx", ["de"], "en", "de"),
    ],
)
def test_a_choice_stands_before_the_browser_and_the_browser_before_the_community(
    chosen: str | None, accepted: list[str], default: str, language: str
) -> None:
    assert reader_language(chosen, accepted, default) == language


def test_the_page_says_which_language_it_is_in(client: FlaskClient) -> None:
    assert '<html lang="en"' in client.get("/help").text
    assert '<html lang="de"' in client.get("/help", headers=GERMAN).text


def test_a_chosen_language_stays_and_leads_back_to_the_same_page(client: FlaskClient) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/help").text)[1]
    for tag in LANGUAGES:
        answer = client.post("/language", data={"language": tag, "back": "/help", "csrf_token": token})
        assert (answer.status_code, answer.location) == (302, "/help")
        assert f'<html lang="{tag}"' in client.get("/help", headers=GERMAN).text
    assert client.post("/language", data={"language": "xx", "csrf_token": token}).status_code == 400
    assert client.post("/language", data={"language": "de"}).status_code == 400


def test_a_german_reader_has_german_words_amounts_and_days(street_app: APIFlask) -> None:
    page = unescape(member(street_app, "M01").get("/statements/2016-06", headers=GERMAN).text)
    assert "<h1>Abrechnung von Juni 2016</h1>" in page
    assert "Energie von Nachbarn" in page
    assert re.search(r"€\s\d+,\d\d<", page)
    assert "Statement" not in page


def test_paper_is_in_the_language_of_its_reader(street_app: APIFlask) -> None:
    with reading(street_app.extensions[EXTENSION].engine) as connection:
        june = LocalMonth.parse("2016-06", ZoneInfo("Europe/Berlin"))
        statement = statement_of(connection, "M01", june, now_s=june.start_s + 15 * 86_400)
    for locale, heading in (("en_IE", "Statement of June 2016"), ("de_DE", "Abrechnung von Juni 2016")):
        paper = statement_html(statement, Formats(locale=locale, zone=june.zone, currency="EUR"), now_s=0)
        assert f"<h1>{heading}</h1>" in paper
        assert f'<html lang="{locale[:2]}">' in paper


def test_programs_are_answered_in_english(client: FlaskClient) -> None:
    english = client.get("/api/v1/nothing-here").json
    assert client.get("/api/v1/nothing-here", headers=GERMAN).json == english
