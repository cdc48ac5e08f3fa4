"""What strangers may ask of a chain: to read it, and to run no code but the code that lies on it.

For the embedded chain and for the window onto a served one alike; nothing of an EVM is imported here.
"""

from collections.abc import Mapping
from typing import Any

READ_ONLY_CALL_GAS = 3_000_000
"""What a stranger's call may use: a second or two of work; reading 5 000 balances at once needs two thirds of it."""
EXECUTIONS_MAX = 10
"""Calls of contracts in one batch."""
LAST_RESERVED_ADDRESS = 0xFFFF
"""Precompiled contracts live up to here: some are a second of work in Python for the price of a short loop."""
CHAIN_AWAY = -32002
"""JSON-RPC error ("resource unavailable", EIP-1474) of a window whose chain does not answer: no verdict on anything."""
_EXECUTING = ("eth_call", "eth_estimateGas")  # a tuple: what stands for the method may be anything, a list too


class StrangerRefusedError(ValueError):
    """More than strangers may ask; `identity` is the JSON-RPC id of the request that does, None for a whole batch."""

    def __init__(self, message: str, identity: object = None) -> None:
        super().__init__(message)
        self.identity = identity


def limited(request: Any) -> Any:  # noqa: ANN401  any JSON value may come
    """The request with the gas of its calls limited. Raises StrangerRefusedError.

    Nobody brings code of their own, as a contract's creation or as a changed state, or calls precompiled contracts.
    """
    requests = request if isinstance(request, list) else [request]
    if sum(_is_execution(each) for each in requests) > EXECUTIONS_MAX:
        raise StrangerRefusedError(f"a batch has at most {EXECUTIONS_MAX} calls of contracts")
    answers = [_limited_call(each) if _is_execution(each) else each for each in requests]
    return answers if isinstance(request, list) else answers[0]


def _is_execution(request: object) -> bool:
    return isinstance(request, Mapping) and request.get("method") in _EXECUTING


def _limited_call(request: Mapping[str, Any]) -> dict[str, Any]:
    params, identity = request.get("params"), request.get("id")
    if not isinstance(params, list) or not 0 < len(params) <= 2 or not isinstance(params[0], Mapping):
        raise StrangerRefusedError("give a call object, and the block to which it refers", identity)
    call = params[0]
    if not _is_contract(call.get("to")):
        raise StrangerRefusedError("only contracts on the chain can be called: give one's address as `to`", identity)
    return {**request, "params": [{**call, "gas": _limited_gas(call.get("gas"))}, *params[1:]]}


def _is_contract(receiver: object) -> bool:
    if not isinstance(receiver, str) or not receiver.startswith("0x") or len(receiver) != 42:
        return False
    try:
        return int.from_bytes(bytes.fromhex(receiver[2:])) > LAST_RESERVED_ADDRESS
    except ValueError:
        return False


def _limited_gas(asked: object) -> str:
    try:
        gas = int(asked, 16) if isinstance(asked, str) else READ_ONLY_CALL_GAS
    except ValueError:
        gas = READ_ONLY_CALL_GAS
    return hex(min(max(gas, 0), READ_ONLY_CALL_GAS))
