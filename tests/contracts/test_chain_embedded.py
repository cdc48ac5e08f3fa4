"""The embedded chain's own promises: one history, noticed damage, one writer, no fees."""

import sqlite3
import time
from pathlib import Path

import pytest
from chain_community import (
    MEMBERS,
    OPERATOR,
    START_S,
    MovedClock,
    fixed_clock,
    open_chain,
    open_community,
    random_batch,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.chain import connect
from contracts.embedded import CHAIN_FILE, ChainDamagedError, ChainStoppedError, EmbeddedChain
from contracts.evm import TRANSACTION_GAS_LIMIT, EvmChain, TransactionRefusedError
from contracts.single_writer import AlreadyInUseError

RECEIVER = "0x" + "11" * 20


def signed(nonce: int, **changes: object) -> bytes:
    fields = {
        "type": 2, "chainId": 31_337, "nonce": nonce, "to": RECEIVER, "gas": 21_000, "value": 0,
        "maxFeePerGas": 0, "maxPriorityFeePerGas": 0,
    } | changes  # fmt: skip
    return bytes(OPERATOR.sign_transaction(fields).raw_transaction)


def legacy(nonce: int) -> bytes:
    fields = {"chainId": 31_337, "nonce": nonce, "to": RECEIVER, "gas": 21_000, "value": 0, "gasPrice": 0}
    return bytes(OPERATOR.sign_transaction(fields).raw_transaction)


def hashes(chain: EmbeddedChain) -> list[bytes]:
    return [header.hash for _, header in chain.evm.headers(0, chain.evm.head.block_number)]


def change(directory: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(directory / CHAIN_FILE) as database:
        database.execute(statement, values)
    database.close()


def test_opened_again_it_has_the_same_blocks_and_goes_on(tmp_path: Path) -> None:
    chain, outbox, ledger = open_community(tmp_path)
    ledger.settle(random_batch(1, members=MEMBERS))
    before, balances = hashes(chain), ledger.balances()
    outbox.close()
    chain.close()

    chain, outbox, ledger = open_community(tmp_path)
    assert hashes(chain) == before
    assert ledger.balances() == balances
    ledger.settle(random_batch(2, members=MEMBERS))
    assert hashes(chain)[:-1] == before
    outbox.close()
    chain.close()


def test_blocks_take_the_clock_but_never_stand_still(chain: EmbeddedChain) -> None:
    for nonce in range(3):
        chain.submit(signed(nonce) if nonce % 2 else legacy(nonce))
    assert [header.timestamp for _, header in chain.evm.headers(0, 3)] == [START_S + second for second in range(4)]


def test_calls_see_the_time_of_the_block_that_would_be_next(tmp_path: Path) -> None:
    clock = MovedClock()
    chain = open_chain(tmp_path, clock)
    tell_the_time = bytes.fromhex("4260005260206000f3")  # TIMESTAMP, MSTORE at 0, RETURN its 32 bytes
    deploys = bytes.fromhex("68") + tell_the_time + bytes.fromhex("60005260096017f3")
    chain.submit(signed(0, to=b"", gas=200_000, data=deploys))
    w3 = connect(chain)
    address = w3.eth.get_transaction_receipt(chain.evm.mined(1).transaction.hash)["contractAddress"]
    assert address is not None

    def told(block: int | None = None) -> int:
        return int.from_bytes(w3.eth.call({"to": address}, "latest" if block is None else block))

    assert told() == START_S + 2
    clock.seconds += 5_000
    assert (told(), told(1)) == (START_S + 5_000, START_S + 2)
    chain.submit(signed(1))
    assert chain.evm.head.timestamp == START_S + 5_000
    chain.close()


def test_the_same_bytes_are_acknowledged_again_and_mined_once(chain: EmbeddedChain) -> None:
    first = chain.submit(signed(0))
    assert chain.submit(signed(0)) == first
    assert chain.evm.head.block_number == 1


def test_fees_stay_zero_however_full_the_blocks_are(chain: EmbeddedChain) -> None:
    burn_everything = bytes.fromhex("fe")  # the invalid instruction takes all gas
    for nonce in range(2):
        chain.submit(signed(nonce, to=b"", gas=TRANSACTION_GAS_LIMIT, data=burn_everything))
    assert chain.evm.head.gas_used == TRANSACTION_GAS_LIMIT
    assert {header.base_fee_per_gas for _, header in chain.evm.headers(0, 2)} == {0}
    chain.submit(signed(2))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (signed(1), "nonce too high: next nonce 0"),
        (signed(0, chainId=1), "transaction is for chain 1, this is chain 31337"),
        (signed(0, gas=TRANSACTION_GAS_LIMIT + 1), "gas limit 30000001 is above"),
        (signed(0, gas=20_999), "gas"),
        (signed(0, value=1), "balance"),
        (signed(0)[:-1], "malformed transaction"),
        (b"", "malformed transaction"),
        (b"\x05" + signed(0)[1:], "malformed transaction"),
        (signed(0).replace(b"\x11" * 20 + b"\x80", b"\x11" * 20 + b"\xc0", 1), "more than one encoding"),
    ],
)
def test_a_transaction_that_cannot_be_mined_is_refused_and_leaves_nothing(
    chain: EmbeddedChain, raw: bytes, message: str
) -> None:
    with pytest.raises(TransactionRefusedError, match=message):
        chain.submit(raw)
    assert chain.evm.head.block_number == 0
    chain.submit(signed(0))
    with pytest.raises(TransactionRefusedError, match="nonce too low: next nonce 1"):
        chain.submit(signed(0, gas=22_000))


@settings(max_examples=150)
@given(st.binary(max_size=40), st.integers(0, 120), st.integers(0, 255))
def test_whatever_bytes_arrive_are_mined_or_refused(garbage: bytes, position: int, value: int) -> None:
    evm = EvmChain(chain_id=31_337, genesis_s=START_S, genesis_extra=bytes(32))
    altered = bytearray(signed(0))
    altered[position % len(altered)] = value
    for raw in (garbage, bytes(altered)):
        try:
            evm.append(evm.build(raw, evm.head.timestamp + 1))
        except TransactionRefusedError:
            continue


def test_only_one_object_opens_a_chain_until_it_is_closed(tmp_path: Path) -> None:
    first = open_chain(tmp_path)
    with pytest.raises(AlreadyInUseError, match=r"chain\.sqlite is already in use by process \d+: stop that one first"):
        open_chain(tmp_path)
    first.close()
    open_chain(tmp_path).close()


def three_blocks(directory: Path) -> None:
    chain = open_chain(directory)
    for nonce in range(3):
        chain.submit(signed(nonce))
    chain.close()


@pytest.mark.parametrize(
    ("statement", "values", "message"),
    [
        ("UPDATE block SET timestamp_s = timestamp_s + 1 WHERE number = 2", (), "block 2 replays to"),
        ("UPDATE block SET raw = ? WHERE number = 3", (signed(2, gas=30_000),), "block 3 replays to"),
        ("UPDATE block SET raw = ? WHERE number = 2", (b"\x02",), "block 2 cannot be replayed"),
        ("UPDATE block SET hash = zeroblob(32) WHERE number = 1", (), "block 1 replays to"),
        ("DELETE FROM block WHERE number = 2", (), "block 2 is missing"),
        ("UPDATE genesis SET timestamp_s = timestamp_s - 1", (), "genesis block does not give the stored hash"),
    ],
)
def test_an_altered_history_is_noticed_and_the_block_named(
    tmp_path: Path, statement: str, values: tuple[object, ...], message: str
) -> None:
    three_blocks(tmp_path)
    open_chain(tmp_path).close()
    change(tmp_path, statement, *values)
    for _ in range(2):  # and the refusal does not keep the file locked
        with pytest.raises(ChainDamagedError, match=message):
            open_chain(tmp_path)


def test_a_file_that_is_no_chain_is_refused(tmp_path: Path) -> None:
    (tmp_path / CHAIN_FILE).write_bytes(b"no database at all" * 1000)
    with pytest.raises(ChainDamagedError, match="is not a readable chain"):
        open_chain(tmp_path)


def test_an_existing_chain_does_not_take_another_id(tmp_path: Path) -> None:
    three_blocks(tmp_path)
    with pytest.raises(ChainDamagedError, match="holds chain 31337, not chain 5"):
        EmbeddedChain(tmp_path / CHAIN_FILE, clock=fixed_clock, chain_id=5)
    same = EmbeddedChain(tmp_path / CHAIN_FILE, clock=fixed_clock, chain_id=31_337)
    assert same.chain_id == 31_337
    same.close()


def test_communities_with_different_seeds_have_different_chains(tmp_path: Path) -> None:
    genesis = set()
    for seed in ("elm street", "oak street"):
        chain = EmbeddedChain(tmp_path / seed / CHAIN_FILE, clock=fixed_clock, chain_id=77, seed=seed)
        genesis.add(chain.evm.head.hash)
        assert chain.chain_id == 77
        chain.close()
    assert len(genesis) == 2


def test_when_the_disk_refuses_the_chain_stops_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    chain = open_chain(tmp_path)
    chain.submit(signed(0))
    assert chain._database is not None
    chain._database.execute("PRAGMA query_only = ON")
    with pytest.raises(ChainStoppedError, match="could not be written"):
        chain.submit(signed(1))
    assert chain.evm.head.block_number == 1
    with pytest.raises(ChainStoppedError, match="is closed"):
        chain.submit(signed(1))
    again = open_chain(tmp_path)
    assert hashes(again) == hashes(chain)
    again.submit(signed(1))
    again.close()


@pytest.mark.long
def test_a_year_of_daily_batches_of_120_members_opens_in_ten_seconds(tmp_path: Path) -> None:
    chain, outbox, ledger = open_community(tmp_path)
    ledger.register_members(MEMBERS, [None] * (120 - MEMBERS))
    for sequence in range(1, 366):
        ledger.settle(random_batch(sequence, members=120))
    head = chain.evm.head.hash
    outbox.close()
    chain.close()
    started = time.process_time()  # the replay waits for nothing, so another busy program must not fail it
    chain = open_chain(tmp_path)
    seconds = time.process_time() - started
    assert chain.evm.head.hash == head
    chain.close()
    assert seconds < 10
