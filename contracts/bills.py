"""A member's bill: transfers and allocations of a period as lines, in nano-units and in cents.

Amounts are what the member pays, so that what the member earns is negative. An invoice is rounded to cents once, half
up, on its total; what rounding took or gave stays on the member's account and is settled by the next invoice through
the rounding account (`rounding_transfers`). The cents of the lines are floored and the missing ones go to the largest
remainders, so that the lines of an invoice add up to its total.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from contracts.settlement import Allocation
from contracts.tariff import TariffSchedule
from contracts.transfers import ROUNDING, Postings, Transfer, TransferKind, business_key, member_account
from meters.interval import DeliveryInterval

NANO_PER_CENT = 10_000_000


class BillItem(StrEnum):
    """What a line is for. The first group is the community's, the second the member's own supplier's."""

    ENERGY_BOUGHT = "energy_bought"
    ENERGY_SOLD = "energy_sold"
    PLATFORM_FEE = "platform_fee"
    GRID_FEE = "grid_fee"
    GRID_FEE_DISCOUNT = "grid_fee_locality_discount"
    LEVIES = "levies"
    LEVIES_DISCOUNT = "levies_locality_discount"
    VAT = "vat"
    VAT_ON_SALES = "vat_on_sales"
    CURTAILMENT = "curtailment_compensation"
    CONGESTION_REBATE = "congestion_rebate"
    DEVIATION = "deviation"
    CARRIED = "carried_from_rounding"
    PAYMENT = "payment"
    SUPPLIER_ENERGY = "supplier_energy"
    SUPPLIER_GRID_FEE = "supplier_grid_fee"
    SUPPLIER_LEVIES = "supplier_levies"
    SUPPLIER_VAT = "supplier_vat"
    FEED_IN = "feed_in"
    VAT_ON_FEED_IN = "vat_on_feed_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One line: energy it is for (0 where none), what the member pays for it, and its cents on the invoice."""

    item: BillItem
    energy_wh: int
    amount_nano: int
    amount_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """All lines, empty ones too. total_cents * 10^7 = total_nano + rounding_nano, and that is half a cent at most."""

    lines: tuple[BillLine, ...]
    total_nano: int
    rounding_nano: int
    total_cents: int

    def line(self, item: BillItem) -> BillLine:
        """The line of `item`; every bill has all items of its kind."""
        return next(line for line in self.lines if line.item is item)

    def amount_nano(self, *items: BillItem) -> int:
        return sum(line.amount_nano for line in self.lines if line.item in items)


def half_up_cents(nano: int) -> int:
    """Nano-units as whole cents; exactly half a cent goes up."""
    return (nano + NANO_PER_CENT // 2) // NANO_PER_CENT


def make_bill(amounts: Iterable[tuple[BillItem, int, int]]) -> Bill:
    """A bill of (item, energy_wh, amount_nano), in their order."""
    rows = list(amounts)
    total_nano = sum(nano for _, _, nano in rows)
    total_cents = half_up_cents(total_nano)
    cents = [nano // NANO_PER_CENT for _, _, nano in rows]
    missing = total_cents - sum(cents)
    by_remainder = sorted(range(len(rows)), key=lambda i: (-(rows[i][2] % NANO_PER_CENT), i))
    for i in by_remainder[:missing]:
        cents[i] += 1
    return Bill(
        lines=tuple(
            BillLine(item=item, energy_wh=wh, amount_nano=nano, amount_cents=line_cents)
            for (item, wh, nano), line_cents in zip(rows, cents, strict=True)
        ),
        total_nano=total_nano,
        rounding_nano=total_cents * NANO_PER_CENT - total_nano,
        total_cents=total_cents,
    )


_ITEM_OF_PART = {
    (TransferKind.PLATFORM_FEE, "buy"): BillItem.PLATFORM_FEE,
    (TransferKind.GRID_FEE, "buy"): BillItem.GRID_FEE,
    (TransferKind.LEVIES, "buy"): BillItem.LEVIES,
    (TransferKind.VAT, "buy"): BillItem.VAT,
    (TransferKind.VAT, "sell"): BillItem.VAT_ON_SALES,
    (TransferKind.CONGESTION, "compensation"): BillItem.CURTAILMENT,
    (TransferKind.CONGESTION, "rebate"): BillItem.CONGESTION_REBATE,
    (TransferKind.DEVIATION, "caused"): BillItem.DEVIATION,
    (TransferKind.DEVIATION, "suffered"): BillItem.DEVIATION,
    (TransferKind.ENERGY, "buy"): BillItem.ENERGY_BOUGHT,
    (TransferKind.ENERGY, "sell"): BillItem.ENERGY_SOLD,
}
_ITEM_OF_KIND = {TransferKind.ROUNDING: BillItem.CARRIED, TransferKind.PAYMENT: BillItem.PAYMENT}


def item_of(transfer: Transfer) -> BillItem:
    """The bill line a member's transfer belongs to."""
    own = _ITEM_OF_KIND.get(transfer.kind)
    return own if own is not None else _ITEM_OF_PART[transfer.kind, business_key(transfer).part.partition("@")[0]]


def paid_nano(transfer: Transfer, account: str) -> int:
    """What `account` pays with `transfer`; negative where it receives."""
    return transfer.amount_nano * ((transfer.debit == account) - (transfer.credit == account))


def community_bill(
    participant: str, transfers: Iterable[Transfer], allocations: Iterable[Allocation], tariffs: TariffSchedule
) -> Bill:
    """What a member pays and earns in the community in a period.

    `transfers` and `allocations` may be everybody's: others' are ignored. Allocations are the latest of each interval
    and give the lines' energy; the tariff in force gives the full rates from which the locality discounts are shown.
    """
    account = member_account(participant)
    nano = dict.fromkeys(BillItem, 0)
    for transfer in transfers:
        if account in {transfer.debit, transfer.credit}:
            nano[item_of(transfer)] += paid_nano(transfer, account)
    bought_wh = sold_wh = curtailed_wh = grid_discount_nano = levies_discount_nano = 0
    for each in allocations:
        if each.participant != participant:
            continue
        tariff = tariffs.at(each.interval)
        bought_wh += each.bought_wh
        sold_wh += each.sold_wh
        curtailed_wh += each.curtailed_wh
        grid_discount_nano += each.bought_wh * (tariff.grid_fee_micro_per_kwh - tariff.shared_grid_fee_micro_per_kwh)
        levies_discount_nano += each.bought_wh * (tariff.levies_micro_per_kwh - tariff.shared_levies_micro_per_kwh)
    return make_bill(
        [
            (BillItem.ENERGY_BOUGHT, bought_wh, nano[BillItem.ENERGY_BOUGHT]),
            (BillItem.ENERGY_SOLD, sold_wh, nano[BillItem.ENERGY_SOLD]),
            (BillItem.PLATFORM_FEE, bought_wh, nano[BillItem.PLATFORM_FEE]),
            (BillItem.GRID_FEE, bought_wh, nano[BillItem.GRID_FEE] + grid_discount_nano),
            (BillItem.GRID_FEE_DISCOUNT, bought_wh, -grid_discount_nano),
            (BillItem.LEVIES, bought_wh, nano[BillItem.LEVIES] + levies_discount_nano),
            (BillItem.LEVIES_DISCOUNT, bought_wh, -levies_discount_nano),
            (BillItem.VAT, 0, nano[BillItem.VAT]),
            (BillItem.VAT_ON_SALES, 0, nano[BillItem.VAT_ON_SALES]),
            (BillItem.CURTAILMENT, curtailed_wh, nano[BillItem.CURTAILMENT]),
            (BillItem.CONGESTION_REBATE, 0, nano[BillItem.CONGESTION_REBATE]),
            (BillItem.DEVIATION, 0, nano[BillItem.DEVIATION]),
            (BillItem.CARRIED, 0, nano[BillItem.CARRIED]),
            (BillItem.PAYMENT, 0, nano[BillItem.PAYMENT]),
        ]
    )


def rounding_transfers(
    bill: Bill, participant: str, *, closing: DeliveryInterval, opening: DeliveryInterval, run: str
) -> tuple[Transfer, ...]:
    """Close an invoice: its rounding, booked in its last interval, and taken back in the first of the next period.

    Afterwards the period's transfers add up to whole cents and nothing was lost. None where nothing was rounded.
    """
    account = member_account(participant)
    books = (Postings(closing, run), Postings(opening, run))
    for book, part, sign in zip(books, ("closing", "opening"), (1, -1), strict=True):
        book.post(
            TransferKind.ROUNDING,
            account,
            part,
            debit=account,
            credit=ROUNDING,
            amount_nano=sign * bill.rounding_nano,
        )
    return tuple(transfer for book in books for transfer in book.transfers)


def without_invoicing(bill: Bill) -> Bill:
    """The bill without carried rounding and payments: the cost of the period's energy alone."""
    return make_bill(_rows(line for line in bill.lines if line.item not in {BillItem.CARRIED, BillItem.PAYMENT}))


def _rows(lines: Iterable[BillLine]) -> Sequence[tuple[BillItem, int, int]]:
    return [(line.item, line.energy_wh, line.amount_nano) for line in lines]
