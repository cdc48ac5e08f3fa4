"""What is published beside the trades where energy has attributes or fees: prices by class, and parts of orders."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from matching.book import BoolArray, IntArray
from matching.certificate import exact_sum
from matching.preferences.assignment import Parts
from matching.preferences.classes import MatchClasses
from matching.preferences.supporting import ClassPriceInterval, ClassPrices


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttributeOutcome:
    """Who is filled from where; arrays of parts [n_part] are those of `parts`.

    flow_wh      [n_seller, n_buyer]
    prices       of each class, as paid; interval: what they were taken from, None where nothing was accepted
    price_micro_per_kwh  of each part, what its seller receives
    fee_micro_per_kwh    of each part, what its buyer pays to the grid in addition; zero in parts of sell orders
    premium_micro_per_kwh  of each part, what its buyer named for this source; zero in parts of sell orders
    flexible_left_out      a limit of the network was passed, so that flexible orders had to stay out
    """

    classes: MatchClasses
    flow_wh: IntArray
    prices: ClassPrices
    interval: ClassPriceInterval | None
    parts: Parts
    is_sell: BoolArray
    price_micro_per_kwh: IntArray
    fee_micro_per_kwh: IntArray
    premium_micro_per_kwh: IntArray
    flexible_left_out: bool = False

    @classmethod
    def of(
        cls,
        *,
        classes: MatchClasses,
        flow_wh: IntArray,
        prices: ClassPrices,
        interval: ClassPriceInterval | None,
        parts: Parts,
        is_sell: BoolArray,
        adder_micro_per_kwh: IntArray | None = None,
    ) -> "AttributeOutcome":
        """Priced parts. `adder_micro_per_kwh` [n_order] is added to the price of an order where the network says so."""
        own, counter, sells = classes.of_order[parts.position], parts.counter_class, is_sell[parts.position]
        seller, buyer = np.where(sells, own, counter), np.where(sells, counter, own)
        price = prices.price[seller] if prices.price.size else np.zeros(0, dtype=np.int64)
        local = 0 if adder_micro_per_kwh is None else adder_micro_per_kwh[parts.position]
        return cls(
            classes=classes,
            flow_wh=flow_wh,
            prices=prices,
            interval=interval,
            parts=parts,
            is_sell=is_sell,
            price_micro_per_kwh=price + local,
            fee_micro_per_kwh=np.where(sells, 0, _at(classes.fee, seller, buyer)),
            premium_micro_per_kwh=np.where(sells, 0, _at(classes.premium, seller, buyer)),
        )

    @property
    def part_amount_nano(self) -> IntArray:
        """[n_part] what the buyer pays, the fee included, or the seller receives."""
        amount: IntArray = self.parts.wh * (self.price_micro_per_kwh + self.fee_micro_per_kwh)
        return amount

    @property
    def accepted_wh(self) -> IntArray:
        """[n_order] sum of the parts."""
        return self._sum_by_order(self.parts.wh)

    @property
    def amount_nano(self) -> IntArray:
        """[n_order] sum of the parts."""
        return self._sum_by_order(self.part_amount_nano)

    @property
    def order_premium_nano(self) -> IntArray:
        """[n_order] what a buyer's own premiums make its energy worth beyond its limit."""
        return self._sum_by_order(self.parts.wh * self.premium_micro_per_kwh)

    @property
    def grid_fee_nano(self) -> int:
        """What all buyers pay to the grid."""
        return exact_sum(self.parts.wh * self.fee_micro_per_kwh)

    @property
    def premium_nano(self) -> int:
        """What all premiums add to the welfare."""
        return exact_sum(self.parts.wh * self.premium_micro_per_kwh)

    @property
    def supplier_pays_nano(self) -> int:
        """For what it takes, less what it receives for what it delivers: at its own prices, which contain its fees."""
        pays = 0
        if self.classes.supplier_buys:
            pays += int(self.flow_wh[:, -1].sum()) * int(self.prices.worth[-1])
        if self.classes.supplier_sells:
            pays -= int(self.flow_wh[-1].sum()) * int(self.prices.price[-1])
        return pays

    def split_orders(self, *, selling: bool) -> int:
        """How many buy orders are filled from several sources, or sell orders go to several classes of buyers."""
        positions, parts = np.unique(self.parts.position, return_counts=True)
        return int(((parts > 1) & (self.is_sell[positions] == selling)).sum())

    def rows(self, order_ids: list[str]) -> Iterator[tuple[object, ...]]:
        """Lines of sources.csv, as `SOURCE_COLUMNS`."""
        sides, names = ("buy", "sell"), (self.classes.sellers, self.classes.buyers)
        columns = (
            self.parts.position,
            self.is_sell[self.parts.position].astype(np.int64),
            self.parts.counter_class,
            self.parts.wh,
            self.price_micro_per_kwh,
            self.fee_micro_per_kwh,
            self.premium_micro_per_kwh,
            self.part_amount_nano,
            self.parts.wh * self.fee_micro_per_kwh,
        )
        for position, side, counter, *figures in zip(*(column.tolist() for column in columns), strict=True):
            yield order_ids[position], sides[side], names[side][counter], *figures

    def document(self) -> dict[str, object]:
        """The object `preferences` of clearing.json."""
        classes, plain = self.classes, self.prices.plain(self.classes.fee)
        sold, bought = self.flow_wh.sum(axis=1), self.flow_wh.sum(axis=0)
        sellers, buyers = zip(*np.argwhere(self.flow_wh > 0).tolist(), strict=True) if self.flow_wh.any() else ((), ())
        priced = self.interval is not None
        return {
            "premium_welfare_nano": self.premium_nano,
            "grid_fee_nano": self.grid_fee_nano,
            "flexible_left_out": self.flexible_left_out,
            "split_buy_orders": self.split_orders(selling=False),
            "split_sell_orders": self.split_orders(selling=True),
            "seller_classes": [
                {
                    "class": name,
                    "accepted_wh": int(sold[s]),
                    "price_micro_per_kwh": int(self.prices.price[s]) if priced else None,
                    "attribute_price_micro_per_kwh": int(self.prices.price[s] - plain[s]) if priced else None,
                    "supporting_prices_micro_per_kwh": _interval(self.interval, "price", s),
                }
                for s, name in enumerate(classes.sellers)
            ],
            "buyer_classes": [
                {
                    "class": name,
                    "accepted_wh": int(bought[b]),
                    "worth_micro_per_kwh": int(self.prices.worth[b]) if priced else None,
                    "supporting_worths_micro_per_kwh": _interval(self.interval, "worth", b),
                }
                for b, name in enumerate(classes.buyers)
            ],
            "flows": [
                {
                    "from": classes.sellers[s],
                    "to": classes.buyers[b],
                    "wh": int(self.flow_wh[s, b]),
                    "premium_micro_per_kwh": int(classes.premium[s, b]),
                    "fee_micro_per_kwh": int(classes.fee[s, b]),
                }
                for s, b in zip(sellers, buyers, strict=True)
            ],
        }

    def _sum_by_order(self, values: IntArray) -> IntArray:
        total = np.zeros(self.is_sell.size, dtype=np.int64)
        np.add.at(total, self.parts.position, values)
        return total


def _at(matrix: IntArray, seller: IntArray, buyer: IntArray) -> IntArray:
    return matrix[seller, buyer] if matrix.size else np.zeros(seller.size, dtype=np.int64)


def _interval(interval: ClassPriceInterval | None, kind: str, number: int) -> list[int] | None:
    if interval is None:
        return None
    return [int(getattr(end, kind)[number]) for end in (interval.lowest, interval.highest)]
