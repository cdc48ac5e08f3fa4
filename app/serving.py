"""The web server: a thread of this process."""

import socket
import threading
from typing import Any

from flask import Flask, Response
from waitress.server import create_server
from waitress.wasyncore import close_all
from werkzeug.http import http_date

from app.errors import InputError
from app.untrusted import READINGS_BYTES_MAX
from meters.clock import Clock

THREADS = 8
FIRST_PORT, LAST_PORT = 8080, 8180
# Connections on which nothing is said take no thread, but the last free one keeps everybody else out.
CONNECTIONS_MAX, IDLE_S_MAX, CLEANUP_S = 500, 30, 5


class WebServer:
    """Listens from construction on, answers from `start` on. Raises InputError if the port is taken."""

    def __init__(self, app: Flask, listener: socket.socket) -> None:
        self.port = int(listener.getsockname()[1])
        # Which proxies to believe the application decides, by `trusted_proxies`.
        self._connections: dict[int, Any] = {}
        self._server = create_server(
            app,
            map=self._connections,
            sockets=[listener],
            threads=THREADS,
            ident=None,
            clear_untrusted_proxy_headers=False,
            max_request_body_size=READINGS_BYTES_MAX,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=IDLE_S_MAX,
            cleanup_interval=CLEANUP_S,
            asyncore_use_poll=True,
        )
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Answer requests from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering; requests under way are finished."""
        self._server.task_dispatcher.shutdown()
        # Connections kept open by clients would keep the server's loop alive.
        close_all(self._connections)
        self._thread.join(timeout=5)


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket on `port`, or on the first free one when None. Raises InputError if it is taken."""
    for candidate in [port] if port is not None else range(FIRST_PORT, LAST_PORT + 1):
        try:
            return socket.create_server((host, candidate))
        except OSError as error:
            if port is not None:
                raise InputError(f"port {port} on {host} cannot be used ({error.strerror}): choose another") from error
    raise InputError(f"no free port from {FIRST_PORT} to {LAST_PORT}: name one")


def tell_own_time(app: Flask, clock: Clock) -> None:
    """Answer with a simulated clock in the Date header: gateways compare theirs with it."""

    @app.after_request
    def date(response: Response) -> Response:
        response.headers["Date"] = http_date(clock())
        return response
