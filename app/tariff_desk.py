"""Tariffs that operators bring in the browser: what would change is told first, and settled time is never touched."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

from sqlalchemy import Connection

from app.audit import AuditEntry, record
from app.errors import InputError
from app.market_choice import choice_at
from app.membership import Moment
from app.storage.store.community import tariff_json_at, tariff_versions, the_community
from app.storage.store.members import participants
from app.storage.store.vat_classes import vat_histories
from app.tariff_file import TariffVersion, adopt_tariff
from contracts.tariff import Tariff

RATES = (
    "platform_fee_micro_per_kwh",
    "grid_fee_micro_per_kwh",
    "grid_fee_locality_discount_percent",
    "levies_micro_per_kwh",
    "levies_locality_discount_percent",
    "deviation_permille",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A stored tariff, from when up to when it holds (None: open), and whether it is the one of now."""

    tariff: Tariff
    from_s: int
    until_s: int | None
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One component that a new tariff changes; None where it is new or gone."""

    component: str
    before: int | None
    after: int | None

    @property
    def vat_class(self) -> str | None:
        """Whose VAT it is, None for other components."""
        return self.component.removeprefix("vat.").rpartition(".")[0] if self.component.startswith("vat.") else None


def versions(connection: Connection, *, now_s: int) -> tuple[Version, ...]:
    """Every tariff, the newest first."""
    stored = tariff_versions(connection)
    found = [
        Version(
            tariff=Tariff.from_json(text),
            from_s=from_s,
            until_s=until_s,
            is_current=from_s <= now_s and (until_s is None or now_s < until_s),
        )
        for (from_s, text), until_s in zip_longest(stored, [from_s for from_s, _ in stored[1:]])
    ]
    return tuple(reversed(found))


def changes(before: Tariff, after: Tariff) -> tuple[Change, ...]:
    """What is different, component by component; VAT as `vat.CLASS.buying` and `vat.CLASS.selling`."""
    old, new = dict(_components(before)), dict(_components(after))
    names = [*old, *(name for name in new if name not in old)]
    return tuple(
        Change(component=name, before=old.get(name), after=new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    )


def check_tariff(connection: Connection, version: TariffVersion, *, now_s: int) -> tuple[Change, ...]:
    """What this tariff would change against the one that holds until then.

    Raises InputError for settled time, a day that another version has, another currency, a VAT class that is missing.
    """
    community = the_community(connection)
    first_s = Moment(now_s=now_s, minutes=community.market_time_unit_minutes).changed_s
    start_s = first_s if version.valid_from_s is None else version.valid_from_s
    if start_s < first_s:
        raise InputError(
            f"tariff {version.tariff.version} would hold from a day that has begun: a tariff never changes settled "
            "time, choose a day to come"
        )
    if version.tariff.currency != community.currency:
        raise InputError(f"currency is {version.tariff.currency}, the community's is {community.currency}")
    if choice_at(connection, start_s).island is not None:
        raise InputError("the tariff of an island is kept in its file, where it is checked against the island's prices")
    taken = {from_s: text for from_s, text in tariff_versions(connection) if from_s == start_s}
    if any(Tariff.from_json(text) != version.tariff for text in taken.values()):
        raise InputError("another tariff holds from that day already: choose another day, a tariff is never edited")
    known = {each.name for each in version.tariff.vat_classes}
    histories = vat_histories(connection)
    for person in participants(connection, role="household"):
        history = histories[person.id]
        for name in (history.at(start_s), *(each for since_s, each in history.changes if since_s > start_s)):
            if name not in known:
                raise InputError(f"vat: member {person.id} has the class {name}, which this tariff lacks")
    before = tariff_json_at(connection, start_s)
    found = () if before is None else changes(Tariff.from_json(json.loads(before)), version.tariff)
    if before is not None and not found:
        raise InputError("nothing changes: this tariff is in force then")
    return found


def bring_tariff(connection: Connection, version: TariffVersion, *, actor: str, now_s: int) -> None:
    """Store a tariff for a time to come and write it down. Raises InputError as `check_tariff`."""
    found = check_tariff(connection, version, now_s=now_s)
    minutes = the_community(connection).market_time_unit_minutes
    next_s = Moment(now_s=now_s, minutes=minutes).changed_s
    adopt_tariff(connection, version, first_s=next_s, next_s=next_s)
    start_s = next_s if version.valid_from_s is None else version.valid_from_s
    told = "; ".join(f"{each.component} {each.before} to {each.after}" for each in found)
    detail = f"from {datetime.fromtimestamp(start_s, UTC):%Y-%m-%d %H:%M} UTC: {told}"
    subject = version.tariff.version
    record(connection, AuditEntry(at_s=now_s, actor=actor, action="tariff.added", subject=subject, detail=detail))


def _components(tariff: Tariff) -> Iterator[tuple[str, int]]:
    for name in RATES:
        yield name, int(getattr(tariff, name))
    for each in tariff.vat_classes:
        yield f"vat.{each.name}.buying", each.buying_permille
        yield f"vat.{each.name}.selling", each.selling_permille
