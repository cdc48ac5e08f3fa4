"""A result with premiums or grid fees, its parts, and the classes of its book."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from matching.book import BoolArray, IntArray
from matching.recheck.accounts import NAMED_MAX
from matching.recheck.exact import total, total_of_products
from matching.recheck.fields import Unreadable
from matching.recheck.preference_claims import ClassClaim, PreferenceClaims
from matching.recheck.preference_classes import Classes, classes_of
from matching.recheck.published import Parts, Published

NANO = 1000  # nano-units in a micro-unit
FAR = 2**60  # beyond every price
FIGURE_MAX = 5 * 10**10  # no class has a price beyond it; times the energy of an order it stays within 64 bits


@dataclass(frozen=True, kw_only=True, eq=False)
class Filled:
    """A result, its parts, and the classes of its book."""

    result: Published
    claims: PreferenceClaims
    parts: Parts

    @cached_property
    def classes(self) -> Classes:
        """Worked out from the book, whatever the result says."""
        rules = self.result.claims.rules
        return classes_of(
            self.result.book,
            self.claims.fees,
            supplier_sells=rules.sells_at is not None,
            supplier_buys=rules.buys_at is not None,
        )

    @cached_property
    def position(self) -> IntArray:
        """[n_part] of each part's order in the book, -1 where there is none on that side."""
        book = self.result.book
        places = {
            (name.decode(), sells): at
            for at, (name, sells) in enumerate(zip(book.order_ids.tolist(), book.is_sell.tolist(), strict=True))
        }
        sides = self.parts.is_sell.tolist()
        return np.array([places.get(key, -1) for key in zip(self.parts.order_ids, sides, strict=True)], dtype=np.int64)

    @cached_property
    def ends(self) -> tuple[IntArray, IntArray]:
        """[n_part] classes of seller and buyer, -1 where unknown."""
        names = ({name: at for at, name in enumerate(each)} for each in (self.classes.sellers, self.classes.buyers))
        sellers, buyers = names
        sides = self.parts.is_sell.tolist()
        other = [
            (buyers if sells else sellers).get(name, -1)
            for sells, name in zip(sides, self.parts.counter_class, strict=True)
        ]
        counter = np.array(other, dtype=np.int64)
        own = np.full(counter.size, -1)
        known = self.position >= 0
        own[known] = self.classes.of_order[self.position[known]]
        return np.where(self.parts.is_sell, own, counter), np.where(self.parts.is_sell, counter, own)

    @cached_property
    def known(self) -> BoolArray:
        """[n_part] whether order and both classes are there."""
        seller, buyer = self.ends
        return np.asarray((self.position >= 0) & (seller >= 0) & (buyer >= 0))

    def by_order(self, values: IntArray) -> IntArray:
        """[n_order] sums over parts."""
        summed, there = np.zeros(len(self.result.book), dtype=np.int64), self.position >= 0
        np.add.at(summed, self.position[there], values[there])
        return summed

    def by_class(self, price: IntArray, worth: IntArray) -> IntArray:
        """[n_order] what each order's class is paid or pays: price [n_seller] or worth [n_buyer]."""
        own, sells = np.zeros(len(self.result.book), dtype=np.int64), self.result.book.is_sell
        for side, each in ((sells, price), (~sells, worth)):
            own[side] = each[self.classes.of_order[side]] if each.size else 0
        return own

    def between(self, matrix: IntArray) -> IntArray:
        """[n_part] the value between the part's classes; zero for those who sell."""
        found, bought = np.zeros(self.position.size, dtype=np.int64), self.known & ~self.parts.is_sell
        seller, buyer = self.ends
        found[bought] = matrix[seller[bought], buyer[bought]]
        return found

    def flows(self, *, selling: bool) -> Counter[tuple[int, int]]:
        """Energy from class to class as the parts of one side have it."""
        flows: Counter[tuple[int, int]] = Counter()
        seller, buyer = self.ends
        at = self.known & (self.parts.is_sell == selling)
        for start, end, wh in zip(seller[at].tolist(), buyer[at].tolist(), self.parts.wh[at].tolist(), strict=True):
            flows[start, end] += wh
        return flows

    def is_supplier(self, number: int, *, selling: bool) -> bool:
        """Whether a class is the supplier, which is the last one where it is one at all."""
        there, names = (
            (self.classes.supplier_sells, self.classes.sellers)
            if selling
            else (self.classes.supplier_buys, self.classes.buyers)
        )
        return there and number == len(names) - 1

    @property
    def main_class(self) -> int:
        """Where the plain price is quoted: the class of members that sold most, else the supplier."""
        members = self.claims.sellers[: -1 if self.classes.supplier_sells else None]
        most = max((one.accepted_wh for one in members), default=0)
        return next(
            (at for at, one in enumerate(members) if one.accepted_wh == most and most), len(self.claims.sellers) - 1
        )

    @property
    def has_rows(self) -> bool:
        """Whether limits of a network have a part in the result."""
        return bool(self.result.claims.certificate.rows)


def filled_of(result: Published) -> Filled:
    """A result that has preferences, with them. Raises Unreadable where names do not tell its classes apart."""
    assert result.claims.preferences is not None
    assert result.parts is not None
    filled = Filled(result=result, claims=result.claims.preferences, parts=result.parts)
    for names in (filled.classes.sellers, filled.classes.buyers):
        if len(set(names)) < len(names):
            raise Unreadable("sources.csv: two classes of the book have one name, so that parts cannot be checked")
    return filled


def welfare_of(filled: Filled) -> int:
    """The welfare of trades and parts; premiums and fees are those of the book and the table."""
    result, claims, rules = filled.result, filled.result.claims, filled.result.claims.rules
    worth = -total_of_products(result.accepted_wh, result.side * result.book.limit_micro_per_kwh)
    worth += total_of_products(filled.parts.wh, filled.between(filled.classes.premium - filled.classes.fee))
    worth += (rules.buys_at or 0) * claims.supplier_export_wh - (rules.sells_at or 0) * claims.supplier_import_wh
    return worth - rules.curtailment_price * total(result.curtailed_wh)


def figures(listed: tuple[ClassClaim, ...]) -> IntArray:
    """Prices or worths; beyond what fits, the end of it."""
    return as_figures([one.price or 0 for one in listed], FIGURE_MAX)


def as_figures(values: Iterable[int], most: int) -> IntArray:
    """Whole numbers of whatever size; beyond `most` either way, that."""
    return np.array([max(-most, min(most, value)) for value in values], dtype=np.int64)


def parts_named(filled: Filled, wrong: BoolArray, say: Callable[[int], str]) -> Iterator[str]:
    """A sentence for each of the first few parts for which something is wrong."""
    for at in np.flatnonzero(wrong).tolist()[:NAMED_MAX]:
        yield f"order {filled.parts.order_ids[at]!r}: {say(at)}"
