"""The compose stack through rounds that are traded and settled, while each of its services is killed once."""

import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from compose_postgres import Postgres
from compose_processes import ROOT, Stack, read_services, waiting_for

from contracts.chain import connect
from contracts.ledger import SettlementLedger
from contracts.transfers import member_account
from meters.clock import SimulatedClock
from meters.interval import DeliveryInterval

START = datetime(2026, 5, 12, 11, 3, tzinfo=UTC)
MINUTES, INTERVAL_S, ROUNDS = 5, 300, 3
STEP, STEP_TAKES_S = timedelta(seconds=20), 0.01
HOMES = {"anna": (0, 4000), "ben": (2500, 0)}  # what they draw and feed in, W
KILLED = (("meter-anna", "web"), ("chain", "gateway"), ("postgres", "meter-ben"), ("worker",))
"""Who dies in which interval: at its beginning, while meters are read, delivered, a round cleared, one settled."""

CLEARED = "SELECT start_s, book_hash, clearing_hash, traded_wh FROM market_round WHERE clearing_hash IS NOT NULL"
ANCHORED = "SELECT sequence, evidence_hash, tx_hash, block_hash FROM settlement_batch WHERE state = 'final'"
READ = "SELECT device_id, epoch, seq, start_s, duration_s, import_mwh, export_mwh FROM reading ORDER BY 1, 2, 3"
IN_OUTBOX = READ.replace("device_id", "device")
WAITING = (
    "SELECT count(*) FROM market_round LEFT JOIN settlement_batch ON first_start_s = start_s "
    "WHERE clearing_hash IS NOT NULL AND start_s < {start_s} AND coalesce(settlement_batch.state, '') <> 'final'"
)


@dataclass(frozen=True)
class Rehearsal:
    """The stack of the profile `demo` on a clock that stands until it is moved."""

    stack: Stack
    postgres: Postgres
    clock: SimulatedClock

    def rows(self, query: str) -> list[tuple]:
        host, _, port = self.stack.address("postgres", 5432).partition(":")
        password = (self.stack.root / "secrets/database_password").read_text(encoding="utf-8")
        target = {"host": host, "port": port, "user": "commonwatt", "dbname": "commonwatt", "password": password}
        with psycopg.connect(**target) as connection:
            return connection.execute(query).fetchall()

    def wait(self, look: Callable[[], bool], what: str, seconds: float = 120) -> None:
        for _ in waiting_for(seconds):
            if look():
                return
        logs = "\n".join(f"--- {name}\n{self.stack.log(name)[-1500:]}" for name in self.stack.processes)
        raise AssertionError(f"not {what} after {seconds} s\n{logs}")

    def begin_interval(self) -> int:
        """Move the clock just past the next boundary; the start of the interval that begins there."""
        boundary = DeliveryInterval.containing(self.clock(), MINUTES).end
        while self.clock() < boundary + timedelta(seconds=1):
            self.clock.set(min(self.clock() + STEP, boundary + timedelta(seconds=1)))
            time.sleep(STEP_TAKES_S)
        return int(boundary.timestamp())

    def until_done(self, start_s: int) -> None:
        """Wait for what follows the beginning of an interval: the next is cleared, the last one is on the chain."""
        cleared = f"{CLEARED} AND start_s = {start_s + INTERVAL_S}"
        self.wait(lambda: bool(self.rows(cleared)), "cleared")
        self.wait(lambda: self.rows(WAITING.format(start_s=start_s)) == [(0,)], "settled")

    def until_read(self, meter: str, start_s: int) -> None:
        """Wait until the gateway has the counters of a meter at the beginning of an interval."""
        reading = "SELECT 1 FROM reading WHERE device = ? AND start_s + duration_s = ?"

        def is_read() -> bool:
            try:
                with closing(sqlite3.connect(f"file:{self.outbox}?mode=ro", uri=True)) as outbox:
                    return bool(outbox.execute(reading, (f"D-{meter}", start_s)).fetchall())
            except sqlite3.OperationalError:  # not begun yet
                return False

        self.wait(is_read, f"{meter} read")

    @property
    def outbox(self) -> Path:
        return self.stack.root / "volumes/gateway/outbox.sqlite"

    def restart(self, name: str) -> None:
        if name == "postgres":
            self.postgres.start()
        else:
            self.stack.start(name)
        self.stack.wait_healthy(name)


def _secrets(root: Path) -> Mapping[str, Path]:
    subprocess.run([str(ROOT / "deploy/make-secrets"), str(root / "secrets")], check=True, capture_output=True)
    return {path.name: path for path in (root / "secrets").iterdir()}


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    services = read_services(_secrets(tmp_path), "--env-file", "deploy/demo/stack.env")
    (tmp_path / "time").mkdir()
    clock = SimulatedClock(tmp_path / "time/clock", start=START)
    stack = Stack(root=tmp_path, services=services, clock=tmp_path / "time/clock")
    postgres = Postgres(stack)
    try:
        postgres.prepare()
        for name in _in_order(stack):
            stack.start(name)
            if name == "enrol":
                # Half done or not begun: the second time finishes it.
                time.sleep(0.5)
                stack.kill(name)
                stack.start(name)
        for name in ("web", "gateway", "meter-anna", "meter-ben"):
            stack.wait_healthy(name)
        yield Rehearsal(stack=stack, postgres=postgres, clock=clock)
    finally:
        stack.stop()


def _in_order(stack: Stack) -> list[str]:
    """All services but the database, each after those it depends on."""
    ordered = ["postgres"]
    while waiting := [name for name in stack.services if name not in ordered]:
        ordered += [name for name in waiting if set(stack.services[name].depends_on) <= set(ordered)]
    return ordered[1:]


def test_three_rounds_are_traded_and_settled_though_each_service_is_killed_once(rehearsal: Rehearsal) -> None:
    assert {name for names in KILLED for name in names} == set(rehearsal.stack.services) - {"enrol"}
    plan = iter(KILLED)
    published: set[tuple] = set()
    anchored: set[tuple] = set()
    while (dying := next(plan, None)) or _traded_rounds(rehearsal) < ROUNDS:
        start_s = rehearsal.begin_interval()
        time.sleep(0.5)
        for name in dying or ():
            # A meter that is away when it should be read has an interval that can only be estimated, after hours.
            if name.startswith("meter-"):
                rehearsal.until_read(name.removeprefix("meter-"), start_s)
            rehearsal.stack.kill(name)
        for name in dying or ():
            rehearsal.restart(name)
        rehearsal.until_done(start_s)
        # What was published or on the chain before is so still.
        assert published <= (published := set(rehearsal.rows(CLEARED)))
        assert anchored <= (anchored := set(rehearsal.rows(ANCHORED)))
    _every_reading_is_there_once(rehearsal)
    _every_interval_is_cleared_and_settled_once(rehearsal)
    _chain_and_ledger_agree(rehearsal)


def _traded_rounds(rehearsal: Rehearsal) -> int:
    return len(rehearsal.rows("SELECT 1 FROM market_round WHERE state = 'settled' AND traded_wh > 0"))


def _every_reading_is_there_once(rehearsal: Rehearsal) -> None:
    taken = rehearsal.rows(READ)
    last_s = int(rehearsal.clock().timestamp()) // INTERVAL_S * INTERVAL_S - INTERVAL_S
    with closing(sqlite3.connect(rehearsal.outbox)) as outbox:
        assert taken == outbox.execute(IN_OUTBOX).fetchall()
    for home, (drawn_w, fed_w) in HOMES.items():
        own = [row for row in taken if row[0] == f"D-{home}"]
        assert {epoch for _, epoch, *_ in own} == {0}
        assert [seq for _, _, seq, *_ in own] == list(range(len(own)))
        # The first reading has no interval: it is where the counters stood when the gateway met them.
        assert [row[4] for row in own] == [0] + [INTERVAL_S] * (len(own) - 1)
        starts = [row[3] for row in own[1:]]
        assert starts == list(range(own[0][3], last_s + 1, INTERVAL_S))
        # The power is constant: whatever was killed, the counters moved by what flowed.
        hours = len(starts) * MINUTES / 60
        assert own[-1][5] - own[0][5] == pytest.approx(1000 * drawn_w * hours, abs=5000)
        assert own[-1][6] - own[0][6] == pytest.approx(1000 * fed_w * hours, abs=5000)
    assert rehearsal.rows("SELECT count(*) FROM ingest_alarm") == [(0,)]


def _every_interval_is_cleared_and_settled_once(rehearsal: Rehearsal) -> None:
    settled = [row[0] for row in rehearsal.rows("SELECT start_s FROM market_round WHERE state = 'settled' ORDER BY 1")]
    assert settled == list(range(settled[0], settled[-1] + 1, INTERVAL_S))
    batches = rehearsal.rows("SELECT sequence, first_start_s, end_s FROM settlement_batch ORDER BY sequence")
    assert batches == [(place, start_s, start_s + INTERVAL_S) for place, start_s in enumerate(settled, 1)]
    allocated = rehearsal.rows("SELECT start_s, count(*) FROM allocation GROUP BY start_s")
    assert dict(allocated) == dict.fromkeys(settled, len(HOMES))
    log = (rehearsal.stack.root / "logs/worker.log").read_text(encoding="utf-8")
    told = re.findall(r"round cleared +interval=(\S+)", log)
    assert len(told) == len(set(told)) >= ROUNDS
    assert "Traceback" not in log


def _chain_and_ledger_agree(rehearsal: Rehearsal) -> None:
    booked: dict[str, int] = {}
    for debit, credit, amount in rehearsal.rows("SELECT debit, credit, amount_nano FROM transfer"):
        booked[debit] = booked.get(debit, 0) - amount
        booked[credit] = booked.get(credit, 0) + amount
    ((address,),) = rehearsal.rows("SELECT ledger_address FROM community")
    ledger = SettlementLedger(connect(f"http://{rehearsal.stack.address('chain', 8545)}"), address)
    balances = ledger.balances()
    members = dict(rehearsal.rows("SELECT id, lane FROM participant WHERE lane IS NOT NULL"))
    assert {member: balances[lane] for member, lane in members.items()} == {
        member: booked.get(member_account(member), 0) for member in members
    }
    assert any(balances)
    assert all(amount == booked.get(account, 0) for account, amount in ledger.system_balances().items())
    assert ledger.last_sequence() == len(rehearsal.rows(ANCHORED))
