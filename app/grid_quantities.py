"""Quantities that the operator of the grid computed, from a CSV file; a wrong line and nothing is taken.

    start,metering_point,bought_wh,sold_wh
    2025-06-16T12:00:00+00:00,MP-ANNA,0,250

Who is not listed in an interval shared nothing in it. A later file replaces the figures of the intervals it lists; what
was settled before is set right by the next run.
"""

import csv
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import Connection

from app.audit import AuditEntry, record
from app.errors import InputError
from app.market_choice import choice_at
from app.storage.store.community import the_community
from app.storage.store.grid_quantities import GridQuantity, replace_quantities
from app.storage.store.members import contracts_at, metering_points

COLUMNS = ["start", "metering_point", "bought_wh", "sold_wh"]
WATT_HOUR_MAX = 100_000_000


def read_quantities(lines: Sequence[str]) -> tuple[GridQuantity, ...]:
    """The rows of a file. Raises InputError naming the line."""
    rows = csv.reader(lines, strict=True)
    found: dict[tuple[int, str], GridQuantity] = {}
    try:
        header = next(rows, [])
        if header != COLUMNS:
            raise InputError(f"line 1: the columns are {','.join(COLUMNS)}, not {','.join(header)[:80]}")
        for row in rows:
            quantity = _quantity(row, rows.line_num)
            if found.setdefault((quantity.start_s, quantity.metering_point_id), quantity) is not quantity:
                raise InputError(f"line {rows.line_num}: {row[1]} is there twice at {row[0]}")
    except csv.Error as error:
        raise InputError(f"line {rows.line_num}: {error}") from error
    if not found:
        raise InputError("the file holds no quantities")
    return tuple(found.values())


def _quantity(row: Sequence[str], line: int) -> GridQuantity:
    if len(row) != len(COLUMNS):
        raise InputError(f"line {line}: has {len(row)} fields, not {len(COLUMNS)}")
    try:
        start = datetime.fromisoformat(row[0])
    except ValueError as error:
        raise InputError(
            f"line {line}: start {row[0][:40]!r} is no instant such as 2025-06-16T12:00:00+00:00"
        ) from error
    if start.tzinfo is None:
        raise InputError(f"line {line}: start {row[0]!r} has no offset: write +00:00 for UTC")
    for name, text in zip(COLUMNS[2:], row[2:], strict=True):
        if not (text.isascii() and text.isdecimal()) or int(text) > WATT_HOUR_MAX:
            raise InputError(f"line {line}: {name} {text[:20]!r} is no whole number of Wh up to {WATT_HOUR_MAX}")
    return GridQuantity(
        metering_point_id=row[1],
        start_s=int(start.timestamp()),
        bought_wh=int(row[2]),
        sold_wh=int(row[3]),
    )


def import_quantities(connection: Connection, lines: Sequence[str], *, actor: str, now_s: int) -> int:
    """Take a whole file in the caller's transaction; how many intervals it speaks of. Raises InputError."""
    quantities = read_quantities(lines)
    interval_s = the_community(connection).market_time_unit_s
    owners = {point.id: point.participant_id for point in metering_points(connection)}
    by_start: dict[int, list[GridQuantity]] = defaultdict(list)
    for each in quantities:
        by_start[each.start_s].append(each)
    for start_s, same in sorted(by_start.items()):
        when = f"interval {datetime.fromtimestamp(start_s, UTC).isoformat()}"
        if start_s % interval_s or start_s + interval_s > now_s:
            raise InputError(f"{when}: no delivered interval begins then")
        if not choice_at(connection, start_s).takes_given_quantities:
            raise InputError(f"{when}: the community's own market decides; set authority to operator_of_grid first")
        members = contracts_at(connection, start_s)
        for each in same:
            if owners.get(each.metering_point_id) not in members:
                raise InputError(f"{when}: {each.metering_point_id[:40]!r} is no metering point of a member then")
        _require_balanced(same, when)
    replace_quantities(connection, quantities, received_s=now_s)
    digest = sha256("\n".join(lines).encode()).hexdigest()
    detail = f"{len(quantities)} quantities of {len(by_start)} intervals, sha256 {digest}"
    record(
        connection,
        AuditEntry(
            at_s=now_s, actor=actor, action="quantities.imported", subject="operator of the grid", detail=detail
        ),
    )
    return len(by_start)


def _require_balanced(same: Sequence[GridQuantity], when: str) -> None:
    bought_wh, sold_wh = sum(each.bought_wh for each in same), sum(each.sold_wh for each in same)
    if bought_wh != sold_wh:
        raise InputError(f"{when}: {bought_wh} Wh bought and {sold_wh} Wh sold: what is shared must balance")
