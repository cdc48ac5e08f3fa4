"""One round on metered energy: what each home shared, and what it pays for that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from app.community import Snapshot, community_at, island_terms, point_terms
from app.delivered_orders import delivered_orders
from app.market_choice import MarketChoice
from app.storage.store.orders import book_of
from app.storage.store.outcomes import outcomes_of
from app.storage.store.rounds import MarketRound, trades_of
from contracts.allocation import ClearedInterval
from contracts.corrections import congestion_shares
from contracts.evidence import RoundEvidence
from contracts.settlement import IntervalSettlement, settle_interval
from contracts.shares import share_out
from contracts.transfers import Transfer
from matching.book import OrderBook
from matching.clearing import clear
from matching.mechanisms import MECHANISMS
from matching.orders import Firmness, Order, Trade
from matching.rules import MarketRules
from meters.interval import DeliveryInterval, IntervalEnergy


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStory:
    """Orders of a round with what became of them, and what is anchored of it."""

    outcomes: tuple[tuple[Order, Trade], ...]
    evidence: RoundEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledRound:
    """What settling a round gave; `left_out` is energy metered where nobody has a contract."""

    result: IntervalSettlement
    story: RoundStory
    left_out: tuple[IntervalEnergy, ...]


def settle_round(
    connection: Connection, cleared: MarketRound, energies: Mapping[str, IntervalEnergy], *, run: str
) -> SettledRound:
    """Settle a round on `energies` with the price, the contracts, the tariff and the limits of then; post nothing."""
    # Tariff, contracts and limits are those in force at the interval.
    then = community_at(connection, cleared.start_s)
    story = story_of(connection, then, cleared, energies)
    result = settle_interval(
        ClearedInterval(
            interval=story.evidence.interval,
            orders=[order for order, _ in story.outcomes],
            trades=[trade for _, trade in story.outcomes],
            clearing_price_micro_per_kwh=story.evidence.clearing_price_micro_per_kwh,
            reference_curtailed_wh=reference_curtailment(story.outcomes, seed=then.community.tie_seed),
            mechanism=cleared.mechanism,
            island=story.evidence.island,
            quantities_are_given=then.market.takes_given_quantities,
        ),
        [energy for point, energy in energies.items() if point in then.homes],
        point_terms(then),
        tariff=then.tariff,
        run=run,
        tie_seed=then.community.tie_seed,
    )
    left_out = tuple(energy for point, energy in energies.items() if point not in then.homes)
    return SettledRound(result=result, story=story, left_out=left_out)


def story_of(
    connection: Connection, then: Snapshot, cleared: MarketRound, energies: Mapping[str, IntervalEnergy]
) -> RoundStory:
    """What was contracted. Where a rule shares metered energy at a given price, it shares `energies` anew."""
    interval = DeliveryInterval.at(cleared.start_s, then.community.market_time_unit_minutes)
    orders, trades = book_of(connection, cleared.start_s), trades_of(connection, cleared.start_s)
    price = cleared.clearing_price_micro_per_kwh
    if shares_anew(then.market):
        delivered = delivered_orders(connection, then, interval, energies)
        if delivered != orders:
            orders = delivered
            clearing = clear(
                OrderBook.from_orders(orders), interval_minutes=interval.minutes, rules=_frozen_rules(then, price)
            )
            trades = clearing.trades()
            price = clearing.clearing_price_micro_per_kwh if price is None else price
    return RoundStory(
        outcomes=outcomes_of(orders, trades),
        evidence=RoundEvidence(
            interval=interval,
            clearing_price_micro_per_kwh=price,
            clearing_digest=cleared.clearing_hash or "",
            tariff_digest=then.tariff.digest(),
            mechanism=cleared.mechanism,
            island=island_terms(then),
        ),
    )


def shares_anew(market: MarketChoice) -> bool:
    """Whether a corrected reading changes who shares: after delivery, where no order made the price."""
    properties = MECHANISMS[market.mechanism].properties
    return market.shares_after_delivery and (properties.community_price or properties.outside_prices)


def _frozen_rules(then: Snapshot, price: int | None) -> MarketRules:
    """The rules of then, at the community's price of then."""
    market = then.market
    if price is not None and MECHANISMS[market.mechanism].properties.community_price:
        market = replace(market, community_price_micro_per_kwh=price)
    return replace(then, market=market).market_rules()


def reference_curtailment(outcomes: Sequence[tuple[Order, Trade]], *, seed: str) -> dict[str, int]:
    """What would be curtailed without a market: the same energy, pro rata of what each plant wanted to feed in."""
    curtailable = [(order, trade) for order, trade in outcomes if order.firmness is Firmness.CURTAILABLE]
    total_wh = sum(trade.curtailed_wh for _, trade in curtailable)
    if not total_wh:
        return {}
    shares = share_out(
        total_wh,
        [order.quantity_wh for order, _ in curtailable],
        [order.order_id for order, _ in curtailable],
        seed=f"{seed}/reference",
    )
    reference: dict[str, int] = {}
    for (order, _), share in zip(curtailable, shares, strict=True):
        reference[order.metering_point] = reference.get(order.metering_point, 0) + share
    return reference


def congestion_of(snapshot: Snapshot, settled: Sequence[SettledRound], *, run: str) -> tuple[Transfer, ...]:
    """What the congestion account took or gave in a period, shared among all points."""
    return congestion_shares(
        [(each.result, each.story.evidence.island is not None) for each in settled],
        point_terms(snapshot),
        run=run,
        tie_seed=snapshot.community.tie_seed,
    )
