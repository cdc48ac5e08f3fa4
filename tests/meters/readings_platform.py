"""The platform's side of the gateway interface, written for the tests alone: http.server, eth-account, no code of ours.

It verifies signatures from the typed data, rebuilds the hash chain from the interface's description, keeps what it
accepted in order, and can be told to be away, to answer into the void, to approve nobody or to have another past.
"""

import json
import threading
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

TYPES = {
    "ReadingBatch": [
        {"name": "device", "type": "bytes32"},
        {"name": "epoch", "type": "uint64"},
        {"name": "firstSeq", "type": "uint64"},
        {"name": "count", "type": "uint64"},
        {"name": "previousHash", "type": "bytes32"},
        {"name": "head", "type": "bytes32"},
    ]
}
ZERO = b"\x00" * 32


class Platform:
    """What the platform knows; `url` is where it listens."""

    def __init__(self, chain_id: int, contract: str) -> None:
        self.domain = {"name": "Commonwatt", "version": "1", "chainId": chain_id, "verifyingContract": contract}
        self.approved: set[str] = set()
        self.chains: dict[tuple[str, int], list[tuple[list[int], bytes]]] = {}
        self.set_points: list[dict] = []
        self.posts = 0
        self.batches = 0
        self.broken_answers = 0
        self.lost_answers = 0
        self.tokens_seen: list[str] = []
        self.health: list[dict] = []
        self.codes = {"K7QF": ["D001", "D002"]}
        self.interval_minutes = 15
        self.url = ""
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def accepted(self, device: str, epoch: int = 0) -> list[list[int]]:
        return [reading for reading, _ in self.chains.get((device, epoch), [])]

    def take(self, batch: dict) -> dict:
        key = (batch["device"], batch["epoch"])
        chain = self.chains.setdefault(key, [])
        previous = bytes.fromhex(batch["previous_hash"][2:])
        links = links_of(previous, batch)
        if self.signer(batch, previous, links[-1]) not in self.approved:
            return answer(batch, len(chain), "refused", "unknown_key")
        first = batch["readings"][0][0]
        if first > len(chain):
            return answer(batch, len(chain), "refused", "gap")
        if previous != (chain[first - 1][1] if first else ZERO):
            return answer(batch, len(chain), "refused", "conflict")
        known = min(len(chain) - first, len(links))
        if [link for _, link in chain[first : first + known]] != links[:known]:
            return answer(batch, len(chain), "refused", "conflict")
        chain += list(zip(batch["readings"], links, strict=True))[known:]
        return answer(batch, len(chain), "duplicate" if known == len(links) else "accepted", None)

    def signer(self, batch: dict, previous: bytes, head: bytes) -> str:
        message = encode_typed_data(
            self.domain,
            TYPES,
            {
                "device": keccak(text=batch["device"]),
                "epoch": batch["epoch"],
                "firstSeq": batch["readings"][0][0],
                "count": len(batch["readings"]),
                "previousHash": previous,
                "head": head,
            },
        )
        return Account.recover_message(message, signature=bytes.fromhex(batch["signature"][2:]))


def links_of(previous: bytes, batch: dict) -> list[bytes]:
    """Hash of every reading of a batch: keccak(previous, keccak(device), epoch and the six numbers, 16 bytes each)."""
    links = []
    for seq, start_s, duration_s, import_mwh, export_mwh, flags in batch["readings"]:
        numbers = (batch["epoch"], seq, start_s, duration_s, import_mwh, export_mwh, flags)
        packed = b"".join(number.to_bytes(16, "big") for number in numbers)
        previous = keccak(previous + keccak(text=batch["device"]) + packed)
        links.append(previous)
    return links


def answer(batch: dict, next_seq: int, status: str, code: str | None) -> dict:
    return {
        "device": batch["device"],
        "epoch": batch["epoch"],
        "next_seq": next_seq,
        "status": status,
        "code": code,
        "message": f"{status} {code or ''}".strip(),
    }


class Requests(BaseHTTPRequestHandler):
    platform: Platform

    def log_message(self, *_: object) -> None:
        pass

    def date_time_string(self, timestamp=None) -> str:
        return super().date_time_string(self.platform.clock().timestamp() if timestamp is None else timestamp)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/v1/gateway/enrol":
            return self.enrol(body)
        if self.path == "/api/v1/gateway/health":
            self.platform.health.append(body)
            return self.reply(200, {"kept": len(body["devices"])})
        self.platform.posts += 1
        if self.platform.broken_answers > 0:
            self.platform.broken_answers -= 1
            return self.reply(503, {})
        results = [self.platform.take(batch) for batch in body["batches"]]
        self.platform.batches += len(results)
        if self.platform.lost_answers > 0:
            self.platform.lost_answers -= 1
            self.close_connection = True
            return None
        return self.reply(200, {"results": results})

    def enrol(self, body: dict) -> None:
        devices = self.platform.codes.pop(body["code"], None)
        if devices is None:
            return self.reply(403, {"message": "this code is unknown or was used"})
        domain = {
            "chain_id": self.platform.domain["chainId"],
            "verifying_contract": self.platform.domain["verifyingContract"],
        }
        told = {"gateway": "G1", "token": "secret", "domain": domain, "devices": devices}
        return self.reply(200, told | {"interval_minutes": self.platform.interval_minutes})

    def do_GET(self) -> None:
        self.platform.tokens_seen.append(self.headers.get("Authorization", ""))
        if self.headers.get("Authorization") != "Bearer secret":
            return self.reply(401, {"message": "who are you?"})
        start = int(self.path.partition("start=")[2])
        return self.reply(200, {"set_points": [dict(point, start=start) for point in self.platform.set_points]})

    def reply(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_platform(chain_id: int, contract: str):
    """A platform on a free port of this machine."""
    platform = Platform(chain_id, contract)
    handler = type("Handler", (Requests,), {"platform": platform, "protocol_version": "HTTP/1.1"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    platform.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
