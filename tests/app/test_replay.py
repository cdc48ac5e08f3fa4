"""A round is cleared again from what was stored: identical to the hash, or it is told what differs."""

import html
import re
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine, update

from app.agents.histories import Histories
from app.audit import entries
from app.market_round import MarketDesk
from app.platform import EXTENSION
from app.replay import do_next_task
from app.storage.database import reading, writing
from app.storage.store.orders import ORDERS
from app.storage.store.rounds import ROUNDS, find_round
from app.storage.store.tasks import REPLAY, newest_task
from grid.network import GridNetwork, load_network
from tests.app.community_day import NOW, StandingClock, network_tables
from tests.app.street_server import member, post
from tests.app.test_web_household import amber_start_s


def work(engine: Engine, folder: Path) -> None:
    """What a worker does at its next step."""
    desk = MarketDesk(
        engine=engine,
        clock=StandingClock(NOW),
        network=GridNetwork(load_network(str(network_tables(folder)))),
        histories=Histories(engine, minutes=15),
    )
    do_next_task(desk, minutes=15)


def replayed(app: Flask, start_s: int, folder: Path) -> str:
    client, place = member(app, "OP"), f"/operator/rounds/{start_s}"
    assert post(client, place, f"{place}/replay", {}).status_code == 302
    assert "is being cleared again" in client.get(place).text
    post(client, place, f"{place}/replay", {})  # asked twice, done once
    work(app.extensions[EXTENSION].engine, folder)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", client.get(place).text)).split())


def test_a_round_that_a_limit_bound_is_identical_when_cleared_again_and_names_the_element(
    own_street: Flask, tmp_path: Path
) -> None:
    engine, start_s = own_street.extensions[EXTENSION].engine, amber_start_s(own_street)
    with reading(engine) as connection:
        before = find_round(connection, start_s)
    page = replayed(own_street, start_s, tmp_path)
    assert "Identical: cleared again on" in page, page
    assert "What bound in the replay: Lindenweg station." in page
    with reading(engine) as connection:
        task = newest_task(connection, kind=REPLAY, subject=str(start_s))
        assert (task.state, task.result["hash"]) == ("done", before.clearing_hash)
        assert find_round(connection, start_s) == before
        assert [each.action for each in entries(connection, limit=1)] == ["round.replayed"]


def test_what_was_altered_since_is_told(own_street: Flask, tmp_path: Path) -> None:
    engine, start_s = own_street.extensions[EXTENSION].engine, amber_start_s(own_street)
    with writing(engine) as connection:
        connection.execute(update(ROUNDS).where(ROUNDS.c.start_s == start_s).values(clearing_hash="0x00"))
        mine = (ORDERS.c.start_s == start_s) & (ORDERS.c.side == "buy")
        connection.execute(update(ORDERS).where(mine).values(quantity_wh=ORDERS.c.quantity_wh * 3))
    page = replayed(own_street, start_s, tmp_path)
    assert "Different: cleared again on" in page, page
    assert "Traded wh" in page
    assert "The stored book is not the one whose hash was published." in page


def test_a_round_that_is_not_cleared_is_not_replayed(own_street: Flask) -> None:
    client = member(own_street, "OP")
    open_s = int(NOW.timestamp()) // 900 * 900 + 3 * 900
    for start_s, status in ((open_s, 404), (900, 404), (1, 404)):
        assert post(client, "/operator/members/add", f"/operator/rounds/{start_s}/replay", {}).status_code == status
