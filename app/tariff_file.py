"""The tariff as a file: TOML or JSON with the keys of `contracts.tariff.Tariff`, and the day from which it holds."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.community_settings import CommunitySettings, MemberSettings
from app.errors import InputError
from app.storage.store.community import add_tariff, tariff_json_at, tariff_versions
from contracts.tariff import Tariff, TariffError

VALID_FROM = "valid_from"


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffVersion:
    """A tariff and the instant from which it is meant to hold; None: as soon as it can."""

    tariff: Tariff
    valid_from_s: int | None = None


def tariff_version(file: Path | None, community: CommunitySettings, members: Sequence[MemberSettings]) -> TariffVersion:
    """The tariff of `file`, or the default one. Raises InputError naming the file, the key and the remedy."""
    version = _read(file, community) if file is not None else TariffVersion(tariff=_default(community))
    where = "the default tariff" if file is None else str(file)
    if version.tariff.currency != community.currency:
        raise InputError(f"{where}: currency is {version.tariff.currency}, the community's is {community.currency}")
    for member in members:
        try:
            version.tariff.vat(member.vat_class)
        except TariffError as error:
            raise InputError(f"member {member.id}: {error}") from error
    return version


def adopt_tariff(connection: Connection, version: TariffVersion, *, first_s: int, next_s: int) -> list[str]:
    """Store the tariff if it is new: the first from `first_s` on, others not before `next_s`; what was done.

    Raises InputError for a change that would reach into the past: bills that were settled never change.
    """
    text = json.dumps(version.tariff.to_json())
    if not tariff_versions(connection):
        add_tariff(connection, valid_from_s=first_s, tariff_json=text)
        return [f"tariff {version.tariff.version} is in force"]
    start_s = next_s if version.valid_from_s is None else version.valid_from_s
    known = tariff_json_at(connection, max(start_s, next_s))
    if known is not None and json.loads(known) == version.tariff.to_json():
        return []
    if start_s < next_s:
        raise InputError(
            f"tariff {version.tariff.version}: {VALID_FROM} has passed: a tariff never changes past bills, "
            "name a day to come or leave it out"
        )
    add_tariff(connection, valid_from_s=start_s, tariff_json=text)
    return [f"tariff {version.tariff.version} holds from {datetime.fromtimestamp(start_s, UTC):%Y-%m-%d %H:%M} UTC"]


def overtaken(connection: Connection, tariff: Tariff, *, next_s: int) -> str | None:
    """What to say of a file's tariff that held before and was followed by another, as operators may decide; or None."""
    versions = [Tariff.from_json(text) for _, text in tariff_versions(connection)]
    in_force = tariff_json_at(connection, next_s)
    if tariff not in versions or in_force is None or (newest := Tariff.from_json(in_force)) == tariff:
        return None
    return (
        f"tariff {tariff.version} of the file held before tariff {newest.version}: it does not come back by a start, "
        "give it another version for that"
    )


def tariff_toml(tariff: Tariff) -> str:
    """The tariff as the file that `tariff_version` reads."""
    values = tariff.to_json()
    vat = values.pop("vat")
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    for name, rates in vat.items():
        lines += ["", f"[vat.{name}]", *(f"{key} = {value}" for key, value in rates.items())]
    return "\n".join(lines) + "\n"


def _default(community: CommunitySettings) -> Tariff:
    return Tariff(version="default", currency=community.currency)


def _read(file: Path, community: CommunitySettings) -> TariffVersion:
    try:
        return read_tariff(str(file), file.read_text(encoding="utf-8"), community.timezone)
    except FileNotFoundError as error:
        raise InputError(f"{file} does not exist: write it, or leave tariff_file out for the default") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not {'JSON' if file.suffix == '.json' else 'TOML'}: {error}") from error


def read_tariff(file: str, text: str, timezone: str) -> TariffVersion:
    """The tariff in the text of a file, JSON where its name says so, else TOML. Raises InputError naming the key."""
    is_json = file.endswith(".json")
    try:
        values = json.loads(text) if is_json else tomllib.loads(text)
    except ValueError as error:
        raise InputError(f"{file} is not {'JSON' if is_json else 'TOML'}: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{file}: a tariff is one table of keys and values")
    start = values.pop(VALID_FROM, None)
    try:
        tariff = Tariff.from_json(values)
    except TariffError as error:
        raise InputError(f"{file}: {error}") from error
    return TariffVersion(tariff=tariff, valid_from_s=None if start is None else _midnight_s(file, start, timezone))


def _midnight_s(file: str, start: object, timezone: str) -> int:
    try:
        day = start if isinstance(start, date) and not isinstance(start, datetime) else date.fromisoformat(str(start))
    except ValueError as error:
        raise InputError(f"{file}: {VALID_FROM} is {start}: write a day as YYYY-MM-DD") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).timestamp())
