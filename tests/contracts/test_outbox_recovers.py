"""What was stored reaches the chain once: after a kill, an absence, a restored copy, a slow node."""

import shutil
import threading
from pathlib import Path

import pytest
from chain_community import (
    MEMBERS,
    NOWHERE,
    OPERATOR,
    START_S,
    deploy,
    open_chain,
    open_outbox,
    operator_nonce,
    random_batch,
)
from eth_utils.crypto import keccak
from outbox_store import SqliteOutboxStore, StoreThatThen
from web3 import Web3

from contracts.chain import ChainUnreachable, connect
from contracts.embedded import CHAIN_FILE, EmbeddedChain
from contracts.evm import EvmChain
from contracts.ledger import SettlementLedger
from contracts.outbox import (
    NotMinedInTimeError,
    Outbox,
    Policy,
)
from contracts.rpc import EvmProvider
from contracts.rpc_server import RpcServer

Community = tuple[EmbeddedChain, Outbox, SettlementLedger]


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
    assert operator_nonce(chain) == 0

    outbox = open_outbox(tmp_path, w3)
    assert outbox.recover() == ["hello"]
    assert outbox.recover() == []
    assert operator_nonce(chain) == 1
    outbox.send("hello", NOWHERE, b"content")
    outbox.send("after", NOWHERE, b"content")
    assert operator_nonce(chain) == 2
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
    assert (ledger.last_sequence(), operator_nonce(chain)) == (3, 5)
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

    def next_timestamp_s(self) -> int:
        return self.evm.head.timestamp + 1

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
