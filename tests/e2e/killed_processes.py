"""Forks a gateway that reads and delivers, or a platform that takes readings in, as often as it is asked.

`killed_processes.py FOLDER`: a line `gateway` or `ingest` starts one, `pid N` is the answer; what they did is told in
lines `recorded N` and `took N`. Forked, so that a kill costs no import; the port is one socket for all of them.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from app.storage.database import connect_database  # noqa: E402  the path above must come first
from app.storage.ingest import ingest_batches  # noqa: E402  as above
from meters.api import MeterApi  # noqa: E402  as above
from meters.delivery import deliver  # noqa: E402  as above
from meters.energy import BoundaryReading  # noqa: E402  as above
from meters.outbox import Outbox  # noqa: E402  as above
from meters.signing import sign_batch  # noqa: E402  as above
from tests.app.neighbourhood import DOMAIN, GATEWAY_KEY, NOON_S  # noqa: E402  as above

DEVICES = ("d-anna", "d-bela")
QUARTER_S, QUARTER_MWH = 900, 100_000
LATER = datetime.fromtimestamp(NOON_S + 1_000 * 86_400, UTC)


def quarter(number: int) -> BoundaryReading:
    """The reading of one quarter of an hour; the first opens the chain. 100 Wh in each."""
    start_s, duration_s = (NOON_S + QUARTER_S * (number - 1), QUARTER_S) if number else (NOON_S, 0)
    return BoundaryReading(
        start_s=start_s, duration_s=duration_s, import_mwh=QUARTER_MWH * number, export_mwh=0, flags=0
    )


async def gateway(outbox_path: Path, url: str) -> None:
    """Record a quarter after the other, and deliver what waits."""
    with Outbox(outbox_path) as outbox:
        chains = {chain.device: chain.next_seq for chain in outbox.chains()}
        number = chains.get(DEVICES[0], 0)
        async with MeterApi(url) as api:
            while True:
                outbox.record([(device, 0, quarter(number)) for device in DEVICES], {})
                os.write(1, f"recorded {number}\n".encode())
                number += 1
                await deliver(
                    outbox,
                    api,
                    lambda parcel: sign_batch(GATEWAY_KEY, DOMAIN, parcel.readings, parcel.previous_hash),
                    now_s=int(LATER.timestamp()),
                )


class Quiet(HTTPServer):
    """Says nothing of a gateway that was killed in the middle of a post."""

    def handle_error(self, *_: object) -> None:
        pass


def ingest(database: Path, listening: socket.socket) -> None:
    """Answer posts of readings as the platform does, from its own function for it."""
    engine = connect_database(f"sqlite:///{database}")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            results = ingest_batches(engine, payload, LATER)
            os.write(1, b"took %d\n" % len(results))
            keys = ("device", "epoch", "next_seq", "status", "code", "message")
            body = json.dumps({"results": [{key: getattr(each, key) for key in keys} for each in results]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = Quiet(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket = listening
    server.serve_forever()


def main(folder: Path) -> None:
    """Fork for every line until there are no more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listening = socket.create_server(("127.0.0.1", 0), backlog=50)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            if line.strip() == "gateway":
                asyncio.run(gateway(folder / "outbox.sqlite", url))
            else:
                ingest(folder / "community.sqlite", listening)
        os.write(1, f"pid {child}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
