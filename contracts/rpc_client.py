"""Ways to ask a chain, reading only: over HTTP, in this process, or in a copy of a chain's file."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from contracts.rpc_strangers import CHAIN_AWAY
from contracts.untrusted_json import read_json
from contracts.verify_chain import ChainAnswerError, Rpc

TIMEOUT_S = 20.0


def http_rpc(url: str) -> Rpc:
    """JSON-RPC over HTTP. Raises ValueError for what is no http address; unanswered calls raise ConnectionError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is not the address of a chain: use http://HOST:PORT")
    client = httpx.Client(timeout=TIMEOUT_S)

    def ask(method: str, params: list[object]) -> object:
        try:
            answer = read_json(client.post(url, json=_request(method, params)).raise_for_status().content)
        except (httpx.HTTPError, ValueError) as error:
            raise ConnectionError(f"the chain at {parts.hostname} does not answer: {error}") from error
        return _result(answer)

    return ask


def dispatched_rpc(dispatch: Callable[[object], object]) -> Rpc:
    """JSON-RPC to a chain in this process; `dispatch` answers one request (`contracts.rpc.read_only_dispatch`)."""
    return lambda method, params: _result(dispatch(_request(method, params)))


@contextmanager
def copied_chain_rpc(path: Path) -> Iterator[Rpc]:
    """JSON-RPC to a copy of an embedded chain's file, replayed from its first block; its owner may go on writing.

    Raises ValueError if it does not replay to the hashes it stores, and sqlite3.Error if it is no chain at all.
    """
    from contracts.embedded import ChainDamagedError, EmbeddedChain
    from contracts.rpc import read_only_dispatch
    from meters.clock import system_clock

    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "chain.sqlite"
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        try:
            chain = EmbeddedChain(copy, clock=system_clock)
        except ChainDamagedError as error:
            raise ValueError(str(error).replace(str(copy), str(path))) from error
        try:
            yield dispatched_rpc(lambda request: read_only_dispatch(chain, request))
        finally:
            chain.close()


def _request(method: str, params: list[object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _result(answer: object) -> object:
    if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
        raise ConnectionError("what answers there is no chain: its answer is not JSON-RPC")
    if "error" in answer:
        error = answer["error"]
        if isinstance(error, dict) and error.get("code") == CHAIN_AWAY:
            raise ConnectionError(error.get("message", "the chain does not answer"))
        raise ChainAnswerError(error.get("message", "error") if isinstance(error, dict) else str(error))
    return answer["result"]
