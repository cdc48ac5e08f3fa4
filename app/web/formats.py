"""How energy, money, prices and times are written for people.

Everything stored is an integer (Wh, nano-units, micro-units per kWh, seconds since the epoch); here it becomes text
in the reader's number format and the community's timezone. Formats follow the language of the page, so that
"1.234" never means two things on one screen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.dates import format_skeleton, get_month_names
from babel.numbers import NumberPattern, format_currency, parse_pattern

# Regions whose numbers and dates read naturally in a language of the pages; the first is for readers of no region.
LOCALES = {
    "en": ("en_IE", "en_GB", "en_US", "en_AU", "en_CA", "en_NZ", "en_IN", "en_ZA"),
    "de": ("de_DE", "de_AT", "de_CH"),
}

# What people call the hundredth of their currency on an energy bill.
MINOR_UNITS = {"EUR": "ct", "CHF": "Rp.", "GBP": "p", "USD": "¢", "AUD": "¢", "CAD": "¢", "NZD": "¢"}

NANO_PER_UNIT = 1_000_000_000
NANO_PER_CENT = 10_000_000
MINUS = "\N{MINUS SIGN}"
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
DASH = "\N{EN DASH}"


def reader_locale(language: str, accepted: Iterable[str] = ()) -> str:
    """The best region of a language for a browser's accepted languages, best first; its first region by default."""
    preferred = [tag.replace("-", "_") for tag in accepted]
    return negotiate_locale(preferred, list(LOCALES[language])) or LOCALES[language][0]


def whole_cents(amount_nano: int) -> int:
    """Nano-units to cents, half away from zero: how a figure is shown, never how it is settled."""
    cents, rest = divmod(abs(amount_nano), NANO_PER_CENT)
    rounded = cents + (1 if 2 * rest >= NANO_PER_CENT else 0)
    return rounded if amount_nano >= 0 else -rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """Formats of one reader in one community."""

    locale: str
    zone: ZoneInfo
    currency: str

    @property
    def language(self) -> str:
        """The language of the locale."""
        return _locale(self.locale).language

    def money(self, amount_nano: int) -> str:
        """An amount to the cent, with its currency: −€1.23."""
        return self.cents(whole_cents(amount_nano))

    def cents(self, cents: int) -> str:
        """An amount of whole cents, with its currency."""
        text = format_currency(Decimal(abs(cents)) / 100, self.currency, locale=_locale(self.locale))
        return f"{MINUS}{text}" if cents < 0 else text

    def signed_money(self, amount_nano: int) -> str:
        """An amount to the cent with an explicit plus or minus; zero has none."""
        text = self.money(amount_nano)
        return f"+{text}" if whole_cents(amount_nano) > 0 else text

    def small_money(self, amount_nano: int) -> str:
        """An amount of one interval, in hundredths of the currency with three decimals: 5.350 ct."""
        if self.currency not in MINOR_UNITS:
            return f"{self._number(Decimal(amount_nano) / NANO_PER_UNIT, 5)}{NO_BREAK_SPACE}{self.currency}"
        number = self._number(Decimal(amount_nano) / NANO_PER_CENT, 3)
        return f"{number}{NO_BREAK_SPACE}{MINOR_UNITS[self.currency]}"

    @property
    def price_unit(self) -> str:
        """Unit of `price_number`."""
        return f"{MINOR_UNITS.get(self.currency, self.currency)}/kWh"

    @property
    def micro_per_price_unit(self) -> int:
        """How many micro-units per kWh one `price_unit` is."""
        return 10_000 if self.currency in MINOR_UNITS else 1_000_000

    @property
    def price_decimals(self) -> int:
        """Decimals that show the price tick exactly."""
        return 2 if self.currency in MINOR_UNITS else 4

    def price_number(self, micro_per_kwh: int | None) -> str:
        """A price without its unit, exact to the tick: 21.40. A dash where there is none."""
        if micro_per_kwh is None:
            return DASH
        return self._number(Decimal(micro_per_kwh) / self.micro_per_price_unit, self.price_decimals)

    def price(self, micro_per_kwh: int | None) -> str:
        """A price with its unit: 21.40 ct/kWh."""
        if micro_per_kwh is None:
            return DASH
        return f"{self.price_number(micro_per_kwh)}{NO_BREAK_SPACE}{self.price_unit}"

    def energy_number(self, energy_wh: int) -> str:
        """Energy in kWh with as many decimals as a glance needs."""
        decimals = 2 if abs(energy_wh) < 10_000 else 1 if abs(energy_wh) < 1_000_000 else 0
        return self._number(Decimal(energy_wh) / 1000, decimals)

    def energy(self, energy_wh: int) -> str:
        """Energy with its unit: 3.42 kWh."""
        return f"{self.energy_number(energy_wh)}{NO_BREAK_SPACE}kWh"

    def exact_energy(self, energy_wh: int) -> str:
        """Energy in kWh, exact to the Wh, without its unit; for tables."""
        return self._number(Decimal(energy_wh) / 1000, 3)

    def number(self, value: float | Decimal, decimals: int = 0) -> str:
        """A number with a fixed count of decimals."""
        return self._number(Decimal(str(value)), decimals)

    def share(self, value: float, decimals: int = 0) -> str:
        """A fraction of one as a percentage."""
        return self.percent(Decimal(str(value)) * 100, decimals)

    def percent(self, value: float | Decimal, decimals: int = 0) -> str:
        """A number of hundredths with its sign, as the language writes it: 12.5%, in German 12,5 %."""
        sign = _locale(self.locale).percent_formats[None].suffix[1]
        return f"{self.number(value, decimals)}{sign}"

    def local(self, instant_s: int) -> datetime:
        """An instant in the community's timezone."""
        return datetime.fromtimestamp(instant_s, UTC).astimezone(self.zone)

    def time(self, instant_s: int) -> str:
        """Local time of day, 24 hours: 18:15."""
        return f"{self.local(instant_s):%H:%M}"

    def time_span(self, start_s: int, minutes: int) -> str:
        """A delivery interval in local time: 18:15–18:30."""
        return f"{self.time(start_s)}{DASH}{self.time(start_s + minutes * 60)}"

    def moment(self, instant_s: int) -> str:
        """Local date and time: 7 Jun 2016, 18:15."""
        return f"{self.short_date(self.local(instant_s).date())}, {self.time(instant_s)}"

    def short_date(self, value: date) -> str:
        """A date without its weekday: 7 Jun 2016."""
        return self._calendar(value, "yMMMd")

    def day(self, value: date) -> str:
        """A date with its weekday, short: Tue 7 Jun 2016."""
        return self._calendar(value, "yMMMEd")

    def short_day(self, value: date) -> str:
        """A date without the year: Tue 7 Jun."""
        return self._calendar(value, "MMMEd")

    def month(self, value: date) -> str:
        """Month and year: June 2016."""
        return self._calendar(value, "yMMMM")

    def _calendar(self, value: date, skeleton: str) -> str:
        """The parts of a date that `skeleton` names (Unicode LDML), in the order of the language."""
        return str(format_skeleton(skeleton, value, locale=_locale(self.locale)))

    def month_letter(self, value: date) -> str:
        """The shortest name of a month, for axes: J."""
        return str(get_month_names("narrow", "stand-alone", _locale(self.locale))[value.month])

    def _number(self, value: Decimal, decimals: int) -> str:
        exact = value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
        text = str(_pattern(decimals).apply(abs(exact), _locale(self.locale)))
        return f"{MINUS}{text}" if exact < 0 else text


# A page has hundreds of figures: locale and patterns are parsed once.
@cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


@cache
def _pattern(decimals: int) -> NumberPattern:
    return parse_pattern("#,##0" + ("." + "0" * decimals if decimals else ""))
