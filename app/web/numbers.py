"""Numbers people type: prices and energies, as exact integers."""

import re
from decimal import Decimal, InvalidOperation

from flask_babel import gettext as _

from app.web.formats import MINUS
from matching.orders import PRICE_TICK_MICRO_PER_KWH

# Between thousands people write spaces of several widths, apostrophes, points or commas.
SPACES = re.compile(r"[\s'\u2019]")
GROUPED = re.compile(r"-?\d{1,3}(?:(?:,\d{3})+(?:\.\d*)?|(?:\.\d{3})+(?:,\d*)?|[.,]\d*)?|-?\d+(?:[.,]\d*)?")


class TypedNumberError(ValueError):
    """What was typed is no number of that kind; the message says what to type."""


def typed_price_micro(text: str, *, micro_per_unit: int, unit: str) -> int:
    """A price typed in `unit` (for example ct/kWh) as micro-units per kWh, on the tick.

    Points and commas as `_decimal` reads them. Raises TypedNumberError.
    """
    value = _decimal(
        text,
        _(
            "Type a price in %(unit)s, for example %(example)s.",
            unit=unit,
            example="21.5" if micro_per_unit == 10_000 else "0.215",
        ),
    )
    micro = value * micro_per_unit
    if micro % PRICE_TICK_MICRO_PER_KWH:
        tick = Decimal(PRICE_TICK_MICRO_PER_KWH) / micro_per_unit
        raise TypedNumberError(_("Prices go in steps of %(step)s %(unit)s.", step=f"{tick.normalize():f}", unit=unit))
    return int(micro)


def typed_energy_wh(text: str) -> int:
    """An energy typed in kWh as whole Wh, above zero. Raises TypedNumberError."""
    value = _decimal(text, _("Type an energy in kWh, for example 1.5.")) * 1000
    if value <= 0:
        raise TypedNumberError(_("The energy must be more than zero."))
    if value % 1:
        raise TypedNumberError(_("Energy is counted in whole watt-hours: use at most three decimals."))
    return int(value)


def typed_cents(text: str) -> int:
    """A sum of money typed in units of currency as whole cents, above zero. Raises TypedNumberError."""
    value = _decimal(text, _("Type a sum, for example 12.50.")) * 100
    if value <= 0 or value % 1:
        raise TypedNumberError(_("Type a sum above zero with at most two decimals."))
    return int(value)


def typed_thousandths(text: str, *, unit: str) -> int:
    """A figure typed in a unit of thousands (kW, kWh) as W or Wh, not below zero. Raises TypedNumberError."""
    value = _decimal(text, f"Type a number of {unit}, for example 8.5.") * 1000
    if value < 0 or value % 1:
        raise TypedNumberError(f"Type a number of {unit} with at most three decimals.")
    return int(value)


def typed_rate_micro(text: str, *, micro_per_unit: int, unit: str) -> int:
    """A rate of a tariff typed in `unit` as whole micro-units per kWh, not below zero. Raises TypedNumberError."""
    value = _decimal(text, f"Type a rate in {unit}, for example 7.5.") * micro_per_unit
    if value < 0 or value % 1:
        raise TypedNumberError(f"Type a rate in {unit}, not below zero and not finer than a millionth.")
    return int(value)


def typed_percent(text: str, *, parts: int) -> int:
    """A share typed in percent, 0 to 100, as whole parts of `parts`. Raises TypedNumberError."""
    value = _decimal(text, "Type a share in percent, for example 20.") * parts / 100
    if not 0 <= value <= parts or value % 1:
        raise TypedNumberError("Type a share of 0 to 100 percent" + (", whole ones." if parts == 100 else "."))
    return int(value)


def _decimal(text: str, remedy: str) -> Decimal:
    """A number as people of any region write it. Of points and commas the last is the decimal one if both are there;
    one alone is decimal too, since a number field of a browser always sends a point; repeated, it separates thousands.
    """
    cleaned = SPACES.sub("", text).replace(MINUS, "-")
    separators = "".join(each for each in cleaned if each in ".,")
    if GROUPED.fullmatch(cleaned) and len(separators) > 1:
        if len(set(separators)) == 2:
            whole, _decimal_mark, fraction = cleaned.rpartition(separators[-1])
            cleaned = f"{whole.replace(separators[0], '')}.{fraction}"
        else:
            cleaned = cleaned.replace(separators[0], "")
    try:
        value = Decimal(cleaned.replace(",", "."))
    except InvalidOperation:
        raise TypedNumberError(remedy) from None
    if not value.is_finite() or abs(value) > 1_000_000:
        raise TypedNumberError(remedy)
    return value
