"""What a flexible order pays for not doing what it was accepted for: the deficit it causes, at most R - F a kWh.

Contracts are short on the side that was metered with less. The deficit of the interval is

* for each point of the other side, the contracted and metered energy that found neither a contract partner nor a place
  in the pool, times what that cost it: R less the clearing price for a buyer, the clearing price less F for a seller;
* and what the congestion account lacks more than it would have lacked, had every contract been kept.

Each contract of the short side answers for the deficit in proportion to its own shortfall. Flexible ones pay their
part, at most their shortfall times `permille` / 1000 of their own R - F; firm and curtailable ones pay nothing, because
their quantity was the platform's forecast, and neither does a point whose reading is late. What is paid goes, through
the market account, to those who bear the deficit, in proportion to it.

On an island the grid-forming unit delivers what a flexible seller did not, and the congestion account pays what that
costs more: the seller pays it back. Who draws less than was accepted harms nobody, and the unit itself only follows.
"""

from collections import defaultdict
from collections.abc import Mapping

from contracts.allocation import ClearedInterval, Fill, PointTerms, SharedEnergy
from contracts.island import IslandTerms
from contracts.shares import share_out
from contracts.transfers import CONGESTION, MARKET, Postings, TransferKind, member_account
from matching.orders import Firmness, Side


def post_deviations(
    book: Postings,
    cleared: ClearedInterval,
    shared: SharedEnergy,
    terms: Mapping[str, PointTerms],
    *,
    permille: int,
    tie_seed: str,
) -> None:
    """Post deviation payments of the interval, per metering point, if there are any."""
    totals = {side: [fill for fill in shared.fills if fill.order.side is side] for side in Side}
    short = min(Side, key=lambda side: sum(fill.metered_wh for fill in totals[side]))
    long = Side.SELL if short is Side.BUY else Side.BUY
    shortfall_wh = sum(fill.contract_wh - fill.metered_wh for fill in totals[short])
    flexible = [fill for fill in totals[short] if fill.order.firmness is Firmness.FLEXIBLE and not fill.late]
    if cleared.clearing_price_micro_per_kwh is None or not any(f.contract_wh > f.metered_wh for f in flexible):
        return
    deficit = _losses(long, totals[long], shared, terms, cleared.clearing_price_micro_per_kwh)
    deficit[CONGESTION] = _account_deficit_nano(totals)
    unmatched_wh = sum(fill.metered_wh - fill.matched_wh for fill in totals[long])
    payments = _payments(flexible, sum(deficit.values()), max(shortfall_wh, unmatched_wh), terms, permille)
    names = sorted(name for name, nano in deficit.items() if nano)
    received = share_out(
        sum(payments.values()),
        [deficit[name] for name in names],
        names,
        seed=f"{tie_seed}/{cleared.interval.start_s}/deviation",
    )
    for point, amount_nano in payments.items():
        payer = member_account(terms[point].participant)
        book.post(TransferKind.DEVIATION, point, "caused", debit=payer, credit=MARKET, amount_nano=amount_nano)
    for name, amount_nano in zip(names, received, strict=True):
        receiver = CONGESTION if name == CONGESTION else member_account(terms[name].participant)
        book.post(TransferKind.DEVIATION, name, "suffered", debit=MARKET, credit=receiver, amount_nano=amount_nano)


def post_island_deviations(
    book: Postings, cleared: ClearedInterval, shared: SharedEnergy, island: IslandTerms, *, permille: int
) -> None:
    """Post what flexible sellers pay for energy that the grid-forming unit had to deliver in their place."""
    short_price = island.short_price_micro_per_kwh(cleared.clearing_price_micro_per_kwh)
    owed_nano: dict[tuple[str, str], int] = defaultdict(int)
    for fill in shared.fills:
        point, answers = fill.order.metering_point, fill.order.firmness is Firmness.FLEXIBLE and not fill.late
        if answers and fill.order.side is Side.SELL and point != island.grid_forming_point:
            dearer = max(0, short_price - fill.price_micro_per_kwh) * permille // 1000
            owed_nano[point, fill.order.participant] += (fill.contract_wh - fill.metered_wh) * dearer
    for (point, participant), amount_nano in sorted(owed_nano.items()):
        payer = member_account(participant)
        book.post(TransferKind.DEVIATION, point, "caused", debit=payer, credit=CONGESTION, amount_nano=amount_nano)


def _losses(
    side: Side, fills: list[Fill], shared: SharedEnergy, terms: Mapping[str, PointTerms], price_micro_per_kwh: int
) -> dict[str, int]:
    """Nano-units lost per metering point of the long side."""
    left_wh: dict[str, int] = defaultdict(int)
    for fill in fills:
        left_wh[fill.order.metering_point] += fill.metered_wh - fill.matched_wh
    losses = {}
    for point, energy_wh in left_wh.items():
        if side is Side.BUY:
            rate = terms[point].supplier_price_micro_per_kwh - price_micro_per_kwh
        else:
            rate = price_micro_per_kwh - terms[point].feed_in_price_micro_per_kwh
        losses[point] = max(0, energy_wh - shared.pooled_wh[side].get(point, 0)) * max(0, rate)
    return losses


def _account_deficit_nano(fills: Mapping[Side, list[Fill]]) -> int:
    """How much further below zero the congestion account went than planned; 0 where the plan had a supplier's share."""
    if len({sum(fill.contract_wh for fill in fills[side]) for side in Side}) > 1:
        return 0
    planned = actual = 0
    for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
        planned += sign * sum(fill.contract_nano for fill in fills[side])
        actual += sign * sum(fill.matched_nano for fill in fills[side])
    return max(0, min(planned, 0) - actual)


def _payments(
    flexible: list[Fill], deficit_nano: int, answerable_wh: int, terms: Mapping[str, PointTerms], permille: int
) -> dict[str, int]:
    payments: dict[str, int] = defaultdict(int)
    for fill in flexible:
        own_wh = fill.contract_wh - fill.metered_wh
        own = terms[fill.order.metering_point]
        spread = max(0, own.supplier_price_micro_per_kwh - own.feed_in_price_micro_per_kwh)
        most_nano = own_wh * (spread * permille // 1000)
        payments[own.metering_point] += min(deficit_nano * own_wh // answerable_wh, most_nano)
    return dict(sorted(payments.items()))
