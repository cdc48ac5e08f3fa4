"""Members: who takes part, new ones by form or by CSV, their contracts, and the end of a membership."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Response as FileResponse
from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from app.access import viewer
from app.audit import AuditEntry, record
from app.auth import SIGN_IN_CODE_S, issue_sign_in_code
from app.errors import InputError
from app.joining import Connected, Newcomer, agree_contract, end_membership, join, require_by_hand
from app.local_time import LocalDay
from app.member_files import NUMBERS, PERSON_COLUMNS, PLACE_COLUMNS, member_of_cells
from app.meter_places import point_id_of
from app.platform import platform
from app.storage.database import reading, writing
from app.storage.store.community import tariff_json_at
from app.storage.store.devices import gateways
from app.storage.store.members import SupplyContract
from app.vat_classes import change_vat_class
from app.web.context import YEARS, engine, page
from app.web.csv_files import csv_file
from app.web.numbers import TypedNumberError, typed_price_micro, typed_thousandths
from app.web.read_models.members import low_buses, member_detail, members
from app.web.views.operator import operator
from contracts.tariff import Tariff
from meters.profile import profile_names

LINK_DAYS = SIGN_IN_CODE_S // 86_400
EXPORTED = (
    "id",
    "display_name",
    "email",
    "status",
    "vat_class",
    "points",
    "generation_w",
    "battery_wh",
    "first_s",
    "end_s",
)
THOUSANDS = {"connection_w": "kW", "generation_w": "kW", "battery_w": "kW", "battery_wh": "kWh"}
"""Figures that people type in thousands, and the unit they see beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the form of a new member offers."""

    vat_classes: tuple[str, ...]
    buses: tuple[str, ...]
    gateways: tuple[str, ...]
    profiles: tuple[str, ...]


@operator.get("/members")
def member_list() -> str:
    """Members and their equipment."""
    with reading(engine()) as connection:
        found = members(connection, now_s=page().now_s)
    return render_template("operator/members.html", members=found)


@operator.get("/members.csv")
def members_file() -> FileResponse:
    """Members and their equipment as CSV, without consumption."""
    with reading(engine()) as connection:
        found = members(connection, now_s=page().now_s)
    rows = [[getattr(each, name) for name in EXPORTED] for each in found]
    return csv_file("members", EXPORTED, rows)


@operator.get("/members/add")
def new_member() -> str:
    """The form of one new member, and the two files of many."""
    return _form({}, "")


@operator.post("/members/add")
def add_member() -> Response | tuple[str, int]:
    """Let one member join."""
    typed = {name: text.strip() for name, text in request.form.items()}
    try:
        newcomer = _typed_newcomer(typed)
        with writing(engine()) as connection:
            join(connection, newcomer, actor=viewer().id, now_s=page().now_s)
    except (InputError, TypedNumberError) as error:
        return _form(typed, str(error)), 422
    flash(_("%(name)s is a member now.", name=newcomer.member.name), "good")
    return redirect(url_for("operator.member_page", member_id=newcomer.member.id))


@operator.get("/members/<member_id>")
def member_page(member_id: str) -> str:
    """One member: contact, connections, contracts. No consumption."""
    with reading(engine()) as connection:
        found = member_detail(connection, member_id, now_s=page().now_s)
        choices = _choices(connection)
    if found is None:
        abort(404, _("There is no such member."))
    today = page().today.date
    first = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    return render_template("operator/member.html", member=found, next_month=first, today=today, choices=choices)


@operator.post("/members/<member_id>/contract")
def add_contract(member_id: str) -> Response:
    """Other supplier prices from a day on."""
    try:
        contract = SupplyContract(
            participant_id=member_id,
            supplier_price_micro_per_kwh=_price("supplier_price"),
            feed_in_price_micro_per_kwh=_price("feed_in_price"),
            valid_from_s=_day("from_day").start_s,
        )
        with writing(engine()) as connection:
            agreed = agree_contract(connection, contract, actor=viewer().id, now_s=page().now_s)
    except (InputError, TypedNumberError) as error:
        flash(_sentence(str(error)), "bad")
    else:
        flash(_("The new prices hold from %(moment)s on.", moment=page().fmt.moment(agreed.valid_from_s)), "good")
    return redirect(url_for("operator.member_page", member_id=member_id))


@operator.post("/members/<member_id>/vat-class")
def change_class(member_id: str) -> Response:
    """Another VAT class from a day on."""
    try:
        with writing(engine()) as connection:
            require_by_hand(connection, member_id)
            from_s = change_vat_class(
                connection,
                member_id,
                request.form.get("vat_class", "").strip(),
                from_day=_day("vat_from_day").date,
                actor=viewer().id,
                now_s=page().now_s,
            )
    except InputError as error:
        flash(_sentence(str(error)), "bad")
    else:
        flash(_("The class holds from %(moment)s on.", moment=page().fmt.moment(from_s)), "good")
    return redirect(url_for("operator.member_page", member_id=member_id))


@operator.post("/members/<member_id>/end")
def end_member(member_id: str) -> Response:
    """The membership ends with a day."""
    try:
        with writing(engine()) as connection:
            last_s = _day("last_day").end_s
            end_s = end_membership(connection, member_id, end_s=last_s, actor=viewer().id, now_s=page().now_s)
    except InputError as error:
        flash(_sentence(str(error)), "bad")
    else:
        ends = _(
            "The membership ends at %(moment)s. Bills can still be read after that.", moment=page().fmt.moment(end_s)
        )
        flash(ends, "good")
    return redirect(url_for("operator.member_page", member_id=member_id))


@operator.post("/members/<member_id>/link")
def invite_member(member_id: str) -> str:
    """A link with which this member signs in once, shown to who asked and to nobody else."""
    with writing(engine()) as connection:
        found = member_detail(connection, member_id, now_s=page().now_s)
        if found is None:
            abort(404, _("There is no such member."))
        code = issue_sign_in_code(connection, member_id, now_s=page().now_s)
        entry = AuditEntry(at_s=page().now_s, actor=viewer().id, action="member.invited", subject=member_id)
        record(connection, entry)
    link = f"{platform().settings.web.base_url}/sign-in/link/{code}"
    return render_template("operator/member_link.html", member=found, link=link, days=LINK_DAYS)


def _form(typed: dict[str, str], error: str) -> str:
    with reading(engine()) as connection:
        choices = _choices(connection)
    return render_template("operator/member_new.html", typed=typed, error=_sentence(error), choices=choices)


def _choices(connection: Connection) -> Choices:
    tariff_json = tariff_json_at(connection, page().now_s)
    tariff = None if tariff_json is None else Tariff.from_json(tariff_json)
    community = page().community
    drawing: dict[str, Any] = json.loads((community.drawing_json if community else None) or "{}")
    return Choices(
        vat_classes=("private",) if tariff is None else tuple(each.name for each in tariff.vat_classes),
        buses=low_buses(drawing),
        gateways=tuple(each.id for each in gateways(connection)),
        profiles=profile_names(),
    )


def _typed_newcomer(typed: dict[str, str]) -> Newcomer:
    """Who was typed into the form, read as a line of the files is."""
    cells = {name: typed[name] for name in (*PERSON_COLUMNS, *PLACE_COLUMNS) if typed.get(name) and name not in NUMBERS}
    cells["supplier_price_micro_per_kwh"] = str(_price("supplier_price"))
    cells["feed_in_price_micro_per_kwh"] = str(_price("feed_in_price"))
    for name, unit in THOUSANDS.items():
        if typed.get(name):
            cells[name] = str(typed_thousandths(typed[name], unit=unit))
    member = member_of_cells("the form", cells)
    first = _day("from_day") if typed.get("from_day") else None
    point_id = typed.get("metering_point") or point_id_of(member.id)
    return Newcomer(
        points=(Connected(point_id=point_id, member=member),),
        from_s=None if first is None else first.start_s,
    )


def _price(name: str) -> int:
    fmt = page().fmt
    return typed_price_micro(request.form.get(name, ""), micro_per_unit=fmt.micro_per_price_unit, unit=fmt.price_unit)


def _day(name: str) -> LocalDay:
    """A day of the form, today or later. Raises InputError."""
    try:
        day = date.fromisoformat(request.form.get(name, ""))
    except ValueError as error:
        raise InputError("choose a day") from error
    if day.year not in YEARS or day < page().today.date - timedelta(days=1):
        raise InputError(_("%(day)s has passed: nothing changes what was settled, choose a day to come", day=day))
    return LocalDay(date=day, zone=page().zone, interval_s=page().interval_s)


def _sentence(text: str) -> str:
    return text if not text else f"{text[0].upper()}{text[1:].rstrip('.')}."
