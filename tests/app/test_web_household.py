"""What a member sees of two days in the street, and that nobody else sees it."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.platform import EXTENSION
from app.storage.database import reading
from app.storage.store.community import envelopes
from app.storage.store.rounds import rounds_between, set_points_of, trades_of
from app.storage.store.settlement import allocations_between, balance_of
from app.web.formats import Formats, whole_cents
from contracts.transfers import member_account
from tests.app.community_day import FIRST_DAY, NOW, SLOT_S, ZONE
from tests.app.street_server import member

BERLIN_FORMATS = Formats(locale="en_IE", zone=ZONE, currency="EUR")
YESTERDAY = FIRST_DAY + timedelta(days=1)
YESTERDAY_S, TODAY_S = int(YESTERDAY.timestamp()), int((FIRST_DAY + timedelta(days=2)).timestamp())
PAGES = (
    "/home",
    f"/home?day={YESTERDAY:%Y-%m-%d}",
    "/prices",
    f"/why/{YESTERDAY_S + 13 * 3600}",
    "/orders",
    "/preferences",
    "/devices",
    "/statements",
    "/statements/2016-06",
    "/statements/2016-06/origin",
    "/history",
    "/history/2016-06-14",
    "/history/2016",
    "/sharing/2016-06",
    "/data",
    "/notices",
    "/plan",
    f"/follow/{YESTERDAY_S + 13 * 3600}",
    "/more",
    "/help",
)


def engine_of(app: Flask) -> Engine:
    engine: Engine = app.extensions[EXTENSION].engine
    return engine


def shown(page: str) -> str:
    """The page's words without markup."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize("path", PAGES)
def test_every_page_of_a_household_opens_and_says_that_the_day_is_simulated(street_app: Flask, path: str) -> None:
    response = member(street_app, "M01").get(path)
    assert response.status_code == 200
    assert "Simulated, Wed 15 Jun 2016" in shown(response.text)


def test_home_shows_the_days_energy_as_it_was_settled(street_app: Flask) -> None:
    with reading(engine_of(street_app)) as connection:
        own = allocations_between(connection, start_s=YESTERDAY_S, end_s=TODAY_S, points=["MP-M02"])
    bought_kwh = sum(row.bought_wh for row in own) / 1000
    page = shown(member(street_app, "M02").get(f"/home?day={YESTERDAY:%Y-%m-%d}").text)
    assert bought_kwh > 1
    assert f"From neighbours {bought_kwh:.2f} kWh" in page
    assert "will be settled after midnight" in page  # the intervals of the night had no round


def test_home_of_today_counts_what_the_trades_promise_as_far_as_it_was_metered(street_app: Flask) -> None:
    page = shown(member(street_app, "M02").get("/home").text)
    promised = float(re.search(r"From neighbours ([\d.]+) kWh", page)[1])
    assert promised > 0
    assert "The day will be settled after midnight" in page
    assert "Data complete" in page


def test_home_shows_the_balance_of_the_ledger_to_the_cent(street_app: Flask) -> None:
    with reading(engine_of(street_app)) as connection:
        cents = whole_cents(balance_of(connection, member_account("M02")))
    assert cents < 0
    assert f"Balance −€{-cents / 100:.2f} to be paid" in shown(member(street_app, "M02").get("/home").text)


def test_home_tells_the_price_of_now_and_of_the_next_interval(street_app: Flask) -> None:
    with reading(engine_of(street_app)) as connection:
        current_s = int(NOW.timestamp()) // SLOT_S * SLOT_S
        now, following = rounds_between(connection, start_s=current_s, end_s=current_s + 2 * SLOT_S)
    page = shown(member(street_app, "M01").get("/home").text)
    assert f"18:30–18:45, now {now.clearing_price_micro_per_kwh / 10_000:.2f} ct/kWh" in page
    assert f"Next, 18:45–19:00: {following.clearing_price_micro_per_kwh / 10_000:.2f}" in page


def test_a_day_that_is_none_or_far_away_is_not_found(street_app: Flask) -> None:
    client = member(street_app, "M01")
    assert client.get("/home?day=yesterday").status_code == 404
    assert client.get("/home?day=9999-12-31").status_code == 404
    assert client.get("/home?day=2015-01-01").status_code == 200


def amber_start_s(app: Flask) -> int:
    with reading(engine_of(app)) as connection:
        found = rounds_between(connection, start_s=YESTERDAY_S, end_s=TODAY_S)
    return next(each.start_s for each in found if each.status == "amber" and each.traded_wh)


def test_why_names_the_element_that_limited_and_draws_both_curves(street_app: Flask) -> None:
    response = member(street_app, "M05").get(f"/why/{amber_start_s(street_app)}")
    page = shown(response.text)
    assert "Lindenweg station : it was full (100.0%)" in page
    assert 'class="stroke-demand" d="M' in response.text
    assert 'class="stroke-supply" d="M' in response.text
    assert "Your part You offered" in page


def test_why_tells_a_plant_what_it_may_feed_in_and_which_limit_stops_it(street_app: Flask) -> None:
    start_s = amber_start_s(street_app)
    page = shown(member(street_app, "M05").get(f"/why/{start_s}").text)
    with reading(engine_of(street_app)) as connection:
        told = {each.metering_point_id: each for each in set_points_of(connection, start_s)}
        (published,) = envelopes(connection, start_s=start_s, end_s=start_s + 1, points=["MP-M05"])
    limit_w = told["MP-M05"].generation_limit_w
    assert limit_w == published.export_limit_w < 12_000, "what is published is what the inverter is told"
    span = f"between {BERLIN_FORMATS.time(start_s)} and {BERLIN_FORMATS.time(start_s + SLOT_S)}"
    assert f"You may feed in up to {limit_w // 100 / 10} kW {span}, of 12.0 kW that your plant can give" in page
    assert "because the transformer Lindenweg station would carry too much if the plants behind it fed in more" in page
    others = shown(member(street_app, "M02").get(f"/why/{start_s}").text)
    assert "You may feed in" not in others


def test_why_tells_who_was_held_back_by_how_much_and_what_that_is_worth(street_app: Flask) -> None:
    start_s = amber_start_s(street_app)
    with reading(engine_of(street_app)) as connection:
        held_back = {each.order_id[:6]: each.curtailed_wh for each in trades_of(connection, start_s)}
    for home in ("M03", "M05"):
        page = shown(member(street_app, home).get(f"/why/{start_s}").text)
        wh = held_back[f"MP-{home}"]
        told = f"The network had no room for {BERLIN_FORMATS.energy(wh)} of your solar, worth {wh * 0.007:.3f} ct"
        assert (told.replace("\N{NO-BREAK SPACE}", " ") in page) == (wh > 0)
    assert max(held_back.values()) > 0


def test_devices_tell_what_may_be_fed_in_in_the_next_intervals(street_app: Flask) -> None:
    page = shown(member(street_app, "M05").get("/devices").text)
    assert re.search(
        r"You may feed in up to \d+\.\d kW between 18:30 and 18:45, of 12\.0 kW that your plant can give", page
    )
    assert page.count("You may feed in up to") == 5, "this interval and four that were announced"
    assert "You may feed in" not in shown(member(street_app, "M02").get("/devices").text)


def test_why_compares_the_own_limit_with_the_price(street_app: Flask) -> None:
    page = shown(member(street_app, "M02").get(f"/why/{amber_start_s(street_app)}").text)
    assert "You were ready to pay up to 16.00 ct/kWh and pay" in page


def test_the_book_of_an_open_round_stays_sealed(street_app: Flask) -> None:
    open_s = int(NOW.timestamp()) // SLOT_S * SLOT_S + 3 * SLOT_S
    page = member(street_app, "M01").get(f"/why/{open_s}").text
    assert "This round is still open" in page
    assert "stroke-demand" not in page


def test_the_book_tells_no_name_and_no_connection_of_others(street_app: Flask) -> None:
    page = member(street_app, "M02").get(f"/why/{amber_start_s(street_app)}").text
    assert not re.search(r"M0[1345678]|Home [1345678]", page)


def test_why_is_not_found_where_there_is_no_round_or_no_interval(street_app: Flask) -> None:
    client = member(street_app, "M01")
    assert client.get(f"/why/{YESTERDAY_S + 3 * 3600}").status_code == 404
    assert client.get(f"/why/{YESTERDAY_S + 1}").status_code == 404
    assert client.get("/why/99999999999999999999").status_code == 404


def test_devices_show_health_and_how_much_of_the_day_arrived(street_app: Flask) -> None:
    page = shown(member(street_app, "M03").get("/devices").text)
    assert "Meter D-M03 Reporting Readings today 74 of 74 96 in the whole day" in page
    assert "Battery 8.0 kWh" in page
    assert "D-M01" not in page


def test_follow_walks_from_the_registers_to_the_root_in_the_ledger(street_app: Flask) -> None:
    page = shown(member(street_app, "M02").get(f"/follow/{amber_start_s(street_app)}").text)
    assert "Meter D-M02, reading" in page
    assert "Placed by your agent" in page
    assert "Energy from neighbours" in page
    assert "Batch 1, final" in page
    assert "Checked now Your fingerprint and those of the 7 other members give exactly the root" in page


def test_follow_of_an_interval_that_is_not_over_waits_at_every_step(street_app: Flask) -> None:
    page = shown(member(street_app, "M02").get(f"/follow/{int(NOW.timestamp()) // SLOT_S * SLOT_S + 4 * SLOT_S}").text)
    assert "No reading of this interval has arrived yet" in page
    assert "has not been cleared yet" in page
    assert "Nothing has been settled" in page


def test_follow_leads_to_the_newest_interval_with_a_trade(street_app: Flask) -> None:
    response = member(street_app, "M02").get("/follow")
    start_s = int(response.headers["Location"].rpartition("/")[2])
    assert YESTERDAY_S <= start_s < TODAY_S
    assert datetime.fromtimestamp(start_s, UTC).minute % 15 == 0


def test_no_page_of_a_household_shows_anything_of_another(street_app: Flask) -> None:
    own, others = member(street_app, "M02"), re.compile(r"\bM0[13-8]\b|MP-M0[13-8]|D-M0[13-8]|Home [13-8]\b")
    for path in PAGES:
        assert not others.search(own.get(path).text), path


FILES = ("/statements/2016-06.pdf", "/statements/2016-06.csv", "/statements/2016-06.json")


@pytest.mark.parametrize("path", [*PAGES[:-1], *FILES, "/follow", "/why"])
def test_household_pages_are_for_members_alone(street_app: Flask, path: str) -> None:
    stranger = street_app.test_client().get(path)
    assert stranger.status_code == 302
    assert stranger.headers["Location"].startswith("/sign-in?next=")
    assert member(street_app, "OP").get(path).status_code == 403
