"""The double auction's volumes, but everybody trades with somebody: each pair at the middle of its two limits.

Sellers in the order of rising limits meet buyers in the order of falling limits: the cheapest sale and the dearest
purchase share the largest gain. A supplier that bids is one more counterparty, the last of its side, and trades at its
own price. Orders with equal limits are one counterparty: what it pays or receives is shared among them in proportion to
their accepted energy, floored and completed by largest remainder, then keyed hash. The middle of two limits on the tick
is whole, so nothing else has to be divided and money is conserved to the nano-unit.

The price of the interval, for information, is the average over all pairs, floored to the tick. Every limit moves the
own price, so it pays to shade it: a buyer who knows the marginal price bids just above that.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matching.auction import AuctionResult, sort_and_merge
from matching.book import IntArray
from matching.mechanisms.interface import Match, Payments, Properties, Tradable, whole_tick
from matching.rationing import grouped, share_out


class PayAsBid:
    """As much welfare as the double auction has, if limits were true; budget exact; not truthful."""

    properties = Properties(average_prices=True, supplier_joins=True)

    def match(self, tradable: Tradable) -> Match:
        """The pairs' amounts, summed per order."""
        auction = sort_and_merge(
            is_sell=tradable.book.is_sell,
            quantity_wh=tradable.quantity_wh,
            limit_micro_per_kwh=tradable.book.limit_micro_per_kwh,
            supplier=tradable.supplier,
            tie_keys=tradable.tie_keys,
        )
        sellers, buyers = _levels(tradable, auction, selling=True), _levels(tradable, auction, selling=False)
        total_nano, total_wh = 0, 0
        for sold, bought, energy_wh in _pairs(sellers, buyers):
            amount_nano = energy_wh * _pair_price(sold, bought)
            sold.amount_nano += amount_nano
            bought.amount_nano += amount_nano
            total_nano += amount_nano
            total_wh += energy_wh
        amount = np.zeros_like(tradable.quantity_wh)
        for level in (*sellers, *buyers):
            at = level.positions
            if at.size:
                amount[at] = share_out(
                    level.amount_nano, auction.accepted_wh[at], positions=at, tie_keys=tradable.tie_keys
                )
        supplier_nano = sum(level.amount_nano for level in buyers if not level.positions.size)
        supplier_nano -= sum(level.amount_nano for level in sellers if not level.positions.size)
        return Match(
            accepted_wh=auction.accepted_wh,
            supplier_import_wh=auction.supplier_import_wh,
            supplier_export_wh=auction.supplier_export_wh,
            payments=Payments.of_amounts(
                auction.accepted_wh,
                amount,
                clearing_price_micro_per_kwh=whole_tick(total_nano // total_wh) if total_wh else None,
                supplier_pays_nano=supplier_nano,
            ),
        )


@dataclass(slots=True, kw_only=True, eq=False)
class _Level:
    """Accepted energy at one limit; no positions: the supplier. amount_nano grows with every pair."""

    limit_micro_per_kwh: int
    energy_wh: int
    positions: IntArray
    amount_nano: int = 0

    @property
    def is_supplier(self) -> bool:
        return not self.positions.size


def _levels(tradable: Tradable, auction: AuctionResult, *, selling: bool) -> list[_Level]:
    """What is accepted of one side, best limit first, the supplier last."""
    book, supplier = tradable.book, tradable.supplier
    at = np.flatnonzero((book.is_sell == selling) & (auction.accepted_wh > 0))
    limits, number = np.unique(book.limit_micro_per_kwh[at], return_inverse=True)
    levels = [
        _Level(limit_micro_per_kwh=limit, energy_wh=int(auction.accepted_wh[group].sum()), positions=group)
        for limit, group in zip(limits.tolist(), grouped(at, number), strict=True)
    ]
    if not selling:
        levels.reverse()
    price = supplier.sells_at_micro_per_kwh if selling else supplier.buys_at_micro_per_kwh
    energy_wh = auction.supplier_import_wh if selling else auction.supplier_export_wh
    if price is not None and energy_wh:
        levels.append(_Level(limit_micro_per_kwh=price, energy_wh=energy_wh, positions=at[:0]))
    return levels


def _pairs(sellers: list[_Level], buyers: list[_Level]) -> Iterator[tuple[_Level, _Level, int]]:
    """Seller, buyer and Wh of each pair: both sides laid end to end."""
    sold, bought = iter(sellers), iter(buyers)
    seller, buyer = next(sold, None), next(bought, None)
    left_sold = 0 if seller is None else seller.energy_wh
    left_bought = 0 if buyer is None else buyer.energy_wh
    while seller is not None and buyer is not None:
        energy_wh = min(left_sold, left_bought)
        yield seller, buyer, energy_wh
        left_sold, left_bought = left_sold - energy_wh, left_bought - energy_wh
        if not left_sold:
            seller = next(sold, None)
            left_sold = 0 if seller is None else seller.energy_wh
        if not left_bought:
            buyer = next(bought, None)
            left_bought = 0 if buyer is None else buyer.energy_wh
    assert seller is None, "energy that was sold to nobody"
    assert buyer is None, "energy that was bought from nobody"


def _pair_price(seller: _Level, buyer: _Level) -> int:
    """The supplier's own price, else the middle of two limits on the tick, which is whole."""
    if seller.is_supplier:
        return seller.limit_micro_per_kwh
    if buyer.is_supplier:
        return buyer.limit_micro_per_kwh
    return (seller.limit_micro_per_kwh + buyer.limit_micro_per_kwh) // 2
