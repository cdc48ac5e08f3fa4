"""A real Ethereum node in a process of its own, set up like a zero-fee network."""

import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import requests
from web3 import Web3
from web3.types import RPCEndpoint

from contracts.chain import connect

ANVIL = "contracts/compile/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
ROOT = Path(__file__).parents[2]
CHAIN_ID = 2_026
START_PATIENCE_S = 60


class AnvilNode:
    """Serves from `start` to `stop`; `url` stays the same, and so does the state where it was dumped."""

    def __init__(self, directory: Path, *, base_fee_wei: int = 0) -> None:
        self._base_fee_wei = base_fee_wei
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._state = directory / "anvil.json"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Web3:
        """Start it, with the state it was stopped with, and connect as the platform does."""
        options = ["--port", self._port, "--chain-id", CHAIN_ID, "--state", self._state, "--accounts", 1, "--quiet"]
        options += ["--base-fee", self._base_fee_wei, "--gas-price", 0, "--gas-limit", 60_000_000]
        self._process = subprocess.Popen([str(ROOT / ANVIL), *map(str, options)], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self.ask("eth_chainId")
            except requests.ConnectionError:
                time.sleep(0.1)
            else:
                return connect(self.url)
        raise AssertionError("anvil did not start")

    def ask(self, method: str, *params: Any) -> Any:
        """A method that web3 knows or not."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = requests.post(self.url, json=request, timeout=60).json()
        assert "error" not in answer, answer
        return answer["result"]

    def mine_at_will(self) -> None:
        """Transactions wait in the pool until `mine`."""
        self.ask(RPCEndpoint("evm_setAutomine"), False)

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.ask("evm_mine")

    def reorganise(self, depth: int) -> None:
        """Replace the newest `depth` blocks by as many empty ones."""
        self.ask("anvil_reorg", depth, [])

    def stop(self) -> None:
        """End it; it writes its state."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None
