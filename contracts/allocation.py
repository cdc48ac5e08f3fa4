"""Who shared how much: the energy side of settlement, in integer Wh, from contracts and meters.

The steps are those of the market rules: one meter fills its point's contracts (0), contracts are matched up to what was
metered (1), what is left over is pooled at the clearing price (2), the rest is each member's own supplier's (3). On an
island there is no supplier: contracts are kept as far as they were metered, and all the rest is settled, too.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from contracts.island import IslandTerms
from contracts.shares import share_out
from matching.mechanisms import DEFAULT_MECHANISM, MECHANISMS
from matching.orders import Firmness, Order, Side, Trade
from meters.interval import DeliveryInterval, IntervalEnergy


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTerms:
    """A metering point as settlement sees it.

    supplier_price_micro_per_kwh, feed_in_price_micro_per_kwh
        what the participant's own supplier charges and pays, net of VAT and grid fees
    buy_at_most_micro_per_kwh, sell_at_least_micro_per_kwh
        standing limits for energy no order speaks for; None keeps it out of the pool
    """

    metering_point: str
    participant: str
    supplier_price_micro_per_kwh: int
    feed_in_price_micro_per_kwh: int
    vat_class: str = "private"
    buy_at_most_micro_per_kwh: int | None = None
    sell_at_least_micro_per_kwh: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearedInterval:
    """What the market decided for one interval: every order of the book with its trade, in any order.

    clearing_price_micro_per_kwh  the interval's price, None where nothing could trade
    mechanism                     how it was decided; some do not share what deviates from the contracts once more
    reference_curtailed_wh        per metering point what the same network would have curtailed on a day with suppliers
                                  only; the measure of compensation, 0 where not given
    island                        what holds where nobody has a supplier; None where members have one
    quantities_are_given          by the operator of the grid: what deviates from them is not shared once more
    """

    interval: DeliveryInterval
    orders: Sequence[Order]
    trades: Sequence[Trade]
    clearing_price_micro_per_kwh: int | None
    reference_curtailed_wh: Mapping[str, int] = field(default_factory=dict)
    mechanism: str = DEFAULT_MECHANISM
    island: IslandTerms | None = None
    quantities_are_given: bool = False

    def rest_price_micro_per_kwh(self, side: Side, metering_point: str) -> int | None:
        """Price of what is shared beyond contracts; None where nothing is."""
        price = self.clearing_price_micro_per_kwh
        return price if self.island is None else self.island.rest_price_micro_per_kwh(side, metering_point, price)

    @property
    def pools_leftovers(self) -> bool:
        """Whether settlement shares what deviates from the contracts."""
        return MECHANISMS[self.mechanism].properties.pools_leftovers and not self.quantities_are_given


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One order's contract after delivery: contract_wh >= metered_wh >= matched_wh.

    contract_nano  what the contract is worth; contract_wh times the price, or up to a nano-unit per Wh more where the
                   price is a floored average
    late  the point has no energy yet: nothing is filled and nobody is to blame
    """

    order: Order
    contract_wh: int
    contract_nano: int
    price_micro_per_kwh: int
    metered_wh: int
    matched_wh: int
    late: bool

    def parts(self) -> dict[int, int]:
        """Matched Wh by whole price: an average between two whole prices is made of both, so that no unit is lost."""
        above = self.contract_nano - self.contract_wh * self.price_micro_per_kwh
        dearer_wh = self.matched_wh * above // self.contract_wh
        parts = {self.price_micro_per_kwh: self.matched_wh - dearer_wh, self.price_micro_per_kwh + 1: dearer_wh}
        return {price: wh for price, wh in parts.items() if wh}

    @property
    def matched_nano(self) -> int:
        return sum(price * wh for price, wh in self.parts().items())


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEnergy:
    """Result of the energy steps; what is shared beyond contracts per side and metering point."""

    fills: tuple[Fill, ...]
    pooled_wh: Mapping[Side, Mapping[str, int]]

    def by_point_and_price(self, side: Side, cleared: ClearedInterval) -> dict[str, dict[int, int]]:
        """Wh per metering point and price; only what is more than nothing."""
        shared: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for fill in self.fills:
            if fill.order.side is side:
                for price, energy_wh in fill.parts().items():
                    shared[fill.order.metering_point][price] += energy_wh
        for point, energy_wh in self.pooled_wh[side].items():
            price_micro_per_kwh = cleared.rest_price_micro_per_kwh(side, point)
            assert price_micro_per_kwh is not None
            shared[point][price_micro_per_kwh] += energy_wh
        return {point: dict(sorted(prices.items())) for point, prices in sorted(shared.items())}


def pair_orders(cleared: ClearedInterval, points: Mapping[str, PointTerms]) -> list[tuple[Order, Trade]]:
    """Orders with their trades, in the order of ids. Raises ValueError where they do not belong together."""
    trades = {trade.order_id: trade for trade in cleared.trades}
    orders = {order.order_id: order for order in cleared.orders}
    if len(trades) != len(cleared.trades) or len(orders) != len(cleared.orders) or trades.keys() != orders.keys():
        raise ValueError(f"{cleared.interval.start.isoformat()}: every order needs exactly one trade")
    pairs = [(orders[order_id], trades[order_id]) for order_id in sorted(orders)]
    for order, trade in pairs:
        _check_pair(order, trade, points, cleared.island)
    return pairs


def _check_pair(order: Order, trade: Trade, points: Mapping[str, PointTerms], island: IslandTerms | None) -> None:
    terms = points.get(order.metering_point)
    if terms is None or terms.participant != order.participant:
        raise ValueError(f"order {order.order_id}: {order.participant} does not own point {order.metering_point}")
    if not 0 <= trade.accepted_wh + trade.curtailed_wh <= order.quantity_wh:
        raise ValueError(f"order {order.order_id}: accepted and curtailed exceed its quantity")
    if trade.accepted_wh == 0:
        return
    if trade.price_micro_per_kwh is None:
        raise ValueError(f"order {order.order_id}: accepted without a price")
    if not 0 <= trade.amount_nano - trade.accepted_wh * trade.price_micro_per_kwh < trade.accepted_wh:
        raise ValueError(f"order {order.order_id}: {trade.amount_nano} nano-units do not fit its energy and price")
    limit = order.limit_micro_per_kwh
    if island is not None:
        limit = island.limit_micro_per_kwh(order.side, order.firmness, limit)
    better_nano = trade.accepted_wh * limit - trade.amount_nano
    if (better_nano if order.side is Side.BUY else -better_nano) < 0:
        raise ValueError(f"order {order.order_id}: price {trade.price_micro_per_kwh} is beyond its limit")


def share_energy(
    cleared: ClearedInterval,
    energies: Mapping[str, IntervalEnergy],
    points: Mapping[str, PointTerms],
    *,
    tie_seed: str,
) -> SharedEnergy:
    """Steps 0 to 2. The result does not depend on the order of orders, trades, energies or points."""
    pairs = pair_orders(cleared, points)
    filled = [*_filled(pairs, Side.BUY, energies), *_filled(pairs, Side.SELL, energies)]
    if cleared.island is not None:
        return SharedEnergy(fills=tuple(filled), pooled_wh={side: _unfilled(side, filled, energies) for side in Side})
    seed = f"{tie_seed}/{cleared.interval.start_s}"
    fills = _matched(filled, seed)
    price = cleared.clearing_price_micro_per_kwh
    pooled: dict[Side, dict[str, int]] = {Side.BUY: {}, Side.SELL: {}}
    if price is not None and cleared.pools_leftovers:
        orders = [order for order, _ in pairs]
        offered = {side: _leftovers(side, fills, orders, energies, points, price) for side in Side}
        pooled_wh = min(sum(offered[side].values()) for side in Side)
        for side in Side:
            names = sorted(offered[side])
            shares = share_out(pooled_wh, [offered[side][name] for name in names], names, seed=f"{seed}/pool")
            pooled[side] = {name: wh for name, wh in zip(names, shares, strict=True) if wh}
    return SharedEnergy(fills=tuple(fills), pooled_wh=pooled)


def _filled(pairs: list[tuple[Order, Trade]], side: Side, energies: Mapping[str, IntervalEnergy]) -> Iterable[Fill]:
    """Step 0: a meter fills its contracts flexible first, then at the best price for the community."""

    def rank(pair: tuple[Order, Trade]) -> tuple[bool, int, int, str]:
        order, trade = pair
        sign = -1 if side is Side.BUY else 1
        price = trade.price_micro_per_kwh or 0
        return (
            order.firmness is not Firmness.FLEXIBLE,
            sign * price,
            sign * order.limit_micro_per_kwh,
            order.order_id,
        )

    unfilled = {name: energy.import_wh if side is Side.BUY else energy.export_wh for name, energy in energies.items()}
    contracts = [pair for pair in pairs if pair[0].side is side and pair[1].accepted_wh]
    for order, trade in sorted(contracts, key=rank):
        metered_wh = min(trade.accepted_wh, unfilled.get(order.metering_point, 0))
        if metered_wh:
            unfilled[order.metering_point] -= metered_wh
        assert trade.price_micro_per_kwh is not None
        yield Fill(
            order=order,
            contract_wh=trade.accepted_wh,
            contract_nano=trade.amount_nano,
            price_micro_per_kwh=trade.price_micro_per_kwh,
            metered_wh=metered_wh,
            matched_wh=metered_wh,
            late=order.metering_point not in energies,
        )


def _matched(fills: list[Fill], seed: str) -> list[Fill]:
    """Step 1: the long side is rationed pro rata to what its contracts were metered with."""
    matched_wh = min(sum(fill.metered_wh for fill in fills if fill.order.side is side) for side in Side)
    result = []
    for side in Side:
        own = [fill for fill in fills if fill.order.side is side]
        keys = [fill.order.order_id for fill in own]
        shares = share_out(matched_wh, [fill.metered_wh for fill in own], keys, seed=f"{seed}/matched")
        for fill, share in zip(own, shares, strict=True):
            result.append(fill if share == fill.matched_wh else replace(fill, matched_wh=share))
    return result


def _unfilled(side: Side, fills: Iterable[Fill], energies: Mapping[str, IntervalEnergy]) -> dict[str, int]:
    """Metered energy that is not matched, by point; only what is more than nothing."""
    left = {name: energy.import_wh if side is Side.BUY else energy.export_wh for name, energy in energies.items()}
    for fill in fills:
        if fill.order.side is side and fill.matched_wh:
            left[fill.order.metering_point] -= fill.matched_wh
    return {name: energy_wh for name, energy_wh in left.items() if energy_wh}


def _leftovers(
    side: Side,
    fills: Iterable[Fill],
    orders: Iterable[Order],
    energies: Mapping[str, IntervalEnergy],
    points: Mapping[str, PointTerms],
    price_micro_per_kwh: int,
) -> dict[str, int]:
    """Metered energy not matched, of the points whose limit accepts the price."""
    left = _unfilled(side, fills, energies)
    limits = _pool_limits(side, orders, points)
    accepted = {}
    for name, energy_wh in left.items():
        limit = limits.get(name)
        if limit is not None:
            better = limit - price_micro_per_kwh
            if (better if side is Side.BUY else -better) >= 0:
                accepted[name] = energy_wh
    return accepted


def _pool_limits(side: Side, orders: Iterable[Order], points: Mapping[str, PointTerms]) -> dict[str, int | None]:
    """The limit a point's leftovers are held to, so that nobody pays beyond an own limit.

    That is the least generous of the point's firm and curtailable orders on this side, else of its flexible ones, else
    the standing limit.
    """
    limits = {
        name: terms.buy_at_most_micro_per_kwh if side is Side.BUY else terms.sell_at_least_micro_per_kwh
        for name, terms in points.items()
    }
    strictest = min if side is Side.BUY else max
    for flexible in (True, False):
        found: dict[str, int] = {}
        for order in orders:
            if order.side is side and (order.firmness is Firmness.FLEXIBLE) is flexible:
                name, limit = order.metering_point, order.limit_micro_per_kwh
                found[name] = strictest(found.get(name, limit), limit)
        limits.update(found)
    return limits
