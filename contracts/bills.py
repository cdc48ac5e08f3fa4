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
from contracts.tariff import Tariff, TariffSchedule
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
    LOSSES = "losses"
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
    """All lines, empty ones too but for losses, which only an island has.

    total_cents * 10^7 = total_nano + rounding_nano, and that is half a cent at most.
    """

    lines: tuple[BillLine, ...]
    total_nano: int
    rounding_nano: int
    total_cents: int

    def line(self, item: BillItem) -> BillLine:
        """The line of `item`; every bill has all items of its kind, and losses where there are any."""
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
    (TransferKind.CONGESTION, "losses"): BillItem.LOSSES,
    (TransferKind.DEVIATION, "caused"): BillItem.DEVIATION,
    (TransferKind.DEVIATION, "suffered"): BillItem.DEVIATION,
    (TransferKind.ENERGY, "buy"): BillItem.ENERGY_BOUGHT,
    (TransferKind.ENERGY, "sell"): BillItem.ENERGY_SOLD,
}
_COMMUNITY_ITEMS = tuple(BillItem)[: tuple(BillItem).index(BillItem.SUPPLIER_ENERGY)]
_OF_BOUGHT_ENERGY = (
    BillItem.ENERGY_BOUGHT,
    BillItem.PLATFORM_FEE,
    BillItem.GRID_FEE,
    BillItem.GRID_FEE_DISCOUNT,
    BillItem.LEVIES,
    BillItem.LEVIES_DISCOUNT,
)
_ITEM_OF_KIND = {TransferKind.ROUNDING: BillItem.CARRIED, TransferKind.PAYMENT: BillItem.PAYMENT}


def item_for(kind: TransferKind, part: str) -> BillItem:
    """The bill line of a member's transfer, from its business key. Raises ValueError if it has none."""
    own = _ITEM_OF_KIND.get(kind) or _ITEM_OF_PART.get((kind, part.partition("@")[0]))
    if own is None:
        raise ValueError(f"no line of a bill is for {kind} {part!r}")
    return own


def item_of(transfer: Transfer) -> BillItem:
    """The bill line a member's transfer belongs to."""
    key = business_key(transfer)
    return item_for(key.kind, key.part)


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
    sums = BillSums()
    for transfer in transfers:
        if account in {transfer.debit, transfer.credit}:
            sums.pay(item_of(transfer), paid_nano(transfer, account))
    for each in allocations:
        if each.participant == participant:
            sums.share(each.bought_wh, each.sold_wh, each.curtailed_wh, tariffs.at(each.interval))
    return sums.bill()


class BillSums:
    """Adds up what a member's bill is made of."""

    def __init__(self) -> None:
        self._nano = dict.fromkeys(BillItem, 0)
        self._energy_wh = dict.fromkeys(BillItem, 0)

    def pay(self, item: BillItem, amount_nano: int) -> None:
        """Add what the member pays (+) or is paid (-)."""
        self._nano[item] += amount_nano

    def share(self, bought_wh: int, sold_wh: int, curtailed_wh: int, tariff: Tariff) -> None:
        """Add one interval's energy; the tariff's full rates split its charges into full price and discount."""
        for item in _OF_BOUGHT_ENERGY:
            self._energy_wh[item] += bought_wh
        self._energy_wh[BillItem.ENERGY_SOLD] += sold_wh
        self._energy_wh[BillItem.CURTAILMENT] += curtailed_wh
        for item, discount, rate in (
            (BillItem.GRID_FEE, BillItem.GRID_FEE_DISCOUNT, tariff.grid_fee_discount_micro_per_kwh),
            (BillItem.LEVIES, BillItem.LEVIES_DISCOUNT, tariff.levies_discount_micro_per_kwh),
        ):
            self._nano[item] += bought_wh * rate
            self._nano[discount] -= bought_wh * rate

    def bill(self) -> Bill:
        items = [item for item in _COMMUNITY_ITEMS if item is not BillItem.LOSSES or self._nano[item]]
        return make_bill((item, self._energy_wh[item], self._nano[item]) for item in items)


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
