"""What the rules of validation found in the days of metering points, and what an operator said about it."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date

from sqlalchemy import ColumnElement, Connection, and_, case, delete, exists, or_, select, update

from app.storage import tables
from app.storage.store.bulk import upsert
from app.storage.tables import core_table
from meters.interval import Quality
from meters.vee import Rule

LISTED_MAX = 200

FINDINGS = core_table(tables.DayFindingRow)
ENERGY = core_table(tables.IntervalEnergyRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFinding:
    """What one rule found at one metering point on one local day (YYYY-MM-DD), the span [start_s, end_s).

    version     of the rules
    doubts      it cannot be: the day's energy is provisional until the finding is accepted or gone
    accepted_by, accepted_s  the operator who said that the values are right all the same
    """

    metering_point_id: str
    day: str
    rule: str
    start_s: int
    end_s: int
    message: str
    version: int
    doubts: bool
    found_s: int
    accepted_by: str | None = None
    accepted_s: int | None = None

    @property
    def date(self) -> date:
        return date.fromisoformat(self.day)


_COLUMNS = tuple(FINDINGS.c[field.name] for field in fields(DayFinding))
_REPLACED = [column.name for column in FINDINGS.c if not column.primary_key]


def doubted(energy: ColumnElement[str], start_s: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether the energy of a metering point in the interval that starts at `start_s` is doubted."""
    return exists().where(
        FINDINGS.c.metering_point_id == energy,
        FINDINGS.c.start_s <= start_s,
        FINDINGS.c.end_s > start_s,
        FINDINGS.c.doubts,
        FINDINGS.c.accepted_s.is_(None),
    )


QUALITY: ColumnElement[str] = case(
    (doubted(ENERGY.c.metering_point_id, ENERGY.c.start_s), Quality.PROVISIONAL.value), else_=ENERGY.c.quality
).label("quality")
"""The quality of interval energy as settlement and people see it: doubted energy is provisional at best."""


def replace_findings(connection: Connection, day: str, found: Sequence[DayFinding]) -> None:
    """Keep `found` as all there is to say of a day; what an operator accepted stays accepted while it is the same."""
    query = select(*_COLUMNS).where(FINDINGS.c.day == day)
    before = {_key(each): each for each in (DayFinding(**row) for row in connection.execute(query).mappings())}
    news = [each for each in found if (known := before.pop(_key(each), None)) is None or known.message != each.message]
    upsert(connection, FINDINGS, [asdict(each) for each in news], replacing=_REPLACED)
    for point, _, rule in before:
        connection.execute(
            delete(FINDINGS).where(
                FINDINGS.c.metering_point_id == point, FINDINGS.c.day == day, FINDINGS.c.rule == rule
            )
        )


def open_findings(
    connection: Connection, *, points: Collection[str] | None = None, since: str
) -> tuple[DayFinding, ...]:
    """What nobody accepted, doubts first, then by day from the newest: of a home's points, or what operators may know.

    Operators (`points` None) hear of doubts and of what is missing. What is only unusual, such as a home where nothing
    is used, is told that home alone.

    since  first day (YYYY-MM-DD) of what does not doubt anything; a doubt is told however old it is
    """
    query = select(*_COLUMNS).where(FINDINGS.c.accepted_s.is_(None), or_(FINDINGS.c.doubts, FINDINGS.c.day >= since))
    if points is None:
        query = query.where(or_(FINDINGS.c.doubts, FINDINGS.c.rule == Rule.MISSING.value))
    else:
        query = query.where(FINDINGS.c.metering_point_id.in_(points))
    order = (FINDINGS.c.doubts.desc(), FINDINGS.c.day.desc(), FINDINGS.c.metering_point_id, FINDINGS.c.rule)
    rows = connection.execute(query.order_by(*order).limit(LISTED_MAX)).mappings()
    return tuple(DayFinding(**row) for row in rows)


def accept_finding(connection: Connection, *, point: str, day: str, rule: str, by: str, now_s: int) -> bool:
    """An operator says that the values are right; False if no such doubt is open."""
    statement = (
        update(FINDINGS)
        .where(
            and_(FINDINGS.c.metering_point_id == point, FINDINGS.c.day == day, FINDINGS.c.rule == rule),
            FINDINGS.c.doubts,
            FINDINGS.c.accepted_s.is_(None),
        )
        .values(accepted_by=by, accepted_s=now_s)
    )
    return connection.execute(statement).rowcount == 1


def _key(finding: DayFinding) -> tuple[str, str, str]:
    return finding.metering_point_id, finding.day, finding.rule
