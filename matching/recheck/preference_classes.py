"""Which orders somebody's wish or a fee tells apart, worked out from the book alone.

A seller is known by its source, feeder and participant as far as a buyer names a premium for them, and by its zone if
there are fees; a buyer by its premiums, its feeder if it names one for it, and its zone. Sellers to whom all buyers
would pay the same premiums and fees are one class, and so are buyers who would pay all sellers the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from matching.book import BoolArray, IntArray, OrderBook

SOURCES = ("other", "solar", "storage")  # by their codes in a book
SAME_FEEDER, MEMBER = "same_feeder", "member:"
SUPPLIER = "supplier"
NAMED_MAX = 3

Fees = Mapping[tuple[str, str], int]


class Seller(NamedTuple):
    """What matters of an order that sells; empty where nobody asks for it, zone None without fees."""

    source: str
    feeder: str
    member: str
    zone: str | None


class Buyer(NamedTuple):
    """What matters of an order that buys."""

    premiums: tuple[tuple[str, int], ...]
    feeder: str
    zone: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classes:
    """Sellers and buyers by name, the supplier last where it bids; premium and fee [n_seller, n_buyer].

    of_order  [n_order] number of each order's class among those of its side
    no_fee    a pair of zones without a fee, None where there is none
    """

    sellers: tuple[str, ...]
    buyers: tuple[str, ...]
    premium: IntArray
    fee: IntArray
    of_order: IntArray
    supplier_sells: bool
    supplier_buys: bool
    no_fee: tuple[str, str] | None


def classes_of(book: OrderBook, fees: Fees | None, *, supplier_sells: bool, supplier_buys: bool) -> Classes:
    """The classes of a book under a table of fees."""
    sells, buys = (_with_energy(book, side) for side in (book.is_sell, ~book.is_sell))
    buyer_of = _buyers(book, buys, priced=fees is not None)
    seller_of = _sellers(book, sells, buyer_of, priced=fees is not None)
    sellers, buyers = sorted(set(seller_of), key=repr), sorted(set(buyer_of), key=repr)
    pairs = [(seller.zone, buyer.zone) for seller in sellers for buyer in buyers] if fees is not None else []
    missing = next((pair for pair in pairs if pair not in (fees or {})), None)
    premium = _matrix(sellers, buyers, [sum(_paid(s, b).values()) for s in sellers for b in buyers])
    fee = _matrix(sellers, buyers, [(fees or {}).get((s.zone or "", b.zone or ""), 0) for s in sellers for b in buyers])
    s_number, s_names, s_first = _merged(np.hstack([premium, fee]), [_seller_name(each) for each in sellers])
    b_number, b_names, b_first = _merged(np.vstack([premium, fee]).T, [_buyer_name(each, sellers) for each in buyers])
    of_order = np.zeros(len(book), dtype=np.int64)
    s_class, b_class = dict(zip(sellers, s_number, strict=True)), dict(zip(buyers, b_number, strict=True))
    of_order[sells] = [s_class[each] for each in seller_of]
    of_order[buys] = [b_class[each] for each in buyer_of]
    margin = ((0, int(supplier_sells)), (0, int(supplier_buys)))
    return Classes(
        sellers=(*s_names, *([SUPPLIER] * supplier_sells)),
        buyers=(*b_names, *([SUPPLIER] * supplier_buys)),
        premium=np.pad(premium[np.ix_(s_first, b_first)], margin),
        fee=np.pad(fee[np.ix_(s_first, b_first)], margin),
        of_order=of_order,
        supplier_sells=supplier_sells,
        supplier_buys=supplier_buys,
        no_fee=None if missing is None else (str(missing[0]), str(missing[1])),
    )


def absent_members(book: OrderBook) -> tuple[str, ...]:
    """Members whom a premium names and who have no order."""
    said, there = book.attributes, {name.decode() for name in book.participants.tolist()}
    lists = [] if said is None else [said.premiums[code] for code in set(said.premium_codes.tolist())]
    named = {name[len(MEMBER) :] for each in lists for name, _ in each if name.startswith(MEMBER)}
    return tuple(sorted(named - there))


def _with_energy(book: OrderBook, side: BoolArray) -> BoolArray:
    """Orders without energy make no class, unless their side has nothing else."""
    filled: BoolArray = side & (book.quantity_wh > 0)
    return filled if filled.any() else side


def _buyers(book: OrderBook, buys: BoolArray, *, priced: bool) -> list[Buyer]:
    said = book.attributes
    zone = "" if priced else None
    if said is None:
        return [Buyer((), "", zone)] * int(buys.sum())
    columns = (column[buys].tolist() for column in (said.premium_codes, said.feeder_codes, said.zone_codes))
    return [
        Buyer(
            said.premiums[premiums],
            said.feeders[feeder] if SAME_FEEDER in dict(said.premiums[premiums]) else "",
            said.zones[place] if priced else None,
        )
        for premiums, feeder, place in zip(*columns, strict=True)
    ]


def _sellers(book: OrderBook, sells: BoolArray, buyers: Iterable[Buyer], *, priced: bool) -> list[Seller]:
    said, kinds = book.attributes, set(buyers)
    if said is None:
        return [Seller("", "", "", "" if priced else None)] * int(sells.sum())
    wanted = {name for kind in kinds for name, _ in kind.premiums}
    feeders = {kind.feeder for kind in kinds}
    columns = [column[sells].tolist() for column in (said.source_codes, said.feeder_codes, said.zone_codes)]
    found = []
    for source, feeder, zone, who in zip(*columns, book.participants[sells].tolist(), strict=True):
        kind, place, member = SOURCES[source], said.feeders[feeder], MEMBER + who.decode()
        found.append(
            Seller(
                kind if kind in wanted else "",
                place if place in feeders else "",
                member if member in wanted else "",
                said.zones[zone] if priced else None,
            )
        )
    return found


def _paid(seller: Seller, buyer: Buyer) -> dict[str, int]:
    """The buyer's premiums that apply to the seller."""
    has = {seller.source, seller.member, SAME_FEEDER if seller.feeder and seller.feeder == buyer.feeder else ""}
    return {name: amount for name, amount in buyer.premiums if name in has}


def _matrix(sellers: Sequence[Seller], buyers: Sequence[Buyer], values: Sequence[int]) -> IntArray:
    return np.array(values, dtype=np.int64).reshape(len(sellers), len(buyers))


def _seller_name(seller: Seller) -> str:
    return _name(seller.source, seller.member, zone=seller.zone, feeder=seller.feeder)


def _buyer_name(buyer: Buyer, sellers: Iterable[Seller]) -> str:
    """Only what somebody who sells can fulfil is part of it."""
    paid: dict[str, int] = {}
    for seller in sellers:
        paid |= _paid(seller, buyer)
    feeder = buyer.feeder if SAME_FEEDER in paid else ""
    return _name(";".join(f"{name}:{paid[name]}" for name in sorted(paid)), zone=buyer.zone, feeder=feeder)


def _name(*what: str, zone: str | None, feeder: str) -> str:
    where = (f"zone:{zone}" if zone else "", f"feeder:{feeder}" if feeder else "")
    return " ".join(filter(None, (*what, *where))) or "any"


def _merged(terms: IntArray, names: Sequence[str]) -> tuple[list[int], list[str], list[int]]:
    """Kinds with equal rows are one: the class of each kind, names by class, a kind of each class."""
    members: dict[bytes, list[int]] = {}
    for kind, row in enumerate(terms):
        members.setdefault(row.tobytes(), []).append(kind)
    called = sorted((sorted({names[kind] for kind in kinds}), kinds) for kinds in members.values())
    number = [0] * len(names)
    for at, (_, kinds) in enumerate(called):
        for kind in kinds:
            number[kind] = at
    together = [
        " or ".join(each[:NAMED_MAX] + ([f"{len(each) - NAMED_MAX} more"] if len(each) > NAMED_MAX else []))
        for each, _ in called
    ]
    return number, together, [kinds[0] for _, kinds in called]
