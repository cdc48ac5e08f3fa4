"""Settlement of one delivery interval on metered energy: contracts and meters in, allocations and transfers out.

Pure: no clock, no storage. The energy steps are in `contracts.allocation`; this file turns them into money:

energy      a buyer pays the market account, the market account pays a seller; uniform price for firm, curtailable and
            pooled energy, its own price for each flexible order
congestion  the congestion account takes what buyers paid more than sellers received, and gives what is missing
charges     platform fee, grid fee and levies at the shared rates, and VAT floored to the nano-unit, per metering point
deviation   `contracts.deviation`
curtailment a point that was curtailed is paid from the congestion account what it lost on its feed-in in this interval
            against an equally limited day with suppliers only: F times the energy curtailed beyond the reference, less
            what it gained by selling to neighbours instead of feeding in, and never less than nothing. The account may
            go below zero; `contracts.corrections.congestion_rebate` settles it with everybody at the end of a batch.

On an island (`contracts.island`) all that was metered is bought or sold: sold = bought + what the network lost. Sellers
are paid for what is lost, no buyer pays for it in the interval, so the congestion account does. There is nothing to
compensate for curtailment with: energy that cannot be fed in earns nothing elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.allocation import ClearedInterval, PointTerms, share_energy
from contracts.deviation import post_deviations, post_island_deviations
from contracts.tariff import Tariff
from contracts.transfers import (
    CONGESTION,
    GRID_FEE,
    LEVIES,
    MARKET,
    PLATFORM_FEE,
    VAT,
    Postings,
    Transfer,
    TransferKind,
    member_account,
    net_positions,
)
from matching.orders import Side
from meters.interval import DeliveryInterval, IntervalEnergy


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """How a metering point's metered energy was shared in an interval; the residuals are its own supplier's."""

    metering_point: str
    participant: str
    interval: DeliveryInterval
    bought_wh: int
    sold_wh: int
    residual_import_wh: int
    residual_export_wh: int
    curtailed_wh: int = 0

    @property
    def import_wh(self) -> int:
        return self.bought_wh + self.residual_import_wh

    @property
    def export_wh(self) -> int:
        return self.sold_wh + self.residual_export_wh


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalSettlement:
    """Allocations by metering point and transfers by id, both sorted; `missing` names points without energy."""

    interval: DeliveryInterval
    run: str
    allocations: tuple[Allocation, ...]
    transfers: tuple[Transfer, ...]
    missing: tuple[str, ...]


def settle_interval(
    cleared: ClearedInterval,
    energies: Iterable[IntervalEnergy],
    points: Sequence[PointTerms],
    *,
    tariff: Tariff,
    run: str,
    tie_seed: str,
) -> IntervalSettlement:
    """Settle `cleared` on `energies`; `points` are all metering points of the community.

    A point without energy is left out and named in `missing`, never taken for zero. Raises ValueError for energy of
    another interval or of an unknown point, for orders that do not fit their trades, and for VAT classes unknown to the
    tariff.
    """
    terms = {point.metering_point: point for point in points}
    metered = _energy_by_point(cleared.interval, energies, terms)
    shared = share_energy(cleared, metered, terms, tie_seed=tie_seed)
    bought = shared.by_point_and_price(Side.BUY, cleared)
    sold = shared.by_point_and_price(Side.SELL, cleared)
    allocations = _allocations(cleared, metered, terms, bought, sold)
    book = Postings(cleared.interval, run)
    for point, parts in bought.items():
        _post_purchase(book, terms[point], parts, tariff)
    for point, parts in sold.items():
        _post_sale(book, terms[point], parts, tariff)
    book.post(
        TransferKind.CONGESTION, MARKET, "rent", debit=MARKET, credit=CONGESTION, amount_nano=_rent_nano(bought, sold)
    )
    if cleared.island is None:
        _post_compensation(book, cleared, allocations, terms, sold)
        post_deviations(book, cleared, shared, terms, permille=tariff.deviation_permille, tie_seed=tie_seed)
    else:
        post_island_deviations(book, cleared, shared, cleared.island, permille=tariff.deviation_permille)
    transfers = sorted(book.transfers, key=lambda transfer: transfer.transfer_id)
    _check(metered, allocations, transfers, is_island=cleared.island is not None)
    return IntervalSettlement(
        interval=cleared.interval,
        run=run,
        allocations=allocations,
        transfers=tuple(transfers),
        missing=tuple(sorted(terms.keys() - metered.keys())),
    )


def _energy_by_point(
    interval: DeliveryInterval, energies: Iterable[IntervalEnergy], terms: Mapping[str, PointTerms]
) -> dict[str, IntervalEnergy]:
    metered: dict[str, IntervalEnergy] = {}
    for energy in energies:
        name = energy.metering_point
        if energy.interval != interval or name not in terms or name in metered:
            raise ValueError(
                f"energy of {name} at {energy.interval.start.isoformat()}: other interval, unknown or twice"
            )
        metered[name] = energy
    return metered


def _allocations(
    cleared: ClearedInterval,
    metered: Mapping[str, IntervalEnergy],
    terms: Mapping[str, PointTerms],
    bought: Mapping[str, Mapping[int, int]],
    sold: Mapping[str, Mapping[int, int]],
) -> tuple[Allocation, ...]:
    curtailed: dict[str, int] = {}
    trades = {trade.order_id: trade for trade in cleared.trades}
    for order in cleared.orders:
        curtailed_wh = trades[order.order_id].curtailed_wh
        is_shed = cleared.island is not None and order.side is Side.BUY
        if curtailed_wh and not is_shed:
            curtailed[order.metering_point] = curtailed.get(order.metering_point, 0) + curtailed_wh
    allocations = []
    for name in sorted(metered):
        bought_wh = sum(bought.get(name, {}).values())
        sold_wh = sum(sold.get(name, {}).values())
        allocations.append(
            Allocation(
                metering_point=name,
                participant=terms[name].participant,
                interval=cleared.interval,
                bought_wh=bought_wh,
                sold_wh=sold_wh,
                residual_import_wh=metered[name].import_wh - bought_wh,
                residual_export_wh=metered[name].export_wh - sold_wh,
                curtailed_wh=curtailed.get(name, 0),
            )
        )
    return tuple(allocations)


def _post_purchase(book: Postings, terms: PointTerms, parts: Mapping[int, int], tariff: Tariff) -> None:
    buyer, point = member_account(terms.participant), terms.metering_point
    base_nano = 0
    for price, energy_wh in parts.items():
        base_nano += energy_wh * price
        book.post(
            TransferKind.ENERGY,
            point,
            f"buy@{price}",
            debit=buyer,
            credit=MARKET,
            amount_nano=energy_wh * price,
            energy_wh=energy_wh,
            price_micro_per_kwh=price,
        )
    bought_wh = sum(parts.values())
    for kind, account, rate in (
        (TransferKind.PLATFORM_FEE, PLATFORM_FEE, tariff.platform_fee_micro_per_kwh),
        (TransferKind.GRID_FEE, GRID_FEE, tariff.shared_grid_fee_micro_per_kwh),
        (TransferKind.LEVIES, LEVIES, tariff.shared_levies_micro_per_kwh),
    ):
        base_nano += bought_wh * rate
        book.post(
            kind,
            point,
            "buy",
            debit=buyer,
            credit=account,
            amount_nano=bought_wh * rate,
            energy_wh=bought_wh,
            price_micro_per_kwh=rate,
        )
    vat_nano = base_nano * tariff.vat(terms.vat_class).buying_permille // 1000
    book.post(TransferKind.VAT, point, "buy", debit=buyer, credit=VAT, amount_nano=vat_nano)


def _post_sale(book: Postings, terms: PointTerms, parts: Mapping[int, int], tariff: Tariff) -> None:
    seller, point = member_account(terms.participant), terms.metering_point
    base_nano = 0
    for price, energy_wh in parts.items():
        base_nano += energy_wh * price
        book.post(
            TransferKind.ENERGY,
            point,
            f"sell@{price}",
            debit=MARKET,
            credit=seller,
            amount_nano=energy_wh * price,
            energy_wh=energy_wh,
            price_micro_per_kwh=price,
        )
    vat_nano = base_nano * tariff.vat(terms.vat_class).selling_permille // 1000
    book.post(TransferKind.VAT, point, "sell", debit=VAT, credit=seller, amount_nano=vat_nano)


def _rent_nano(bought: Mapping[str, Mapping[int, int]], sold: Mapping[str, Mapping[int, int]]) -> int:
    """What buyers paid less what sellers received."""
    paid = sum(price * wh for parts in bought.values() for price, wh in parts.items())
    return paid - sum(price * wh for parts in sold.values() for price, wh in parts.items())


def _post_compensation(
    book: Postings,
    cleared: ClearedInterval,
    allocations: Iterable[Allocation],
    terms: Mapping[str, PointTerms],
    sold: Mapping[str, Mapping[int, int]],
) -> None:
    for allocation in allocations:
        if not allocation.curtailed_wh:
            continue
        point = terms[allocation.metering_point]
        feed_in = point.feed_in_price_micro_per_kwh
        beyond_wh = allocation.curtailed_wh - cleared.reference_curtailed_wh.get(point.metering_point, 0)
        gained_nano = sum((price - feed_in) * wh for price, wh in sold.get(point.metering_point, {}).items())
        book.post(
            TransferKind.CONGESTION,
            point.metering_point,
            "compensation",
            debit=CONGESTION,
            credit=member_account(point.participant),
            amount_nano=max(0, feed_in * beyond_wh - gained_nano),
        )


def _check(
    metered: Mapping[str, IntervalEnergy],
    allocations: Iterable[Allocation],
    transfers: Sequence[Transfer],
    *,
    is_island: bool,
) -> None:
    bought_wh = sold_wh = 0
    for allocation in allocations:
        energy = metered[allocation.metering_point]
        assert 0 <= allocation.bought_wh <= energy.import_wh
        assert 0 <= allocation.sold_wh <= energy.export_wh
        assert not is_island or allocation.residual_import_wh == allocation.residual_export_wh == 0
        bought_wh += allocation.bought_wh
        sold_wh += allocation.sold_wh
    assert is_island or bought_wh == sold_wh
    assert net_positions(transfers).get(MARKET, 0) == 0
    assert len({transfer.transfer_id for transfer in transfers}) == len(transfers)
