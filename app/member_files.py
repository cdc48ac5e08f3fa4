"""Members and their metering points as two CSV files, read strictly: each mistake with its line, column and remedy."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.community_settings import MemberSettings, member_from
from app.errors import InputError
from app.joining import Connected, Newcomer
from app.meter_places import point_id_of
from contracts.fields import FieldError, Fields
from meters.profile import ProfileError, load_profile

MEMBERS, POINTS = "members.csv", "points.csv"
PERSON_COLUMNS = ("id", "name", "email", "vat_class", "supplier_price_micro_per_kwh", "feed_in_price_micro_per_kwh")
DAY_COLUMNS = ("from_day", "until_day")
PLACE_COLUMNS = (
    "bus",
    "phase",
    "connection_w",
    "generation_w",
    "generation_controllable",
    "battery_wh",
    "battery_w",
    "gateway",
    "meter_profile",
)
MEMBER_COLUMNS = (*PERSON_COLUMNS, *DAY_COLUMNS)
POINT_COLUMNS = ("metering_point", "member", *PLACE_COLUMNS)
REQUIRED = {
    MEMBERS: ("id", "name", "supplier_price_micro_per_kwh", "feed_in_price_micro_per_kwh"),
    POINTS: ("metering_point", "member"),
}
NUMBERS = frozenset(name for name in (*PERSON_COLUMNS, *PLACE_COLUMNS) if name.endswith(("_kwh", "_w", "_wh")))
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
ROWS_MAX = 5_000
POINT_ID_CHARACTERS_MAX = 60

Row = tuple[int, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Somebody of the files, with the line of members.csv."""

    line: int
    newcomer: Newcomer


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFiles:
    """What the files say, and every mistake in them, one text each."""

    listed: tuple[Listed, ...]
    errors: tuple[str, ...]


def read_member_files(members: str, points: str | None, zone: ZoneInfo) -> MemberFiles:
    """Read both files. Without the second, each member has one metering point, whose columns may stand in the first."""
    errors: list[str] = []
    people = _rows(MEMBERS, members, (*MEMBER_COLUMNS, *(PLACE_COLUMNS if points is None else ())), errors)
    places = [] if points is None else _rows(POINTS, points, POINT_COLUMNS, errors)
    of_member: dict[str, list[Row]] = {}
    for line, row in places:
        of_member.setdefault(row["member"], []).append((line, row))
    listed, seen = list[Listed](), dict[str, int]()
    for line, row in people:
        name = row.get("id", "")
        if seen.setdefault(name, line) != line:
            errors.append(f"{MEMBERS} line {line}: id: {name} stands in line {seen[name]} already: remove one")
            continue
        try:
            listed.append(Listed(line=line, newcomer=_newcomer(line, row, of_member.pop(name, []), points, zone)))
        except InputError as error:
            errors.append(str(error))
    for rows in of_member.values():
        errors += [f"{POINTS} line {at}: member: {row['member']!r} is not in {MEMBERS}" for at, row in rows]
    if not people and not errors:
        errors.append(f"{MEMBERS}: holds no member below its first line")
    return MemberFiles(listed=tuple(listed), errors=tuple(errors))


def text_of_upload(name: str, content: bytes) -> str:
    """The text of an uploaded file. Raises InputError for what is no text."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not text in UTF-8: save it as CSV UTF-8") from error


def _rows(name: str, text: str, columns: tuple[str, ...], errors: list[str]) -> list[Row]:
    """Rows with their line numbers; a header that cannot be and rows of another length are told in `errors`."""
    lines = text.splitlines()
    header = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=";" if ";" in header and "," not in header else ",", strict=True)
    rows: list[Row] = []
    try:
        names = [column.strip().lower() for column in next(reader, [])]
        if problem := _header_problem(name, names, columns):
            errors.append(f"{name} line 1: {problem}")
            return []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                errors.append(f"{name} line {reader.line_num}: has {len(cells)} columns, the first line {len(names)}")
                continue
            rows.append((reader.line_num, {key: cell.strip() for key, cell in zip(names, cells, strict=True)}))
    except csv.Error as error:
        errors.append(f"{name} line {reader.line_num}: is not CSV: {error}")
    if len(rows) > ROWS_MAX:
        errors.append(f"{name}: has {len(rows)} rows: give at most {ROWS_MAX} at once")
        return []
    return rows


def _header_problem(name: str, names: list[str], columns: tuple[str, ...]) -> str | None:
    if missing := [each for each in REQUIRED[name] if each not in names]:
        return f"the column {missing[0]} is missing: the first line names the columns, separated by commas"
    if unknown := [each for each in names if each not in columns]:
        return f"the column {unknown[0][:40]!r} is unknown here: use some of {', '.join(columns)}"
    if len(set(names)) != len(names):
        return "a column stands there twice"
    return None


def _newcomer(line: int, row: Mapping[str, str], places: list[Row], points: str | None, zone: ZoneInfo) -> Newcomer:
    person = {name: row[name] for name in PERSON_COLUMNS if row.get(name)}
    days = {name: _day(f"{MEMBERS} line {line}", name, row.get(name, "")) for name in DAY_COLUMNS}
    if points is None:
        place = {name: row[name] for name in PLACE_COLUMNS if row.get(name)}
        member = member_of_cells(f"{MEMBERS} line {line}", person | place)
        connected = [Connected(point_id=point_id_of(member.id), member=member)]
    else:
        if not places:
            raise InputError(f"{MEMBERS} line {line}: {row['id']} has no metering point: add a line to {POINTS}")
        member_of_cells(f"{MEMBERS} line {line}", person)
        connected = [_connected(at, person, place) for at, place in places]
    first, last = days["from_day"], days["until_day"]
    return Newcomer(
        points=tuple(connected),
        from_s=None if first is None else _midnight_s(first, zone),
        until_s=None if last is None else _midnight_s(date.fromordinal(last.toordinal() + 1), zone),
    )


def _connected(line: int, person: Mapping[str, str], place: Mapping[str, str]) -> Connected:
    point_id = place["metering_point"]
    if not point_id or len(point_id) > POINT_ID_CHARACTERS_MAX or not point_id.isprintable() or "/" in point_id:
        raise InputError(
            f"{POINTS} line {line}: metering_point: use 1 to {POINT_ID_CHARACTERS_MAX} letters, digits and signs but /"
        )
    values = {name: place[name] for name in PLACE_COLUMNS if place.get(name)}
    return Connected(point_id=point_id, member=member_of_cells(f"{POINTS} line {line}", dict(person) | values))


def member_of_cells(place: str, cells: Mapping[str, str]) -> MemberSettings:
    """The member as the configuration would have it. Raises InputError naming place and column."""
    values: dict[str, object] = dict(_converted(place, cells))
    profile, gateway = values.pop("meter_profile", None), values.pop("gateway", None)
    if (profile is None) != (gateway is None):
        raise InputError(f"{place}: a meter has both, meter_profile and the gateway that reads it: give both or none")
    if profile is not None:
        try:
            load_profile(str(profile))
        except ProfileError as error:
            raise InputError(f"{place}: meter_profile: {error}") from error
        values["meter"] = {"profile": profile, "gateway": gateway}
    try:
        return member_from(Fields(values, ""))
    except FieldError as error:
        raise InputError(f"{place}: {error}") from error


def _converted(place: str, cells: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    for name, text in cells.items():
        if name in NUMBERS:
            digits = text.removeprefix("-")
            if not (digits.isascii() and digits.isdecimal() and len(digits) <= 12):
                raise InputError(f"{place}: {name}: is {text[:40]!r}: write a whole number without separators")
            yield name, int(text)
        elif name == "generation_controllable":
            if text.lower() not in TRUTHS:
                raise InputError(f"{place}: {name}: is {text[:40]!r}: write yes or no")
            yield name, TRUTHS[text.lower()]
        else:
            yield name, text


def _day(place: str, name: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{place}: {name}: is {text[:40]!r}: write a day as YYYY-MM-DD") from error


def _midnight_s(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def join_listed(files: MemberFiles, join_one: Callable[[Newcomer], None]) -> tuple[str, ...]:
    """Let everybody of the files join; the mistakes that only the community knows, with their lines."""
    errors = []
    for each in files.listed:
        try:
            join_one(each.newcomer)
        except InputError as error:
            errors.append(f"{MEMBERS} line {each.line}: {error}")
    return tuple(errors)
