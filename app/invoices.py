"""Invoices: a member's month rounded to cents, once its data are complete; corrections are invoices of their own.

An invoice is payable where the member owes, and a credit where the community does. What rounding took or gave is booked
in the month's last interval and taken back in the first month that has no invoice yet (`contracts.bills`).
"""

from sqlalchemy import Connection

from app.local_time import LocalMonth
from app.settlement_calendar import RunKind
from app.settlement_gaps import gaps_in
from app.storage.store.accounts import Invoice, add_invoice, invoices_of
from app.storage.store.community import Community, the_community
from app.storage.store.members import Participant, metering_points, participants
from app.storage.store.rounds import first_settled_from_s, last_settled_before_s
from app.storage.store.settlement import post_transfers, transfers_between
from contracts.bills import Bill, BillSums, item_of, paid_nano, rounding_transfers
from contracts.references import creditor_reference
from contracts.transfers import Transfer, TransferKind, member_account
from meters.interval import DeliveryInterval


def issue_invoices(
    connection: Connection, month: LocalMonth, *, kind: RunKind, run: str, now_s: int
) -> tuple[Transfer, ...]:
    """Invoice every member of the month whose data are complete, or all in the last run; the rounding posted for it.

    Who has an invoice of the month already gets one more for what changed since, if that is a cent or more.
    """
    owners = {point.id: point.participant_id for point in metering_points(connection)}
    waiting = {owners[gap.metering_point] for gap in gaps_in(connection, start_s=month.start_s, end_s=month.end_s)}
    posted: list[Transfer] = []
    for member in participants(connection, role="household"):
        before = invoices_of(connection, member.id)
        if member.lane is None or (member.id in waiting and kind is not RunKind.RF and not _of(before, month)):
            continue
        posted.extend(_invoice(connection, member, month, before, run=run, now_s=now_s))
    return tuple(posted)


def _of(invoices: tuple[Invoice, ...], month: LocalMonth) -> tuple[Invoice, ...]:
    return tuple(each for each in invoices if each.month == month.key)


def _invoice(
    connection: Connection,
    member: Participant,
    month: LocalMonth,
    before: tuple[Invoice, ...],
    *,
    run: str,
    now_s: int,
) -> tuple[Transfer, ...]:
    assert member.lane is not None
    community, same = the_community(connection), _of(before, month)
    closing_s = last_settled_before_s(connection, month.end_s)
    if closing_s is None or closing_s < month.start_s:
        return ()
    bill = month_bill(connection, community, member.id, month)
    total_cents = bill.total_cents - sum(each.total_cents for each in same)
    rounding = rounding_transfers(
        bill,
        member.id,
        closing=DeliveryInterval.at(closing_s, community.market_time_unit_minutes),
        opening=_opening(connection, community, month, before),
        run=f"{run}-{month.key}",
    )
    post_transfers(connection, rounding)
    if total_cents or not same:
        number = len(same) + 1
        invoice = Invoice(
            id=f"{month.key}-{member.id}-{number}",
            participant_id=member.id,
            month=month.key,
            number=number,
            run=run,
            total_cents=total_cents,
            reference=creditor_reference(f"{member.lane}X{month.key.replace('-', '')}X{number}"),
            issued_s=now_s,
        )
        add_invoice(connection, invoice)
    return rounding


def month_bill(connection: Connection, community: Community, participant_id: str, month: LocalMonth) -> Bill:
    """The money of a member's month, rounding included and payments left out; its lines show no energy."""
    account = member_account(participant_id)
    transfers = transfers_between(
        connection,
        start_s=month.start_s,
        end_s=month.end_s,
        account=account,
        minutes=community.market_time_unit_minutes,
    )
    sums = BillSums()
    for each in transfers:
        if each.kind is not TransferKind.PAYMENT:
            sums.pay(item_of(each), paid_nano(each, account))
    return sums.bill()


def _opening(
    connection: Connection, community: Community, month: LocalMonth, before: tuple[Invoice, ...]
) -> DeliveryInterval:
    """The first interval of the first month after `month` that has no invoice: its invoice takes the rounding over."""
    invoiced = {each.month for each in before}
    following = month.next()
    while following.key in invoiced:
        following = following.next()
    start_s = first_settled_from_s(connection, following.start_s)
    return DeliveryInterval.at(
        following.start_s if start_s is None or start_s >= following.end_s else start_s,
        community.market_time_unit_minutes,
    )
