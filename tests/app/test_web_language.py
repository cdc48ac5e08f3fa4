"""Readers choose their language, or their browser does; programs are answered in English."""

import re

import pytest
from flask.testing import FlaskClient

from app.languages import LANGUAGES, reader_language

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


def test_programs_are_answered_in_english(client: FlaskClient) -> None:
    english = client.get("/api/v1/nothing-here").json
    assert client.get("/api/v1/nothing-here", headers=GERMAN).json == english
