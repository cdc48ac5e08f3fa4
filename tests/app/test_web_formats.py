"""Figures for people: exact where money is concerned, unmistakable in the language of the page."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.local_time import LocalDay, LocalMonth, day_of
from app.web.formats import LOCALES, NANO_PER_CENT, Formats, reader_locale, whole_cents
from app.web.numbers import TypedNumberError, typed_cents, typed_energy_wh, typed_price_micro

BERLIN = ZoneInfo("Europe/Berlin")
EURO = Formats(locale="en_IE", zone=BERLIN, currency="EUR")
KRONA = Formats(locale="en_GB", zone=BERLIN, currency="SEK")


@given(st.integers(-(10**15), 10**15))
def test_whole_cents_are_the_nearest_and_half_a_cent_goes_away_from_zero(amount_nano: int) -> None:
    rest = whole_cents(amount_nano) * NANO_PER_CENT - amount_nano
    assert abs(rest) * 2 <= NANO_PER_CENT
    assert whole_cents(-amount_nano) == -whole_cents(amount_nano)


def test_money_has_its_currency_two_decimals_and_a_real_minus() -> None:
    assert EURO.money(1_234_567_890_000) == "€1,234.57"
    assert EURO.money(-5_000_000) == "−€0.01"
    assert EURO.money(-4_999_999) == "€0.00"
    assert EURO.signed_money(120_000_000) == "+€0.12"
    assert KRONA.money(1_500_000_000) == "SEK1.50"


def test_a_price_is_exact_to_the_tick_in_the_unit_of_an_energy_bill() -> None:
    assert EURO.price(214_300) == "21.43\N{NO-BREAK SPACE}ct/kWh"
    assert EURO.price(-100) == "−0.01\N{NO-BREAK SPACE}ct/kWh"
    assert EURO.price(None) == "–"
    assert KRONA.price(1_214_300) == "1.2143\N{NO-BREAK SPACE}SEK/kWh"


def test_energy_shows_what_a_glance_needs_and_tables_show_every_watt_hour() -> None:
    assert [EURO.energy_number(wh) for wh in (0, 1234, 12_345, 1_234_567)] == ["0.00", "1.23", "12.3", "1,235"]
    assert EURO.exact_energy(1_234_567) == "1,234.567"


ALL_LOCALES = [locale for locales in LOCALES.values() for locale in locales]


@pytest.mark.parametrize("locale", ALL_LOCALES)
@given(st.integers(1, 10**8 - 1), st.integers(-(10**6), 10**6), st.integers(1, 10**9))
def test_what_is_shown_is_read_back_as_the_same_cents_ticks_and_watt_hours(
    locale: str, cents: int, ticks: int, energy_wh: int
) -> None:
    fmt = Formats(locale=locale, zone=BERLIN, currency="EUR")
    assert typed_cents(fmt.cents(cents).replace("€", "").replace("EUR", "")) == cents
    assert typed_price_micro(fmt.price_number(ticks * 100), micro_per_unit=10_000, unit="ct/kWh") == ticks * 100
    assert typed_energy_wh(fmt.exact_energy(energy_wh)) == energy_wh


def test_a_region_writes_amounts_shares_and_days_its_own_way() -> None:
    german, swiss = (Formats(locale=locale, zone=BERLIN, currency="EUR") for locale in ("de_DE", "de_CH"))
    assert german.money(-1_234_500_000_000) == "−1.234,50\N{NO-BREAK SPACE}€"
    assert swiss.exact_energy(1_234_567) == "1’234.567"
    assert (EURO.share(0.125, 1), german.share(0.125, 1)) == ("12.5%", "12,5\N{NO-BREAK SPACE}%")
    assert german.day(date(2016, 6, 7)) == "Di., 7. Juni 2016"
    assert german.moment(1_465_300_000) == "7. Juni 2016, 13:46"


@pytest.mark.parametrize("text", ["1.23.456", "1,2,3", "1.234,5.6", "1..2", "1,,2"])
def test_separators_that_separate_no_thousands_are_refused(text: str) -> None:
    with pytest.raises(TypedNumberError):
        typed_energy_wh(text)


def test_local_time_knows_summer_time_and_the_day_of_reckoning() -> None:
    assert EURO.time(1_459_040_400) == "03:00"  # 2016-03-27 01:00 UTC, the first moment of summer time
    assert EURO.time(1_459_039_500) == "01:45"
    assert [day_of(second, BERLIN, 900).interval_count for second in (1_459_040_400, 1_465_000_000, 1_477_800_000)] == [
        92,
        96,
        100,
    ]


def test_a_month_reaches_from_local_midnight_to_local_midnight() -> None:
    october = LocalMonth.parse("2016-10", BERLIN)
    assert october.end_s - october.start_s == 31 * 86_400 + 3_600
    assert (october.previous().key, october.next().key) == ("2016-09", "2016-11")
    assert LocalMonth.parse("2016-12", BERLIN).next().key == "2017-01"


@pytest.mark.parametrize("text", ["2016-13", "2016-00", "16-06", "2016-6", "2016-06-01", "", "٢٠١٦-٠٦"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="month"):
        LocalMonth.parse(text, BERLIN)


def test_the_day_has_its_marks_at_local_hours_also_when_the_clocks_change() -> None:
    long_day = LocalDay(date=date(2016, 10, 30), zone=BERLIN, interval_s=900)
    assert [label for _, label in long_day.hours()] == ["00:00", "06:00", "12:00", "18:00", "24:00"]
    assert long_day.percent(long_day.hours()[1][0]) == pytest.approx(28.0)
    assert long_day.percent(long_day.start_s - 5) == 0.0


def test_the_format_follows_the_readers_region_and_falls_back_to_a_readable_one() -> None:
    assert reader_locale("en", ["en-US", "en"]) == "en_US"
    assert reader_locale("de", ["en-US", "de-AT"]) == "de_AT"
    assert reader_locale("en", ["de-AT", "de"]) == LOCALES["en"][0] == "en_IE"
    assert reader_locale("de") == LOCALES["de"][0] == "de_DE"


def test_typed_numbers_become_exact_integers_with_point_or_comma() -> None:
    assert typed_price_micro(" 21,43 ", micro_per_unit=10_000, unit="ct/kWh") == 214_300
    assert typed_price_micro("-0.5", micro_per_unit=10_000, unit="ct/kWh") == -5_000
    assert typed_energy_wh("1.234") == 1_234


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("21.435", "steps of 0.01"),
        ("", "Type a price"),
        ("NaN", "Type a price"),
        ("1e99", "Type a price"),
        ("a", "Type"),
    ],
)
def test_a_price_that_is_none_is_refused_with_the_remedy(text: str, says: str) -> None:
    with pytest.raises(TypedNumberError, match=says):
        typed_price_micro(text, micro_per_unit=10_000, unit="ct/kWh")


@pytest.mark.parametrize(("text", "says"), [("0", "more than zero"), ("-1", "more than"), ("0.0001", "three decimals")])
def test_an_energy_that_is_none_is_refused_with_the_remedy(text: str, says: str) -> None:
    with pytest.raises(TypedNumberError, match=says):
        typed_energy_wh(text)
