"""JSON-RPC encodings of blocks, transactions, receipts and logs, as the Ethereum execution-apis specify them."""

from collections.abc import Sequence
from typing import Any

import rlp
from eth._utils.address import generate_contract_address
from eth.abc import BlockAPI, LogAPI, SignedTransactionAPI
from eth_utils.address import to_checksum_address

from contracts.evm import MinedTransaction, type_of

Json = str | int | bool | None | list[Any] | dict[str, Any]


class InvalidParameterError(ValueError):
    """A parameter of a request cannot be read, or names something that does not exist."""


def data(value: bytes) -> str:
    """Unformatted data of any length."""
    return "0x" + value.hex()


def word(value: int) -> str:
    """32 bytes."""
    return f"0x{value:064x}"


def to_bytes(value: object) -> bytes:
    """Data of any length. Raises InvalidParameterError."""
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return bytes.fromhex(value[2:])
        except ValueError as error:
            raise InvalidParameterError(f"{value[:80]!r} is not hexadecimal data") from error
    raise InvalidParameterError(f"{str(value)[:80]!r} is not 0x-prefixed hexadecimal data")


def to_address(value: object) -> bytes:
    """20 bytes. Raises InvalidParameterError."""
    address = to_bytes(value)
    if len(address) != 20:
        raise InvalidParameterError(f"{str(value)[:80]!r} is not an address of 20 bytes")
    return address


def to_int(value: object) -> int:
    """A quantity. Raises InvalidParameterError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    try:
        if isinstance(value, str) and value.startswith("0x"):
            return int(value, 16)
    except ValueError:
        pass
    raise InvalidParameterError(f"{str(value)[:80]!r} is not a quantity")


def to_word(value: object) -> int:
    """A quantity of at most 32 bytes. Raises InvalidParameterError."""
    quantity = to_int(value)
    if quantity >= 2**256:
        raise InvalidParameterError(f"{str(value)[:80]!r} has more than 32 bytes")
    return quantity


def block(source: BlockAPI, *, full: bool) -> dict[str, Any]:
    """The block with its transactions' hashes, or the whole transactions when `full`."""
    header = source.header
    transactions = [transaction(source, each) if full else data(each.hash) for each in source.transactions]
    return {
        "number": hex(header.block_number),
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "nonce": data(header.nonce),
        "sha3Uncles": data(header.uncles_hash),
        "logsBloom": f"0x{header.bloom:0512x}",
        "transactionsRoot": data(header.transaction_root),
        "stateRoot": data(header.state_root),
        "receiptsRoot": data(header.receipt_root),
        "miner": to_checksum_address(header.coinbase),
        "difficulty": hex(header.difficulty),
        "mixHash": data(header.mix_hash),
        "extraData": data(header.extra_data),
        "size": hex(len(rlp.encode(source))),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "withdrawalsRoot": data(header.withdrawals_root),
        "withdrawals": [],
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),
        "transactions": transactions,
        "uncles": [],
    }


def transaction(source: BlockAPI, sent: SignedTransactionAPI) -> dict[str, Any]:
    """A transaction mined in block `source`."""
    kind = type_of(sent)
    fields = {
        "type": hex(kind),
        "hash": data(sent.hash),
        "nonce": hex(sent.nonce),
        "blockHash": data(source.hash),
        "blockNumber": hex(source.number),
        "transactionIndex": "0x0",
        "from": to_checksum_address(sent.sender),
        "to": to_checksum_address(sent.to) if sent.to else None,
        "value": hex(sent.value),
        "gas": hex(sent.gas),
        "input": data(sent.data),
        "chainId": hex(sent.chain_id or 0),
        "r": hex(sent.r),
        "s": hex(sent.s),
    }
    if kind == 0:
        return {**fields, "gasPrice": hex(sent.gas_price), "v": hex(sent.v)}
    return {
        **fields,
        "gasPrice": hex(sent.max_priority_fee_per_gas),  # on top of a base fee of zero
        "maxFeePerGas": hex(sent.max_fee_per_gas),
        "maxPriorityFeePerGas": hex(sent.max_priority_fee_per_gas),
        "accessList": [],
        "v": hex(sent.y_parity),
        "yParity": hex(sent.y_parity),
    }


def receipt(mined: MinedTransaction) -> dict[str, Any]:
    """What became of a transaction; its contract address is given when it created one."""
    sent = mined.transaction
    created = None if sent.to else to_checksum_address(generate_contract_address(sent.sender, sent.nonce))
    return {
        "type": hex(type_of(sent)),
        "transactionHash": data(sent.hash),
        "transactionIndex": "0x0",
        "blockHash": data(mined.block.hash),
        "blockNumber": hex(mined.block.number),
        "from": to_checksum_address(sent.sender),
        "to": to_checksum_address(sent.to) if sent.to else None,
        "contractAddress": created,
        "cumulativeGasUsed": hex(mined.receipt.gas_used),
        "gasUsed": hex(mined.receipt.gas_used),
        "effectiveGasPrice": "0x0",
        "logsBloom": f"0x{mined.receipt.bloom:0512x}",
        "status": "0x1" if mined.receipt.state_root == b"\x01" else "0x0",
        "logs": [log(mined, position, each) for position, each in enumerate(mined.receipt.logs)],
    }


def log(mined: MinedTransaction, position: int, source: LogAPI) -> dict[str, Any]:
    """The event at `position` of the block."""
    return {
        "address": to_checksum_address(source.address),
        "topics": [word(topic) for topic in source.topics],
        "data": data(source.data),
        "blockNumber": hex(mined.block.number),
        "blockHash": data(mined.block.hash),
        "transactionHash": data(mined.transaction.hash),
        "transactionIndex": "0x0",
        "logIndex": hex(position),
        "removed": False,
    }


def topics_match(topics: Sequence[int], wanted: Sequence[Any]) -> bool:
    """Whether a log's topics satisfy a filter: None accepts anything, a list any of its values."""
    if len(wanted) > len(topics):
        return False
    for topic, accepted in zip(topics, wanted, strict=False):
        if accepted is None:
            continue
        alternatives = accepted if isinstance(accepted, list | tuple) else [accepted]
        if topic not in {int.from_bytes(to_bytes(each)) for each in alternatives}:
            return False
    return True
