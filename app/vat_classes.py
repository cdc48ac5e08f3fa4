"""A member's class of value-added tax: changed from a day to come, never for what was settled."""

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.audit import AuditEntry, record
from app.errors import InputError
from app.storage.store.community import tariff_json_at, the_community
from app.storage.store.members import participant
from app.storage.store.vat_classes import save_vat_change, vat_history
from contracts.tariff import Tariff, TariffError


def change_vat_class(
    connection: Connection, participant_id: str, vat_class: str, *, from_day: date, actor: str, now_s: int
) -> int:
    """From the beginning of a local day on the member is in `vat_class`; the instant. The deed is audited.

    Raises InputError for an unknown member or class, for a day that has begun, and where nothing would change.
    """
    member = participant(connection, participant_id)
    if member is None or member.role != "household":
        raise InputError(f"there is no member {participant_id!r}")
    zone = ZoneInfo(the_community(connection).timezone)
    from_s = int(datetime(from_day.year, from_day.month, from_day.day, tzinfo=zone).timestamp())
    if from_s <= now_s:
        raise InputError(f"{from_day.isoformat()} has begun: a tax class changes from a day to come on")
    _require_class(connection, vat_class, from_s)
    line = plan_vat_class(connection, participant_id, vat_class, from_s=from_s)
    if line is None:
        raise InputError(f"{participant_id} is in {vat_class!r} on {from_day.isoformat()} already")
    detail = f"{vat_class} from {from_day.isoformat()}"
    entry = AuditEntry(at_s=now_s, actor=actor, action="vat_class.changed", subject=participant_id, detail=detail)
    record(connection, entry)
    return from_s


def plan_vat_class(connection: Connection, participant_id: str, vat_class: str, *, from_s: int) -> str | None:
    """Store that a known member is in a class from an instant on; what was done, None where it is so already."""
    if vat_history(connection, participant_id).at(from_s) == vat_class:
        return None
    save_vat_change(connection, participant_id, valid_from_s=from_s, vat_class=vat_class)
    when = datetime.fromtimestamp(from_s, UTC)
    return f"member {participant_id} is in VAT class {vat_class} from {when:%Y-%m-%d %H:%M} UTC"


def _require_class(connection: Connection, vat_class: str, instant_s: int) -> None:
    text = tariff_json_at(connection, instant_s)
    if text is None:
        raise InputError("the community has no tariff yet: its classes are not known")
    try:
        Tariff.from_json(json.loads(text)).vat(vat_class)
    except TariffError as error:
        raise InputError(str(error)) from error
