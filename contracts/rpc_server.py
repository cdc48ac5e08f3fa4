"""The embedded chain for other processes: JSON-RPC over HTTP/1.1, POST to any path."""

import json
import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from contracts.embedded import ChainStoppedError, EmbeddedChain
from contracts.rpc import dispatch, parse_error
from contracts.untrusted_json import read_json

MAX_BODY_BYTES = 4 << 20
IDLE_CONNECTION_S = 60


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    chain: EmbeddedChain

    def __init__(self, address: tuple[str, int]) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Requests)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (socketserver's signature)
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 (socketserver's signature)
        self.connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open between requests."""
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_CONNECTION_S
    # Head and body leave together: in two parcels the second waits 40 ms for the first one's acknowledgement.
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > 9 or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"Content-Length up to {MAX_BODY_BYTES}"})
            return
        try:
            request = read_json(self.rfile.read(int(length)))
        except ValueError:
            self._answer(HTTPStatus.OK, parse_error())
            return
        try:
            response = dispatch(self.server.chain, request)
        except ChainStoppedError as stopped:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": str(stopped)})
            return
        self._answer(HTTPStatus.OK, response)

    def _answer(self, status: HTTPStatus, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's signature)
        """Say nothing: every block of the settlement is a request."""


class RpcServer:
    """Serves `chain` on `host`:`port` (0: any free port) from construction until `close`.

    Raises OSError if the port is in use. Closing the server leaves the chain open.
    """

    def __init__(self, chain: EmbeddedChain, host: str, port: int) -> None:
        self._server = _Server((host, port))
        self._server.chain = chain
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()
