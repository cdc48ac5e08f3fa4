"""The rules of the ways to trade that do not look for the most welfare: what each makes of the orders that may trade.

Their outcome follows from book and rules to the Wh and the nano-unit, so that it can be worked out again, here from the
sentences of docs/mechanisms.md. Where the network refused, flexible orders and what is curtailed take no part.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from matching.book import IntArray, OrderBook
from matching.recheck.accounts import named
from matching.recheck.claims import Rules
from matching.recheck.published import Published
from matching.recheck.shares import keys, shared

TICK = 100
PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """accepted_wh, amount_nano [n_order], the price of the interval, and what the supplier sells and buys."""

    accepted_wh: IntArray
    amount_nano: IntArray
    price: int | None
    import_wh: int = 0
    export_wh: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """A book, what of each order may trade, and the rules."""

    book: OrderBook
    quantity_wh: IntArray
    rules: Rules

    @property
    def community_price(self) -> int:
        """The community's price, else the middle of the two outside prices, on the tick."""
        rules = self.rules
        if rules.community_price is not None:
            return rules.community_price
        return ((rules.supplier_price or 0) + (rules.feed_in_price or 0)) // 2 // TICK * TICK

    def accepting(self, price: int) -> tuple[IntArray, IntArray]:
        """Positions of those who would sell and of those who would buy at a price."""
        limit, open_orders = self.book.limit_micro_per_kwh, self.quantity_wh > 0
        sells, buys = self.book.is_sell & (limit <= price), ~self.book.is_sell & (limit >= price)
        return np.flatnonzero(open_orders & sells), np.flatnonzero(open_orders & buys)

    def energy(self, orders: IntArray) -> int:
        """What these orders have to trade."""
        return int(self.quantity_wh[orders].sum())

    def shared(self, total: int, orders: IntArray, weights: IntArray) -> IntArray:
        """[n_order] a total over some orders in proportion to weights [n_order]; zero elsewhere."""
        result = np.zeros_like(self.quantity_wh)
        if orders.size:
            names = self.book.order_ids[orders]
            result[orders] = shared(total, weights[orders], names=names, seed=self.rules.tie_seed)
        return result

    def both_shared(self, sellers: IntArray, buyers: IntArray) -> IntArray:
        """Accepted [n_order] where the side with less trades in full and the other in proportion."""
        total_wh = min(self.energy(sellers), self.energy(buyers))
        return self.shared(total_wh, sellers, self.quantity_wh) + self.shared(total_wh, buyers, self.quantity_wh)

    def at(self, accepted_wh: IntArray, *, sellers_get: int, buyers_pay: int, price: int) -> Outcome:
        """Everybody on a side at one price."""
        paid = np.where(self.book.is_sell, np.int64(sellers_get), np.int64(buyers_pay))
        return Outcome(
            accepted_wh=accepted_wh, amount_nano=accepted_wh * paid, price=price if accepted_wh.any() else None
        )


def fixed_price(market: Market) -> Outcome:
    """Who accepts the community's price trades at it; the longer side pro rata."""
    price = market.community_price
    accepted = market.both_shared(*market.accepting(price))
    return market.at(accepted, sellers_get=price, buyers_pay=price, price=price)


def static_key(market: Market) -> Outcome:
    """At the community's price a participant buys what it wants, at most its key's share of what sellers offer.

    Shares are whole Wh of the keys' sum of the offer; without keys all who buy have equal ones.
    """
    price, given = market.community_price, market.rules.keys_ppm
    sellers, buyers = market.accepting(price)
    accepted, offered_wh = np.zeros_like(market.quantity_wh), market.energy(sellers)
    owners, owner = np.unique(market.book.participants[buyers], return_inverse=True)
    ppm = np.array([1 if given is None else given.get(name.decode(), 0) for name in owners.tolist()], dtype=np.int64)
    if ppm.any():
        total_wh = offered_wh if given is None else offered_wh * int(ppm.sum()) // PPM
        for number, entitled_wh in enumerate(shared(total_wh, ppm, names=owners, seed=market.rules.tie_seed).tolist()):
            own = buyers[owner == number]
            accepted += market.shared(min(entitled_wh, market.energy(own)), own, market.quantity_wh)
    accepted += market.shared(int(accepted.sum()), sellers, market.quantity_wh)
    return market.at(accepted, sellers_get=price, buyers_pay=price, price=price)


def mid_market_rate(market: Market) -> Outcome:
    """Neighbours share at the middle of the outside prices; what is over or missing the supplier takes at its own.

    The longer side shares the supplier's money; its least accepting price stays out until all accept their average.
    """
    price, rules, limit = market.community_price, market.rules, market.book.limit_micro_per_kwh
    if rules.sells_at is None or rules.buys_at is None:
        return fixed_price(market)
    sellers, buyers = market.accepting(price)
    while True:
        sold, bought = market.energy(sellers), market.energy(buyers)
        received = min(sold, bought) * price + max(sold - bought, 0) * rules.buys_at
        paid = min(sold, bought) * price + max(bought - sold, 0) * rules.sells_at
        if sellers.size and int(limit[sellers].max()) * sold > received:
            sellers = sellers[limit[sellers] < limit[sellers].max()]
        elif buyers.size and int(limit[buyers].min()) * bought < paid:
            buyers = buyers[limit[buyers] > limit[buyers].min()]
        else:
            break
    accepted = np.zeros_like(market.quantity_wh)
    accepted[sellers], accepted[buyers] = market.quantity_wh[sellers], market.quantity_wh[buyers]
    return Outcome(
        accepted_wh=accepted,
        amount_nano=market.shared(received, sellers, accepted) + market.shared(paid, buyers, accepted),
        price=price if accepted.any() else None,
        import_wh=max(bought - sold, 0),
        export_wh=max(sold - bought, 0),
    )


@dataclass(slots=True, kw_only=True, eq=False)
class Level:
    """All orders of one side and limit, or the supplier, who has no orders and no end; with what it traded so far."""

    limit: int
    orders: IntArray
    open_wh: float
    traded_wh: int = 0
    amount_nano: int = 0


def paired(sellers: list[Level], buyers: list[Level]) -> None:
    """The cheapest with the dearest, as long as they accept each other: at the supplier's price or the middle."""
    at_seller = at_buyer = 0
    while at_seller < len(sellers) and at_buyer < len(buyers):
        seller, buyer = sellers[at_seller], buyers[at_buyer]
        wh = min(seller.open_wh, buyer.open_wh)
        if seller.limit > buyer.limit or wh == math.inf:  # the supplier does not trade with itself
            return
        own = [level.limit for level in (seller, buyer) if not level.orders.size]
        price = own[0] if own else (seller.limit + buyer.limit) // 2
        for level in (seller, buyer):
            level.open_wh -= wh
            level.traded_wh += int(wh)
            level.amount_nano += int(wh) * price
        at_seller, at_buyer = at_seller + (not seller.open_wh), at_buyer + (not buyer.open_wh)


def levels(market: Market, *, selling: bool, supplier_price: int | None = None) -> list[Level]:
    """A side by its limits, best first, the supplier after orders that are as good."""
    limit = market.book.limit_micro_per_kwh
    at = np.flatnonzero((market.book.is_sell == selling) & (market.quantity_wh > 0))
    ranked = at[np.argsort(limit[at], kind="stable")]
    groups = np.split(ranked, np.flatnonzero(np.diff(limit[ranked])) + 1) if ranked.size else []
    side = [Level(limit=int(limit[own[0]]), orders=own, open_wh=market.energy(own)) for own in groups]
    if supplier_price is not None:
        side.append(Level(limit=supplier_price, orders=at[:0], open_wh=math.inf))
    return sorted(side, key=lambda level: (level.limit if selling else -level.limit, not level.orders.size))


def pay_as_bid(market: Market) -> Outcome:
    """Each pair at the middle of its limits; equal limits share energy and money in proportion."""
    sellers = levels(market, selling=True, supplier_price=market.rules.sells_at)
    buyers = levels(market, selling=False, supplier_price=market.rules.buys_at)
    paired(sellers, buyers)
    accepted, amount = np.zeros_like(market.quantity_wh), np.zeros_like(market.quantity_wh)
    for level in (*sellers, *buyers):
        if level.traded_wh and level.orders.size:
            accepted += market.shared(level.traded_wh, level.orders, market.quantity_wh)
            amount += market.shared(level.amount_nano, level.orders, accepted)
    volume_wh, nano = sum(level.traded_wh for level in sellers), sum(level.amount_nano for level in sellers)
    return Outcome(
        accepted_wh=accepted,
        amount_nano=amount,
        price=nano // volume_wh // TICK * TICK if volume_wh else None,
        import_wh=sum(level.traded_wh for level in sellers if not level.orders.size),
        export_wh=sum(level.traded_wh for level in buyers if not level.orders.size),
    )


def mcafee(market: Market) -> Outcome:
    """All up to the marginal orders at the middle of the next two limits; else without them, at their two limits."""
    sellers, buyers = levels(market, selling=True), levels(market, selling=False)
    paired(sellers, buyers)
    volume_wh = sum(level.traded_wh for level in sellers)
    if not volume_wh:
        return market.at(np.zeros_like(market.quantity_wh), sellers_get=0, buyers_pay=0, price=0)
    limit = market.book.limit_micro_per_kwh
    selling, buying = _ranked(market, sellers), _ranked(market, buyers)
    last_seller, ends_with_seller = _marginal(market, selling, volume_wh)
    last_buyer, ends_with_buyer = _marginal(market, buying, volume_wh)
    asked, bid = int(limit[selling[last_seller]]), int(limit[buying[last_buyer]])
    if ends_with_seller and ends_with_buyer and last_seller + 1 < selling.size and last_buyer + 1 < buying.size:
        price = int(limit[selling[last_seller + 1]] + limit[buying[last_buyer + 1]]) // 2 // TICK * TICK
        if asked <= price <= bid:
            accepted = market.both_shared(selling[: last_seller + 1], buying[: last_buyer + 1])
            return market.at(accepted, sellers_get=price, buyers_pay=price, price=price)
    accepted = market.both_shared(selling[:last_seller], buying[:last_buyer])
    middle = (asked + bid) // 2 // TICK * TICK
    return market.at(accepted, sellers_get=asked, buyers_pay=bid, price=middle)


def _ranked(market: Market, side: list[Level]) -> IntArray:
    """Orders of a side, best first, equal limits by their keys."""
    names, seed = market.book.order_ids, market.rules.tie_seed
    ranked = [level.orders[np.argsort(keys(names[level.orders], seed), kind="stable")] for level in side]
    return np.concatenate(ranked)


def _marginal(market: Market, ranked: IntArray, volume_wh: int) -> tuple[int, bool]:
    """Rank of the order that holds the last traded Wh, and whether that is its own last one."""
    running_wh = np.cumsum(market.quantity_wh[ranked])
    rank = int(np.argmax(running_wh >= volume_wh))
    return rank, int(running_wh[rank]) == volume_wh


RULES: Mapping[str, Callable[[Market], Outcome]] = {
    "mid_market_rate": mid_market_rate,
    "fixed_price": fixed_price,
    "dynamic_key": fixed_price,
    "static_key": static_key,
    "pay_as_bid": pay_as_bid,
    "mcafee": mcafee,
}
KEYS, AT_A_PRICE = frozenset({"static_key"}), frozenset({"fixed_price", "dynamic_key", "static_key"})


def rule_followed(result: Published) -> Iterator[str]:
    """The mechanism did what its rule says: all quantities to the Wh and all amounts to the nano-unit.

    Of all but the double auction, whose own checks are those of prices, optimality and sharing.
    """
    unfit = [*unfit_rules(result)]
    yield from unfit
    if unfit or result.claims.mechanism.most_welfare:
        return
    left = result.left_by_network_wh if result.is_refused else result.book.quantity_wh
    due, claims = outcome(result, np.maximum(left, 0)), result.claims
    accepted, amount = result.accepted_wh, result.amount_nano
    yield from named(
        result,
        accepted != due.accepted_wh,
        lambda at: f"accepted {accepted[at]} Wh, by the rule of {claims.mechanism.name} {due.accepted_wh[at]} Wh",
    )
    yield from named(
        result,
        (accepted == due.accepted_wh) & (amount != due.amount_nano),
        lambda at: f"amount_nano is {amount[at]}, by the rule of {claims.mechanism.name} {due.amount_nano[at]}",
    )
    for what, claimed, found in (
        ("clearing_price_micro_per_kwh", claims.clearing_price, due.price),
        ("supplier_import_wh", claims.supplier_import_wh, due.import_wh),
        ("supplier_export_wh", claims.supplier_export_wh, due.export_wh),
    ):
        if claimed != found:
            yield f"{what} is {claimed}, by the rule of {claims.mechanism.name} {found}"


def outcome(result: Published, quantity_wh: IntArray) -> Outcome:
    """What the mechanism makes of the book if this much of each order [n_order] may trade."""
    rules = result.claims.rules
    return RULES[result.claims.mechanism.name](Market(book=result.book, quantity_wh=quantity_wh, rules=rules))


def unfit_rules(result: Published) -> Iterator[str]:
    """A community price and keys stand where the mechanism knows what to do with them, and there is a price at all."""
    name, rules = result.claims.mechanism.name, result.claims.rules
    if rules.community_price is not None and name not in AT_A_PRICE:
        yield f"{name} makes its own price, and there is a community price"
    if rules.keys_ppm is not None and name not in KEYS:
        yield f"{name} takes no keys, and there are some"
    if any(ppm < 0 for ppm in (rules.keys_ppm or {}).values()) or sum((rules.keys_ppm or {}).values()) > PPM:
        yield f"the keys are below zero or more than {PPM} parts per million together"
    has_outside = rules.supplier_price is not None and rules.feed_in_price is not None
    if not has_outside and (name == "mid_market_rate" or (name in AT_A_PRICE and rules.community_price is None)):
        yield f"{name} has no price to work at"
