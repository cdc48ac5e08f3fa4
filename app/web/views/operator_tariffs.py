"""Tariffs: the versions, and a new one from a day to come, by form or from a file, looked at before it holds."""

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from app.access import viewer
from app.errors import InputError
from app.local_time import LocalDay
from app.member_files import text_of_upload
from app.storage.database import reading, writing
from app.tariff_desk import Change, bring_tariff, check_tariff, versions
from app.tariff_file import TariffVersion, read_tariff
from app.web.context import YEARS, engine, page
from app.web.numbers import TypedNumberError, typed_percent, typed_rate_micro
from app.web.views.operator import operator
from contracts.tariff import LOCALITY_FACTS, Tariff, TariffError, VatClass

RATES = ("platform_fee_micro_per_kwh", "grid_fee_micro_per_kwh", "levies_micro_per_kwh")
DISCOUNTS = ("grid_fee_locality_discount_percent", "levies_locality_discount_percent")
NEW_CLASS = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A tariff that was looked at: what it would change, and itself as the form that confirms it sends it."""

    version: TariffVersion
    changes: tuple[Change, ...]

    @property
    def document(self) -> str:
        return json.dumps({"tariff": self.version.tariff.to_json(), "valid_from_s": self.version.valid_from_s})


@operator.get("/tariffs")
def tariffs() -> str:
    """The versions, and the form of a new one."""
    return _render({})


@operator.post("/tariffs")
def look_at_tariff() -> tuple[str, int] | str:
    """What a new tariff would change; nothing is stored."""
    typed = {name: text.strip() for name, text in request.form.items()}
    file = request.files.get("file")
    try:
        version = _uploaded(file) if file is not None and file.filename else _typed(typed)
        with reading(engine()) as connection:
            found = check_tariff(connection, version, now_s=page().now_s)
    except (InputError, TypedNumberError, TariffError) as error:
        return _render(typed, error=str(error)), 422
    return _render(typed, preview=Preview(version=version, changes=found))


@operator.post("/tariffs/confirmed")
def add_tariff() -> Response | tuple[str, int]:
    """The tariff that was looked at holds from its day."""
    try:
        document = json.loads(request.form.get("document", ""))
        version = TariffVersion(
            tariff=Tariff.from_json(document["tariff"]), valid_from_s=int(document["valid_from_s"] or 0) or None
        )
        with writing(engine()) as connection:
            bring_tariff(connection, version, actor=viewer().id, now_s=page().now_s)
    except (KeyError, TypeError, ValueError, InputError) as error:
        told = (
            str(error) if isinstance(error, InputError | TariffError) else _("This form is incomplete: open it again")
        )
        return _render({}, error=told), 422
    flash(_("Tariff %(version)s is stored.", version=version.tariff.version), "good")
    return redirect(url_for("operator.tariffs"))


def _render(typed: dict[str, str], *, error: str = "", preview: Preview | None = None) -> str:
    with reading(engine()) as connection:
        found = versions(connection, now_s=page().now_s)
    today = page().today.date
    first = date(today.year + today.month // 12, today.month % 12 + 1, 1)
    newest = found[0].tariff if found else Tariff(version="none yet")
    return render_template(
        "operator/tariffs.html",
        versions=found,
        newest=newest,
        typed=typed or _as_typed(newest, first),
        error=error and f"{error[0].upper()}{error[1:].rstrip('.')}.",
        preview=preview,
        facts=LOCALITY_FACTS,
        shown=shown_rate,
    )


def shown_rate(component: str, value: int | None) -> str:
    """A component's value as people write it, exactly; empty where there is none."""
    fmt = page().fmt
    if value is None:
        return ""
    if component.endswith("_micro_per_kwh"):
        return f"{_plain(Decimal(value) / fmt.micro_per_price_unit)} {fmt.price_unit}"
    return f"{_plain(Decimal(value) if component.endswith('_percent') else Decimal(value) / 10)} %"


def _as_typed(tariff: Tariff, first: date) -> dict[str, str]:
    per_unit = page().fmt.micro_per_price_unit
    typed = {"version": "", "from_day": first.isoformat()}
    typed |= {name: _plain(Decimal(getattr(tariff, name)) / per_unit) for name in RATES}
    typed |= {name: str(getattr(tariff, name)) for name in DISCOUNTS}
    typed["deviation_permille"] = _plain(Decimal(tariff.deviation_permille) / 10)
    for each in tariff.vat_classes:
        typed[f"vat.{each.name}.buying"] = _plain(Decimal(each.buying_permille) / 10)
        typed[f"vat.{each.name}.selling"] = _plain(Decimal(each.selling_permille) / 10)
    return typed


def _plain(value: Decimal) -> str:
    return f"{value:f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def _uploaded(file: FileStorage) -> TariffVersion:
    name = (file.filename or "")[:60]
    community = page().community
    return read_tariff(name, text_of_upload(name, file.read()), community.timezone if community else "UTC")


def _typed(typed: dict[str, str]) -> TariffVersion:
    fmt, rates = page().fmt, dict[str, int]()
    for name in RATES:
        rates[name] = typed_rate_micro(
            typed.get(name, ""), micro_per_unit=fmt.micro_per_price_unit, unit=fmt.price_unit
        )
    for name in DISCOUNTS:
        rates[name] = typed_percent(typed.get(name, ""), parts=100)
    classes = sorted({name[4:].rpartition(".")[0] for name in typed if name.startswith("vat.")})
    found = [_vat_class(typed, each, typed[f"{NEW_CLASS}_class"] if each == NEW_CLASS else each) for each in classes]
    tariff = Tariff(
        version=typed.get("version", ""),
        currency=fmt.currency,
        **rates,
        deviation_permille=typed_percent(typed.get("deviation_permille", ""), parts=1_000),
        vat_classes=tuple(each for each in found if each is not None),
    )
    return TariffVersion(tariff=tariff, valid_from_s=_start_s(typed.get("from_day", "")))


def _vat_class(typed: dict[str, str], key: str, name: str) -> VatClass | None:
    if not name:
        return None
    buying, selling = (typed_percent(typed.get(f"vat.{key}.{side}", ""), parts=1_000) for side in ("buying", "selling"))
    return VatClass(name=name, buying_permille=buying, selling_permille=selling)


def _start_s(text: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InputError("choose the day from which the tariff holds") from error
    if day.year not in YEARS:
        raise InputError("choose a day of this century")
    return LocalDay(date=day, zone=page().zone, interval_s=page().interval_s).start_s
