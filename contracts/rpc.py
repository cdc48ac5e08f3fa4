"""Ethereum JSON-RPC over a chain in this process: the methods that wallets, web3 and verifiers use.

`dispatch` answers every method, `read_only_dispatch` all but those that change something. Quantities and data are
encoded as the execution-apis specification says (hexadecimal, quantities without leading zeros).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from eth_bloom.bloom import BloomFilter
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from contracts import rpc_format as form
from contracts.evm import (
    TRANSACTION_GAS_LIMIT,
    Call,
    EvmChain,
    ExecutionFailedError,
    ExecutionRevertedError,
    TransactionRefusedError,
)
from contracts.rpc_format import InvalidParameterError, Json
from contracts.rpc_strangers import READ_ONLY_CALL_GAS, StrangerRefusedError, limited

CLIENT_VERSION = "commonwatt/embedded"
MAX_BATCH = 100
_PARSE, _INVALID_REQUEST, _UNKNOWN_METHOD, _INVALID_PARAMS, _SERVER = -32700, -32600, -32601, -32602, -32000
_REVERTED = 3
_CODES: Mapping[type[Exception], int] = {
    InvalidParameterError: _INVALID_PARAMS,
    ExecutionRevertedError: _REVERTED,
    ExecutionFailedError: _SERVER,
    TransactionRefusedError: _SERVER,
}


class RpcChain(Protocol):
    """What `dispatch` needs: the blocks, a lock around them, the time, and a way in for transactions."""

    evm: EvmChain
    lock: threading.RLock

    def next_timestamp_s(self) -> int:
        """What a block mined now would have."""
        ...

    def submit(self, raw: bytes) -> bytes: ...


Method = Callable[[RpcChain, Sequence[Any]], Json]
_HEAD_TAGS = frozenset({"latest", "pending", "safe", "finalized"})


def dispatch(chain: RpcChain, request: object) -> Json:
    """The JSON-RPC 2.0 response to one request, or to a list of at most 100."""
    return _dispatch(chain, request, METHODS)


def read_only_dispatch(chain: RpcChain, request: object) -> Json:
    """Like `dispatch`, but no method that changes the chain exists, and no code runs but the chain's own."""
    try:
        return _dispatch(chain, limited(request), READ_ONLY_METHODS)
    except StrangerRefusedError as error:
        return _failure(error.identity, _INVALID_PARAMS, str(error))


def parse_error() -> Json:
    """The response to a body that is not JSON."""
    return _failure(None, _PARSE, "the request is not JSON")


def _dispatch(chain: RpcChain, request: object, methods: Mapping[str, Method]) -> Json:
    if isinstance(request, list):
        if not request or len(request) > MAX_BATCH:
            return _failure(None, _INVALID_REQUEST, f"a batch has 1 to {MAX_BATCH} requests")
        return [_answer(chain, each, methods) for each in request]
    return _answer(chain, request, methods)


def _answer(chain: RpcChain, request: object, methods: Mapping[str, Method]) -> dict[str, Any]:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _failure(None, _INVALID_REQUEST, "not a JSON-RPC request: an object with a method is expected")
    identity = request.get("id")
    params = request.get("params", [])
    if not isinstance(params, list | tuple):
        params = []  # by-name parameters: Ethereum's methods have none, and say which position is missing
    method = methods.get(request["method"])
    if method is None:
        return _failure(identity, _UNKNOWN_METHOD, f"the method {request['method']} is not available")
    try:
        with chain.lock:
            return {"jsonrpc": "2.0", "id": identity, "result": method(chain, params)}
    except IndexError:
        return _failure(identity, _INVALID_PARAMS, f"{request['method']}: a parameter is missing")
    except tuple(_CODES) as error:
        data = form.data(error.data) if isinstance(error, ExecutionRevertedError) else None
        return _failure(identity, _CODES[type(error)], str(error), data)


def _failure(identity: object, code: int, message: str, data: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": identity, "error": error}


def _block_number(chain: RpcChain, params: Sequence[Any], position: int) -> int | None:
    """The block a call refers to; None is the head. Raises InvalidParameterError for one that does not exist."""
    tag = params[position] if len(params) > position else None
    if isinstance(tag, dict):
        number = chain.evm.number_of(form.to_bytes(tag["blockHash"])) if "blockHash" in tag else None
        number = form.to_int(tag["blockNumber"]) if "blockNumber" in tag else number
    elif tag is None or (isinstance(tag, str) and tag in _HEAD_TAGS):
        return None
    else:
        number = 0 if tag == "earliest" else form.to_int(tag)
    if number is None or chain.evm.header(number) is None:
        raise InvalidParameterError(f"block {tag} does not exist")
    return number


def _call_of(params: Sequence[Any], gas_limit: int) -> Call:
    fields = params[0]
    if not isinstance(fields, Mapping):
        raise InvalidParameterError("the first parameter must be a call object")
    receiver = fields.get("to")
    return Call(
        sender=form.to_address(fields.get("from", "0x" + "00" * 20)),
        to=form.to_address(receiver) if receiver else None,
        data=form.to_bytes(fields.get("input", fields.get("data", "0x"))),
        value=form.to_int(fields.get("value", 0)),
        gas=min(form.to_int(fields.get("gas", gas_limit)), gas_limit),
    )


def _calls(gas_limit: int) -> dict[str, Method]:
    """The methods that execute code, with at most `gas_limit` gas."""

    def where_and_when(chain: RpcChain, params: Sequence[Any]) -> tuple[int | None, int | None]:
        number = _block_number(chain, params, 1)
        return number, chain.next_timestamp_s() if number is None else None

    def call(chain: RpcChain, params: Sequence[Any]) -> Json:
        number, timestamp_s = where_and_when(chain, params)
        return form.data(chain.evm.call(_call_of(params, gas_limit), number, timestamp_s=timestamp_s))

    def estimate_gas(chain: RpcChain, params: Sequence[Any]) -> Json:
        number, timestamp_s = where_and_when(chain, params)
        return hex(chain.evm.estimate_gas(_call_of(params, gas_limit), number, timestamp_s=timestamp_s))

    return {"eth_call": call, "eth_estimateGas": estimate_gas}


def _get_block(chain: RpcChain, number: int | None, params: Sequence[Any]) -> Json:
    if number is None:
        return None
    block = chain.evm.block(number)
    return None if block is None else form.block(block, full=len(params) > 1 and bool(params[1]))


def _get_block_by_number(chain: RpcChain, params: Sequence[Any]) -> Json:
    try:
        number = _block_number(chain, params, 0)
    except InvalidParameterError:
        return None
    return _get_block(chain, chain.evm.head.block_number if number is None else number, params)


def _get_block_by_hash(chain: RpcChain, params: Sequence[Any]) -> Json:
    return _get_block(chain, chain.evm.number_of(form.to_bytes(params[0])), params)


def _get_transaction(chain: RpcChain, params: Sequence[Any]) -> Json:
    mined = chain.evm.transaction(form.to_bytes(params[0]))
    return None if mined is None else form.transaction(mined.block, mined.transaction)


def _get_receipt(chain: RpcChain, params: Sequence[Any]) -> Json:
    mined = chain.evm.transaction(form.to_bytes(params[0]))
    return None if mined is None else form.receipt(mined)


def _get_logs(chain: RpcChain, params: Sequence[Any]) -> Json:
    wanted = params[0]
    if not isinstance(wanted, Mapping):
        raise InvalidParameterError("the first parameter must be a filter object")
    if "blockHash" in wanted:
        first = last = _block_number(chain, [{"blockHash": wanted["blockHash"]}], 0)
    else:
        first = _block_number(chain, [wanted.get("fromBlock")], 0)
        last = _block_number(chain, [wanted.get("toBlock")], 0)
    head = chain.evm.head.block_number
    addresses, topics = wanted.get("address") or [], wanted.get("topics") or []
    if not isinstance(addresses, str | list) or not isinstance(topics, list):
        raise InvalidParameterError("address is one or a list of addresses, topics is a list")
    accepted = {form.to_address(each) for each in ([addresses] if isinstance(addresses, str) else addresses)}
    found: list[Json] = []
    for number, header in chain.evm.headers(head if first is None else first, head if last is None else last):
        bloom = BloomFilter(header.bloom)
        if number == 0 or not header.bloom or (accepted and not any(each in bloom for each in accepted)):
            continue
        mined = chain.evm.mined(number)
        found.extend(
            form.log(mined, position, log)
            for position, log in enumerate(mined.receipt.logs)
            if (not accepted or log.address in accepted) and form.topics_match(log.topics, topics)
        )
    return found


READ_ONLY_METHODS: Mapping[str, Method] = {
    "web3_clientVersion": lambda _chain, _params: CLIENT_VERSION,
    "net_version": lambda chain, _params: str(chain.evm.chain_id),
    "eth_chainId": lambda chain, _params: hex(chain.evm.chain_id),
    "eth_syncing": lambda _chain, _params: False,
    "eth_accounts": lambda _chain, _params: [],
    "eth_gasPrice": lambda _chain, _params: "0x0",
    "eth_maxPriorityFeePerGas": lambda _chain, _params: "0x0",
    "eth_blockNumber": lambda chain, _params: hex(chain.evm.head.block_number),
    "eth_getBlockByNumber": _get_block_by_number,
    "eth_getBlockByHash": _get_block_by_hash,
    "eth_getTransactionByHash": _get_transaction,
    "eth_getTransactionReceipt": _get_receipt,
    "eth_getLogs": _get_logs,
    **_calls(READ_ONLY_CALL_GAS),
    "eth_getTransactionCount": lambda chain, params: hex(
        chain.evm.nonce(form.to_address(params[0]), _block_number(chain, params, 1))
    ),
    "eth_getBalance": lambda chain, params: hex(
        chain.evm.balance(form.to_address(params[0]), _block_number(chain, params, 1))
    ),
    "eth_getCode": lambda chain, params: form.data(
        chain.evm.code(form.to_address(params[0]), _block_number(chain, params, 1))
    ),
    "eth_getStorageAt": lambda chain, params: form.word(
        chain.evm.storage(form.to_address(params[0]), form.to_word(params[1]), _block_number(chain, params, 2))
    ),
}

METHODS: Mapping[str, Method] = {
    **READ_ONLY_METHODS,
    **_calls(TRANSACTION_GAS_LIMIT),
    "eth_sendRawTransaction": lambda chain, params: form.data(chain.submit(form.to_bytes(params[0]))),
}


class EvmProvider(JSONBaseProvider):
    """A web3 provider that calls `dispatch` directly."""

    def __init__(self, chain: RpcChain) -> None:
        super().__init__()
        self._chain = chain

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:  # noqa: ANN401 web3's signature
        request = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
        return cast("RPCResponse", dispatch(self._chain, request))

    def is_connected(self, show_traceback: bool = False) -> bool:  # noqa: ARG002, FBT001, FBT002 web3's signature
        return True
