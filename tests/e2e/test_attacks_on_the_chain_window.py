"""The window onto the chain: strangers read the ledger, change nothing and cannot keep the program busy."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from app.chain_window import forwarding_rpc
from contracts.embedded import EmbeddedChain
from contracts.rpc import METHODS, READ_ONLY_METHODS, read_only_dispatch
from contracts.rpc_server import RpcServer
from contracts.rpc_strangers import EXECUTIONS_MAX, READ_ONLY_CALL_GAS
from tests.app.neighbourhood import NOON_S, StandingClock

CREATOR = Account.from_key(keccak(b"creator"))
# A contract whose code is an endless loop (JUMPDEST, PUSH1 0, JUMP), and one that returns the gas it was given.
LOOP, GAS_LEFT = "5b600056", "5a60005260206000f3"
ODD_VALUES: list[Any] = [
    None, True, 5, -1, 2**300, 1.5, "", "0x", "zz", "0x" + "f" * 5_000, [], [[]], [5], {}, {"a": 1}, {"blockHash": 5},
    {"address": 5}, {"topics": 5}, {"topics": [{}]}, {"fromBlock": []}, {"to": 5}, {"to": None}, {"data": "0x" + LOOP},
]  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedChain]:
    opened = EmbeddedChain(tmp_path_factory.mktemp("chain") / "chain.sqlite", clock=StandingClock(NOON_S))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def contracts(chain: EmbeddedChain) -> dict[str, str]:
    """Addresses of the two contracts."""
    return {code: _created(chain, nonce, code) for nonce, code in enumerate((LOOP, GAS_LEFT))}


def _created(chain: EmbeddedChain, nonce: int, code: str) -> str:
    size = len(code) // 2
    init = f"{0x5F + size:02x}{code}60005260{size:02x}60{32 - size:02x}f3"
    fields = {"nonce": nonce, "gas": 200_000, "gasPrice": 0, "value": 0, "data": "0x" + init, "chainId": chain.chain_id}
    raw = bytes(CREATOR.sign_transaction(fields).raw_transaction)
    receipt = READ_ONLY_METHODS["eth_getTransactionReceipt"](chain, ["0x" + chain.submit(raw).hex()])
    assert isinstance(receipt, dict)
    return str(receipt["contractAddress"])


@pytest.fixture(params=["embedded", "served"])
def window(chain: EmbeddedChain, contracts: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Any]:
    """The window as strangers look through it, onto a chain in this process and onto a served one."""
    assert contracts
    if request.param == "embedded":
        yield lambda question: read_only_dispatch(chain, question)
        return
    server = RpcServer(chain, "127.0.0.1", 0)
    yield forwarding_rpc(server.url)
    server.close()


def _question(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}


def test_no_method_changes_anything(window: Any) -> None:
    others = set(METHODS) - set(READ_ONLY_METHODS) | {"evm_mine", "eth_sendTransaction", "personal_sign", "admin_peers"}
    for method in sorted(others):
        assert window(_question(method, "0x00"))["error"]["code"] == -32601
        answer = window([_question("eth_chainId"), _question(method, "0x00")])
        assert "error" in (answer[1] if isinstance(answer, list) else answer)


@pytest.mark.parametrize("method", sorted(READ_ONLY_METHODS))
def test_no_parameter_is_more_than_a_wrong_parameter(window: Any, method: str) -> None:
    for odd in ODD_VALUES:
        for params in ([odd], ["0x" + "11" * 20, odd], ["0x" + "11" * 20, "0x0", odd], odd):
            answer = window({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
            assert isinstance(answer, dict), (method, params)
            assert ("result" in answer) != ("error" in answer), (method, params)
            assert "does not answer" not in json.dumps(answer), (method, params)


@pytest.mark.parametrize(
    "call",
    [
        {"data": "0x" + LOOP},
        {"to": None, "data": "0x" + LOOP},
        {"to": "", "data": "0x" + LOOP},
        {"to": "0x", "input": "0x" + LOOP},
        *({"to": f"0x{number:040x}", "data": "0x" + "00" * 3_840} for number in (1, 5, 8, 9, 0xF, 0x11)),
    ],
    ids=lambda call: str(call.get("to")),
)
@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_strangers_bring_no_code_and_call_no_precompiled_contract(
    window: Any, method: str, call: dict[str, Any]
) -> None:
    assert "only contracts on the chain" in window(_question(method, call))["error"]["message"]


def test_strangers_do_not_replace_the_code_of_a_contract_for_a_call(window: Any, contracts: dict[str, str]) -> None:
    override = {contracts[GAS_LEFT]: {"code": "0x" + LOOP}}
    answer = window(_question("eth_call", {"to": contracts[GAS_LEFT]}, "latest", override))
    assert "the block to which it refers" in answer["error"]["message"]


def test_the_work_of_a_call_is_limited_whatever_gas_it_asks_for(window: Any, contracts: dict[str, str]) -> None:
    for gas in ({}, {"gas": hex(10**9)}, {"gas": 10**9}, {"gas": "lots"}, {"gas": None}):
        given = int(window(_question("eth_call", {"to": contracts[GAS_LEFT], **gas}))["result"], 16)
        assert READ_ONLY_CALL_GAS - 50_000 < given < READ_ONLY_CALL_GAS
    assert int(window(_question("eth_call", {"to": contracts[GAS_LEFT], "gas": hex(50_000)}))["result"], 16) < 50_000
    began = time.monotonic()
    assert "Out of gas" in window(_question("eth_call", {"to": contracts[LOOP]}))["error"]["message"]
    assert time.monotonic() - began < 15


def test_a_batch_holds_few_calls_of_contracts(window: Any, contracts: dict[str, str]) -> None:
    call = _question("eth_call", {"to": contracts[GAS_LEFT]})
    assert len(window([call] * EXECUTIONS_MAX)) == EXECUTIONS_MAX
    assert "at most" in window([call] * (EXECUTIONS_MAX + 1))["error"]["message"]
    assert len(window([_question("eth_chainId")] * 100)) == 100


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"id": "\\ud800"}', b'{"id": 1' + b"0" * 5_000])
def test_a_served_chain_survives_json_made_to_break_the_parser(tmp_path: Path, body: bytes) -> None:
    chain = EmbeddedChain(tmp_path / "chain.sqlite", clock=StandingClock(NOON_S))
    server = RpcServer(chain, "127.0.0.1", 0)
    try:
        assert httpx.post(server.url, content=body).json()["error"]["message"] == "the request is not JSON"
        assert httpx.post(server.url, json=_question("eth_chainId")).json()["result"] == "0x7a69"
    finally:
        server.close()
        chain.close()
