"""A household's whole electricity cost, with the market and without: what the community is worth to each home.

Fixed charges of the suppliers are the same with and without the market and left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from contracts.allocation import PointTerms
from contracts.bills import Bill, BillItem, make_bill, without_invoicing
from contracts.settlement import Allocation
from contracts.tariff import Tariff

_INCOME = (BillItem.FEED_IN, BillItem.VAT_ON_FEED_IN)
_SALES = (BillItem.ENERGY_SOLD, BillItem.VAT_ON_SALES, BillItem.CURTAILMENT)
_EVERYBODYS = (BillItem.CONGESTION_REBATE, BillItem.LOSSES, BillItem.DEVIATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliedEnergy:
    """Energy that a point drew from and fed in to its own supplier while terms and tariff stayed the same."""

    terms: PointTerms
    tariff: Tariff
    import_wh: int
    export_wh: int


def residual_energy(allocations: Iterable[Allocation], terms: PointTerms, tariff: Tariff) -> SuppliedEnergy:
    """What the community left to the point's own supplier."""
    own = [each for each in allocations if each.metering_point == terms.metering_point]
    return SuppliedEnergy(
        terms=terms,
        tariff=tariff,
        import_wh=sum(each.residual_import_wh for each in own),
        export_wh=sum(each.residual_export_wh for each in own),
    )


def supplier_only_bill(supplied: Iterable[SuppliedEnergy]) -> Bill:
    """The bill of suppliers for `supplied`: energy at R, full grid fee and levies, VAT; feed-in at F.

    For a day without a market, hand in the metered import and the export that the same network would have carried. VAT
    is floored to the nano-unit per row.
    """
    nano = dict.fromkeys(BillItem, 0)
    import_wh = export_wh = 0
    for row in supplied:
        vat = row.tariff.vat(row.terms.vat_class)
        energy_nano = row.import_wh * row.terms.supplier_price_micro_per_kwh
        charges_nano = row.import_wh * row.tariff.supplied_charges_micro_per_kwh
        income_nano = row.export_wh * row.terms.feed_in_price_micro_per_kwh
        import_wh += row.import_wh
        export_wh += row.export_wh
        nano[BillItem.SUPPLIER_ENERGY] += energy_nano
        nano[BillItem.SUPPLIER_GRID_FEE] += row.import_wh * row.tariff.grid_fee_micro_per_kwh
        nano[BillItem.SUPPLIER_LEVIES] += row.import_wh * row.tariff.levies_micro_per_kwh
        nano[BillItem.SUPPLIER_VAT] += (energy_nano + charges_nano) * vat.buying_permille // 1000
        nano[BillItem.FEED_IN] -= income_nano
        nano[BillItem.VAT_ON_FEED_IN] -= income_nano * vat.selling_permille // 1000
    return make_bill(
        [
            (BillItem.SUPPLIER_ENERGY, import_wh, nano[BillItem.SUPPLIER_ENERGY]),
            (BillItem.SUPPLIER_GRID_FEE, import_wh, nano[BillItem.SUPPLIER_GRID_FEE]),
            (BillItem.SUPPLIER_LEVIES, import_wh, nano[BillItem.SUPPLIER_LEVIES]),
            (BillItem.SUPPLIER_VAT, 0, nano[BillItem.SUPPLIER_VAT]),
            (BillItem.FEED_IN, export_wh, nano[BillItem.FEED_IN]),
            (BillItem.VAT_ON_FEED_IN, 0, nano[BillItem.VAT_ON_FEED_IN]),
        ]
    )


def full_bill(community: Bill, residual: Iterable[SuppliedEnergy]) -> Bill:
    """A household's whole cost with the market: the community's lines and those of its own supplier.

    Carried rounding and payments are no cost of the period and left out.
    """
    lines = [*without_invoicing(community).lines, *supplier_only_bill(residual).lines]
    return make_bill((line.item, line.energy_wh, line.amount_nano) for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """What the market changed for one household in nano-units, + is better; the three add up to the whole.

    seller_nano  income: sales, compensation and what was still fed in, against feeding in everything
    buyer_nano   cost of consumption: shared and supplied, against supplied alone
    other_nano   rebate of the congestion account, losses of an island and deviations
    """

    seller_nano: int
    buyer_nano: int
    other_nano: int

    @property
    def total_nano(self) -> int:
        return self.seller_nano + self.buyer_nano + self.other_nano


def gains(*, supplier_only: Bill, full: Bill) -> Gains:
    """How much better (+) or worse a household is with the market than with its supplier alone."""
    seller_nano = supplier_only.amount_nano(*_INCOME) - full.amount_nano(*_INCOME, *_SALES)
    other_nano = -full.amount_nano(*_EVERYBODYS)
    total_nano = supplier_only.total_nano - full.total_nano
    return Gains(seller_nano=seller_nano, buyer_nano=total_nano - seller_nano - other_nano, other_nano=other_nano)
