"""What goes through the outbox happens once: restarts, lost answers, absent and rolled back chains included."""

import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from chain_community import (
    MEMBERS,
    OPERATOR,
    START_S,
    STRANGER,
    batch,
    deploy,
    member_address,
    open_chain,
    open_outbox,
    random_batch,
)
from eth_utils.crypto import keccak
from ledger_sender import LedgerSender, raw_batch
from outbox_store import SqliteOutboxStore
from web3 import Web3

from contracts.chain import ChainUnreachable, connect
from contracts.embedded import CHAIN_FILE, EmbeddedChain
from contracts.evm import EvmChain
from contracts.ledger import SettlementLedger
from contracts.outbox import (
    BusinessIdReusedError,
    NonceConflictError,
    NotMinedInTimeError,
    Outbox,
    Policy,
    StoredTransaction,
    TransactionRevertedError,
    content_of,
)
from contracts.rpc import EvmProvider
from contracts.rpc_server import RpcServer
from contracts.single_writer import AlreadyInUseError

Community = tuple[EmbeddedChain, Outbox, SettlementLedger]
NOWHERE = member_address(500)


class StoreThatThen(SqliteOutboxStore):
    """Does something right after a transaction was stored, before it is sent."""

    def __init__(self, path: Path, then: Callable[[], None]) -> None:
        super().__init__(path)
        self._then = then

    def put(self, transaction: StoredTransaction) -> None:
        super().put(transaction)
        self._then()


def nonce(chain: EmbeddedChain) -> int:
    return chain.evm.nonce(bytes.fromhex(OPERATOR.address[2:]))


def test_sending_again_is_answered_with_the_same_transaction(chain: EmbeddedChain, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, connect(chain))
    first = outbox.send("hello", NOWHERE, b"content")
    assert outbox.send("hello", NOWHERE, b"content")["transactionHash"] == first["transactionHash"]
    assert nonce(chain) == 1
    with pytest.raises(BusinessIdReusedError, match="hello was sent before with another content"):
        outbox.send("hello", NOWHERE, b"other content")
    with pytest.raises(BusinessIdReusedError):
        outbox.send("hello", None, b"content")
    assert outbox.send("goodbye", NOWHERE, b"content")["transactionHash"] != first["transactionHash"]
    outbox.close()


def test_the_stored_bytes_are_what_was_asked_for(chain: EmbeddedChain, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, connect(chain))
    receipt = outbox.send("hello", NOWHERE, b"content")
    stored = SqliteOutboxStore(tmp_path / "outbox.sqlite").find("hello")
    assert stored is not None
    assert content_of(stored.raw) == (bytes.fromhex(NOWHERE[2:]), b"content")
    assert (stored.nonce, stored.tx_hash, stored.final) == (0, bytes(receipt["transactionHash"]), True)
    assert chain.submit(stored.raw) == stored.tx_hash  # forced rebroadcast: the same hash, mined once
    assert chain.evm.head.block_number == 1
    outbox.close()


def test_two_writers_of_one_key_are_not_possible(chain: EmbeddedChain, tmp_path: Path) -> None:
    first = open_outbox(tmp_path, connect(chain))
    with pytest.raises(AlreadyInUseError, match=f"the key of {OPERATOR.address} .* is already in use by process"):
        open_outbox(tmp_path, connect(chain))
    first.close()
    open_outbox(tmp_path, connect(chain)).close()


def test_threads_of_one_outbox_take_turns(chain: EmbeddedChain, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, connect(chain))
    failures: list[Exception] = []

    def work(name: str) -> None:
        try:
            for number in range(5):
                outbox.send(f"{name} {number}", NOWHERE, name.encode())
                outbox.send(f"shared {number}", NOWHERE, b"shared")
        except (ValueError, RuntimeError, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[name]) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert nonce(chain) == 15
    outbox.close()


def test_killed_between_storing_and_sending_it_is_sent_by_recover(chain: EmbeddedChain, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    w3, lock = connect(chain), tmp_path / "operator.lock"
    dying = Outbox(w3, OPERATOR, StoreThatThen(tmp_path / "outbox.sqlite", die), lock_path=lock)
    with pytest.raises(Killed):
        dying.send("hello", NOWHERE, b"content")
    dying.close()
    assert nonce(chain) == 0

    outbox = open_outbox(tmp_path, w3)
    assert outbox.recover() == ["hello"]
    assert outbox.recover() == []
    assert nonce(chain) == 1
    outbox.send("hello", NOWHERE, b"content")
    outbox.send("after", NOWHERE, b"content")
    assert nonce(chain) == 2
    outbox.close()


def test_sending_the_next_one_first_sends_what_was_stored_before_it(chain: EmbeddedChain, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    w3, lock = connect(chain), tmp_path / "operator.lock"
    dying = Outbox(w3, OPERATOR, StoreThatThen(tmp_path / "outbox.sqlite", die), lock_path=lock)
    with pytest.raises(Killed):
        dying.send("first", NOWHERE, b"1")
    dying.close()
    outbox = open_outbox(tmp_path, w3)
    outbox.send("second", NOWHERE, b"2")
    assert [chain.evm.mined(number).transaction.data for number in (1, 2)] == [b"1", b"2"]
    outbox.close()


def test_a_chain_that_goes_away_and_comes_back_has_everything_once(tmp_path: Path) -> None:
    chain = open_chain(tmp_path)
    server = RpcServer(chain, "127.0.0.1", 0)
    url, lock = server.url, tmp_path / "operator.lock"

    def vanish() -> None:
        server.close()
        chain.close()

    outbox = open_outbox(tmp_path, connect(url))
    ledger = deploy(outbox)
    ledger.settle(random_batch(1, members=MEMBERS))
    before = chain.evm.head.hash
    outbox.close()

    outbox = Outbox(connect(url), OPERATOR, StoreThatThen(tmp_path / "outbox.sqlite", vanish), lock_path=lock)
    ledger = SettlementLedger(outbox.w3, ledger.address, outbox=outbox)
    with pytest.raises(ChainUnreachable, match=f"the chain at {url} does not answer"):
        ledger.settle(random_batch(2, members=MEMBERS))
    with pytest.raises(ChainUnreachable):
        ledger.settle(random_batch(2, members=MEMBERS))
    with pytest.raises(ChainUnreachable):
        ledger.settle(random_batch(3, members=MEMBERS))
    with pytest.raises(ChainUnreachable):
        outbox.recover()
    outbox.close()

    chain = open_chain(tmp_path)
    assert chain.evm.head.hash == before
    server = RpcServer(chain, "127.0.0.1", int(url.rsplit(":", 1)[1]))
    outbox = open_outbox(tmp_path, connect(url))
    ledger = SettlementLedger(outbox.w3, ledger.address, outbox=outbox)
    assert outbox.recover() == ["settle:2"]
    for sequence in (2, 3):
        ledger.settle(random_batch(sequence, members=MEMBERS))
    batches = [random_batch(sequence, members=MEMBERS) for sequence in (1, 2, 3)]
    assert ledger.balances() == tuple(sum(each.member_deltas_nano[lane] for each in batches) for lane in range(MEMBERS))
    assert (ledger.last_sequence(), nonce(chain)) == (3, 5)
    outbox.close()
    server.close()
    chain.close()


def test_a_chain_restored_from_an_older_copy_gets_back_what_it_lost(tmp_path: Path) -> None:
    chain = open_chain(tmp_path)
    outbox = open_outbox(tmp_path, connect(chain))
    ledger = deploy(outbox)
    ledger.settle(random_batch(1, members=MEMBERS))
    chain.close()
    shutil.copy(tmp_path / CHAIN_FILE, tmp_path / "copy")
    chain = open_chain(tmp_path)
    outbox.close()
    outbox = open_outbox(tmp_path, connect(chain))
    ledger = SettlementLedger(outbox.w3, ledger.address, outbox=outbox)
    sent = [ledger.settle(random_batch(sequence, members=MEMBERS))["transactionHash"] for sequence in (2, 3)]
    balances, state_root = ledger.balances(), chain.evm.head.state_root
    outbox.close()
    chain.close()

    shutil.copy(tmp_path / "copy", tmp_path / CHAIN_FILE)
    chain = open_chain(tmp_path)
    outbox = open_outbox(tmp_path, connect(chain))
    ledger = SettlementLedger(outbox.w3, ledger.address, outbox=outbox)
    assert ledger.last_sequence() == 1
    assert outbox.recover() == ["settle:2", "settle:3"]
    assert (ledger.balances(), chain.evm.head.state_root) == (balances, state_root)
    again = [ledger.settle(random_batch(sequence, members=MEMBERS))["transactionHash"] for sequence in (2, 3)]
    assert again == sent
    outbox.close()
    chain.close()


def test_another_program_with_the_same_key_is_noticed(community: Community, tmp_path: Path) -> None:
    chain, outbox, ledger = community
    outbox.close()

    def interfere() -> None:
        LedgerSender(chain, ledger.address).succeeds("issue", 0, 1)

    lock = tmp_path / "operator.lock"
    disturbed = Outbox(outbox.w3, OPERATOR, StoreThatThen(tmp_path / "outbox.sqlite", interfere), lock_path=lock)
    with pytest.raises(NonceConflictError, match=r"settle:1: nonce 2 of 0x\w+ was used by another"):
        SettlementLedger(outbox.w3, ledger.address, outbox=disturbed).settle(batch(1, {0: 1, 1: -1}))
    with pytest.raises(NonceConflictError, match="only this program may use the key"):
        disturbed.recover()
    disturbed.close()


def test_a_transaction_that_fails_when_it_is_mined_is_reported_and_stays_spent(
    community: Community, tmp_path: Path
) -> None:
    chain, outbox, ledger = community
    outbox.close()

    anyone = LedgerSender(chain, ledger.address)
    anyone.succeeds("grantRole", anyone.contract.functions.SETTLER_ROLE().call(), STRANGER.address)

    def overtake() -> None:
        # Another settler's batch comes between the estimate and this one: mined, but no longer the next sequence.
        anyone.succeeds("settle", raw_batch(1, []), key=STRANGER)

    lock = tmp_path / "operator.lock"
    late = Outbox(outbox.w3, OPERATOR, StoreThatThen(tmp_path / "outbox.sqlite", overtake), lock_path=lock)
    late_ledger = SettlementLedger(outbox.w3, ledger.address, outbox=late)
    for _ in range(2):
        with pytest.raises(TransactionRevertedError, match="settle:1 failed in block"):
            late_ledger.settle(batch(1, {0: 1, 1: -1}))
    assert (ledger.last_sequence(), ledger.balance_of(0)) == (1, 0)
    late.close()


class NodeWithPool:
    """An Ethereum node that keeps transactions in a pool until it is told to mine."""

    def __init__(self) -> None:
        self.evm = EvmChain(chain_id=7, genesis_s=START_S, genesis_extra=bytes(32))
        self.lock = threading.RLock()
        self.pool: list[bytes] = []

    def submit(self, raw: bytes) -> bytes:
        if raw not in self.pool:
            self.pool.append(raw)
        return keccak(raw)

    def mine(self) -> None:
        while self.pool:
            self.evm.append(self.evm.build(self.pool.pop(0), self.evm.head.timestamp + 1))


def test_what_is_not_mined_in_time_stays_stored_and_is_the_same_transaction_later(tmp_path: Path) -> None:
    node, store = NodeWithPool(), SqliteOutboxStore(tmp_path / "outbox.sqlite")
    policy, lock = Policy(patience_s=0.05, poll_s=0.01), tmp_path / "operator.lock"
    outbox = Outbox(Web3(EvmProvider(node)), OPERATOR, store, lock_path=lock, policy=policy)
    for name in ("first", "second"):
        with pytest.raises(NotMinedInTimeError, match=f"{name} is not mined after"):
            outbox.send(name, NOWHERE, name.encode())
    assert [stored.nonce for stored in store.unfinished()] == [0, 1]
    sent = list(node.pool)
    with pytest.raises(NotMinedInTimeError):
        outbox.recover()
    assert node.pool == sent
    node.mine()
    assert outbox.send("second", NOWHERE, b"second")["blockNumber"] == 2
    assert outbox.recover() == []
    assert store.unfinished() == []
    outbox.close()


def test_final_comes_with_the_depth_that_was_asked_for(chain: EmbeddedChain, tmp_path: Path) -> None:
    store = SqliteOutboxStore(tmp_path / "outbox.sqlite")
    policy = Policy(confirmations=2)
    outbox = Outbox(connect(chain), OPERATOR, store, lock_path=tmp_path / "operator.lock", policy=policy)
    for number in range(3):
        outbox.send(str(number), NOWHERE, b"")
    assert [stored.business_id for stored in store.unfinished()] == ["0", "1", "2"]
    outbox.recover()
    assert [stored.business_id for stored in store.unfinished()] == ["1", "2"]
    outbox.close()


def test_the_store_takes_a_business_id_and_a_nonce_once(tmp_path: Path) -> None:
    store = SqliteOutboxStore(tmp_path / "outbox.sqlite")
    store.put(StoredTransaction(business_id="a", nonce=0, raw=b"r", tx_hash=b"h"))
    for business_id, taken in (("a", 1), ("b", 0)):
        with pytest.raises(sqlite3.IntegrityError):
            store.put(StoredTransaction(business_id=business_id, nonce=taken, raw=b"r", tx_hash=b"h"))
    store.put(StoredTransaction(business_id="b", nonce=1, raw=b"r", tx_hash=b"h"))
