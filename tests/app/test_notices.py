"""Notices: a new invoice, a payment that is due, a silent or doubted meter and refused orders, told once."""

import html
import re
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Engine, select

from app.mail import LETTERS
from app.notices import SILENT_S, Notice, notices_of, post_notices
from app.storage.database import reading, writing
from app.storage.ingest import ingest_batches
from app.storage.store.findings import DayFinding, replace_findings
from app.storage.store.member_choices import MemberChoice, choice_of, choices_by_mail, save_choice
from tests.app.neighbourhood import DAY_S, NOON_S, StandingClock, as_json, readings_from, signed
from tests.app.street_server import member, post
from tests.app.two_invoices import BELA, owe, pay


def shown(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def told(engine: Engine, name: str, *, now_s: int = NOON_S) -> list[Notice]:
    with reading(engine) as connection:
        return list(notices_of(connection, name, now_s=now_s))


def test_an_invoice_is_told_and_so_is_what_is_due_until_it_is_paid(invoiced: Engine) -> None:
    assert [(each.kind, each.cents) for each in told(invoiced, "bela")] == [("due", 2_570), ("statement", 2_570)]
    assert [(each.kind, each.cents) for each in told(invoiced, "anna")] == [("credit", -1_631)]
    pay(invoiced, BELA, 1_000)
    assert [(each.kind, each.cents) for each in told(invoiced, "bela")] == [("due", 1_570), ("statement", 2_570)]
    pay(invoiced, BELA)
    assert [each.kind for each in told(invoiced, "bela")] == ["statement"]
    assert told(invoiced, "bela", now_s=NOON_S + 90 * DAY_S) == []


def test_who_owes_more_than_the_credit_limit_hears_why_orders_are_refused(invoiced: Engine) -> None:
    with writing(invoiced) as connection:
        owe(connection, "bela", 1_000_000)
    (refused,) = (each for each in told(invoiced, "bela") if each.kind == "refused")
    assert refused.stands
    assert refused.cents > 0
    assert not [each for each in told(invoiced, "anna") if each.kind == "refused"]


def test_a_meter_is_silent_after_hours_and_no_more_when_it_is_heard_again(community: Engine) -> None:
    first = signed(readings_from([(1_000, 0)]))
    ingest_batches(community, {"batches": [as_json(first)]}, StandingClock(NOON_S)())
    assert told(community, "anna", now_s=NOON_S + SILENT_S) == []
    (silent,) = told(community, "anna", now_s=NOON_S + SILENT_S + 1)
    assert (silent.kind, silent.since_s, silent.device) == ("silent", NOON_S, "d-anna")
    assert told(community, "bela", now_s=NOON_S + 2 * SILENT_S) == []


def test_a_day_in_doubt_is_told_once_whatever_number_of_rules_doubt_it(community: Engine) -> None:
    finding = DayFinding(
        metering_point_id="mp-anna",
        day="2025-06-15",
        rule="both_ways",
        start_s=NOON_S - DAY_S,
        end_s=NOON_S,
        message="",
        version=1,
        doubts=True,
        found_s=NOON_S - 60,
    )
    with writing(community) as connection:
        replace_findings(connection, finding.day, [finding, replace(finding, rule="above_rating", found_s=NOON_S - 30)])
    assert [(each.kind, each.at_s, each.day) for each in told(community, "anna")] == [
        ("doubted", NOON_S - 60, "2025-06-15")
    ]


def test_the_bell_counts_what_is_new_until_it_is_read(web_app: Flask, invoiced: Engine) -> None:
    browser = member(web_app, "bela")
    assert 'aria-label="2 new notices"' in browser.get("/home").text
    page = shown(browser.get("/notices").text)
    assert "€25.70 is due for May 2025." in page
    assert page.count("New") == 2
    assert "Your community has no mail server" in page
    assert post(browser, "/notices", "/notices/read", {}).status_code == 302
    assert "new notices" not in browser.get("/home").text
    assert "€25.70 is due for May 2025." in shown(browser.get("/notices").text)
    assert 'aria-label="1 new notice"' in member(web_app, "anna").get("/home").text
    assert browser.post("/notices/read").status_code == 400


def test_letters_go_to_who_wants_them_once_and_only_about_what_came_since(invoiced: Engine) -> None:
    def letters() -> list[tuple[str, str, str]]:
        with reading(invoiced) as connection:
            query = select(LETTERS.c.to_address, LETTERS.c.subject, LETTERS.c.text)
            return [tuple(row) for row in connection.execute(query)]

    assert post_notices(invoiced, base_url="https://x", language="en", now_s=NOON_S) == 0
    with writing(invoiced) as connection:
        save_choice(connection, MemberChoice(participant_id="bela", by_mail=True, mailed_s=NOON_S - 2 * DAY_S))
        save_choice(connection, MemberChoice(participant_id="anna", by_mail=True, mailed_s=NOON_S))
    assert post_notices(invoiced, base_url="https://x", language="en", now_s=NOON_S) == 1
    ((to, subject, text),) = letters()
    assert to == "bela@example.org"
    assert subject == "Hill Road: There is news about your home."
    assert "- €25.70 is due for May 2025." in text
    assert "https://x/notices" in text
    assert post_notices(invoiced, base_url="https://x", language="en", now_s=NOON_S + 60) == 0
    assert len(letters()) == 1


def test_choosing_letters_starts_with_what_comes_next(web_app: Flask, invoiced: Engine) -> None:
    browser = member(web_app, "bela")
    post(browser, "/notices", "/notices/mail", {"by_mail": "yes"})
    with reading(invoiced) as connection:
        assert [each.participant_id for each in choices_by_mail(connection)] == ["bela"]
        assert choice_of(connection, "bela").mailed_s == NOON_S
    assert post_notices(invoiced, base_url="https://x", language="en", now_s=NOON_S + 60) == 0
    post(browser, "/notices", "/notices/mail", {"by_mail": "no"})
    with reading(invoiced) as connection:
        assert choices_by_mail(connection) == ()


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_page_opens_in_every_language_without_notices(web_app: Flask, language: str) -> None:
    answer = member(web_app, "anna").get("/notices", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert f'<html lang="{language}"' in answer.text
