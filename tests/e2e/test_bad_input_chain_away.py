"""The chain goes away while a day is brought onto it: everything waits, and comes onto it once when it is back."""

import contextlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from app.agents.histories import Histories
from app.jobs import Scheduler
from app.ledger_access import LedgerAccess, open_ledger, settler_key
from app.market_round import MarketDesk
from app.settlement_run import SettlementDesk, anchor_batches, settle_due_periods
from app.storage.database import open_database, reading, writing
from app.storage.store.members import MeteringPoint, Participant, add_metering_point, add_participant, participants
from app.storage.store.readings import alarms, save_substitutes
from app.storage.store.settlement import balance_of, last_batch, unfinished_batches
from contracts.chain import ChainUnreachable
from contracts.ledger import SYSTEM_ACCOUNTS
from contracts.transfers import member_account
from meters.interval import DeliveryInterval, IntervalEnergy
from tests.app.community_day import NOW, CommunityDay, StandingClock

SEND = b"eth_sendRawTransaction"


@dataclass
class ServedChain:
    """`commonwatt chain serve` as a process, behind an address that stays the same when it is started again.

    dies_at  kill the process when a transaction comes: "before" it has it, or "after" it has it and before its answer
    """

    state: Path
    dies_at: str = ""
    process: subprocess.Popen[str] | None = None
    backend: str = ""
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        program = Path(sys.executable).with_name("commonwatt")
        command = [program, "chain", "serve", "--state", self.state, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.backend = self.process.stdout.readline().strip()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def answer(self, body: bytes) -> bytes:
        """What the process answers. Raises httpx.HTTPError if it is away."""
        with self.lock:
            if SEND in body:
                self.sent += 1
                if self.dies_at == "before":
                    self.kill()
            content = httpx.post(self.backend, content=body, timeout=20).content
            if SEND in body and self.dies_at == "after":
                self.kill()
                raise httpx.ReadError("killed")
            return content


@contextlib.contextmanager
def _address(chain: ServedChain) -> Iterator[str]:
    class Passing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            try:
                content = chain.answer(self.rfile.read(int(self.headers["Content-Length"])))
            except httpx.HTTPError:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True, kw_only=True)
class Settling:
    """The street two days later: its third day is over, and is to be settled on a served chain."""

    engine: Engine
    chain: ServedChain
    access: LedgerAccess
    desk: SettlementDesk


@pytest.fixture
def settling(street: CommunityDay, tmp_path: Path) -> Iterator[Settling]:
    state = tmp_path / "served"
    state.mkdir()
    shutil.copyfile(street.database.with_name("chain"), state / "chain.sqlite")
    shutil.copyfile(street.database.with_name("settler"), tmp_path / "settler")
    chain = ServedChain(state=state)
    with contextlib.ExitStack() as closing:
        engine = open_database(f"sqlite:///{street.copy(tmp_path).database}")
        closing.callback(engine.dispose)
        closing.callback(chain.kill)
        chain.start()
        url = closing.enter_context(_address(chain))
        clock = StandingClock(NOW + timedelta(days=2))
        key = settler_key(tmp_path / "settler")
        access = open_ledger(engine, chain=url, key=key, clock=clock, lock_path=tmp_path / "lock")
        closing.callback(access.close)
        desk = SettlementDesk(engine=engine, clock=clock, ledger=access.ledger)
        yield Settling(engine=engine, chain=chain, access=access, desk=desk)


def _require_equal_books(settling: Settling) -> None:
    ledger = settling.access.ledger
    with reading(settling.engine) as connection:
        for person in participants(connection):
            if person.lane is not None:
                assert ledger.balance_of(person.lane) == balance_of(connection, member_account(person.id)), person.id
        owned = {account: balance_of(connection, account) for account in SYSTEM_ACCOUNTS}
    assert ledger.system_balances() == owned


@pytest.mark.parametrize("dies_at", ["before", "after"])
def test_a_chain_killed_while_it_is_given_a_batch_has_it_once_when_it_is_back(settling: Settling, dies_at: str) -> None:
    assert settle_due_periods(settling.desk) == [2]
    blocks = settling.access.outbox.w3.eth.block_number
    settling.chain.dies_at = dies_at
    with pytest.raises(ChainUnreachable) as away:
        anchor_batches(settling.desk)
    assert "does not answer" in str(away.value)
    assert "what was to be sent stays stored" in str(away.value)
    assert "\n" not in str(away.value)
    for _ in range(2):  # however often it is tried while nobody is there
        with pytest.raises(ChainUnreachable):
            anchor_batches(settling.desk)
        assert settle_due_periods(settling.desk) == []
    with reading(settling.engine) as connection:
        assert [batch.sequence for batch in unfinished_batches(connection)] == [2]
    settling.chain.dies_at = ""
    settling.chain.start()
    assert anchor_batches(settling.desk) == [2]
    assert anchor_batches(settling.desk) == []
    assert settling.access.outbox.w3.eth.block_number == blocks + 1
    assert settling.access.ledger.last_sequence() == 2
    _require_equal_books(settling)
    with reading(settling.engine) as connection:
        final = last_batch(connection)
        assert final is not None
        assert final.block_number == blocks + 1
        assert unfinished_batches(connection) == ()


def test_rounds_go_on_while_the_chain_is_away(settling: Settling) -> None:
    settling.chain.kill()
    histories = Histories(settling.engine, minutes=15)
    market = MarketDesk(engine=settling.engine, clock=settling.desk.clock, network=None, histories=histories)
    scheduler = Scheduler(market=market, settlement=settling.desk, minutes=15)
    for _ in range(2):
        scheduler.settle()  # says that batches wait, and raises nothing
    with reading(settling.engine) as connection:
        assert [batch.sequence for batch in unfinished_batches(connection)] == [2]
    settling.chain.start()
    scheduler.settle()
    assert settling.access.ledger.last_sequence() == 2
    _require_equal_books(settling)


def test_a_home_without_a_supply_contract_stops_nobodys_settlement_and_is_told(settling: Settling) -> None:
    noon = DeliveryInterval.at(int(NOW.timestamp()) // 900 * 900 - 4 * 3_600)
    energies = [
        IntervalEnergy(metering_point="MP-M09", interval=noon.shifted(slot), import_wh=50, export_wh=7)
        for slot in range(4)
    ]
    with writing(settling.engine) as connection:
        add_participant(connection, Participant(id="M09", display_name="New home", email="m09@street.invalid"))
        add_metering_point(connection, MeteringPoint(id="MP-M09", participant_id="M09", connection_w=25_000))
        save_substitutes(connection, energies, received_s=noon.start_s + 86_400)
    assert settle_due_periods(settling.desk) == [2]
    assert anchor_batches(settling.desk) == [2]
    _require_equal_books(settling)
    with reading(settling.engine) as connection:
        assert balance_of(connection, member_account("M09")) == 0
        (alarm,) = [each for each in alarms(connection, since_s=0) if each.kind == "no_contract"]
    assert "MP-M09: 200 Wh drawn and 28 Wh fed in" in alarm.message
    assert "no supply contract for 4 intervals" in alarm.message
