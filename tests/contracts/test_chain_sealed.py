"""A chain whose blocks carry seals, as QBFT's do: extraData of hundreds of bytes where Ethereum allows 32."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from chain_community import MEMBERS, OPERATOR, deploy, open_chain, open_outbox, random_batch
from outbox_store import SqliteOutboxStore
from web3 import HTTPProvider, Web3
from web3.exceptions import ExtraDataLengthError

from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.outbox import Outbox, Policy
from contracts.rpc import dispatch

SEALS = "0x" + "f8" * 300  # vanity, four validators and their seals


class SealedNode(BaseHTTPRequestHandler):
    """An embedded chain's answers, with seals in every block."""

    protocol_version = "HTTP/1.1"
    chain: EmbeddedChain

    def do_POST(self) -> None:
        answer = dispatch(self.chain, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        assert isinstance(answer, dict)
        if isinstance(answer.get("result"), dict) and "extraData" in answer["result"]:
            answer["result"]["extraData"] = SEALS
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def sealed_url(tmp_path: Path) -> Iterator[str]:
    chain = open_chain(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Node", (SealedNode,), {"chain": chain}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()
    chain.close()


def test_sealed_blocks_are_read_and_settled_on(sealed_url: str, tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, connect(sealed_url))
    ledger = deploy(outbox)
    ledger.settle(random_batch(1, members=MEMBERS))
    assert ledger.roots(1) is not None
    block = outbox.w3.eth.get_block("latest")
    assert len(block["proofOfAuthorityData"]) == 300
    outbox.close()


def test_without_the_middleware_they_could_not_be_read(sealed_url: str) -> None:
    with pytest.raises(ExtraDataLengthError):
        Web3(HTTPProvider(sealed_url)).eth.get_block("latest")


def test_finality_by_depth_needs_no_blocks_contents(sealed_url: str, tmp_path: Path) -> None:
    store = SqliteOutboxStore(tmp_path / "outbox.sqlite")
    policy, lock = Policy(confirmations=1), tmp_path / "operator.lock"
    outbox = Outbox(connect(sealed_url), OPERATOR, store, lock_path=lock, policy=policy)
    for number in range(2):
        outbox.send(str(number), OPERATOR.address, b"")
    outbox.recover()
    assert [stored.business_id for stored in store.unfinished()] == ["1"]
    outbox.close()
