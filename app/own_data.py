"""Everything that is stored about a member, as one file that is written while it is read.

Which rows are a member's follows from the columns: what carries a participant, a metering point or a device is theirs
through it, and `BY_HAND` says it of tables that name them otherwise. So a new table is in the file from its first day;
`LEFT_OUT` lists the tables that are not, each with its reason, and a test compares both with the schema.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, or_, select
from sqlmodel import SQLModel

from app.storage import tables
from app.storage.store.members import PARTICIPANTS, POINTS
from app.storage.store.orders import ORDERS
from app.storage.tables import core_table
from contracts.transfers import member_account

ROWS_AT_ONCE = 1000
DEVICES = core_table(tables.Device)
WINDOWS = core_table(tables.WindowOrderRow)

SECRET_WORDS = ("password", "secret", "token_hash", "code_hash", "keystore")
"""Columns named so hold what opens an account: hashes and encrypted keys are kept here and handed to nobody."""

LEFT_OUT: Mapping[str, str] = {
    "certificate_correction": "corrections of certificates, which name no home; your shares are in certificate_part",
    "batch_public": "heads of all meters and the rounds of a batch, as your proofs carry them",
    "certificate_batch": "totals of the community",
    "chain_outbox": "transactions to the ledger, which everybody can read there",
    "settlement_batch": "roots and net positions of all accounts, as they stand in the ledger",
    "settlement_run": "lists of missing readings of all homes; yours are in contribution",
    "gateway": "hardware of the community; your devices say which gateway reads them",
}
"""Tables that have to do with members and are not in the file, with the reason."""


def _own_points(participant_id: str) -> Select[tuple[str]]:
    return select(POINTS.c.id).where(POINTS.c.participant_id == participant_id)


def _own_devices(participant_id: str) -> Select[tuple[str]]:
    return select(DEVICES.c.id).where(DEVICES.c.metering_point_id.in_(_own_points(participant_id)))


BY_COLUMN: Mapping[str, Callable[[Column[str], str], ColumnElement[bool]]] = {
    "participant_id": lambda column, own: column == own,
    "metering_point_id": lambda column, own: column.in_(_own_points(own)),
    "device_id": lambda column, own: column.in_(_own_devices(own)),
    "order_id": lambda column, own: column.in_(select(ORDERS.c.order_id).where(ORDERS.c.participant_id == own)),
    "window_id": lambda column, own: column.in_(select(WINDOWS.c.window_id).where(WINDOWS.c.participant_id == own)),
}
"""Whose a row is, by the first of these columns that its table has."""

BY_HAND: Mapping[str, Callable[[Table, str], ColumnElement[bool]]] = {
    "participant": lambda table, own: table.c.id == own,
    "audit_entry": lambda table, own: or_(table.c.actor == own, table.c.subject == own),
    "transfer": lambda table, own: or_(table.c.debit == member_account(own), table.c.credit == member_account(own)),
    "letter": lambda table, own: or_(
        table.c.sign_in_for == own,
        table.c.to_address.in_(select(PARTICIPANTS.c.email).where(PARTICIPANTS.c.id == own)),
    ),
}
"""Whose a row is, where no column of `BY_COLUMN` says it."""


_Values = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTable:
    """A table in the file: the columns that are handed out, those that are secrets, and which rows are a member's."""

    table: Table
    columns: tuple[Column[object], ...]
    secrets: tuple[str, ...]
    owned: Callable[[str], ColumnElement[bool]]


def own_tables() -> tuple[OwnTable, ...]:
    """Every table with rows of members, by name."""
    found = (_own_table(table) for name, table in sorted(SQLModel.metadata.tables.items()) if name not in LEFT_OUT)
    return tuple(each for each in found if each is not None)


def _own_table(table: Table) -> OwnTable | None:
    owned: Callable[[str], ColumnElement[bool]]
    if table.name in BY_HAND:
        rule = BY_HAND[table.name]

        def owned(own: str) -> ColumnElement[bool]:
            return rule(table, own)
    else:
        name = next((each for each in BY_COLUMN if each in table.c), None)
        if name is None:
            return None

        def owned(own: str) -> ColumnElement[bool]:
            return BY_COLUMN[name](table.c[name], own)

    secrets = tuple(column.name for column in table.columns if any(word in column.name for word in SECRET_WORDS))
    return OwnTable(
        table=table,
        columns=tuple(column for column in table.columns if column.name not in secrets),
        secrets=secrets,
        owned=owned,
    )


def own_data_zip(connection: Connection, participant_id: str, *, now_s: int) -> Iterator[bytes]:
    """The file in pieces: each table as CSV and as JSON, and what is in it and what is not."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("README.txt", now_s), _contents(participant_id, now_s))
        yield sink.taken()
        for each in own_tables():
            for ending, write in (("csv", _csv_lines), ("json", _json_lines)):
                rows = _rows(connection, each, participant_id)
                with archive.open(_entry(f"{each.table.name}.{ending}", now_s), "w") as file:
                    for lines in write(each, rows):
                        file.write(lines.encode())
                        yield sink.taken()
    yield sink.taken()


class _Sink:
    """Where the archive writes to: it is emptied after every piece and can go back nowhere."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes, /) -> int:
        """Keep a piece until it is taken."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is open here."""

    def taken(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _entry(name: str, now_s: int) -> zipfile.ZipInfo:
    written = datetime.fromtimestamp(now_s, UTC)
    info = zipfile.ZipInfo(name, written.timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _rows(connection: Connection, each: OwnTable, participant_id: str) -> Iterator[list[_Values]]:
    query = select(*each.columns).where(each.owned(participant_id)).order_by(*each.table.primary_key.columns)
    result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    for rows in result.partitions():
        yield [tuple(row) for row in rows]


def _csv_lines(each: OwnTable, blocks: Iterator[list[_Values]]) -> Iterator[str]:
    yield ",".join(column.name for column in each.columns) + "\n"
    for rows in blocks:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([[_plain(value) for value in row] for row in rows])
        yield out.getvalue()


def _json_lines(each: OwnTable, blocks: Iterator[list[_Values]]) -> Iterator[str]:
    names = [column.name for column in each.columns]
    between = "[\n"
    for rows in blocks:
        objects = (dict(zip(names, (_plain(value) for value in row), strict=True)) for row in rows)
        yield between + ",\n".join(json.dumps(each_object) for each_object in objects)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"


def _plain(value: object) -> object:
    """Bytes as hexadecimal digits, everything else as it is."""
    return "0x" + value.hex() if isinstance(value, bytes) else value


def _contents(participant_id: str, now_s: int) -> str:
    written = f"{datetime.fromtimestamp(now_s, UTC):%Y-%m-%d %H:%M} UTC"
    lines = [
        f"Everything that is stored about member {participant_id}, written {written}.",
        "Each table is here as CSV and as JSON with the same rows. Energy is in Wh (mWh in readings), money in 1e-9 of",
        "the currency (nano), prices in 1e-6 of the currency per kWh (micro), times in seconds since 1970 UTC (_s).",
        "",
        "In this file:",
    ]
    for each in own_tables():
        secrets = f" (without {', '.join(each.secrets)}: secrets, known to nobody)" if each.secrets else ""
        lines.append(f"- {each.table.name}{secrets}")
    lines += ["", "Not in this file:", *(f"- {name}: {reason}" for name, reason in LEFT_OUT.items())]
    lines.append("- everything else is the community's own (rounds, tariffs, roots on the ledger) and names no member")
    return "\n".join(lines) + "\n"
