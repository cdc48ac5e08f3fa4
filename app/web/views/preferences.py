"""Preferences: two limits, how much the agent may do alone, and a pause."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from app.agents.household import PriceBounds, StandingLimits, buy_limit, sell_limit
from app.audit import AuditEntry, record
from app.storage.database import reading, writing
from app.storage.store.community import tariff_json_at
from app.storage.store.members import Preference, SupplyContract, contract_at, preference_of, save_preference
from app.web.context import engine, page
from app.web.numbers import TypedNumberError, typed_price_micro
from app.web.views.household_access import household, participant_id
from contracts.tariff import Tariff

AUTONOMY = ("full", "semi", "suggest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a member has set, and the bounds their agent keeps to."""

    preference: Preference
    supply: SupplyContract | None
    bounds: PriceBounds | None

    @property
    def default_buy(self) -> int:
        assert self.bounds is not None
        return buy_limit(StandingLimits(), self.bounds)

    @property
    def default_sell(self) -> int:
        assert self.bounds is not None
        return sell_limit(StandingLimits(), self.bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceForm:
    """The form as it was filled in: texts as typed, errors by field."""

    buy_at_most: str
    sell_at_least: str
    autonomy: str
    errors: dict[str, str] = field(default_factory=dict)


@household.get("/preferences")
def preferences() -> str:
    """The two sliders and the pause."""
    with reading(engine()) as connection:
        standing = _standing(connection, participant_id())
    form = None if standing.supply is None else _filled(standing)
    return _render(standing, form)


@household.post("/preferences")
def save_preferences() -> Response | tuple[str, int]:
    """Store new limits, or the community's standard."""
    member = participant_id()
    with reading(engine()) as connection:
        standing = _standing(connection, member)
    if standing.bounds is None:
        return _render(standing, None), 409
    if request.form.get("reset") == "yes":
        kept = standing.preference
        return _saved(replace(kept, buy_at_most_micro_per_kwh=None, sell_at_least_micro_per_kwh=None))
    form = PreferenceForm(
        buy_at_most=request.form.get("buy_at_most", ""),
        sell_at_least=request.form.get("sell_at_least", ""),
        autonomy=request.form.get("autonomy", standing.preference.autonomy),
    )
    if form.autonomy not in AUTONOMY:
        abort(400, _("Choose what your agent may do."))
    limits = {
        name: _limit(name, text, standing.bounds, form.errors)
        for name, text in (("buy_at_most", form.buy_at_most), ("sell_at_least", form.sell_at_least))
    }
    if form.errors:
        return _render(standing, form), 422
    buy, sell = limits["buy_at_most"], limits["sell_at_least"]
    return _saved(
        replace(
            standing.preference,
            buy_at_most_micro_per_kwh=None if buy == standing.default_buy else buy,
            sell_at_least_micro_per_kwh=None if sell == standing.default_sell else sell,
            autonomy=form.autonomy,
        )
    )


@household.post("/preferences/pause")
def pause_trading() -> Response:
    """Pause trading, or resume it."""
    with reading(engine()) as connection:
        preference = preference_of(connection, participant_id())
    return _saved(replace(preference, trading_paused=request.form.get("pause") == "yes"))


def _saved(preference: Preference) -> Response:
    now_s = page().now_s
    with writing(engine()) as connection:
        save_preference(connection, replace(preference, changed_s=now_s))
        member = preference.participant_id
        record(connection, AuditEntry(at_s=now_s, actor=member, action="preferences.changed", subject=member))
    flash(_("Saved. Your agent uses this from the next round it orders for."), "good")
    return redirect(url_for("household.preferences"))


def _standing(connection: Connection, member: str) -> Standing:
    now_s = page().now_s
    supply = contract_at(connection, member, now_s)
    tariff_json = tariff_json_at(connection, now_s)
    bounds = None
    if supply is not None and tariff_json is not None:
        tariff = Tariff.from_json(tariff_json)
        bounds = PriceBounds(
            supplier_price=supply.supplier_price_micro_per_kwh,
            feed_in_price=supply.feed_in_price_micro_per_kwh,
            buyer_charges=tariff.shared_charges_micro_per_kwh - tariff.supplied_charges_micro_per_kwh,
        )
    return Standing(
        preference=preference_of(connection, member), supply=supply if bounds is not None else None, bounds=bounds
    )


def _limit(name: str, text: str, bounds: PriceBounds, errors: dict[str, str]) -> int | None:
    """The typed limit between what the supplier pays and charges; an error is noted by field."""
    fmt = page().fmt
    try:
        micro = typed_price_micro(text, micro_per_unit=fmt.micro_per_price_unit, unit=fmt.price_unit)
    except TypedNumberError as error:
        errors[name] = str(error)
        return None
    if not bounds.feed_in_price <= micro <= bounds.supplier_price:
        errors[name] = _(
            "Choose between %(lowest)s and %(highest)s.",
            lowest=fmt.price(bounds.feed_in_price),
            highest=fmt.price(bounds.supplier_price),
        )
        return None
    return micro


def _filled(standing: Standing) -> PreferenceForm:
    wanted = standing.preference
    buy, sell = wanted.buy_at_most_micro_per_kwh, wanted.sell_at_least_micro_per_kwh
    return PreferenceForm(
        buy_at_most=_typed(standing.default_buy if buy is None else buy),
        sell_at_least=_typed(standing.default_sell if sell is None else sell),
        autonomy=wanted.autonomy,
    )


def _typed(micro_per_kwh: int) -> str:
    """A price as a number field wants it: a point, no thousands."""
    fmt = page().fmt
    return f"{Decimal(micro_per_kwh) / fmt.micro_per_price_unit:.{fmt.price_decimals}f}"


def _render(standing: Standing, form: PreferenceForm | None) -> str:
    if standing.supply is None or standing.bounds is None or form is None:
        return render_template("household/preferences.html", supply=None)
    wanted = standing.preference
    return render_template(
        "household/preferences.html",
        supply=standing.supply,
        form=form,
        paused=wanted.trading_paused,
        errors=form.errors,
        default_buy=standing.default_buy,
        default_sell=standing.default_sell,
        is_default=wanted.buy_at_most_micro_per_kwh is None and wanted.sell_at_least_micro_per_kwh is None,
        slider_low=_typed(standing.bounds.feed_in_price),
        slider_high=_typed(standing.bounds.supplier_price),
        number_step=f"{Decimal(100) / page().fmt.micro_per_price_unit:f}",
    )
