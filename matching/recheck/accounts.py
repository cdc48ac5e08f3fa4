"""What adds up: the book, the listing, quantities, energy, money, welfare. Integers throughout; equality is exact."""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from matching.book import BoolArray, IntArray
from matching.recheck.exact import total, total_of_products
from matching.recheck.preference_classes import SOURCES
from matching.recheck.published import Published

FIRMNESSES = ("firm", "curtailable", "flexible")
NAMED_MAX = 3  # orders named of each kind of fault


def named(result: Published, wrong: BoolArray, say: Callable[[int], str]) -> Iterator[str]:
    """A sentence for each of the first few orders for which something is wrong, and how many more there are."""
    at = np.flatnonzero(wrong).tolist()
    for position in at[:NAMED_MAX]:
        yield f"order {result.book.order_id(position)!r}: {say(position)}"
    if len(at) > NAMED_MAX:
        yield f"and {len(at) - NAMED_MAX} more orders"


def differs(what: str, claimed: object, found: object) -> Iterator[str]:
    """A sentence if a claimed figure is not the one that the trades give."""
    if claimed != found:
        yield f"{what} is said to be {claimed}, the trades give {found}"


def same_book(result: Published) -> Iterator[str]:
    """orders.csv holds the book that was cleared: its fingerprint is the published one.

    SHA-256 over one line per order in the order of the ids' bytes: id, participant, metering point, bus (empty without
    one), side, quantity, limit and firmness, of a book that says such things also source, feeder, zone and premiums;
    parted by tabs, each line ended by a newline.
    """
    book = result.book
    ranks = np.argsort(book.order_ids, kind="stable")
    columns = (
        book.order_ids[ranks].tolist(),
        *(column[ranks].tolist() for column in (book.participants, book.metering_points, book.bus, book.is_sell)),
        *(column[ranks].tolist() for column in (book.quantity_wh, book.limit_micro_per_kwh, book.firmness_codes)),
    )
    said = _said(result, ranks)
    lines = (
        f"{order_id.decode()}\t{who.decode()}\t{point.decode()}\t{'' if bus < 0 else bus}\t"
        f"{'sell' if sells else 'buy'}\t{quantity}\t{limit}\t{FIRMNESSES[firmness]}{more}\n"
        for order_id, who, point, bus, sells, quantity, limit, firmness, more in zip(*columns, said, strict=True)
    )
    found = hashlib.sha256("".join(lines).encode()).hexdigest()
    yield from differs("the number of orders", result.claims.orders, len(book))
    if result.claims.book_digest != found:
        yield f"book_digest is {result.claims.book_digest}, orders.csv gives {found}"


def _said(result: Published, ranks: IntArray) -> list[str]:
    """What the orders say about their energy, each behind a tab; nothing where no order says anything."""
    said = result.book.attributes
    if said is None:
        return [""] * len(ranks)
    premiums = [";".join(f"{name}:{amount}" for name, amount in each) for each in said.premiums]
    codes = (said.source_codes, said.feeder_codes, said.zone_codes, said.premium_codes)
    return [
        f"\t{SOURCES[source]}\t{said.feeders[feeder]}\t{said.zones[zone]}\t{premiums[wanted]}"
        for source, feeder, zone, wanted in zip(*(code[ranks].tolist() for code in codes), strict=True)
    ]


def listing(result: Published) -> Iterator[str]:
    """Every order of the book stands in trades.csv once, in the order of the book, and nothing else does."""
    yield from result.listed_wrongly[:NAMED_MAX]
    if len(result.listed_wrongly) > NAMED_MAX:
        yield f"and {len(result.listed_wrongly) - NAMED_MAX} more lines"


def no_network(result: Published) -> Iterator[str]:
    """Without a network nothing is limited: green, nothing curtailed, nothing binding, no power flow."""
    claims = result.claims
    if claims.network is not None:
        return
    if claims.status != "green":
        yield f"status is {claims.status} where there is no network"
    if (
        claims.certificate.rows
        or result.curtailed_wh.any()
        or claims.binding
        or claims.ac is not None
        or claims.baseline_sha256 is not None
    ):
        yield "there is something of a network, but no network"


def quantities(result: Published) -> Iterator[str]:
    """0 <= accepted, 0 <= curtailed, together at most the quantity; only curtailable orders are curtailed."""
    accepted, curtailed, quantity = result.accepted_wh, result.curtailed_wh, result.book.quantity_wh
    yield from named(result, accepted < 0, lambda at: f"accepted_wh is {accepted[at]}")
    yield from named(result, curtailed < 0, lambda at: f"curtailed_wh is {curtailed[at]}")
    yield from named(
        result,
        accepted + curtailed > quantity,
        lambda at: f"accepted {accepted[at]} Wh and curtailed {curtailed[at]} Wh of {quantity[at]} Wh",
    )
    yield from named(
        result,
        (curtailed != 0) & ~result.curtailable,
        lambda at: f"{curtailed[at]} Wh of it curtailed, which may not be",
    )
    yield from differs("curtailed_wh", result.claims.curtailed_wh, total(curtailed))


def energy(result: Published) -> Iterator[str]:
    """Sold + supplier_import = bought + supplier_export + loss, to the Wh; the supplier only where it bids."""
    claims, sells = result.claims, result.book.is_sell
    sold, bought = total(result.accepted_wh[sells]), total(result.accepted_wh[~sells])
    energy_in = sold + claims.supplier_import_wh
    energy_out = bought + claims.supplier_export_wh + claims.loss_wh
    if energy_in != energy_out:
        yield f"{energy_in} Wh go in and {energy_out} Wh come out"
    yield from differs("traded_wh", claims.traded_wh, min(sold, bought))
    for what, volume, price in (
        ("supplier_import_wh", claims.supplier_import_wh, claims.rules.sells_at),
        ("supplier_export_wh", claims.supplier_export_wh, claims.rules.buys_at),
    ):
        if volume < 0 or (volume and price is None):
            yield f"{what} is {volume}, and the supplier does not trade that"
    if claims.loss_wh < 0 or (claims.loss_wh and claims.rules.losses == "grid"):
        yield f"loss_wh is {claims.loss_wh}, and the losses are the grid operator's"


def money(result: Published) -> Iterator[str]:
    """Amount = accepted * price; what members and supplier pay = what they receive + congestion rent, to the nano."""
    claims, sells = result.claims, result.book.is_sell
    amount, traded = result.amount_nano, result.accepted_wh != 0
    product = result.accepted_wh * result.price
    over = amount - product
    wrong = (over < 0) | (over >= result.accepted_wh) if claims.mechanism.average_prices else over != 0
    yield from named(
        result, wrong & traded, lambda at: f"amount_nano is {amount[at]}, energy times price is {product[at]}"
    )
    yield from named(result, ~traded & (amount != 0), lambda at: f"{amount[at]} nano-units for nothing")
    yield from named(
        result,
        result.has_price != traded,
        lambda at: "accepted without a price" if traded[at] else "a price where nothing was accepted",
    )
    members = total(amount[~sells]) - total(amount[sells])
    if claims.mechanism.balances_money:
        yield from differs("congestion_rent_nano", claims.congestion_rent_nano, 0)
        most = (claims.rules.buys_at or 0) * claims.supplier_export_wh
        most -= (claims.rules.sells_at or 0) * claims.supplier_import_wh
        if -members > most:
            yield f"the supplier pays {-members} nano-units, its prices allow {most}"
        return
    supplier = (claims.clearing_price or 0) * (claims.supplier_export_wh - claims.supplier_import_wh)
    yield from differs("congestion_rent_nano", claims.congestion_rent_nano, members + supplier)


def welfare(result: Published) -> Iterator[str]:
    """Worth to buyers less cost of sellers, at their limits; less the supplier's and curtailment's cost; exact."""
    claims, rules = result.claims, result.claims.rules
    worth = -total_of_products(result.accepted_wh, result.side * result.book.limit_micro_per_kwh)
    worth += (rules.buys_at or 0) * claims.supplier_export_wh - (rules.sells_at or 0) * claims.supplier_import_wh
    worth -= rules.curtailment_price * total(result.curtailed_wh)
    yield from differs("welfare_nano", claims.welfare_nano, worth)


def own_limits(result: Published) -> Iterator[str]:
    """Nobody pays more than the own limit or receives less: amounts against limit times energy."""
    at_limit = result.accepted_wh * result.book.limit_micro_per_kwh
    worse = result.side * (result.amount_nano - at_limit) < 0
    yield from named(
        result,
        worse,
        lambda at: (
            f"{'receives' if result.book.is_sell[at] else 'pays'} {result.amount_nano[at]} nano-units "
            f"where its limit is {at_limit[at]}"
        ),
    )
