"""Rounds of a community that shares energy after delivery (`timing = "ex_post"`): orders are what was metered.

    keep_room          at gate closure: plants keep to the room the network has, which nobody trades for
    clear_delivered    when every meter told, or nobody waits any longer: orders from metered energy and standing
                       limits, the same clearing, then the same settlement

Where the operator of the grid has the authority, quantities are those it computed (`app.grid_quantities`): the round
waits for them, every quantity is accepted and only the price is the community's.
"""

from collections.abc import Iterator, Mapping

from app.agents.forecast import Forecast
from app.community import Snapshot, community_at
from app.completeness import is_metered
from app.delivered_orders import delivered_orders
from app.market_choice import choice_at
from app.market_round import Expectation, MarketDesk, book_digest, clear_orders, published
from app.run_desk import period_of
from app.settlement_run import SettlementDesk
from app.storage.database import reading, writing
from app.storage.store.community import envelopes, the_community
from app.storage.store.grid_quantities import quantities_at
from app.storage.store.orders import book_of, place_orders
from app.storage.store.readings import energies_at
from app.storage.store.rounds import (
    SetPoint,
    close_round,
    find_round,
    rounds_in_state,
    save_clearing,
    save_set_points,
    set_points_of,
)
from matching.clearing import Clearing
from meters.interval import DeliveryInterval, IntervalEnergy

REASON = "what was metered, within the standing limits"
REASON_OF_GRID = "the quantity that the operator of the grid computed"


def keep_room(desk: MarketDesk, interval: DeliveryInterval) -> None:
    """Tell plants that can be limited the room that was published for `interval`, once."""
    start_s = interval.start_s
    with reading(desk.engine) as connection:
        if set_points_of(connection, start_s):
            return
        homes = community_at(connection, start_s).homes
        room = envelopes(connection, start_s=start_s, end_s=start_s + 1)
    told = [
        SetPoint(metering_point_id=each.metering_point_id, start_s=start_s, generation_limit_w=each.export_limit_w)
        for each in room
        if each.metering_point_id in homes and homes[each.metering_point_id].point.generation_controllable
    ]
    with writing(desk.engine) as connection:
        save_set_points(connection, told)


def shares_after_delivery(desk: MarketDesk, interval: DeliveryInterval) -> bool:
    """Whether the community shares this interval after delivery."""
    with reading(desk.engine) as connection:
        return choice_at(connection, interval.start_s).shares_after_delivery


def clear_delivered(market: MarketDesk, settlement: SettlementDesk) -> Iterator[tuple[DeliveryInterval, Clearing]]:
    """Clear every round that is shared after delivery and ready for it, oldest first."""
    now_s = market.now_s()
    with reading(market.engine) as connection:
        community = the_community(connection)
        minutes = community.market_time_unit_minutes
        until_s = now_s - community.market_time_unit_s + 1
        waiting = [
            start_s for state in ("open", "closed") for start_s in rounds_in_state(connection, state, until_s=until_s)
        ]
        waiting = [start_s for start_s in sorted(waiting) if choice_at(connection, start_s).shares_after_delivery]
    for start_s in waiting:
        overdue = now_s >= period_of(start_s, community.timezone, settlement).end_s + settlement.grace_s
        if _is_ready(market, start_s, overdue=overdue):
            interval = DeliveryInterval.at(start_s, minutes)
            yield interval, _clear(market, interval)


def _is_ready(desk: MarketDesk, start_s: int, *, overdue: bool) -> bool:
    with reading(desk.engine) as connection:
        given = not choice_at(connection, start_s).takes_given_quantities or quantities_at(connection, start_s)
    return bool(given) and (overdue or is_metered(desk.engine, start_s=start_s, end_s=start_s + 1))


def _clear(desk: MarketDesk, interval: DeliveryInterval) -> Clearing:
    with writing(desk.engine) as connection:
        snapshot = community_at(connection, interval.start_s)
        energies = energies_at(connection, interval)
        found = find_round(connection, interval.start_s)
        assert found is not None
        if found.state == "open":
            orders = delivered_orders(connection, snapshot, interval, energies)
            reason = REASON_OF_GRID if snapshot.market.takes_given_quantities else REASON
            now_s = desk.now_s()
            place_orders(connection, orders, start_s=interval.start_s, origin="agent", reason=reason, placed_s=now_s)
            close_round(connection, interval.start_s, closed_s=now_s, digest=book_digest)
        orders = book_of(connection, interval.start_s)
    clearing = clear_orders(_delivered(desk, snapshot, interval, energies), orders).clearing
    with writing(desk.engine) as connection:
        save_clearing(
            connection,
            interval.start_s,
            published(clearing, desk.network),
            trades=clearing.trades(),
            set_points=(),
            cleared_s=desk.now_s(),
        )
    return clearing


def _delivered(
    desk: MarketDesk, snapshot: Snapshot, interval: DeliveryInterval, energies: Mapping[str, IntervalEnergy]
) -> Expectation:
    """What was metered in the place of what was expected; nothing where nobody knows."""
    nothing = Forecast(import_wh=0, export_wh=0, basis="not metered")
    by_point = {
        point: Forecast(import_wh=each.import_wh, export_wh=each.export_wh, basis="metered")
        for point, each in energies.items()
    }
    return Expectation(
        snapshot=snapshot,
        interval=interval,
        by_point={point: by_point.get(point, nothing) for point in snapshot.homes},
        network=desk.network,
    )
