"""A round cleared again from what was stored when its gate closed, and compared with what was published.

Nothing is stored but the comparison. Readings that were corrected since, and connections that were changed, are the
only reasons for a difference besides another version of this program.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.agents.flexible import without_own_use
from app.agents.histories import Histories
from app.errors import InputError
from app.market_choice import choice_at
from app.market_round import MarketDesk, book_digest, clear_orders, expect
from app.storage.database import reading, writing
from app.storage.store.orders import book_of
from app.storage.store.rounds import find_round, trades_of
from app.storage.store.tasks import end_task, next_task
from app.storage.store.windows import own_use_at
from meters.interval import DeliveryInterval

COMPARED = ("status", "clearing_price_micro_per_kwh", "traded_wh", "curtailed_wh")


def do_next_task(desk: MarketDesk, *, minutes: int) -> None:
    """Do one piece of work that an operator asked for, if there is any."""
    with reading(desk.engine) as connection:
        task = next_task(connection)
    if task is None:
        return
    try:
        result, state = replay(desk, DeliveryInterval.at(int(task.subject), minutes)), "done"
    except InputError as error:
        result, state = {"reason": str(error)}, "failed"
    with writing(desk.engine) as connection:
        end_task(connection, task.id, state=state, result=result, ended_s=desk.now_s())


def replay(desk: MarketDesk, interval: DeliveryInterval) -> dict[str, Any]:
    """Clear the round of `interval` again: whether the result is the same to the hash, and if not what differs.

    `{"identical", "book_is_intact", "hash", "differences": {name: [published, again]}, "orders_that_differ",
    "document"}`. Raises InputError for a round that was not cleared, or that was shared after delivery.
    """
    with reading(desk.engine) as connection:
        found, orders = find_round(connection, interval.start_s), book_of(connection, interval.start_s)
        own_wh, trades = own_use_at(connection, interval.start_s), trades_of(connection, interval.start_s)
        shared = choice_at(connection, interval.start_s).shares_after_delivery
    if found is None or found.clearing_hash is None or found.closed_s is None:
        raise InputError("the round is not cleared yet: there is nothing to compare with")
    if shared:
        raise InputError("the round was shared after delivery: a settlement run repeats it from the readings")
    # The agents' memory of now knows more than that of then.
    then = replace(desk, histories=Histories(desk.engine, minutes=interval.minutes))
    expected = expect(then, interval, decided_s=found.closed_s)
    forecasts = {point: without_own_use(each, own_wh.get(point, 0)) for point, each in expected.by_point.items()}
    clearing = clear_orders(replace(expected, by_point=forecasts), orders).clearing
    again, published = clearing.document(), found.clearing_document()
    before = {trade.order_id: (trade.accepted_wh, trade.curtailed_wh, trade.price_micro_per_kwh) for trade in trades}
    after = {
        trade.order_id: (trade.accepted_wh, trade.curtailed_wh, trade.price_micro_per_kwh)
        for trade in clearing.trades()
    }
    return {
        "identical": clearing.digest() == found.clearing_hash,
        "book_is_intact": book_digest(orders) == found.book_hash,
        "hash": clearing.digest(),
        "differences": _differences(published, again),
        "orders_that_differ": sum(before.get(name) != after.get(name) for name in before.keys() | after.keys()),
        "document": again,
    }


def _differences(published: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, list[Any]]:
    found = {name: [published.get(name), again.get(name)] for name in COMPARED}
    bound = [[f"{row['kind']} {row['element']}" for row in each.get("binding", [])] for each in (published, again)]
    found["binding"] = [", ".join(rows) for rows in bound]
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}
