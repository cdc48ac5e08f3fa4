"""Sums of a member's rows between instants: the database adds up, no row becomes an object."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from app.storage.store.readings import ENERGY
from app.storage.store.settlement import ALLOCATIONS, TRANSFERS
from contracts.transfers import TransferKind

NO_COST = (TransferKind.PAYMENT.value, TransferKind.ROUNDING.value)
"""Kinds of transfers that pay for no energy."""

# Part of a transfer's id, behind RUN/START/KIND/SUBJECT: what is paid for energy that went out.
_OUTGOING_KINDS = (TransferKind.ENERGY.value, TransferKind.VAT.value, TransferKind.CONGESTION.value)
_OUTGOING = ("%/%/%/%/sell%", "%/%/%/%/compensation%")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSum:
    """Settled energy of a metering point between two instants, Wh."""

    metering_point: str
    bought_wh: int
    sold_wh: int
    residual_import_wh: int
    residual_export_wh: int

    @property
    def energies_wh(self) -> tuple[int, int, int, int]:
        """Bought, sold, left to the supplier, fed in to the supplier."""
        return self.bought_wh, self.sold_wh, self.residual_import_wh, self.residual_export_wh


def shared_sums(connection: Connection, points: Sequence[str], cuts: Sequence[int]) -> list[list[SharedSum]]:
    """For each two neighbours of `cuts` the settled energy of every point that has some."""
    place = _between(ALLOCATIONS.c.start_s, cuts)
    columns = ("bought_wh", "sold_wh", "residual_import_wh", "residual_export_wh")
    query = (
        select(place, ALLOCATIONS.c.metering_point_id, *(func.sum(ALLOCATIONS.c[name]) for name in columns))
        .where(ALLOCATIONS.c.metering_point_id.in_(points), *_span(ALLOCATIONS.c.start_s, cuts))
        .group_by("place", ALLOCATIONS.c.metering_point_id)
        .order_by(ALLOCATIONS.c.metering_point_id)
    )
    found: list[list[SharedSum]] = [[] for _ in pairwise(cuts)]
    for index, point, *sums in connection.execute(query):
        values = dict(zip(columns, (int(value) for value in sums), strict=True))
        found[index].append(SharedSum(metering_point=point, **values))
    return found


def unshared_sums(connection: Connection, points: Sequence[str], cuts: Sequence[int]) -> list[tuple[int, int]]:
    """For each two neighbours of `cuts` the (import, export) Wh that were metered and are in no settlement."""
    place = _between(ENERGY.c.start_s, cuts)
    same = and_(
        ALLOCATIONS.c.metering_point_id == ENERGY.c.metering_point_id, ALLOCATIONS.c.start_s == ENERGY.c.start_s
    )
    query = (
        select(place, func.sum(ENERGY.c.import_wh), func.sum(ENERGY.c.export_wh))
        .outerjoin(ALLOCATIONS, same)
        .where(
            ENERGY.c.metering_point_id.in_(points),
            ALLOCATIONS.c.start_s.is_(None),
            *_span(ENERGY.c.start_s, cuts),
        )
        .group_by("place")
    )
    found = [(0, 0) for _ in pairwise(cuts)]
    for index, import_wh, export_wh in connection.execute(query):
        found[index] = (int(import_wh), int(export_wh))
    return found


def paid_sums(connection: Connection, account: str, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """For each two neighbours of `cuts` (all that `account` paid for energy, what energy that went out earned), nano.

    Payments and carried rounding are no cost of energy and left out.
    """
    place = _between(TRANSFERS.c.start_s, cuts)
    # Apart, because the first needs the index of the accounts alone, the second the ids of some kinds.
    of_energy = TRANSFERS.c.kind.not_in(NO_COST)
    is_outgoing = and_(
        TRANSFERS.c.kind.in_(_OUTGOING_KINDS), or_(*(TRANSFERS.c.transfer_id.like(pattern) for pattern in _OUTGOING))
    )
    totals = [[0, 0] for _ in pairwise(cuts)]
    for side, paid_sign in ((TRANSFERS.c.debit, 1), (TRANSFERS.c.credit, -1)):
        for column, sign, condition in ((0, paid_sign, of_energy), (1, -paid_sign, is_outgoing)):
            query = (
                select(place, func.sum(TRANSFERS.c.amount_nano))
                .where(side == account, condition, *_span(TRANSFERS.c.start_s, cuts))
                .group_by("place")
            )
            for index, amount_nano in connection.execute(query):
                totals[index][column] += sign * int(amount_nano)
    return [(paid_nano, earned_nano) for paid_nano, earned_nano in totals]


def first_metered_s(connection: Connection, points: Sequence[str]) -> int | None:
    """Start of the first metered interval of some points, None before the first."""
    query = select(func.min(ENERGY.c.start_s)).where(ENERGY.c.metering_point_id.in_(points))
    return connection.execute(query).scalar()


def _between(start_s: ColumnElement[int], cuts: Sequence[int]) -> ColumnElement[int]:
    """Between which two of `cuts` a row's interval starts, counted from zero."""
    return case(*((start_s < cut, index) for index, cut in enumerate(cuts[1:]))).label("place")


def _span(start_s: ColumnElement[int], cuts: Sequence[int]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return start_s >= cuts[0], start_s < cuts[-1]
