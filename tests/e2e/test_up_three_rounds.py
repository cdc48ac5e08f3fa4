"""From a configuration file to a bill that verifies: real processes, real sockets, one kill in the middle."""

import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rehearsal import Rehearsal, rehearsal, wait_for

from app.storage.database import open_database, reading
from app.storage.store.community import the_community
from app.storage.store.members import participants
from app.storage.store.settlement import balances
from contracts.chain import connect
from contracts.embedded import CHAIN_FILE, EmbeddedChain
from contracts.ledger import SettlementLedger
from contracts.transfers import member_account
from meters.clock import system_clock
from meters.interval import DeliveryInterval

START = datetime(2026, 5, 12, 11, 3, tzinfo=UTC)
UNIT = timedelta(minutes=5)
ROUNDS = 3

CONFIG = """
state = "state"

[community]
name = "Rehearsal Row"
network = "transformer:100"
market_time_unit_minutes = 5

[settlement]
period_minutes = 5

[web]
listen = "127.0.0.1:{port}"

[[members]]
id = "anna"
name = "Anna"
supplier_price_micro_per_kwh = 190000
feed_in_price_micro_per_kwh = 70000
generation_w = 8000

[members.meter]
profile = "eastron_sdm630"
address = "{anna}"

[[members]]
id = "ben"
name = "Ben"
supplier_price_micro_per_kwh = 190000
feed_in_price_micro_per_kwh = 70000

[members.meter]
profile = "eastron_sdm630"
address = "{ben}"
"""


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Rehearsal]:
    """Two simulated meters as processes of their own, one feeding in and one drawing, and a configuration of them."""
    made = rehearsal(tmp_path, start=START)
    meter = ("meter", "simulate", "--profile", "eastron_sdm630", "--listen", "127.0.0.1:0")
    addresses = {
        name: made.start(
            name, *meter, f"--power-w={power}", "--import-wh=52000", "--export-wh=8000", until=r"(tcp://\S+)"
        )
        for name, power in (("anna", -4000), ("ben", 2500))
    }
    (tmp_path / "commonwatt.toml").write_text(CONFIG.format(port=_free_port(), **addresses))
    yield made
    made.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _rows(street: Rehearsal, query: str, *values: int) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{street.folder}/state/community.sqlite?mode=ro", uri=True)) as database:
        return database.execute(query, values).fetchall()


def _up(street: Rehearsal) -> str:
    return street.start("up", "up", until=r"(?m)^(http://127\.0\.0\.1:\d+)$")


def _wait(street: Rehearsal, query: str, start_s: int) -> None:
    wait_for(lambda: _rows(street, query, start_s)[0][0], process=street.processes["up"], log=street.folder / "up.err")


def _begin_interval(street: Rehearsal) -> int:
    """Move the clock just past the next boundary; the start of the interval that begins there."""
    boundary = DeliveryInterval.containing(street.clock(), 5).end
    street.move_to(boundary + timedelta(seconds=1))
    return int(boundary.timestamp())


def _until_done(street: Rehearsal, start_s: int) -> None:
    """Wait for what follows the beginning of an interval: the next is cleared, the last round is on the chain."""
    _wait(street, "SELECT count(*) FROM market_round WHERE start_s = ? AND clearing_hash IS NOT NULL", start_s + 300)
    _wait(
        street,
        "SELECT count(*) = 0 FROM market_round LEFT JOIN settlement_batch ON first_start_s = start_s "
        "WHERE clearing_hash IS NOT NULL AND start_s < ? AND settlement_batch.state IS NOT 'final'",
        start_s,
    )


def _traded_rounds(street: Rehearsal) -> int:
    query = "SELECT count(*) FROM market_round WHERE state = 'settled' AND traded_wh > 0"
    return int(str(_rows(street, query)[0][0]))


PUBLISHED = "SELECT start_s, book_hash, clearing_hash, traded_wh FROM market_round WHERE clearing_hash IS NOT NULL"
ANCHORED = "SELECT sequence, evidence_hash, block_hash FROM settlement_batch WHERE state = 'final'"


def test_three_rounds_are_traded_settled_and_proved_through_a_kill(street: Rehearsal) -> None:
    _up(street)
    while _traded_rounds(street) < 1:
        _until_done(street, _begin_interval(street))

    published, anchored = _rows(street, PUBLISHED), _rows(street, ANCHORED)
    start_s = _begin_interval(street)
    time.sleep(0.5)  # somewhere between the first and the last of what is due now
    street.kill("up")
    street.move_to(street.clock() + UNIT / 2)
    _up(street)
    _until_done(street, start_s)
    while _traded_rounds(street) < ROUNDS:
        _until_done(street, _begin_interval(street))
    assert street.stop("up") == 0
    assert "Traceback" not in (street.folder / "up.err").read_text()

    assert set(published) <= set(_rows(street, PUBLISHED))
    assert set(anchored) <= set(_rows(street, ANCHORED))
    _nothing_is_missing_or_twice(street)
    _ledger_and_chain_agree(street)
    _the_statement_verifies(street, "anna")
    _an_altered_statement_does_not(street)


def _nothing_is_missing_or_twice(street: Rehearsal) -> None:
    settled = [
        start_s for (start_s,) in _rows(street, "SELECT start_s FROM market_round WHERE state = 'settled' ORDER BY 1")
    ]
    assert settled == list(range(min(settled), max(settled) + 1, 300))
    allocated = _rows(street, "SELECT start_s, count(*) FROM allocation GROUP BY start_s")
    assert dict(allocated) == dict.fromkeys(settled, 2)
    sequences = [sequence for (sequence,) in _rows(street, "SELECT sequence FROM settlement_batch ORDER BY sequence")]
    assert sequences == list(range(1, len(settled) + 1))
    # Two meters with constant power: what was read across the kill is what flowed.
    flows = _rows(
        street, "SELECT DISTINCT bought_wh + residual_import_wh, sold_wh + residual_export_wh FROM allocation"
    )
    assert {(0, 333), (208, 0)} <= set(flows) <= {(0, 333), (0, 334), (208, 0), (209, 0)}


def _ledger_and_chain_agree(street: Rehearsal) -> None:
    engine = open_database(f"sqlite:///{street.folder}/state/community.sqlite")
    with reading(engine) as connection:
        booked, members = balances(connection), participants(connection, role="household")
        address = the_community(connection).ledger_address
    engine.dispose()
    assert address is not None
    chain = EmbeddedChain(street.folder / "state" / CHAIN_FILE, clock=system_clock)
    try:
        ledger = SettlementLedger(connect(chain), address)
        anchored = ledger.balances()
        system = ledger.system_balances()
        assert ledger.last_sequence() == len(_rows(street, ANCHORED))
    finally:
        chain.close()
    assert {member.id: anchored[member.lane or 0] for member in members} == {
        member.id: booked.get(member_account(member.id), 0) for member in members
    }
    assert any(anchored)
    assert all(amount == booked.get(account, 0) for account, amount in system.items())


def _the_statement_verifies(street: Rehearsal, member: str) -> None:
    written = street.run("statement", "--member", member, "--month", "2026-05", "--out", "bill.json")
    assert written.returncode == 0, written.stderr
    verified = street.run("verify", "bill.json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert re.search(r"All \d+ lines hold", verified.stdout)


def _an_altered_statement_does_not(street: Rehearsal) -> None:
    bill = street.folder / "bill.json"
    figure = re.search(r'"sold_wh": (\d\d+)', bill.read_text())
    assert figure is not None
    (street.folder / "altered.json").write_text(bill.read_text().replace(figure[0], '"sold_wh": 999999', 1))
    assert street.run("verify", "altered.json").returncode == 1
