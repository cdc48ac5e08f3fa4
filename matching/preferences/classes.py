"""Sellers that every buyer values alike, and buyers that value every seller alike, are one class each.

A class is told apart only by what somebody in the book pays for: the source, the feeder or the participant if a buyer
names a premium for it, the zone if there are fees. Classes between which no premium and no fee differs are one. So a
book has as many classes as it has real differences, and a preference that nothing can fulfil makes none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from matching.auction import Supplier
from matching.book import BoolArray, IntArray, OrderBook
from matching.preferences.attributes import MEMBER, OTHER, SAME_FEEDER, SOURCES, BookAttributes, premiums_text
from matching.preferences.fees import GridFees

ANY = "any"
SUPPLIER = "supplier"
NAMED_TOGETHER_MAX = 3
_ALIKE = -1  # a code that tells nobody apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchClasses:
    """Classes of sellers and of buyers, in the order of their names; the supplier, where it bids, is the last of each.

    sellers, buyers        names for people: what tells the class apart, or "any"
    premium, fee           [n_seller, n_buyer] micro-units per kWh
    of_order               [n_order] number of each order's class among its side's
    supplier_sells, supplier_buys  whether the last class is the supplier
    """

    sellers: tuple[str, ...]
    buyers: tuple[str, ...]
    premium: IntArray
    fee: IntArray
    of_order: IntArray
    supplier_sells: bool
    supplier_buys: bool

    @property
    def weight(self) -> IntArray:
        """[n_seller, n_buyer] what a kWh from one class to the other is worth beyond the orders' limits."""
        return self.premium - self.fee


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Kinds:
    """One side's orders by all that could matter, and the kind of each of the side's orders.

    codes  [n_kind, column]: of sellers source, zone, feeder, participant; of buyers premiums, zone, feeder
    """

    codes: IntArray
    of_order: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Wanted:
    """What somebody pays more for: codes of sources by attribute, named members, codes of feeders.

    member_codes  [n_order] place of each order's participant among the members
    """

    sources: Mapping[str, int]
    members: Sequence[str]
    member_codes: IntArray
    feeders: Sequence[int]


def match_classes(book: OrderBook, fees: GridFees | None, supplier: Supplier) -> MatchClasses:
    """Classes of a book. Orders without energy make none of their own, unless their side has nothing else."""
    attributes = book.attributes or _nothing_said(len(book))
    sells, buys = (_with_energy(book, side) for side in (book.is_sell, ~book.is_sell))
    bought = _buyer_kinds(attributes, buys, priced_zones=fees is not None)
    wanted = _wanted(book, attributes, bought)
    sold = _seller_kinds(attributes, sells, wanted, priced_zones=fees is not None)
    premium, buyer_names = _premiums(attributes, sold, bought, wanted)
    seller_names = _seller_names(attributes, sold, wanted)
    fee = np.zeros_like(premium)
    if fees is not None:
        fee = fees.between(
            [attributes.zones[code] for code in sold.codes[:, 1]],
            [attributes.zones[code] for code in bought.codes[:, 1]],
        )
    seller_of, sellers, first_seller = _merged(np.hstack([premium, fee]), seller_names)
    buyer_of, buyers, first_buyer = _merged(np.vstack([premium, fee]).T, buyer_names)
    of_order = np.zeros(len(book), dtype=np.int64)
    of_order[sells], of_order[buys] = seller_of[sold.of_order], buyer_of[bought.of_order]
    sells_too, buys_too = (
        price is not None for price in (supplier.sells_at_micro_per_kwh, supplier.buys_at_micro_per_kwh)
    )
    margin = ((0, int(sells_too)), (0, int(buys_too)))
    return MatchClasses(
        sellers=(*sellers, *([SUPPLIER] if sells_too else [])),
        buyers=(*buyers, *([SUPPLIER] if buys_too else [])),
        premium=np.pad(premium[np.ix_(first_seller, first_buyer)], margin),
        fee=np.pad(fee[np.ix_(first_seller, first_buyer)], margin),
        of_order=of_order,
        supplier_sells=sells_too,
        supplier_buys=buys_too,
    )


def members_without_orders(book: OrderBook) -> tuple[str, ...]:
    """Whom a premium names and who has no order in the book: it applies to nobody's energy."""
    if book.attributes is None:
        return ()
    lists = [book.attributes.premiums[code] for code in np.unique(book.attributes.premium_codes).tolist()]
    named = {name.removeprefix(MEMBER) for each in lists for name, _ in each if name.startswith(MEMBER)}
    there = {name.decode() for name in np.unique(book.participants).tolist()} if named else set()
    return tuple(sorted(named - there))


def wants_feeders_unknown(book: OrderBook) -> bool:
    """Whether buyers pay for energy of their feeder, and no sell order has one: the premium applies to nothing."""
    attributes = book.attributes
    if attributes is None:
        return False
    wanted = any(name == SAME_FEEDER for each in attributes.premiums for name, _ in each)
    return wanted and not any(attributes.feeders[code] for code in np.unique(attributes.feeder_codes[book.is_sell]))


def _with_energy(book: OrderBook, side: BoolArray) -> BoolArray:
    filled: BoolArray = side & (book.quantity_wh > 0)
    return filled if filled.any() else side


def _nothing_said(count: int) -> BookAttributes:
    nothing = np.zeros(count, dtype=np.int32)
    return BookAttributes(
        source_codes=nothing.astype(np.int8),
        feeder_codes=nothing,
        feeders=("",),
        zone_codes=nothing,
        zones=("",),
        premium_codes=nothing,
        premiums=((),),
    )


def _wanted(book: OrderBook, attributes: BookAttributes, bought: _Kinds) -> _Wanted:
    lists = [attributes.premiums[code] for code in np.unique(bought.codes[:, 0]).tolist()]
    names = sorted({name for each in lists for name, _ in each})
    sources = {name: code for code, source in enumerate(SOURCES) for name in names if name == source}
    members = [name for name in names if name.startswith(MEMBER)]
    feeders = [code for code in np.unique(bought.codes[:, 2]).tolist() if code != _ALIKE and attributes.feeders[code]]
    member_codes = np.full(len(book), _ALIKE)
    if members:
        encoded = np.array([name.removeprefix(MEMBER).encode() for name in members], dtype=np.bytes_)
        by_name = np.argsort(encoded, kind="stable")
        place = by_name[np.minimum(np.searchsorted(encoded[by_name], book.participants), len(members) - 1)]
        member_codes = np.where(encoded[place] == book.participants, place, _ALIKE)
    return _Wanted(sources=sources, members=members, member_codes=member_codes, feeders=feeders)


def _seller_kinds(attributes: BookAttributes, sells: BoolArray, wanted: _Wanted, *, priced_zones: bool) -> _Kinds:
    source, zone, feeder = (
        codes[sells].astype(np.int64)
        for codes in (attributes.source_codes, attributes.zone_codes, attributes.feeder_codes)
    )
    return _kinds(
        np.where(np.isin(source, [*wanted.sources.values()]), source, OTHER),
        zone if priced_zones else np.full(source.size, _ALIKE),
        np.where(np.isin(feeder, wanted.feeders), feeder, _ALIKE),
        wanted.member_codes[sells],
    )


def _buyer_kinds(attributes: BookAttributes, buys: BoolArray, *, priced_zones: bool) -> _Kinds:
    premiums, zone, feeder = (
        codes[buys].astype(np.int64)
        for codes in (attributes.premium_codes, attributes.zone_codes, attributes.feeder_codes)
    )
    asks_for_feeder = np.array([SAME_FEEDER in dict(each) for each in attributes.premiums], dtype=np.bool_)
    return _kinds(
        premiums,
        zone if priced_zones else np.full(premiums.size, _ALIKE),
        np.where(asks_for_feeder[premiums], feeder, _ALIKE),
    )


def _kinds(*columns: IntArray) -> _Kinds:
    """Distinct rows of these columns, each of which holds codes from -1 on."""
    key = np.zeros(columns[0].size, dtype=np.int64)
    for column in columns:
        key = key * (int(column.max(initial=0)) + 2) + (column + 1)
    _, first, of_order = np.unique(key, return_index=True, return_inverse=True)
    codes = np.stack([column[first] for column in columns], axis=1)
    return _Kinds(codes=codes, of_order=of_order.reshape(-1))


def _premiums(attributes: BookAttributes, sold: _Kinds, bought: _Kinds, wanted: _Wanted) -> tuple[IntArray, list[str]]:
    """[n_seller, n_buyer] sum of the premiums that apply; the buyers' names, without what nobody can fulfil."""
    source, _, feeder, member = (column[:, None] for column in sold.codes.T)
    has: dict[str, BoolArray] = {name: source == code for name, code in wanted.sources.items()}
    has |= {name: member == code for code, name in enumerate(wanted.members)}
    if wanted.feeders:
        has[SAME_FEEDER] = (feeder == bought.codes[None, :, 2]) & (feeder != _ALIKE)
    lists = [dict(attributes.premiums[code]) for code in bought.codes[:, 0].tolist()]
    premium = np.zeros((len(sold.codes), len(lists)), dtype=np.int64)
    paid: list[list[tuple[str, int]]] = [[] for _ in lists]
    for name, sellers in has.items():
        amount = np.array([each.get(name, 0) for each in lists], dtype=np.int64)
        premium += sellers * amount
        for buyer in np.flatnonzero(sellers.any(axis=0) & (amount > 0)).tolist():
            paid[buyer].append((name, lists[buyer][name]))
    names = []
    for (_, zone, own_feeder), premiums in zip(bought.codes.tolist(), paid, strict=True):
        told_apart = own_feeder if SAME_FEEDER in dict(premiums) else _ALIKE
        names.append(_name(attributes, zone, told_apart, [premiums_text(tuple(sorted(premiums)))]))
    return premium, names


def _seller_names(attributes: BookAttributes, sold: _Kinds, wanted: _Wanted) -> list[str]:
    names = []
    for source, zone, feeder, member in sold.codes.tolist():
        what = [SOURCES[source].value if source != OTHER else ""]
        what += [wanted.members[member] if member != _ALIKE else ""]
        names.append(_name(attributes, zone, feeder, what))
    return names


def _name(attributes: BookAttributes, zone: int, feeder: int, what: list[str]) -> str:
    where = [f"zone:{attributes.zones[zone]}" if zone != _ALIKE and attributes.zones[zone] else ""]
    where += [f"feeder:{attributes.feeders[feeder]}" if feeder != _ALIKE else ""]
    return " ".join(filter(None, [*what, *where])) or ANY


def _merged(terms: IntArray, names: Sequence[str]) -> tuple[IntArray, tuple[str, ...], list[int]]:
    """Kinds with equal rows become one class: the class of each kind, names by class, and one kind of each class."""
    if not names:
        return np.zeros(0, dtype=np.int64), (), []
    number = np.unique(terms, axis=0, return_inverse=True)[1].reshape(-1)
    members = [np.flatnonzero(number == each) for each in range(int(number.max()) + 1)]
    called = [sorted({names[kind] for kind in kinds.tolist()}) for kinds in members]
    order = sorted(range(len(called)), key=lambda each: called[each])
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[number], tuple(_together(called[each]) for each in order), [int(members[each][0]) for each in order]


def _together(names: Sequence[str]) -> str:
    more = len(names) - NAMED_TOGETHER_MAX
    return " or ".join([*names[:NAMED_TOGETHER_MAX], *([f"{more} more"] if more > 0 else [])])
