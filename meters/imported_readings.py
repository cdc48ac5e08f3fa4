"""Readings from a CSV file, for meters that no gateway can read: parsed, doubted, and made to follow what is there.

Two forms, told apart by their header: `device,at,import_kwh,export_kwh` has registers as a display shows them at an
instant; `device,start,import_kwh,export_kwh` has the energy of intervals that begin at `start`, one after the other.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from meters.energy import BoundaryReading
from meters.signing import FLAG_IMPORTED, RegisterReading

REGISTERS = ("device", "at", "import_kwh", "export_kwh")
INTERVALS = ("device", "start", "import_kwh", "export_kwh")
MWH_PER_KWH = 1_000_000
KWH_MAX = 10**9
"""More than any register shows."""
MWH_PER_WATT_SECOND = Decimal(1000) / 3600


class ReadingsFileError(ValueError):
    """A file that cannot be imported; the message names line, column and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a file: registers at an instant, or the energy of the interval that ends there, in mWh."""

    line: int
    device: str
    start_s: int | None
    end_s: int
    import_mwh: int
    export_mwh: int


def read_rows(lines: Iterable[str], *, interval_s: int) -> list[Row]:
    """The rows of a file in its order. Raises ReadingsFileError."""
    table = csv.reader(lines, strict=True)
    try:
        header = tuple(name.strip().removeprefix("\ufeff") for name in next(table, []))
        if header not in {REGISTERS, INTERVALS}:
            raise ReadingsFileError(
                f"line 1: the columns are {', '.join(header) or 'none'}: write {','.join(REGISTERS)} for registers"
                f" or {','.join(INTERVALS)} for the energy of intervals, separated by commas"
            )
        return [_row(table.line_num, cells, header, interval_s) for cells in table if cells]
    except csv.Error as error:
        raise ReadingsFileError(f"line {table.line_num}: {error}") from error


def _row(line: int, cells: Sequence[str], header: Sequence[str], interval_s: int) -> Row:
    if len(cells) != len(header):
        raise ReadingsFileError(f"line {line}: {len(cells)} cells where the header has {len(header)}")
    device, when, imported, exported = (cell.strip() for cell in cells)
    instant_s = _instant_s(line, header[1], when)
    is_interval = header == INTERVALS
    if is_interval and instant_s % interval_s:
        raise ReadingsFileError(f"line {line}, start: {when} is no start of an interval of {interval_s // 60} minutes")
    return Row(
        line=line,
        device=device,
        start_s=instant_s if is_interval else None,
        end_s=instant_s + interval_s if is_interval else instant_s,
        import_mwh=_mwh(line, "import_kwh", imported),
        export_mwh=_mwh(line, "export_kwh", exported),
    )


def _instant_s(line: int, column: str, text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ReadingsFileError(f"line {line}, {column}: {text!r} is no time like 2026-06-01T10:00:00Z") from error
    if instant.tzinfo is None or instant.microsecond:
        raise ReadingsFileError(f"line {line}, {column}: {text!r} needs whole seconds and a zone: Z or +02:00")
    return int(instant.timestamp())


def _mwh(line: int, column: str, text: str) -> int:
    try:
        amount_kwh = Decimal(text)
    except InvalidOperation as error:
        raise ReadingsFileError(f"line {line}, {column}: {text!r} is no number; write 1234.5") from error
    if not amount_kwh.is_finite() or not 0 <= amount_kwh <= KWH_MAX:
        raise ReadingsFileError(f"line {line}, {column}: {text!r} is not between 0 and {KWH_MAX} kWh")
    amount = amount_kwh * MWH_PER_KWH
    if amount != int(amount):
        raise ReadingsFileError(f"line {line}, {column}: {text!r} has more than six decimals")
    return int(amount)


def following(
    rows: Sequence[Row],
    known: Mapping[str, Sequence[RegisterReading]],
    connection_w: Mapping[str, float],
    *,
    now_s: int,
) -> list[tuple[str, BoundaryReading]]:
    """What the rows add to `known`, the readings of each device so far, oldest first; what is there adds nothing.

    connection_w  device to the rating of its connection in W: more energy than that is an error
    Raises ReadingsFileError for a device that is not in it, and for rows that contradict what is known or each other.
    """
    chains = {device: _Chain(known.get(device, ()), watts) for device, watts in connection_w.items()}
    added = []
    for row in rows:
        if row.device not in chains:
            there = ", ".join(sorted(chains)) or "none"
            raise ReadingsFileError(
                f"line {row.line}: device {row.device!r} has no [[imported]] table in the configuration; there: {there}"
            )
        if row.end_s > now_s:
            raise ReadingsFileError(f"line {row.line}: {_time(row.end_s)} lies in the future")
        added += [(row.device, reading) for reading in chains[row.device].take(row)]
    return added


class _Chain:
    """The readings of one device as they grow."""

    def __init__(self, known: Sequence[RegisterReading], connection_w: float) -> None:
        self._at = {reading.start_s + reading.duration_s: reading for reading in known}
        self._known_until_s = max(self._at, default=None)
        self._connection_w = Decimal(connection_w)
        self._last: tuple[int, int, int] | None = None
        if self._known_until_s is not None:
            newest = self._at[self._known_until_s]
            self._last = (self._known_until_s, newest.import_mwh, newest.export_mwh)
        self._seen_s: int | None = None

    def take(self, row: Row) -> list[BoundaryReading]:
        """The readings that a row adds."""
        if self._seen_s is not None and row.end_s <= self._seen_s:
            raise ReadingsFileError(
                f"line {row.line}: {row.device} at {_time(row.end_s)} is there twice or out of order"
            )
        self._seen_s = row.end_s
        if self._known_until_s is not None and row.end_s <= self._known_until_s:
            self._recognise(row)
            return []
        if row.start_s is None:
            return [self._registers(row)]
        return self._interval(row, row.start_s)

    def _recognise(self, row: Row) -> None:
        """What was imported before is the same again, or contradicts it."""
        there = self._at.get(row.end_s)
        registers = (row.import_mwh, row.export_mwh)
        if there is not None and row.start_s is not None:
            before = self._at.get(row.start_s)
            base = (before.import_mwh, before.export_mwh) if before else (0, 0)
            registers = (base[0] + row.import_mwh, base[1] + row.export_mwh)
        if there is None or registers != (there.import_mwh, there.export_mwh):
            until = _time(self._known_until_s or 0)
            raise ReadingsFileError(
                f"line {row.line}: {row.device} is imported until {until}, and not with this at {_time(row.end_s)}: "
                "what is signed stays; take this line out"
            )

    def _registers(self, row: Row) -> BoundaryReading:
        if self._last is None:
            return self._next(row, row.end_s, row.import_mwh, row.export_mwh)
        end_s, import_mwh, export_mwh = self._last
        for column, amount, before in (("import", row.import_mwh, import_mwh), ("export", row.export_mwh, export_mwh)):
            if amount < before:
                raise ReadingsFileError(
                    f"line {row.line}, {column}_kwh: the register of {row.device} falls from {_kwh(before)} to "
                    f"{_kwh(amount)} kWh: another meter, or a slip of the pen?"
                )
            self._plausible(row, column, amount - before, row.end_s - end_s)
        return self._next(row, end_s, row.import_mwh, row.export_mwh)

    def _interval(self, row: Row, start_s: int) -> list[BoundaryReading]:
        opening = []
        if self._last is None:
            opening.append(self._next(row, start_s, 0, 0, at_s=start_s))
        assert self._last is not None
        end_s, import_mwh, export_mwh = self._last
        if start_s != end_s:
            raise ReadingsFileError(
                f"line {row.line}: {row.device} goes on at {_time(start_s)}, but ended at {_time(end_s)}: "
                "intervals have no gaps; write 0 where nothing was used"
            )
        for column, amount in (("import", row.import_mwh), ("export", row.export_mwh)):
            self._plausible(row, column, amount, row.end_s - start_s)
        return [*opening, self._next(row, start_s, import_mwh + row.import_mwh, export_mwh + row.export_mwh)]

    def _plausible(self, row: Row, column: str, amount_mwh: int, seconds: int) -> None:
        if amount_mwh > self._connection_w * seconds * MWH_PER_WATT_SECOND:
            raise ReadingsFileError(
                f"line {row.line}, {column}_kwh: {_kwh(amount_mwh)} kWh in {seconds // 60} minutes is more than a "
                f"connection of {self._connection_w:.0f} W carries: is the unit right?"
            )

    def _next(
        self, row: Row, start_s: int, import_mwh: int, export_mwh: int, *, at_s: int | None = None
    ) -> BoundaryReading:
        end_s = row.end_s if at_s is None else at_s
        self._last = (end_s, import_mwh, export_mwh)
        return BoundaryReading(
            start_s=start_s,
            duration_s=end_s - start_s,
            import_mwh=import_mwh,
            export_mwh=export_mwh,
            flags=FLAG_IMPORTED,
        )


def _time(instant_s: int) -> str:
    return f"{datetime.fromtimestamp(instant_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _kwh(amount_mwh: int) -> str:
    return f"{Decimal(amount_mwh) / MWH_PER_KWH:f}"
