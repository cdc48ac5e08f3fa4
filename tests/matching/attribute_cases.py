"""Orders with attributes in one line each, and what they come to by trying everything."""

import itertools

from hypothesis import strategies as st

from matching.clearing import Clearing
from matching.orders import Firmness, Order, Side
from matching.preferences.attributes import OrderAttributes, Source, parse_premiums
from matching.preferences.fees import GridFees

ZONES = ("north", "south")
FEES = GridFees.of({("north", "north"): 0, ("south", "south"): 100, ("north", "south"): 300, ("south", "north"): 200})


def offer(
    order_id: str,
    wh: int,
    limit: int,
    *,
    source: str = "other",
    feeder: str = "",
    zone: str = "",
    firm: str = "firm",
    bus: int | None = None,
) -> Order:
    """A sell order; its participant is called like it."""
    return _order(
        order_id, Side.SELL, wh, limit, firm, OrderAttributes(source=Source(source), feeder=feeder, zone=zone), bus
    )


def bid(
    order_id: str,
    wh: int,
    limit: int,
    premiums: str = "",
    *,
    feeder: str = "",
    zone: str = "",
    firm: str = "firm",
    bus: int | None = None,
) -> Order:
    """A buy order; its participant is called like it."""
    wanted = OrderAttributes(feeder=feeder, zone=zone, premiums=parse_premiums(premiums))
    return _order(order_id, Side.BUY, wh, limit, firm, wanted, bus)


def _order(
    order_id: str, side: Side, wh: int, limit: int, firm: str, attributes: OrderAttributes, bus: int | None
) -> Order:
    return Order(
        order_id=order_id,
        participant=order_id,
        metering_point=f"MP-{order_id}",
        side=side,
        quantity_wh=wh,
        limit_micro_per_kwh=limit,
        firmness=Firmness(firm),
        bus=bus,
        attributes=attributes,
    )


PRICES = st.integers(-2, 8).map(lambda ticks: ticks * 100)
PREMIUM = st.integers(0, 4).map(lambda ticks: ticks * 100)


@st.composite
def books(draw: st.DrawFn, *, most: int, wh: int) -> tuple[Order, ...]:
    """Up to `most` orders a side of up to `wh` Wh: two feeders and one unknown, two zones, every kind of premium."""
    places = st.tuples(st.sampled_from(("", "f1", "f2")), st.sampled_from(ZONES))
    selling, buying = draw(st.integers(0, most)), draw(st.integers(0, most))
    orders = []
    for k in range(selling):
        feeder, zone = draw(places)
        source = draw(st.sampled_from(Source))
        orders.append(offer(f"s{k}", draw(st.integers(0, wh)), draw(PRICES), source=source, feeder=feeder, zone=zone))
    for k in range(buying):
        feeder, zone = draw(places)
        named = draw(
            st.lists(st.sampled_from(("solar", "storage", "same_feeder", "member:s0")), unique=True, max_size=3)
        )
        premiums = ";".join(f"{name}:{draw(PREMIUM)}" for name in named)
        orders.append(bid(f"b{k}", draw(st.integers(0, wh)), draw(PRICES), premiums, feeder=feeder, zone=zone))
    return tuple(draw(st.permutations(orders)))


def premium_between(seller: Order, buyer: Order) -> int:
    """What a buyer pays more for a seller's energy: all premiums that apply, added up."""
    total = 0
    for name, amount in buyer.attributes.premiums:
        same_feeder = name == "same_feeder" and seller.attributes.feeder == buyer.attributes.feeder != ""
        if name == seller.attributes.source or same_feeder or name == f"member:{seller.participant}":
            total += amount
    return total


def fee_between(seller: Order, buyer: Order, fees: GridFees | None) -> int:
    """What the way from seller to buyer costs."""
    if fees is None:
        return 0
    return next(
        fee for start, end, fee in fees.by_zones if (start, end) == (seller.attributes.zone, buyer.attributes.zone)
    )


def best_welfare(orders: tuple[Order, ...], fees: GridFees | None, outside: tuple[int, int] | None) -> int:
    """Highest welfare of all ways to send whole Wh from order to order; `outside` is feed-in and supplier price."""
    sellers = [order for order in orders if order.side is Side.SELL and order.quantity_wh]
    buyers = [order for order in orders if order.side is Side.BUY and order.quantity_wh]
    best = 0
    pairs = [(s, b) for s in range(len(sellers)) for b in range(len(buyers))]
    gain = [
        buyers[b].limit_micro_per_kwh
        + premium_between(sellers[s], buyers[b])
        - sellers[s].limit_micro_per_kwh
        - fee_between(sellers[s], buyers[b], fees)
        for s, b in pairs
    ]
    sizes = [range(min(sellers[s].quantity_wh, buyers[b].quantity_wh) + 1) for s, b in pairs]
    for flows in itertools.product(*sizes):
        left = [order.quantity_wh for order in sellers]
        wanted = [order.quantity_wh for order in buyers]
        for (s, b), wh in zip(pairs, flows, strict=True):
            left[s] -= wh
            wanted[b] -= wh
        if min([*left, *wanted], default=0) < 0:
            continue
        welfare = sum(each * wh for each, wh in zip(gain, flows, strict=True))
        if outside is not None:
            feed_in, supplier = outside
            welfare += sum(wh * max(0, feed_in - o.limit_micro_per_kwh) for o, wh in zip(sellers, left, strict=True))
            welfare += sum(wh * max(0, o.limit_micro_per_kwh - supplier) for o, wh in zip(buyers, wanted, strict=True))
        best = max(best, welfare)
    return best


def prices_by_class(clearing: Clearing) -> dict[str, tuple[int, int]]:
    """Price and attribute price of every class of sellers."""
    assert clearing.attributes is not None
    rows = clearing.attributes.document()["seller_classes"]
    assert isinstance(rows, list)
    return {row["class"]: (row["price_micro_per_kwh"], row["attribute_price_micro_per_kwh"]) for row in rows}


def sources(clearing: Clearing) -> dict[tuple[str, str], tuple[int, int, int]]:
    """By order and counter class: Wh, price, and fee of every part of a buy order."""
    assert clearing.attributes is not None
    names = [name.decode() for name in clearing.book.order_ids.tolist()]
    return {(row[0], row[2]): (row[3], row[4], row[5]) for row in clearing.attributes.rows(names) if row[1] == "buy"}
