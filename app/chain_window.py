"""A window onto a served chain: verifiers may read it through the platform, and nothing else passes."""

from typing import Any

import httpx

from app.platform import RpcDispatcher
from contracts.rpc_strangers import CHAIN_AWAY, StrangerRefusedError, limited

TIMEOUT_S = 20.0
REQUESTS_MAX = 100
READ_ONLY_METHODS = frozenset(
    {
        "eth_accounts",
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_syncing",
        "net_version",
        "web3_clientVersion",
    }
)


def forwarding_rpc(url: str) -> RpcDispatcher:
    """A dispatcher that passes read-only requests on to the chain at `url` and refuses the others itself."""
    client = httpx.Client(timeout=TIMEOUT_S)

    def dispatch(request: Any) -> Any:  # noqa: ANN401  any JSON value may come and go
        refused = _refused(request)
        if refused is not None:
            return refused
        try:
            answer = client.post(url, json=limited(request))
            answer.raise_for_status()
            return answer.json()
        except StrangerRefusedError as error:
            return _error({"id": error.identity}, -32602, str(error))
        except (httpx.HTTPError, ValueError):
            return _error(request, CHAIN_AWAY, "the chain does not answer; try again later")

    return dispatch


def _refused(request: object) -> dict[str, Any] | None:
    requests = request if isinstance(request, list) else [request]
    if not 0 < len(requests) <= REQUESTS_MAX:
        return _error(None, -32600, f"a batch has 1 to {REQUESTS_MAX} requests")
    for each in requests:
        if not isinstance(each, dict) or not isinstance(each.get("method"), str):
            return _error(None, -32600, "not a JSON-RPC request: an object with a method is expected")
        if each["method"] not in READ_ONLY_METHODS:
            return _error(each, -32601, f"the method {each['method']} is not available")
    return None


def _error(request: object, code: int, message: str) -> dict[str, Any]:
    identity = request.get("id") if isinstance(request, dict) else None
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": code, "message": message}}
