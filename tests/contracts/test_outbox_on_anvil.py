"""The same outbox before a real node: restarts, reorganisations, an absent chain, strange nonces, no fees."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anvil_node import ANVIL, AnvilNode
from chain_community import MEMBERS, NOWHERE, OPERATOR, deploy, open_outbox, random_batch
from outbox_store import SqliteOutboxStore
from web3 import Web3

from contracts.chain import ChainUnreachable
from contracts.ledger import SettlementLedger
from contracts.outbox import FeesAskedError, NonceConflictError, NotMinedInTimeError, Outbox, Policy
from contracts.single_writer import AlreadyInUseError

pytestmark = pytest.mark.needs(ANVIL)
WAITING = Policy(patience_s=0.3, poll_s=0.02)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[AnvilNode]:
    node = AnvilNode(tmp_path)
    yield node
    node.stop()


def outbox_with(directory: Path, w3: Web3, policy: Policy) -> Outbox:
    store = SqliteOutboxStore(directory / "outbox.sqlite")
    return Outbox(w3, OPERATOR, store, lock_path=directory / "operator.lock", policy=policy)


def expected_balances(last: int) -> tuple[int, ...]:
    batches = [random_batch(sequence, members=MEMBERS) for sequence in range(1, last + 1)]
    return tuple(sum(each.member_deltas_nano[lane] for each in batches) for lane in range(MEMBERS))


def test_batches_cost_nothing_and_stay_free_when_blocks_are_full(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    outbox = open_outbox(tmp_path, w3)
    assert w3.eth.get_balance(OPERATOR.address) == 0
    ledger = deploy(outbox)
    receipts = [ledger.settle(random_batch(sequence, members=MEMBERS)) for sequence in (1, 2)]
    assert [receipt["effectiveGasPrice"] for receipt in receipts] == [0, 0]
    assert ledger.balances() == expected_balances(2)
    assert ledger.has_published_code()
    assert w3.eth.get_balance(OPERATOR.address) == 0
    outbox.close()


def test_a_chain_that_asks_fees_is_named_and_nothing_is_stored_for_it(tmp_path: Path) -> None:
    node = AnvilNode(tmp_path, base_fee_wei=1_000_000_000)
    outbox = open_outbox(tmp_path, node.start())
    try:
        with pytest.raises(FeesAskedError, match="asks 1000000000 wei for a unit of gas and 0 are paid: set it up"):
            deploy(outbox)
        assert outbox.recover() == []
        assert SqliteOutboxStore(tmp_path / "outbox.sqlite").since(0) == []
    finally:
        outbox.close()
        node.stop()


def test_batches_wait_while_a_chain_asks_fees_and_go_once_when_it_is_free_again(
    node: AnvilNode, tmp_path: Path
) -> None:
    outbox = open_outbox(tmp_path, node.start())
    ledger = deploy(outbox)
    ledger.settle(random_batch(1, members=MEMBERS))
    set_base_fee(node, 7)
    with pytest.raises(ChainUnreachable, match="asks 7 wei"):  # what the scheduler waits for
        ledger.settle(random_batch(2, members=MEMBERS))
    set_base_fee(node, 0)
    for sequence in (2, 2, 3):
        ledger.settle(random_batch(sequence, members=MEMBERS))
    assert ledger.last_sequence() == 3
    assert ledger.balances() == expected_balances(3)
    outbox.close()


def test_what_was_signed_before_the_fees_came_waits_too_and_is_no_conflict(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    node.mine_at_will()
    outbox = outbox_with(tmp_path, w3, WAITING)
    with pytest.raises(NotMinedInTimeError):
        outbox.send("signed", NOWHERE, b"signed")
    node.ask("anvil_dropAllTransactions")
    set_base_fee(node, 7)
    with pytest.raises(FeesAskedError, match="asks 7 wei"):
        outbox.send("signed", NOWHERE, b"signed")
    set_base_fee(node, 0)
    node.ask("evm_setAutomine", True)
    assert outbox.recover() == ["signed"]
    outbox.close()


def set_base_fee(node: AnvilNode, wei: int) -> None:
    """The newest block, an empty one, asks this for a unit of gas."""
    node.ask("anvil_setNextBlockBaseFeePerGas", hex(wei))
    node.mine()


def test_a_day_without_the_chain_is_made_up_for_when_it_is_back(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    outbox = open_outbox(tmp_path, w3)
    ledger = deploy(outbox)
    ledger.settle(random_batch(1, members=MEMBERS))
    node.stop()
    for _ in range(2):
        with pytest.raises(ChainUnreachable, match=f"the chain at {node.url} does not answer"):
            ledger.settle(random_batch(2, members=MEMBERS))
    outbox.close()

    outbox = open_outbox(tmp_path, node.start())
    ledger = SettlementLedger(outbox.w3, ledger.address, outbox=outbox)
    outbox.recover()
    for sequence in (1, 2, 3):
        ledger.settle(random_batch(sequence, members=MEMBERS))
    assert (ledger.last_sequence(), ledger.balances()) == (3, expected_balances(3))
    outbox.close()


def test_a_reorganisation_loses_blocks_and_recover_puts_the_same_bytes_back(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    outbox = outbox_with(tmp_path, w3, Policy(confirmations=6))
    ledger = deploy(outbox)
    hashes = [ledger.settle(random_batch(sequence, members=MEMBERS))["transactionHash"] for sequence in (1, 2, 3)]
    node.reorganise(2)
    assert ledger.last_sequence() == 1
    assert outbox.recover() == ["settle:2", "settle:3"]
    assert (ledger.last_sequence(), ledger.balances()) == (3, expected_balances(3))
    again = [ledger.settle(random_batch(sequence, members=MEMBERS))["transactionHash"] for sequence in (1, 2, 3)]
    assert again == hashes
    outbox.close()


def test_a_rollback_deeper_than_final_is_made_good_too(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    outbox = open_outbox(tmp_path, w3)
    ledger = deploy(outbox)
    ledger.settle(random_batch(1, members=MEMBERS))
    snapshot = node.ask("evm_snapshot")
    for sequence in (2, 3):
        ledger.settle(random_batch(sequence, members=MEMBERS))
    balances = ledger.balances()
    assert node.ask("evm_revert", snapshot)
    assert ledger.last_sequence() == 1
    assert outbox.recover() == ["settle:2", "settle:3"]
    assert ledger.balances() == balances == expected_balances(3)
    outbox.close()


def test_what_waits_in_the_pool_keeps_its_nonce_although_latest_is_stale(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    outbox = open_outbox(tmp_path, w3)
    ledger = deploy(outbox)
    outbox.close()
    node.mine_at_will()
    outbox = outbox_with(tmp_path, w3, WAITING)
    for name in ("first", "second"):
        with pytest.raises(NotMinedInTimeError, match=f"{name} is not mined after"):
            outbox.send(name, NOWHERE, name.encode())
    assert w3.eth.get_transaction_count(OPERATOR.address) == 2  # the chain knows nothing of the two
    stored = SqliteOutboxStore(tmp_path / "outbox.sqlite")
    assert [each.nonce for each in stored.unfinished()] == [2, 3]
    with pytest.raises(NotMinedInTimeError):
        outbox.recover()
    node.mine()
    assert outbox.send("second", NOWHERE, b"second")["status"] == 1
    assert outbox.recover() == []
    assert w3.eth.get_transaction_count(OPERATOR.address) == 4
    assert ledger.last_sequence() == 0
    outbox.close()


def test_a_pool_that_was_emptied_gets_its_transactions_back(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    node.mine_at_will()
    outbox = outbox_with(tmp_path, w3, WAITING)
    for name in ("first", "second"):
        with pytest.raises(NotMinedInTimeError):
            outbox.send(name, NOWHERE, name.encode())
    node.ask("anvil_dropAllTransactions")
    outbox.close()
    node.ask("evm_setIntervalMining", 1)
    outbox = outbox_with(tmp_path, w3, Policy(poll_s=0.02))
    assert outbox.recover() == ["first", "second"]
    assert w3.eth.get_transaction_count(OPERATOR.address) == 2
    outbox.close()


def test_somebody_else_with_the_key_is_noticed_and_nothing_is_lost_silently(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    node.mine_at_will()
    outbox = outbox_with(tmp_path, w3, WAITING)
    with pytest.raises(NotMinedInTimeError):
        outbox.send("ours", NOWHERE, b"ours")
    node.ask("anvil_dropAllTransactions")
    theirs = {
        "type": 2, "chainId": w3.eth.chain_id, "nonce": 0, "to": NOWHERE, "gas": 30_000, "value": 0,
        "maxFeePerGas": 0, "maxPriorityFeePerGas": 0,
    }  # fmt: skip
    w3.eth.send_raw_transaction(OPERATOR.sign_transaction(theirs).raw_transaction)
    node.mine()
    for attempt in (lambda: outbox.send("ours", NOWHERE, b"ours"), outbox.recover):
        with pytest.raises(NonceConflictError, match="ours"):
            attempt()
    outbox.close()


def test_two_writers_of_one_key_are_not_possible_whatever_the_chain(node: AnvilNode, tmp_path: Path) -> None:
    w3 = node.start()
    first = open_outbox(tmp_path, w3)
    with pytest.raises(AlreadyInUseError, match=f"the key of {OPERATOR.address} .* is already in use by process"):
        open_outbox(tmp_path, w3)
    first.close()
