"""Looking back: hours, days, months and years that add up, to the cent of the statement, on days of any length."""

import csv
import html
import io
import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.history import History, history_of
from app.local_time import LocalMonth
from app.periods import Period, PeriodKind
from app.statement_pdf import statement_html
from app.statements import Statement, statement_csv, statement_of
from app.storage.database import reading
from app.web.formats import Formats
from tests.app.neighbourhood import StandingClock, token_for
from tests.app.settled_year import Metered, carry, clear_all, settle, tariffs
from tests.app.street_server import member

BERLIN = ZoneInfo("Europe/Berlin")
EURO = Formats(locale="en_IE", zone=BERLIN, currency="EUR")
NEW_YEAR_S = int(datetime(2026, 1, 2, tzinfo=BERLIN).timestamp())
# Quarter hours on both sides of: spring forward, fall back, ends of months, the year's ends.
EDGES = (
    datetime(2025, 1, 1, tzinfo=BERLIN),
    datetime(2025, 3, 1, tzinfo=BERLIN),
    datetime(2025, 3, 30, 1, tzinfo=UTC),
    datetime(2025, 3, 31, tzinfo=BERLIN),
    datetime(2025, 4, 1, tzinfo=BERLIN),
    datetime(2025, 10, 26, 0, tzinfo=UTC),
    datetime(2025, 10, 26, 1, tzinfo=UTC),
    datetime(2025, 11, 1, tzinfo=BERLIN),
    datetime(2026, 1, 1, tzinfo=BERLIN),
)
STARTS_S = sorted({int(edge.timestamp()) + 900 * step for edge in EDGES for step in range(-3, 3)})
FIGURES = (
    "bought_wh",
    "sold_wh",
    "residual_import_wh",
    "residual_export_wh",
    "with_community_cents",
    "credit_cents",
    "alone_cents",
)
TARIFF_CHANGE_S = int(datetime(2025, 3, 30, 12, tzinfo=BERLIN).timestamp())


def period(key: str) -> Period:
    return Period.parse(key, BERLIN)


def history(engine: Engine, name: str, key: str) -> History:
    with reading(engine) as connection:
        return history_of(connection, name, period(key))


def statement(engine: Engine, name: str, key: str) -> Statement:
    with reading(engine) as connection:
        return statement_of(connection, name, LocalMonth.parse(key, BERLIN), now_s=NEW_YEAR_S)


def local(instant_s: int) -> datetime:
    return datetime.fromtimestamp(instant_s, BERLIN)


def shown(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


@st.composite
def metered(draw: st.DrawFn) -> Metered:
    import_wh, export_wh = draw(st.integers(0, 40_000)), draw(st.integers(0, 40_000))
    return Metered(
        name=draw(st.sampled_from(("anna", "bela"))),
        start_s=draw(st.sampled_from(STARTS_S)),
        bought_wh=draw(st.integers(0, import_wh)),
        import_wh=import_wh,
        sold_wh=draw(st.integers(0, export_wh)),
        export_wh=export_wh,
        price_micro_per_kwh=draw(st.integers(0, 4_000)) * 100,
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(metered(), min_size=1, max_size=12, unique_by=lambda row: (row.name, row.start_s)), st.integers(1, 10**7)
)
def test_totals_are_those_of_the_statement_to_the_cent_and_parts_add_up(
    community: Engine, rows: list[Metered], carried_nano: int
) -> None:
    clear_all(community)
    tariffs(community, later_from_s=TARIFF_CHANGE_S)
    settle(community, rows, later_from_s=TARIFF_CHANGE_S)
    carry(community, "anna", rows[0].start_s, carried_nano)
    for name in ("anna", "bela"):
        own_rows = [row for row in rows if row.name == name]
        months = sorted({f"{local(row.start_s):%Y-%m}" for row in own_rows})
        bills = {month: statement(community, name, month) for month in months}
        for month, bill in bills.items():
            own = history(community, name, month)
            told = (own.total.with_community_cents, own.total.alone_cents)
            assert told == (bill.full.total_cents, bill.supplier_only.total_cents)
            file = {row["item"]: row["amount_cents"] for row in csv.DictReader(io.StringIO(statement_csv(bill)))}
            assert (file["with_community"], file["supplier_alone"]) == (str(told[0]), str(told[1]))
            paper = shown(statement_html(bill, EURO, now_s=NEW_YEAR_S))
            assert EURO.cents(told[0]) in paper
            assert EURO.cents(told[1]) in paper
            assert_parts_add_up(community, name, own)
        for year in ("2024", "2025", "2026"):
            whole = history(community, name, year).total
            of_year = [bill for month, bill in bills.items() if month.startswith(year)]
            assert whole.with_community_cents == sum(each.full.total_cents for each in of_year)
            assert whole.alone_cents == sum(each.supplier_only.total_cents for each in of_year)
            assert whole.import_wh == sum(row.import_wh for row in own_rows if local(row.start_s).year == int(year))


def assert_parts_add_up(engine: Engine, name: str, month: History) -> None:
    """A month is the sum of its days as each of their own pages tells them, a day that of its hours."""
    filled = [
        day for day, part in zip(month.period.parts(), month.parts, strict=True) if part.import_wh or part.export_wh
    ]
    days = [history(engine, name, day.key) for day in filled]
    for figure in FIGURES:
        assert getattr(month.total, figure) == sum(getattr(day.total, figure) for day in days)
        for day in days:
            assert getattr(day.total, figure) == sum(getattr(hour, figure) for hour in day.parts)
    assert all(day.parts[0].start_s == day.period.start_s and day.parts[-1].end_s == day.period.end_s for day in days)


def test_page_csv_and_api_show_the_same_figures(web_app: Flask, community: Engine, clock: StandingClock) -> None:
    tariffs(community)
    rows = [
        Metered(
            name="bela", start_s=start_s, bought_wh=313 + step, import_wh=977 + 3 * step, price_micro_per_kwh=123_400
        )
        for step, start_s in enumerate(STARTS_S)
    ]
    settle(community, rows)
    clock.now_s = NEW_YEAR_S
    browser, token = member(web_app, "bela"), token_for(community, "bela", now_s=NEW_YEAR_S)
    for key in ("2025", "2025-03", "2025-10", "2025-03-30", "2025-10-26", "2025-12-31"):
        own = history(community, "bela", key)
        page = shown(browser.get(f"/history/{key}").text)
        assert f"You paid {EURO.cents(own.total.with_community_cents)}" in page
        assert f"Saved {EURO.cents(own.total.saved_cents)}" in page
        lines = list(csv.DictReader(io.StringIO(browser.get(f"/history/{key}.csv").text)))
        answer = web_app.test_client().get(f"/api/v1/history/{key}", headers=token).json
        assert len(lines) - 1 == len(own.parts) == len(answer["parts"])
        for line, told, span in zip(lines, [*answer["parts"], answer["total"]], [*own.parts, own.total], strict=True):
            for figure in ("import_cost_cents", "saved_cents", *FIGURES):
                assert int(line[figure]) == told[figure] == getattr(span, figure)
        assert own.total.saved_cents > 0


def test_a_day_of_23_hours_and_one_of_25_have_that_many_rows_and_no_name_twice(
    web_app: Flask, community: Engine, clock: StandingClock
) -> None:
    tariffs(community)
    starts = [int(datetime(2025, month, day, tzinfo=BERLIN).timestamp()) for month, day in ((3, 30), (10, 26))]
    settle(
        community,
        [
            Metered(name="bela", start_s=first_s + 3600 * hour, import_wh=1_000)
            for first_s, hours in zip(starts, (23, 25), strict=True)
            for hour in range(hours)
        ],
    )
    clock.now_s = NEW_YEAR_S
    for key, hours in (("2025-03-30", 23), ("2025-10-26", 25)):
        own = history(community, "bela", key)
        assert [part.residual_import_wh for part in own.parts] == [1_000] * hours
        # 1 kWh of the supplier: (30 ct + 7.5 ct grid + 1.5 ct levies) and a fifth of VAT is 46.8 ct.
        assert own.total.alone_cents == own.total.with_community_cents == round(46.8 * hours)
        page = member(web_app, "bela").get(f"/history/{key}").text
        names = re.findall(r'<th scope="row" class="nowrap">([^<]+)</th>', page)
        assert len(set(names)) == len(names) == hours
    assert names[2:4] == ["02:00 CEST", "02:00 CET"]


def test_a_shared_kilowatt_hour_is_worth_what_a_hand_works_out(community: Engine) -> None:
    tariffs(community)
    start_s = int(datetime(2025, 6, 14, 12, tzinfo=BERLIN).timestamp())
    settle(
        community,
        [
            Metered(name="bela", start_s=start_s, bought_wh=1_000, import_wh=1_000),
            Metered(name="anna", start_s=start_s, sold_wh=1_000, export_wh=3_000),
        ],
    )
    bela, anna = history(community, "bela", "2025-06").total, history(community, "anna", "2025-06").total
    # (10 ct + 0.5 ct fee + 43 % of 7.5 ct + 1.5 ct) x 1.2 = 18.27 ct against 46.8 ct.
    assert (bela.with_community_cents, bela.alone_cents, bela.saved_cents) == (18, 47, 29)
    assert bela.credit_cents == 0
    # 10 ct from a neighbour and twice 8 ct of feed-in against three times 8 ct.
    assert (anna.with_community_cents, anna.alone_cents, anna.credit_cents) == (-26, -24, 26)
    assert (anna.import_cost_cents, anna.saved_cents) == (0, 2)


def test_energy_without_a_settlement_is_shown_apart_and_costs_nothing_yet(street_app: Flask) -> None:
    page = shown(member(street_app, "M02").get("/history/2016-06-13").text)
    assert "were metered and are not settled" in page
    assert "You paid €0.00" in page


def test_a_running_period_is_compared_with_the_same_stretch_of_the_one_before(
    web_app: Flask, community: Engine, clock: StandingClock
) -> None:
    tariffs(community)
    days = [datetime(2025, 5, day, 12, tzinfo=BERLIN) for day in (2, 3, 20)] + [datetime(2025, 6, 2, 12, tzinfo=BERLIN)]
    settle(community, [Metered(name="bela", start_s=int(day.timestamp()), import_wh=1_000) for day in days])
    clock.now_s = int(datetime(2025, 6, 3, 13, tzinfo=BERLIN).timestamp())
    page = shown(member(web_app, "bela").get("/history").text)
    assert "Before: May 2025, up to the same time" in page
    assert "From your supplier 1.00 kWh before: 2.00 kWh" in page
    clock.now_s = int(datetime(2025, 7, 3, tzinfo=BERLIN).timestamp())
    page = shown(member(web_app, "bela").get("/history/2025-06").text)
    assert "From your supplier 1.00 kWh before: 3.00 kWh" in page


def test_periods_before_the_first_reading_and_in_the_future_lead_somewhere(street_app: Flask) -> None:
    browser = member(street_app, "M02")
    page = browser.get("/history/2015")
    assert "Nothing was metered: 2015" in shown(page.text)
    assert 'href="/history/2016"' in page.text
    for key in ("2017", "2016-07", "2016-13", "2016-02-30", "yesterday", "201é"):
        assert browser.get(f"/history/{key}").status_code == 404
        assert browser.get(f"/history/{key}.csv").status_code == 404
    assert "No later day" in shown(browser.get("/history/2016-06-15").text)
    assert "No earlier month" in shown(browser.get("/history/2016-06").text)


@pytest.mark.parametrize("key", ["2024", "2024-02", "2024-02-29", "2025-12-31"])
def test_a_period_is_named_as_it_is_written_and_neighbours_touch(key: str) -> None:
    own = period(key)
    assert own.key == key
    assert own.next().previous() == own == own.previous().next()
    assert own.next().start_s == own.end_s


def test_from_a_period_of_the_past_the_tabs_lead_to_its_end_and_never_to_the_future() -> None:
    now_s = int(datetime(2025, 6, 14, 12, tzinfo=BERLIN).timestamp())
    assert period("2024").of_kind(PeriodKind.MONTH, now_s=now_s).first == date(2024, 12, 1)
    assert period("2025").of_kind(PeriodKind.DAY, now_s=now_s).first == date(2025, 6, 14)
    assert period("2025-06-14").of_kind(PeriodKind.YEAR, now_s=now_s).key == "2025"
