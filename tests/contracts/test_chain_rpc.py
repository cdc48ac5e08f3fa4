"""The chain over JSON-RPC: what web3, wallets and verifiers ask, in process and over HTTP."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import rlp
from chain_community import MEMBERS, OPERATOR, START_S, batch, member_address, open_community, random_batch
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import Web3RPCError

from contracts.chain import ChainUnreachable, connect
from contracts.embedded import EmbeddedChain
from contracts.ledger import CONTRACT, SettlementLedger
from contracts.outbox import Outbox
from contracts.published import artifact
from contracts.rpc import dispatch, read_only_dispatch
from contracts.rpc_server import MAX_BODY_BYTES, RpcServer

Community = tuple[EmbeddedChain, Outbox, SettlementLedger]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RpcServer, EmbeddedChain, SettlementLedger]]:
    chain, outbox, ledger = open_community(tmp_path_factory.mktemp("served"))
    for sequence in (1, 2):
        ledger.settle(random_batch(sequence, members=MEMBERS))
    server = RpcServer(chain, "127.0.0.1", 0)
    yield server, chain, ledger
    server.close()
    outbox.close()
    chain.close()


Served = tuple[RpcServer, EmbeddedChain, SettlementLedger]


def ask(chain: EmbeddedChain, method: str, *params: Any, read_only: bool = False) -> Any:
    request = {"jsonrpc": "2.0", "id": 4, "method": method, "params": list(params)}
    response = read_only_dispatch(chain, request) if read_only else dispatch(chain, request)
    assert isinstance(response, dict)
    assert (response["jsonrpc"], response["id"]) == ("2.0", 4)
    return response.get("result", response.get("error"))


def test_over_http_everything_is_as_in_process(served: Served) -> None:
    server, chain, ledger = served
    here, there = connect(chain), connect(server.url)
    assert there.eth.chain_id == 31_337
    assert there.eth.block_number == here.eth.block_number == 4
    assert there.net.version == "31337"
    assert there.client_version == "commonwatt/embedded"
    assert there.eth.gas_price == 0
    assert there.eth.get_balance(OPERATOR.address) == 0
    assert there.eth.get_transaction_count(OPERATOR.address) == 4
    for number in range(5):
        block = there.eth.get_block(number, full_transactions=True)
        assert block == here.eth.get_block(number, full_transactions=True) == there.eth.get_block(block["hash"], True)
        for transaction in block["transactions"]:
            assert there.eth.get_transaction(transaction["hash"]) == here.eth.get_transaction(transaction["hash"])
            receipt = there.eth.get_transaction_receipt(transaction["hash"])
            assert receipt == here.eth.get_transaction_receipt(transaction["hash"])
            assert (receipt["blockNumber"], receipt["status"]) == (number, 1)
    distant = SettlementLedger(there, ledger.address)
    assert distant.balances() == ledger.balances()
    assert distant.roots(2) == ledger.roots(2)
    assert distant.has_published_code()


def test_a_verifier_can_recompute_a_block_hash_from_the_header(served: Served) -> None:
    _, chain, _ = served
    block = ask(chain, "eth_getBlockByNumber", "latest", False)
    quantities = ("difficulty", "number", "gasLimit", "gasUsed", "timestamp")
    blob = ("blobGasUsed", "excessBlobGas")
    later = ("baseFeePerGas", "withdrawalsRoot", *blob, "parentBeaconBlockRoot", "requestsHash")
    names = ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom")
    fields: list[bytes] = []
    for name in (*names, *quantities, "extraData", "mixHash", "nonce", *later):
        text = block[name][2:]
        if name in {*quantities, "baseFeePerGas", *blob}:
            number = int(text, 16)
            fields.append(number.to_bytes((number.bit_length() + 7) // 8))
        else:
            fields.append(bytes.fromhex(text))
    assert "0x" + keccak(rlp.encode(fields)).hex() == block["hash"]
    assert block["parentHash"] == ask(chain, "eth_getBlockByNumber", "0x3", False)["hash"]
    assert int(block["timestamp"], 16) == START_S + 4


def test_the_past_can_be_asked_too(served: Served) -> None:
    _, chain, ledger = served
    w3 = connect(chain)
    lane_3 = w3.eth.contract(address=ledger.address, abi=[*_abi("balanceOfLane")]).functions.balanceOfLane(3)
    first = random_batch(1, members=MEMBERS).member_deltas_nano[3]
    assert lane_3.call(block_identifier=2) == 0
    assert lane_3.call(block_identifier=3) == first
    assert lane_3.call(block_identifier=w3.eth.get_block(3)["hash"]) == first
    assert lane_3.call() == first + random_batch(2, members=MEMBERS).member_deltas_nano[3]
    assert w3.eth.get_code(ledger.address, 0) == b""


def _abi(name: str) -> list[Any]:
    return [entry for entry in artifact(CONTRACT)["abi"] if entry.get("name") == name]


def test_logs_are_found_by_address_block_and_topic(served: Served) -> None:
    _, chain, ledger = served
    w3 = connect(chain)
    settled = w3.keccak(text="BatchSettled(uint64,uint64,uint64,bytes32,bytes32,bytes32)")
    second = (2).to_bytes(32)

    def count(**wanted: Any) -> int:
        return len(w3.eth.get_logs({"fromBlock": 0, **wanted}))

    assert count() == 6  # three roles granted, members registered, two batches
    assert count(address=ledger.address) == 6
    assert count(address=member_address(1)) == 0
    assert count(topics=[settled]) == 2
    assert count(topics=[settled, second]) == 1
    assert count(topics=[[settled, second], None]) == 2
    assert count(topics=[None, second]) == 1
    assert count(fromBlock=4) == 1
    assert count(toBlock=1) == 3
    assert len(w3.eth.get_logs({"blockHash": w3.eth.get_block(3)["hash"]})) == 1


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("eth_mine", [], "the method eth_mine is not available"),
        ("eth_getBalance", [], "eth_getBalance: a parameter is missing"),
        ("eth_getBalance", ["0x12"], "'0x12' is not an address of 20 bytes"),
        ("eth_getBalance", ["0xzz"], "'0xzz' is not hexadecimal data"),
        ("eth_getBalance", [7], "'7' is not 0x-prefixed hexadecimal data"),
        ("eth_getBalance", ["0x" + "11" * 20, "0x99"], "block 0x99 does not exist"),
        ("eth_getBalance", ["0x" + "11" * 20, "tomorrow"], "'tomorrow' is not a quantity"),
        ("eth_getBalance", ["0x" + "11" * 20, {"blockHash": "0x" + "00" * 32}], "does not exist"),
        ("eth_call", ["0x"], "the first parameter must be a call object"),
        ("eth_call", [{"data": "0xfe"}], "InvalidInstruction"),
        ("eth_call", [{"data": "0x", "value": "0x1"}], "balance"),
        ("eth_sendRawTransaction", ["0x1234"], "malformed transaction"),
    ],
)
def test_a_bad_request_is_answered_with_what_is_wrong(
    served: Served, method: str, params: list[Any], message: str
) -> None:
    assert message in ask(served[1], method, *params)["message"]


def test_what_does_not_exist_is_null(served: Served) -> None:
    chain, nothing = served[1], "0x" + "00" * 32
    assert ask(chain, "eth_getBlockByNumber", "0x99", False) is None
    assert ask(chain, "eth_getBlockByHash", nothing, False) is None
    assert ask(chain, "eth_getTransactionByHash", nothing) is None
    assert ask(chain, "eth_getTransactionReceipt", nothing) is None
    assert ask(chain, "eth_getStorageAt", "0x" + "11" * 20, "0x0") == nothing


def test_strangers_read_everything_and_change_nothing(served: Served) -> None:
    _, chain, ledger = served
    assert ask(chain, "eth_blockNumber", read_only=True) == "0x4"
    assert ask(chain, "eth_getCode", ledger.address, read_only=True) == ask(chain, "eth_getCode", ledger.address)
    refusal = ask(chain, "eth_sendRawTransaction", "0x00", read_only=True)
    assert refusal["message"] == "the method eth_sendRawTransaction is not available"


def test_a_list_of_requests_gets_a_list_of_answers_in_order(served: Served) -> None:
    chain = served[1]
    requests = [{"id": number, "method": method} for number, method in enumerate(("eth_chainId", "eth_nothing", 5))]
    answers = dispatch(chain, requests)
    assert isinstance(answers, list)
    assert answers[0] == {"jsonrpc": "2.0", "id": 0, "result": "0x7a69"}
    assert answers[1]["error"]["code"] == -32601
    assert answers[2]["error"]["code"] == -32600
    for unfit in ([], [requests[0]] * 101):
        assert "a batch has 1 to 100 requests" in dispatch(chain, unfit)["error"]["message"]


def test_http_requests_that_are_none_are_answered_too(served: Served) -> None:
    url = served[0].url
    assert httpx.post(url, content=b"nonsense").json()["error"]["message"] == "the request is not JSON"
    assert httpx.post(url, json="text").json()["error"]["code"] == -32600
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=10) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode())
        assert b" 413 " in connection.recv(100)
    answer = httpx.post(url, json={"id": 1, "method": "eth_chainId"})
    assert (answer.status_code, answer.json()) == (200, {"jsonrpc": "2.0", "id": 1, "result": "0x7a69"})


def test_a_chain_that_has_stopped_counts_as_unreachable(community: Community) -> None:
    chain, _, ledger = community
    server = RpcServer(chain, "127.0.0.1", 0)
    w3 = connect(server.url)
    raw = bytes(_signed(w3))
    chain.close()
    with pytest.raises(ChainUnreachable):
        w3.eth.send_raw_transaction(raw)
    with pytest.raises(ChainUnreachable):
        ledger.settle(batch(1, {0: 1, 1: -1}))
    assert SettlementLedger(w3, ledger.address).last_sequence() == 0  # reading goes on
    server.close()
    with pytest.raises(ChainUnreachable, match=f"the chain at {server.url} does not answer"):
        w3.eth.block_number  # noqa: B018 (a property that asks the chain)


def _signed(w3: Web3) -> bytes:
    fields = {
        "type": 2, "chainId": 31_337, "nonce": 2, "to": member_address(1), "gas": 21_000, "value": 0,
        "maxFeePerGas": 0, "maxPriorityFeePerGas": 0,
    }  # fmt: skip
    return OPERATOR.sign_transaction(fields).raw_transaction


def test_an_address_that_is_none_is_refused_and_credentials_are_not_repeated() -> None:
    with pytest.raises(ValueError, match="use http://HOST:PORT"):
        connect("localhost:8545")
    with pytest.raises(ChainUnreachable) as unreachable:
        connect("http://user:secret@127.0.0.1:9").eth.chain_id  # noqa: B018 (asks) # pragma: allowlist secret
    assert "secret" not in str(unreachable.value)


def test_a_refused_transaction_says_why(served: Served) -> None:
    with pytest.raises(Web3RPCError, match="nonce too low: next nonce 4, transaction nonce 2"):
        connect(served[0].url).eth.send_raw_transaction(_signed(connect(served[1])))
