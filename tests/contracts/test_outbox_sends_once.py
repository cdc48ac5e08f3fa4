"""What goes through the outbox happens once: restarts, lost answers, absent and rolled back chains included."""

import sqlite3
import threading
from pathlib import Path

import pytest
from chain_community import (
    NOWHERE,
    OPERATOR,
    STRANGER,
    batch,
    open_outbox,
    operator_nonce,
)
from ledger_sender import LedgerSender, raw_batch
from outbox_store import SqliteOutboxStore, StoreThatThen

from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.ledger import SettlementLedger
from contracts.outbox import (
    BusinessIdReusedError,
    NonceConflictError,
    Outbox,
    Policy,
    StoredTransaction,
    TransactionRevertedError,
    content_of,
)
from contracts.single_writer import AlreadyInUseError

Community = tuple[EmbeddedChain, Outbox, SettlementLedger]


def test_sending_again_is_answered_with_the_same_transaction(chain: EmbeddedChain, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, connect(chain))
    first = outbox.send("hello", NOWHERE, b"content")
    assert outbox.send("hello", NOWHERE, b"content")["transactionHash"] == first["transactionHash"]
    assert operator_nonce(chain) == 1
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
    assert operator_nonce(chain) == 15
    outbox.close()


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
