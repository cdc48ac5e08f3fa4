"""Home and prices: what a member sees first."""

from typing import Any

from flask import render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import Connection

from app.local_time import LocalDay, LocalMonth
from app.member_costs import UnsettledEnergy, expected_savings_nano, savings_nano
from app.storage.database import reading
from app.storage.store.members import SupplyContract, contract_at, metering_points, preference_of
from app.storage.store.settlement import balance_of
from app.web.charts.axis import hour_ticks
from app.web.charts.energy_bars import EnergyBar, EnergyBars, energy_bars
from app.web.charts.price_line import PriceLine, price_line
from app.web.context import Page, day_asked_for, engine, page
from app.web.formats import Formats
from app.web.read_models.devices import DeviceHealth, device_health
from app.web.read_models.energy import EnergyOfSpan, energy_of
from app.web.read_models.orders import order_outcomes
from app.web.read_models.prices import RoundPrice, prices_between
from app.web.read_models.windows import current_windows
from app.web.views.household_access import household, participant_id
from contracts.transfers import member_account

RECENT_ORDERS = 4
LAST_PRICE_S = 24 * 3600
"""How old the last price may be that stands in for the one of now."""


@household.get("/home")
def home() -> str:
    """Energy first, then price and money, then what the agent did."""
    member, day, present = participant_id(), day_asked_for(), page()
    is_today = day == present.today
    with reading(engine()) as connection:
        energy = energy_of(
            connection,
            member,
            start_s=day.start_s,
            end_s=day.end_s,
            now_s=present.now_s,
            interval_s=present.interval_s,
        )
        month = LocalMonth(first=day.date.replace(day=1), zone=day.zone)
        points = metering_points(connection, participant_id=member)
        devices = _devices(connection, member, present)
        expected_nano = expected_savings_nano(connection, member, _unsettled(energy))
        values = {
            **_price_values(connection, member, day, present),
            "energy": energy,
            "has_generation": any(point.generation_w for point in points),
            "savings_day_nano": savings_nano(connection, member, start_s=day.start_s, end_s=day.end_s) + expected_nano,
            "savings_month_nano": savings_nano(connection, member, start_s=month.start_s, end_s=month.end_s)
            + expected_nano,
            "balance_nano": balance_of(connection, member_account(member)),
            "paused": preference_of(connection, member).trading_paused,
            "windows": current_windows(connection, member, now_s=present.now_s) if is_today else (),
            "recent_orders": order_outcomes(
                connection, member, start_s=day.start_s, end_s=day.end_s + present.interval_s * 8, newest=RECENT_ORDERS
            ),
        }
    return render_template(
        "household/home.html",
        **values,
        is_today=is_today,
        headline=headline(energy, present.fmt, is_today=is_today),
        device_problem=device_problem(devices) if is_today else None,
        energy_bars=_bars(energy, day),
        energy_label=energy_label(energy, present.fmt),
        refresh_s=present.refresh_s,
    )


@household.get("/prices")
def prices() -> str:
    """Every price of a day."""
    day = day_asked_for()
    with reading(engine()) as connection:
        values = _price_values(connection, participant_id(), day, page())
    return render_template("household/prices.html", **values)


def _price_values(connection: Connection, member: str, day: LocalDay, present: Page) -> dict[str, Any]:
    """What the price cards show: the day's prices, and those of now and next."""
    prices = prices_between(connection, start_s=day.start_s, end_s=day.end_s)
    start_s = present.current_start_s
    around = {
        row.start_s: row
        for row in prices_between(connection, start_s=start_s - LAST_PRICE_S, end_s=start_s + 2 * present.interval_s)
    }
    agreed = [at_s for at_s, row in around.items() if at_s < start_s and row.clearing_price_micro_per_kwh is not None]
    price_now = around.get(start_s)
    supply = contract_at(connection, member, min(day.end_s - 1, present.now_s))
    line = _price_line(prices, supply, day, present.fmt)
    now_at = day.percent(present.now_s)
    return {
        "day": day,
        "prices": prices,
        "price_points": any(row.clearing_price_micro_per_kwh is not None for row in prices),
        "price_now": price_now,
        "price_shown": price_now or around.get(max(agreed, default=start_s)),
        "price_next": around.get(start_s + present.interval_s),
        "supply": supply,
        "price_line": line,
        "price_label": price_label(prices, present.fmt),
        "hour_ticks": hour_ticks(day.start_s, day.end_s, day.hours()),
        "now_at": now_at if 0 < now_at < 100 else None,
        "previous_url": _day_url(day.shifted(-1)),
        "next_url": _day_url(day.shifted(1)) if day.date < present.today.date else None,
    }


def _day_url(day: LocalDay) -> str:
    assert request.endpoint is not None
    return url_for(request.endpoint, day=day.date.isoformat())


def _devices(connection: Connection, member: str, present: Page) -> tuple[DeviceHealth, ...]:
    return device_health(
        connection,
        day_start_s=present.today.start_s,
        day_end_s=present.today.end_s,
        now_s=present.now_s,
        interval_s=present.interval_s,
        participant_id=member,
    )


def _unsettled(energy: EnergyOfSpan) -> list[UnsettledEnergy]:
    return [
        UnsettledEnergy(
            start_s=row.start_s,
            bought_wh=row.bought_wh,
            sold_wh=row.sold_wh,
            price_micro_per_kwh=row.clearing_price_micro_per_kwh,
        )
        for row in energy.provisional
        if row.clearing_price_micro_per_kwh is not None
    ]


def _bars(energy: EnergyOfSpan, day: LocalDay) -> EnergyBars:
    bars = [
        EnergyBar(
            start_s=row.start_s,
            from_neighbours_wh=row.bought_wh,
            from_supplier_wh=row.import_wh - row.bought_wh,
            to_neighbours_wh=row.sold_wh,
            to_grid_wh=row.export_wh - row.sold_wh,
        )
        for row in energy.rows
    ]
    return energy_bars(bars, start_s=day.start_s, end_s=day.end_s, interval_s=day.interval_s)


def _price_line(
    prices: tuple[RoundPrice, ...], supply: SupplyContract | None, day: LocalDay, fmt: Formats
) -> PriceLine:
    references = (
        []
        if supply is None
        else [
            (_("Supplier charges"), supply.supplier_price_micro_per_kwh),
            (_("Supplier pays"), supply.feed_in_price_micro_per_kwh),
        ]
    )
    points = [
        (row.start_s, row.clearing_price_micro_per_kwh)
        for row in prices
        if row.clearing_price_micro_per_kwh is not None
    ]
    return price_line(
        points,
        start_s=day.start_s,
        end_s=day.end_s,
        interval_s=day.interval_s,
        references=references,
        micro_per_unit=fmt.micro_per_price_unit,
    )


def headline(energy: EnergyOfSpan, fmt: Formats, *, is_today: bool) -> str:
    """The day in one sentence."""
    if not energy.rows:
        return _("Waiting for the first readings.") if is_today else _("No readings for this day.")
    share, sold = fmt.share(energy.bought_wh / max(energy.import_wh, 1)), fmt.energy(energy.sold_wh)
    if energy.bought_wh and energy.sold_wh:
        return _(
            "%(share)s of what you drew came from neighbours and you sold %(sold)s to neighbours.",
            share=share,
            sold=sold,
        )
    if energy.bought_wh:
        return _("%(share)s of what you drew came from neighbours.", share=share)
    if energy.sold_wh:
        return _("You sold %(sold)s to neighbours.", sold=sold)
    return _("Nothing has been shared with neighbours yet.") if is_today else _("Nothing was shared with neighbours.")


def energy_label(energy: EnergyOfSpan, fmt: Formats) -> str:
    """The energy chart in words."""
    return _(
        "Energy by interval: %(drawn)s came in, %(bought)s of it from neighbours; %(fed)s"
        " went out, %(sold)s of it to neighbours.",
        drawn=fmt.energy(energy.import_wh),
        bought=fmt.energy(energy.bought_wh),
        fed=fmt.energy(energy.export_wh),
        sold=fmt.energy(energy.sold_wh),
    )


def price_label(prices: tuple[RoundPrice, ...], fmt: Formats) -> str:
    """The price chart in words."""
    known = [row.clearing_price_micro_per_kwh for row in prices if row.clearing_price_micro_per_kwh is not None]
    if not known:
        return _("No prices yet.")
    return _(
        "Price by interval: between %(lowest)s and %(highest)s.",
        lowest=fmt.price(min(known)),
        highest=fmt.price(max(known)),
    )


def device_problem(devices: tuple[DeviceHealth, ...]) -> str | None:
    """One sentence about meters that do not report, None when all is well."""
    if not devices:
        return _("No meter is connected to your home yet.")
    bad = [device for device in devices if device.health != "good"]
    if not bad:
        return None
    if bad[0].health == "late":
        return _("Meter %(id)s is late.", id=bad[0].device_id)
    return _("Meter %(id)s is silent.", id=bad[0].device_id)
