"""What a statement says of the chain, against the chain: by JSON-RPC, reading only.

The contract's interface is written down here once more (`contracts/src/SettlementLedger.sol`), so that verifying needs
neither web3 nor the code that settled.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from contracts.evidence import NO_EVIDENCE, hexed
from contracts.packing import HALF_RANGE, LANE_BITS, LANES
from contracts.proofs import require
from contracts.statement import ChainIdentity, Checkpoint
from meters.signing import keccak

Rpc = Callable[[str, list[object]], object]
"""Calls a JSON-RPC method with parameters and returns its result.

Raises ConnectionError where the chain is silent, ChainAnswerError where it answers with an error.
"""


class ChainAnswerError(RuntimeError):
    """The chain answered with a JSON-RPC error: for a verification the same as having nothing there."""


SYSTEM_TYPE = "(int64,int64,int64,int64,int64,int64,int64)"
BATCH_TYPE = f"(uint64,uint64,uint64,uint256,uint256[],{SYSTEM_TYPE},bytes32,bytes32,bytes32)"
SETTLE = keccak(f"settle({BATCH_TYPE})".encode())[:4]
COMMITMENT_OF = keccak(b"commitmentOf(uint64)")[:4]
PREDECESSOR = keccak(b"predecessor()")[:4]
BATCH_SETTLED = keccak(b"BatchSettled(uint64,uint64,uint64,bytes32,bytes32,bytes32)")
_SEARCHED_BLOCKS = (8, 200_000)
"""How far back to look for the batch before, before looking everywhere: a chain of its own, two days of seconds."""
_LANE_BIAS = sum(HALF_RANGE << (LANE_BITS * lane) for lane in range(LANES))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchoredEntry:
    """What a statement's batch entry says of the chain."""

    path: str
    sequence: int
    first_start_s: int
    end_s: int
    trades_root: bytes
    readings_root: bytes
    evidence_hash: bytes
    previous_evidence_hash: bytes
    lane: int
    net_nano: int
    block_number: int


EARLIER_CODE_HASHES = (
    "0x1a594572f1a07ae421aa8a94c64b997f093ce7fa31c890f2c004497c469b2c63",
    "0xfa6e54fafbcb7bdedc163e8deee0140a756f7dd4e3b0ef68cbef0c0761bf03f4",
)
"""Code hashes of the ledger contract as earlier versions published it: their ledgers stay where they are."""
LEDGERS_MOST = 100
"""A community's first ledger and its successors."""


@cache
def published_code_hashes() -> frozenset[bytes]:
    """Hashes of the ledger contract's code as this version and those before publish it."""
    text = files("contracts").joinpath("artifacts/SettlementLedger.json").read_text(encoding="utf-8")
    hashes = (json.loads(text)["runtime_hash"], *EARLIER_CODE_HASHES)
    return frozenset(bytes.fromhex(each.removeprefix("0x")) for each in hashes)


def check_identity(rpc: Rpc, identity: ChainIdentity) -> None:
    """The chain is the one named, and the ledger's code is the published one. Raises FieldError."""
    try:
        chain_id = _quantity(rpc("eth_chainId", []))
    except ChainAnswerError as error:  # every chain knows its own id
        raise ConnectionError(f"what answers there is no chain: {error}") from error
    require(chain_id == identity.chain_id, "chain.chain_id", f"the chain's id is {chain_id}")
    genesis = _block_hash(rpc, 0)
    require(genesis == identity.genesis_hash, "chain.genesis_hash", "the chain begins with another block")
    code_hash = keccak(_octets(_ask(rpc, "eth_getCode", [identity.ledger, "latest"])))
    require(code_hash == identity.ledger_code_hash, "chain.ledger_code_hash", "the ledger's code is another")
    require(
        code_hash in published_code_hashes(),
        "chain.ledger_code_hash",
        "the ledger's code is not the published contract's",
    )


def ledgers_of(rpc: Rpc, ledger: str) -> tuple[str, ...]:
    """The ledger and those it took over from, the community's first one last, for which gateways sign.

    Each one's code is published, so that none can name a predecessor that it did not take over from. Raises FieldError.
    """
    found = [ledger]
    while len(found) < LEDGERS_MOST:
        answer = _octets(_ask(rpc, "eth_call", [{"to": found[-1], "data": hexed(PREDECESSOR)}, "latest"]))
        if not any(answer):
            break
        found.append(to_checksum_address(answer[-20:]))
        code = _octets(_ask(rpc, "eth_getCode", [found[-1], "latest"]))
        require(
            keccak(code) in published_code_hashes(), "chain.ledger", f"its predecessor {found[-1]} is no published one"
        )
    return tuple(found)


def check_checkpoint(rpc: Rpc, checkpoint: Checkpoint, path: str) -> None:
    """The chain still has the block that was delivered. Raises FieldError."""
    found = _block_hash(rpc, checkpoint.block_number)
    require(
        found == checkpoint.block_hash, path, f"the chain's block {checkpoint.block_number} is another: it was rebuilt"
    )


def check_anchored(rpc: Rpc, ledgers: Sequence[str], entry: AnchoredEntry) -> None:
    """Roots, period, block and the member's net position are what one of the ledgers settled. Raises FieldError."""
    roots = [entry.trades_root, entry.readings_root, entry.evidence_hash]
    data = encode(["uint64"] * 3 + ["bytes32"] * 3, [entry.sequence, entry.first_start_s, entry.end_s, *roots])
    kept = _commitment(rpc, ledgers[0], entry.sequence)
    require(kept == keccak(data), entry.path, "period and roots are not what the ledger keeps for this sequence")
    log = _settled_log(rpc, ledgers, entry.sequence, entry.block_number, entry.block_number)
    require(log is not None, f"{entry.path}.block_number", "the batch was not settled in this block")
    assert log is not None
    found_nano = _lane_delta(rpc, str(log["address"]), log, entry)
    require(found_nano == entry.net_nano, f"{entry.path}.net_nano", f"the ledger moved {found_nano} nano on this lane")


def check_first_evidence(rpc: Rpc, ledgers: Sequence[str], entry: AnchoredEntry) -> None:
    """The evidence the first entry continues is that of the batch before it on the chain. Raises FieldError."""
    path = f"{entry.path}.previous_evidence_hash"
    if entry.sequence == 1:
        require(entry.previous_evidence_hash == NO_EVIDENCE, path, "the first batch continues no other")
        return
    last = entry.block_number
    firsts = [max(0, last - span) for span in _SEARCHED_BLOCKS]
    found = (_settled_log(rpc, ledgers, entry.sequence - 1, first, last) for first in [*firsts, 0])
    log = next((each for each in found if each is not None), None)
    require(log is not None, path, "the ledger has no batch before")
    assert log is not None
    before = _octets(log["data"])[-32:]
    require(before == entry.previous_evidence_hash, path, "is not the evidence of the batch before")


def _commitment(rpc: Rpc, ledger: str, sequence: int) -> bytes:
    call = {"to": ledger, "data": hexed(COMMITMENT_OF + encode(["uint64"], [sequence]))}
    return _octets(_ask(rpc, "eth_call", [call, "latest"]))


def _settled_log(
    rpc: Rpc, ledgers: Sequence[str], sequence: int, first_block: int, last_block: int
) -> dict[str, Any] | None:
    """The BatchSettled event of `sequence` in these blocks, of whichever ledger settled it."""
    wanted: dict[str, object] = {
        "address": list(ledgers) if len(ledgers) > 1 else ledgers[0],
        "topics": [hexed(BATCH_SETTLED), "0x" + sequence.to_bytes(32, "big").hex()],
        "fromBlock": hex(first_block),
        "toBlock": hex(last_block),
    }
    logs = _ask(rpc, "eth_getLogs", [wanted])
    if not isinstance(logs, Sequence) or len(logs) != 1 or not isinstance(logs[0], dict):
        return None
    return logs[0]


def _lane_delta(rpc: Rpc, ledger: str, log: dict[str, Any], entry: AnchoredEntry) -> int:
    """What the settling transaction moved on the entry's lane."""
    path = f"{entry.path}.net_nano"
    transaction = _ask(rpc, "eth_getTransactionByHash", [log["transactionHash"]])
    require(isinstance(transaction, dict), path, "the settling transaction is not on the chain")
    assert isinstance(transaction, dict)
    to, data = str(transaction.get("to", "")), _octets(transaction.get("input", "0x"))
    require(to.lower() == ledger.lower() and data[:4] == SETTLE, path, "the batch was not settled by a direct call")
    try:
        ((sequence, _, _, first_word, words, *_),) = decode([BATCH_TYPE], data[4:])
    except DecodingError as error:
        raise ConnectionError(f"the chain's answer is no settlement: {error}") from error
    require(sequence == entry.sequence, path, "the transaction settled another batch")
    word, position = divmod(entry.lane, LANES)
    if not first_word <= word < first_word + len(words):
        return 0
    raised = (words[word - first_word] + _LANE_BIAS) % (1 << 256)
    return int((raised >> (LANE_BITS * position)) % (1 << LANE_BITS)) - HALF_RANGE


def _ask(rpc: Rpc, method: str, params: list[object]) -> object:
    """The result, None where the chain knows none."""
    try:
        return rpc(method, params)
    except ChainAnswerError:
        return None


def _block_hash(rpc: Rpc, number: int) -> bytes:
    block = _ask(rpc, "eth_getBlockByNumber", [hex(number), False])
    return _octets(block["hash"]) if isinstance(block, dict) else b""


def _octets(value: object) -> bytes:
    if value is None:
        return b""
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError as error:
        raise ConnectionError(f"the chain answered {value!r}, not hexadecimal data") from error


def _quantity(value: object) -> int | None:
    if value is None:
        return None
    try:
        return int(str(value), 16)
    except ValueError as error:
        raise ConnectionError(f"the chain answered {value!r}, not a number") from error
