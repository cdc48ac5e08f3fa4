"""Tariffs in the browser: looked at first, from a day to come, never over settled time, and not undone by a start."""

import html
import io
import json
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app.audit import entries
from app.founding import configured, found
from app.storage.database import reading, writing
from app.storage.store.community import add_tariff, tariff_json_at, tariff_versions
from app.tariff_desk import bring_tariff, versions
from app.tariff_file import TariffVersion, tariff_toml
from app.worker import network_of
from contracts.tariff import Tariff
from tests.app.configurations import ANNA, BEN, COMMUNITY, settings_from
from tests.app.neighbourhood import DAY_S, NOON_S
from tests.app.street_server import member, post

PLACE = "/operator/tariffs"
JULY_S = 1_751_320_800  # 1 July 2025, midnight in Berlin
FIRST = Tariff(version="1")


def text_of(answer: TestResponse) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def starts(engine: Engine) -> list[int]:
    with reading(engine) as connection:
        return [start_s for start_s, _ in tariff_versions(connection)]


def form_of(page: str) -> dict[str, str]:
    """The form of a new version as the page fills it in."""
    inside = page[page.index('id="new"') :]
    found = re.findall(r'<input id="[^"]+" name="([^"]+)" type="(?:text|date)"[^>]*? value="([^"]*)"', inside)
    return {name: html.unescape(value) for name, value in found}


@pytest.fixture
def olga(web_app: Flask, community: Engine) -> FlaskClient:
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(FIRST.to_json()))
    return member(web_app, "olga")


def test_a_community_without_a_tariff_has_no_versions(community: Engine) -> None:
    with reading(community) as connection:
        assert versions(connection, now_s=JULY_S) == ()


def test_a_tariff_from_next_month_is_looked_at_and_then_stored(olga: FlaskClient, community: Engine) -> None:
    typed = form_of(olga.get(PLACE).text)
    assert typed["from_day"] == "2025-07-01"
    assert (typed["platform_fee_micro_per_kwh"], typed["vat.private.buying"]) == ("0.5", "20")
    changed = typed | {"version": "July", "grid_fee_micro_per_kwh": "8,25", "vat.private.buying": "19.5"}
    changed |= {"new_class": "farm", "vat.new.buying": "10", "vat.new.selling": "0"}
    looked = post(olga, PLACE, PLACE, changed)
    page = text_of(looked)
    assert "From 1 Jul 2025" in page
    assert "Grid fee 7.5 ct/kWh 8.25 ct/kWh" in page
    assert "VAT of private, buying 20 % 19.5 %" in page
    assert "VAT of farm, buying – 10 %" in page
    assert starts(community) == [0]
    document = html.unescape(re.search(r'name="document" value="([^"]*)"', looked.text)[1])
    post(olga, PLACE, f"{PLACE}/confirmed", {"document": document})
    assert "Tariff July is stored." in text_of(olga.get(PLACE))
    with reading(community) as connection:
        assert Tariff.from_json(tariff_json_at(connection, JULY_S - 1)) == FIRST
        assert Tariff.from_json(tariff_json_at(connection, JULY_S)).grid_fee_micro_per_kwh == 82_500
        newest = entries(connection, limit=1)[0]
    assert (newest.actor, newest.action, newest.subject) == ("olga", "tariff.added", "July")
    assert "grid_fee_micro_per_kwh 75000 to 82500" in newest.detail
    again = post(olga, PLACE, f"{PLACE}/confirmed", {"document": document})
    assert (again.status_code, starts(community)) == (422, [0, JULY_S])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"from_day": "2025-06-16"}, "a tariff never changes settled time"),
        ({"from_day": ""}, "Choose the day from which the tariff holds"),
        ({"grid_fee_micro_per_kwh": "much"}, "Type a rate in ct/kWh"),
        ({"grid_fee_locality_discount_percent": "120"}, "Type a share of 0 to 100 percent, whole ones."),
        ({"version": ""}, "name the version"),
        ({"platform_fee_micro_per_kwh": "0.5", "version": "1"}, "Nothing changes: this tariff is in force then."),
    ],
)
def test_what_cannot_be_is_told_and_what_was_typed_stays(
    olga: FlaskClient, community: Engine, wrong: dict[str, str], said: str
) -> None:
    typed = form_of(olga.get(PLACE).text) | {"version": "July", "levies_micro_per_kwh": "1.5"} | wrong
    answer = post(olga, PLACE, PLACE, typed)
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert 'name="levies_micro_per_kwh" type="text" inputmode="decimal" value="1.5"' in answer.text
    assert starts(community) == [0]


def test_a_class_that_members_have_must_stay(olga: FlaskClient, community: Engine) -> None:
    text = tariff_toml(FIRST).replace("[vat.private]", "[vat.noble]").replace('"1"', '"2"')
    answer = post(olga, PLACE, PLACE, {"file": (io.BytesIO(text.encode()), "tariff.toml")})
    assert "Vat: member anna has the class private, which this tariff lacks." in text_of(answer)


def test_a_file_is_looked_at_like_the_form(olga: FlaskClient, community: Engine) -> None:
    text = 'valid_from = "2025-07-01"\n' + tariff_toml(FIRST).replace("= 5000", "= 6000").replace('"1"', '"2"')
    answer = post(olga, PLACE, PLACE, {"file": (io.BytesIO(text.encode()), "tariff.toml")})
    assert "Platform fee 0.5 ct/kWh 0.6 ct/kWh" in text_of(answer)
    for content, said in ((b"\xff", "is not text in UTF-8"), (b"version = ", "is not TOML")):
        refused = post(olga, PLACE, PLACE, {"file": (io.BytesIO(content), "tariff.toml")})
        assert said in text_of(refused)


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"tariff": {}, "valid_from_s": 1}'])
def test_a_confirmation_that_was_tampered_with_is_refused(olga: FlaskClient, community: Engine, document: str) -> None:
    assert post(olga, PLACE, f"{PLACE}/confirmed", {"document": document}).status_code == 422
    assert starts(community) == [0]


def test_a_start_does_not_undo_what_operators_decided_in_the_browser(engine: Engine, tmp_path: Path) -> None:
    def start(now_s: int) -> tuple[str, ...]:
        settings = settings_from(tmp_path, COMMUNITY + ANNA + BEN)
        return found(engine, settings, network_of(configured(settings).network), now_s=now_s)

    start(NOON_S)
    later = TariffVersion(tariff=Tariff(version="2", levies_micro_per_kwh=20_000), valid_from_s=NOON_S + DAY_S)
    with writing(engine) as connection:
        bring_tariff(connection, later, actor="olga", now_s=NOON_S)
    assert start(NOON_S + 3_600) == ()
    before = starts(engine)
    told = "tariff default of the file held before tariff 2: it does not come back by a start, give it another version"
    assert start(NOON_S + 2 * DAY_S) == (f"{told} for that",)
    assert starts(engine) == before
