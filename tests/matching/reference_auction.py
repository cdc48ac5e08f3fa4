"""The double auction without a network, once more: slowly, with exact fractions, straight from the market's rules.

Written without the engine and without numpy, so that the two can be held against each other and any platform comes to
the same result. Both sides are walked in merit order, a seller and a buyer at a time; the supporting prices follow from
what each order got.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from matching.orders import Order, Side

TICK = 100
SUPPLIER = "the supplier"


@dataclass(frozen=True)
class Outcome:
    """Accepted Wh by order id; the uniform price, None where nothing was accepted."""

    accepted_wh: dict[str, int]
    price: int | None
    supplier_import_wh: int
    supplier_export_wh: int

    def lines(self) -> Iterable[str]:
        """One line an order, by the bytes of its id: id, accepted Wh, price, amount; tabs between, newline after."""
        for order_id in sorted(self.accepted_wh, key=str.encode):
            wh = self.accepted_wh[order_id]
            yield f"{order_id}\t{wh}\t{self.price if wh else ''}\t{wh * (self.price or 0)}\n"


def reference(orders: Iterable[Order], *, outside: tuple[int, int] | None, tie_seed: str) -> Outcome:
    """The result at k = 0.5; `outside` are feed-in and supplier price where the supplier bids."""
    orders = list(orders)
    sold, bought, imported, exported = _volumes(orders, outside)
    accepted = _filled(orders, Side.SELL, sold, tie_seed) | _filled(orders, Side.BUY, bought, tie_seed)
    price = None
    if sold or bought:
        lower, upper = _supporting(orders, accepted, outside, imported, exported)
        price = (lower + upper) // 2 // TICK * TICK
    return Outcome(accepted, price, imported, exported)


def _worth(order: Order) -> int:
    """Smaller is better, on both sides."""
    return order.limit_micro_per_kwh if order.side is Side.SELL else -order.limit_micro_per_kwh


def _volumes(orders: list[Order], outside: tuple[int, int] | None) -> tuple[int, int, int, int]:
    """Sold, bought, supplier's sale and purchase: pairs in merit order, members before the supplier at equal prices."""
    without_end = sum(order.quantity_wh for order in orders) + 1
    sells, buys = (
        sorted([_worth(order), False, order.quantity_wh] for order in orders if order.side is side)
        for side in (Side.SELL, Side.BUY)
    )
    if outside is not None:
        sells = sorted([*sells, [outside[1], True, without_end]])
        buys = sorted([*buys, [-outside[0], True, without_end]])
    sold = bought = imported = exported = 0
    while sells and buys and sells[0][0] <= -buys[0][0]:
        (_, seller_is_supplier, offered), (_, buyer_is_supplier, wanted) = sells[0], buys[0]
        if seller_is_supplier and buyer_is_supplier:
            break
        wh = min(offered, wanted)
        sold, imported = (sold, imported + wh) if seller_is_supplier else (sold + wh, imported)
        bought, exported = (bought, exported + wh) if buyer_is_supplier else (bought + wh, exported)
        for side in (sells, buys):
            side[0][2] -= wh
            if side[0][2] == 0:
                side.pop(0)
    return sold, bought, imported, exported


def _filled(orders: list[Order], side: Side, total: int, tie_seed: str) -> dict[str, int]:
    """Better prices in full; the last price by exact shares, largest remainder, then the keyed hash of the id."""
    own = [order for order in orders if order.side is side]
    accepted = {order.order_id: 0 for order in own}
    for worth in sorted({_worth(order) for order in own}):
        equal = [order for order in own if _worth(order) == worth]
        offered = sum(order.quantity_wh for order in equal)
        taken = min(total, offered)
        total -= taken
        if not taken:
            continue
        exact = {order.order_id: Fraction(order.quantity_wh * taken, offered) for order in equal}
        accepted |= {order_id: int(share) for order_id, share in exact.items()}
        left = taken - sum(int(share) for share in exact.values())
        by_remainder = sorted(
            exact, key=lambda order_id: (int(exact[order_id]) - exact[order_id], _key(order_id, tie_seed))
        )
        for order_id in by_remainder[:left]:
            accepted[order_id] += 1
    return accepted


def _key(order_id: str, tie_seed: str) -> str:
    key = hashlib.sha256(tie_seed.encode()).digest()
    return hashlib.blake2b(order_id.encode(), key=key, digest_size=16).hexdigest()


def _supporting(
    orders: list[Order], accepted: dict[str, int], outside: tuple[int, int] | None, imported: int, exported: int
) -> tuple[int, int]:
    """Prices at which nobody accepted would rather not trade and nobody left out would rather trade."""
    lower, upper = [], []
    for order in orders:
        limit, is_sell = order.limit_micro_per_kwh, order.side is Side.SELL
        if accepted[order.order_id] > 0:
            (lower if is_sell else upper).append(limit)
        if accepted[order.order_id] < order.quantity_wh:
            (upper if is_sell else lower).append(limit)
    if outside is not None:
        lower += [outside[0]] + [outside[1]] * (imported > 0)
        upper += [outside[1]] + [outside[0]] * (exported > 0)
    return max(lower), min(upper)
