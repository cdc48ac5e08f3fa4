"""The figures of a statement, from what batches anchored: the same for those who write it and those who verify it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.bills import Bill, BillSums, item_for
from contracts.tariff import Tariff
from contracts.transfers import TransferKind

POINT_FIGURES = (
    "import_wh",
    "export_wh",
    "bought_wh",
    "sold_wh",
    "residual_import_wh",
    "residual_export_wh",
    "curtailed_wh",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointEnergy:
    """Energy of one metering point in one interval; its figures are POINT_FIGURES."""

    metering_point: str
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    residual_import_wh: int
    residual_export_wh: int
    curtailed_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """One of the member's own orders with what became of it."""

    order_id: str
    metering_point: str
    side: str
    firmness: str
    quantity_wh: int
    limit_micro_per_kwh: int
    accepted_wh: int
    curtailed_wh: int
    amount_nano: int
    price_micro_per_kwh: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTransfer:
    """A transfer as the member sees it: paid_nano is + where the member pays."""

    run: str
    kind: TransferKind
    subject: str
    part: str
    paid_nano: int
    energy_wh: int
    price_micro_per_kwh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberInterval:
    """One interval as a batch anchored it for one member; `path` says where it stands in the statement.

    vat_class  of the member then, None where it is that of the batch
    """

    path: str
    start_s: int
    minutes: int
    vat_class: str | None
    points: tuple[PointEnergy, ...]
    orders: tuple[OrderOutcome, ...]
    transfers: tuple[OwnTransfer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Totals in Wh by name, and the community's bill."""

    totals_wh: Mapping[str, int]
    bill: Bill


def latest_points(intervals: Iterable[MemberInterval]) -> dict[tuple[int, str], PointEnergy]:
    """Energy by (start, metering point); a later batch's correction replaces an earlier one's figures."""
    return {(each.start_s, point.metering_point): point for each in intervals for point in each.points}


def figures_of(intervals: Iterable[MemberInterval], tariffs: Mapping[int, Tariff]) -> Figures:
    """Figures of `intervals`, given in the order of their batches; `tariffs` by start of interval."""
    given = list(intervals)
    totals = dict.fromkeys(POINT_FIGURES, 0)
    sums = BillSums()
    for (start_s, _), point in latest_points(given).items():
        for name in POINT_FIGURES:
            totals[name] += getattr(point, name)
        sums.share(point.bought_wh, point.sold_wh, point.curtailed_wh, tariffs[start_s])
    for each in given:
        for transfer in each.transfers:
            sums.pay(item_for(transfer.kind, transfer.part), transfer.paid_nano)
    return Figures(totals_wh=totals, bill=sums.bill())
