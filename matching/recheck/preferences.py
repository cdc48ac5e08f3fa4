"""Results with premiums or grid fees: who is filled from where, at which price, and that it adds up.

sources.csv has each order's energy in parts, one for each class at the other end.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from matching.book import BoolArray, IntArray
from matching.recheck.accounts import NAMED_MAX, differs, named
from matching.recheck.exact import total, total_of_products
from matching.recheck.filled import FAR, NANO, Filled, figures, parts_named, welfare_of
from matching.recheck.preference_classes import absent_members
from matching.recheck.prices import NOISE, TICK, UNSURE, adder_of_bus, local_prices


def sums(filled: Filled) -> Iterator[str]:
    """The parts of an order add up to its energy and amount; a part's amount is energy times price and fee."""
    result, parts = filled.result, filled.parts
    unknown = [
        f"sources.csv: {parts.order_ids[at]!r} is no order of that side" for at in np.flatnonzero(filled.position < 0)
    ]
    nowhere = np.flatnonzero((filled.position >= 0) & ~filled.known)
    unknown += [f"order {parts.order_ids[at]!r}: {parts.counter_class[at]!r} is no class of the book" for at in nowhere]
    yield from unknown[:NAMED_MAX]
    yield from parts_named(filled, parts.wh <= 0, lambda at: f"a part of {parts.wh[at]} Wh")
    due = parts.wh * (parts.price + parts.fee)
    yield from parts_named(
        filled, parts.amount_nano != due, lambda at: f"amount_nano of a part is {parts.amount_nano[at]}, not {due[at]}"
    )
    fee = parts.wh * parts.fee
    yield from parts_named(
        filled, parts.fee_nano != fee, lambda at: f"fee_nano of a part is {parts.fee_nano[at]}, not {fee[at]}"
    )
    yield from _same_sums(filled, "energy", parts.wh, result.accepted_wh)
    yield from _same_sums(filled, "amount", parts.amount_nano, result.amount_nano)


def _same_sums(filled: Filled, what: str, values: IntArray, whole: IntArray) -> Iterator[str]:
    found = filled.by_order(values)
    yield from named(filled.result, found != whole, lambda at: f"{what} {whole[at]}, its parts give {found[at]}")


def premiums_and_fees(filled: Filled) -> Iterator[str]:
    """Every part of a buyer has the premium it named for that class and the fee of the table; so have the totals."""
    parts, classes, claims = filled.parts, filled.classes, filled.claims
    if classes.no_fee is not None:
        yield f"there is no fee from zone {classes.no_fee[0]!r} to zone {classes.no_fee[1]!r}"
    yield from _as_due(filled, "premium", parts.premium, filled.between(classes.premium))
    yield from _as_due(filled, "fee", parts.fee, filled.between(classes.fee))
    absent = absent_members(filled.result.book)
    if claims.absent != absent:
        yield f"members_without_orders are said to be {', '.join(claims.absent)}, the book gives {', '.join(absent)}"
    yield from differs("grid_fee_nano", claims.grid_fee_nano, total_of_products(parts.wh, parts.fee))
    yield from differs("premium_welfare_nano", claims.premium_welfare_nano, total_of_products(parts.wh, parts.premium))


def _as_due(filled: Filled, what: str, given: IntArray, due: IntArray) -> Iterator[str]:
    wrong = filled.known & (given != due)
    yield from parts_named(filled, wrong, lambda at: f"{what} is {given[at]}, the book gives {due[at]}")


def flows(filled: Filled) -> Iterator[str]:
    """What sellers' parts say goes from class to class is what buyers' parts say comes, and what `flows` lists."""
    classes, claims = filled.classes, filled.claims
    sold, bought = filled.flows(selling=True), filled.flows(selling=False)
    listed = {(flow.start, flow.end): (flow.wh, flow.premium, flow.fee) for flow in claims.flows}
    if len(listed) < len(claims.flows):
        yield "a flow is listed twice"
    for start, end in sorted(sold.keys() | bought.keys()):
        pair, wh = (classes.sellers[start], classes.buyers[end]), max(sold[start, end], bought[start, end])
        outside = filled.is_supplier(start, selling=True) or filled.is_supplier(end, selling=False)
        if sold[start, end] != bought[start, end] and not outside:
            yield f"from {pair[0]!r} to {pair[1]!r} {sold[start, end]} Wh are sold and {bought[start, end]} Wh bought"
        due = wh, int(classes.premium[start, end]), int(classes.fee[start, end])
        if listed.pop(pair, None) != due:
            yield f"from {pair[0]!r} to {pair[1]!r} go {wh} Wh with premium {due[1]} and fee {due[2]}; listed otherwise"
    for start_name, end_name in listed:
        yield f"nothing goes from {start_name!r} to {end_name!r}"


def class_totals(filled: Filled) -> Iterator[str]:
    """The classes are those of the book, with the energy of their parts; so the supplier; split orders are counted."""
    classes, claims, rules = filled.classes, filled.claims, filled.result.claims
    between = filled.flows(selling=True) | filled.flows(selling=False)
    for side, names, listed, at in (
        ("seller", classes.sellers, claims.sellers, 0),
        ("buyer", classes.buyers, claims.buyers, 1),
    ):
        if tuple(one.name for one in listed) != names:
            yield f"{side}_classes are not those of the book: {', '.join(names)}"
        for number, one in enumerate(listed):
            found = sum(wh for pair, wh in between.items() if pair[at] == number)
            yield from differs(f"accepted_wh of {side} class {one.name!r}", one.accepted_wh, found)
    imported = sum(wh for (start, _), wh in between.items() if filled.is_supplier(start, selling=True))
    exported = sum(wh for (_, end), wh in between.items() if filled.is_supplier(end, selling=False))
    yield from differs("supplier_import_wh", rules.supplier_import_wh, imported)
    yield from differs("supplier_export_wh", rules.supplier_export_wh, exported)
    for what, count, selling in (("buy", claims.split_buy_orders, False), ("sell", claims.split_sell_orders, True)):
        per_order = Counter(filled.position[filled.parts.is_sell == selling].tolist())
        yield from differs(f"split_{what}_orders", count, sum(number > 1 for number in per_order.values()))


def class_prices(filled: Filled) -> Iterator[str]:
    """Every part has the price of its class of sellers; the plain price and the supplier's are what they must be.

    Flexible orders of a result with rows have it with what the network adds to it: `locational_prices`.
    """
    parts, claims = filled.parts, filled.result.claims
    due = _class_price(filled)
    if due is None:
        return  # said by `class_totals`
    bound = filled.known & ~_has_local_price(filled)
    yield from parts_named(
        filled,
        bound & (parts.price != due),
        lambda at: f"price of a part is {parts.price[at]}, its class has {due[at]}",
    )
    yield from _floored(filled)
    for sells_or_buys, volume, listed, outside in (
        ("sells", claims.supplier_import_wh, filled.claims.sellers, claims.rules.sells_at),
        ("buys", claims.supplier_export_wh, filled.claims.buyers, claims.rules.buys_at),
    ):
        if volume and listed and listed[-1].price != outside:
            yield f"the supplier {sells_or_buys} at {listed[-1].price}, its price is {outside}"
    yield from _plain_prices(filled)


def _class_price(filled: Filled) -> IntArray | None:
    """[n_part] the price of each part's class of sellers, zero where unknown; None if they are not all listed."""
    prices, (seller, _) = figures(filled.claims.sellers), filled.ends
    if prices.size != len(filled.classes.sellers):
        return None
    due: IntArray = np.where(seller >= 0, np.append(prices, 0)[seller], 0)
    return due


def _has_local_price(filled: Filled) -> BoolArray:
    """[n_part] of flexible orders in a result with rows."""
    return np.asarray(filled.result.flexible[filled.position] & filled.has_rows)


def _floored(filled: Filled) -> Iterator[str]:
    """Within rows what is paid are the certificate's prices, floored to the tick; a hundredth of a tick is noise."""
    certified = filled.result.claims.certificate.class_prices
    if certified is None:
        return
    for listed, exact in ((filled.claims.sellers, certified.sellers), (filled.claims.buyers, certified.buyers)):
        for one, nano in zip(listed, exact, strict=False):  # how many there must be is said by `class_totals`
            if one.price is not None:
                due = (nano + int(NOISE * NANO)) // (TICK * NANO) * TICK
                if one.price != due:
                    yield f"price of class {one.name!r} is said to be {one.price}, the certificate's gives {due}"


def locational_prices(filled: Filled) -> Iterator[str]:
    """A flexible order has the price of its class less its bus's adder, rounded in its favour, never beyond its limit.

    A buyer's is the worth to its class, and what the network takes from that it takes from the price of every part.
    """
    due = _class_price(filled)
    worth = figures(filled.claims.buyers)
    if due is None or worth.size != len(filled.classes.buyers):
        return
    result, parts = filled.result, filled.parts
    own, adder = filled.by_class(figures(filled.claims.sellers), worth), adder_of_bus(result)[result.book.bus]
    lower, upper = (each - own for each in local_prices(result, own, adder))
    local = parts.price - due
    wrong = (local < lower[filled.position]) | (local > upper[filled.position])
    wrong &= (np.abs(adder)[filled.position] > UNSURE) | (local != 0)
    yield from parts_named(
        filled,
        filled.known & _has_local_price(filled) & wrong,
        lambda at: (
            f"price of a part is {parts.price[at]}, its bus makes {due[at] + lower[filled.position[at]]} of its class's"
        ),
    )


def _plain_prices(filled: Filled) -> Iterator[str]:
    worths, classes = figures(filled.claims.buyers), filled.classes
    if worths.size != len(classes.buyers) or any(one.price is None for one in filled.claims.sellers):
        return
    plain = (worths - classes.fee).max(axis=1, initial=-FAR).tolist()
    for one, without in zip(filled.claims.sellers, plain, strict=True):
        yield from differs(f"attribute price of {one.name!r}", one.above_plain, (one.price or 0) - without)
    if filled.claims.flows:
        yield from differs(
            "clearing_price_micro_per_kwh", filled.result.claims.clearing_price, plain[filled.main_class]
        )


def budget(filled: Filled) -> Iterator[str]:
    """What buyers pay = what sellers receive + grid fees + congestion rent, the supplier included, to the nano."""
    result, claims = filled.result, filled.result.claims
    amount, price, sells = result.amount_nano, result.price, result.book.is_sell
    over, traded = amount - result.accepted_wh * price, result.accepted_wh != 0
    yield from named(
        result,
        traded & ((over < 0) | (over >= result.accepted_wh)),
        lambda at: f"price {price[at]} is not the average of amount_nano {amount[at]}",
    )
    yield from named(result, ~traded & (amount != 0), lambda at: f"{amount[at]} nano-units for nothing")
    yield from named(
        result,
        result.has_price != traded,
        lambda at: f"accepted {result.accepted_wh[at]} Wh, the price is {price[at] if result.has_price[at] else None}",
    )
    left = total(amount[~sells]) - total(amount[sells]) - total_of_products(filled.parts.wh, filled.parts.fee)
    left += (claims.rules.buys_at or 0) * claims.supplier_export_wh
    left -= (claims.rules.sells_at or 0) * claims.supplier_import_wh
    yield from differs("congestion_rent_nano", claims.congestion_rent_nano, left)
    if left and not filled.has_rows:
        yield f"{left} nano-units are left over where no limit is priced"


def welfare(filled: Filled) -> Iterator[str]:
    """Worth to buyers with their premiums, less cost of sellers and grid fees; the supplier and curtailment too."""
    yield from differs("welfare_nano", filled.result.claims.welfare_nano, welfare_of(filled))


def own_limits(filled: Filled) -> Iterator[str]:
    """Nobody receives less than the own limit or pays more than it and the own premiums, the grid fee included."""
    result = filled.result
    at_limit = result.accepted_wh * result.book.limit_micro_per_kwh
    at_limit += filled.by_order(filled.parts.wh * filled.between(filled.classes.premium))
    worse = result.side * (result.amount_nano - at_limit) < 0
    yield from named(
        result, worse, lambda at: f"amount_nano is {result.amount_nano[at]}, limit and premiums allow {at_limit[at]}"
    )
