"""A member's account of a period: what the community and the own supplier charge, and what it would be without.

The page, the PDF and the CSV of a statement all show the cents of the same `Bill`.
"""

import csv
import io
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from app.errors import InputError
from app.languages import marked
from app.local_time import LocalMonth, month_of
from app.member_costs import supplied_energy, tariff_schedule
from app.storage.store.community import Community, the_community
from app.storage.store.findings import QUALITY
from app.storage.store.members import Participant, metering_points, participant
from app.storage.store.orders import ROUNDS
from app.storage.store.readings import ENERGY
from app.storage.store.settlement import ALLOCATIONS, allocations_between, transfers_between
from contracts.bills import Bill, BillItem, community_bill
from contracts.comparison import Gains, full_bill, gains, supplier_only_bill
from contracts.settlement import Allocation
from contracts.transfers import TransferKind, member_account
from meters.interval import DeliveryInterval

ITEM_TEXT = {
    BillItem.ENERGY_BOUGHT: marked("Energy from neighbours"),
    BillItem.ENERGY_SOLD: marked("Energy to neighbours"),
    BillItem.PLATFORM_FEE: marked("Community fee"),
    BillItem.GRID_FEE: marked("Grid fee"),
    BillItem.GRID_FEE_DISCOUNT: marked("Grid fee, discount for local energy"),
    BillItem.LEVIES: marked("Levies"),
    BillItem.LEVIES_DISCOUNT: marked("Levies, discount for local energy"),
    BillItem.VAT: marked("VAT on what you bought"),
    BillItem.VAT_ON_SALES: marked("VAT on what you sold"),
    BillItem.CURTAILMENT: marked("Compensation for solar held back"),
    BillItem.CONGESTION_REBATE: marked("Network balance, shared by all homes"),
    BillItem.LOSSES: marked("Network losses and balancing, shared by use"),
    BillItem.DEVIATION: marked("Deviation from flexible orders"),
    BillItem.CARRIED: marked("Rounding, earlier and this month"),
    BillItem.PAYMENT: marked("Payments"),
    BillItem.SUPPLIER_ENERGY: marked("Energy from your supplier"),
    BillItem.SUPPLIER_GRID_FEE: marked("Grid fee"),
    BillItem.SUPPLIER_LEVIES: marked("Levies"),
    BillItem.SUPPLIER_VAT: marked("VAT"),
    BillItem.FEED_IN: marked("Feed-in to your supplier"),
    BillItem.VAT_ON_FEED_IN: marked("VAT on feed-in"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One member's month.

    community      lines the community bills; supplier: the rest, billed by the own supplier and only shown
    full           both together; supplier_only: the same metered energy without a community
    settled_count  intervals settled for all the member's points, of `ended_count` with a market round that have ended
    provisional    the month is not over, or intervals are not settled yet
    """

    community_name: str
    currency: str
    member: Participant
    month: LocalMonth
    community: Bill
    supplier: Bill
    full: Bill
    supplier_only: Bill
    gains: Gains
    settled_count: int
    ended_count: int
    substituted_count: int
    provisional: bool


def statement_of(connection: Connection, participant_id: str, month: LocalMonth, *, now_s: int) -> Statement:
    """The statement of a member's month. Raises InputError for an unknown member or a community without a tariff."""
    member = participant(connection, participant_id)
    if member is None or member.role != "household":
        raise InputError(f"there is no member {participant_id!r}")
    community = the_community(connection)
    schedule = tariff_schedule(connection)
    allocations = _allocations(connection, member.id, month.start_s, month.end_s, community)
    transfers = transfers_between(
        connection,
        start_s=month.start_s,
        end_s=month.end_s,
        account=member_account(member.id),
        minutes=community.market_time_unit_minutes,
    )
    # What was paid for an invoice is on the account, not on the bill of the month in which it was paid.
    charged = [each for each in transfers if each.kind is not TransferKind.PAYMENT]
    bill = community_bill(member.id, charged, allocations, schedule)
    residual, whole = supplied_energy(connection, member, month.start_s, month.end_s, schedule)
    full, alone = full_bill(bill, residual), supplier_only_bill(whole)
    points = len(metering_points(connection, participant_id=member.id))
    ended = _rounds_ended(connection, month.start_s, min(month.end_s, now_s - community.market_time_unit_s + 1))
    settled = len(allocations) // points if points else 0
    return Statement(
        community_name=community.name,
        currency=community.currency,
        member=member,
        month=month,
        community=bill,
        supplier=supplier_only_bill(residual),
        full=full,
        supplier_only=alone,
        gains=gains(supplier_only=alone, full=full),
        settled_count=settled,
        ended_count=ended,
        substituted_count=_substituted(connection, member.id, month.start_s, month.end_s),
        provisional=now_s < month.end_s or settled < ended,
    )


def months_with_data(connection: Connection, participant_id: str, *, zone: ZoneInfo, now_s: int) -> list[LocalMonth]:
    """The months from a member's first settled interval to the present, newest first; none before the first."""
    points = [point.id for point in metering_points(connection, participant_id=participant_id)]
    first_s = connection.execute(
        select(func.min(ALLOCATIONS.c.start_s)).where(ALLOCATIONS.c.metering_point_id.in_(points))
    ).scalar()
    months: list[LocalMonth] = []
    if first_s is not None:
        month = month_of(now_s - 1, zone)
        while month.end_s > first_s:
            months.append(month)
            month = month.previous()
    return months


def statement_csv(statement: Statement) -> str:
    """The statement as CSV: one row per line, amounts in cents as integers, + is what the member pays."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["month", "member", "part", "item", "text", "energy_wh", "amount_cents", "currency"])
    for part, bill in (("community", statement.community), ("supplier", statement.supplier)):
        for line in bill.lines:
            if line.amount_nano or line.energy_wh:
                writer.writerow(
                    [
                        *_keys(statement, part),
                        line.item,
                        ITEM_TEXT[line.item],
                        line.energy_wh,
                        line.amount_cents,
                        statement.currency,
                    ]
                )
        writer.writerow([*_keys(statement, part), "total", "Total", "", bill.total_cents, statement.currency])
    for item, bill in (("with_community", statement.full), ("supplier_alone", statement.supplier_only)):
        writer.writerow(
            [
                *_keys(statement, "comparison"),
                item,
                item.replace("_", " ").capitalize(),
                "",
                bill.total_cents,
                statement.currency,
            ]
        )
    return out.getvalue()


def _keys(statement: Statement, part: str) -> tuple[str, str, str]:
    return statement.month.key, statement.member.id, part


def _allocations(
    connection: Connection, participant_id: str, start_s: int, end_s: int, community: Community
) -> list[Allocation]:
    points = [point.id for point in metering_points(connection, participant_id=participant_id)]
    return [
        Allocation(
            metering_point=row.metering_point,
            participant=participant_id,
            interval=DeliveryInterval.at(row.start_s, community.market_time_unit_minutes),
            bought_wh=row.bought_wh,
            sold_wh=row.sold_wh,
            residual_import_wh=row.residual_import_wh,
            residual_export_wh=row.residual_export_wh,
            curtailed_wh=row.curtailed_wh,
        )
        for row in allocations_between(connection, start_s=start_s, end_s=end_s, points=points)
    ]


def _substituted(connection: Connection, participant_id: str, start_s: int, end_s: int) -> int:
    """Settled values that no meter of ours has measured: only what was settled is in the statement."""
    points = [point.id for point in metering_points(connection, participant_id=participant_id)]
    same = (ALLOCATIONS.c.metering_point_id == ENERGY.c.metering_point_id) & (ALLOCATIONS.c.start_s == ENERGY.c.start_s)
    query = (
        select(func.count())
        .select_from(ENERGY.join(ALLOCATIONS, same))
        .where(
            ENERGY.c.metering_point_id.in_(points),
            ENERGY.c.start_s >= start_s,
            ENERGY.c.start_s < end_s,
            QUALITY != "measured",
        )
    )
    return int(connection.execute(query).scalar_one())


def _rounds_ended(connection: Connection, start_s: int, end_s: int) -> int:
    query = select(func.count()).where(ROUNDS.c.start_s >= start_s, ROUNDS.c.start_s < end_s)
    return int(connection.execute(query).scalar_one())
