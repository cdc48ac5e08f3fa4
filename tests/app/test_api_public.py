"""What everybody may read: rounds, tariff, and the chain, of which nothing can be changed through here."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from app.chain_window import READ_ONLY_METHODS, forwarding_rpc
from app.config import Settings
from app.factory import create_app
from app.storage.database import writing
from app.storage.store.community import add_tariff
from app.storage.store.rounds import PublishedClearing, close_round, open_rounds, save_clearing
from contracts import rpc
from tests.app.neighbourhood import NOON_S, StandingClock

START_S = NOON_S - 900


def _clear(engine: Engine) -> None:
    cleared = PublishedClearing(
        status="amber",
        clearing_price_micro_per_kwh=190_000,
        traded_wh=4_000,
        binding_count=2,
        document={"secret": "of the operator"},  # pragma: allowlist secret
        clearing_hash="c1",
    )
    with writing(engine) as connection:
        open_rounds(connection, [START_S, NOON_S])
        close_round(connection, START_S, closed_s=START_S - 900, digest=lambda _: "b1")
        save_clearing(connection, START_S, cleared, trades=[], set_points=[], cleared_s=START_S - 890)


def test_rounds_show_price_and_volume_to_everybody(client: FlaskClient, community: Engine) -> None:
    _clear(community)
    answer = client.get("/api/v1/public/rounds", query_string={"start_s": START_S, "end_s": NOON_S + 1})
    assert answer.json is not None
    cleared, opened = answer.json["rounds"]
    assert cleared == {
        "start_s": START_S, "state": "cleared", "status": "amber", "clearing_price_micro_per_kwh": 190_000,
        "traded_wh": 4_000, "binding_count": 2, "book_hash": "b1", "clearing_hash": "c1", "island": None,
    }  # fmt: skip
    assert (opened["state"], opened["clearing_price_micro_per_kwh"]) == ("open", None)
    assert client.get(f"/api/v1/public/rounds/{START_S}").json == cleared


def test_a_round_that_never_was_is_not_found(client: FlaskClient) -> None:
    assert client.get("/api/v1/public/rounds/900").status_code == 404


def test_the_tariff_in_force_is_public(client: FlaskClient, community: Engine) -> None:
    assert client.get("/api/v1/public/tariff").status_code == 404
    with writing(community) as connection:
        add_tariff(connection, valid_from_s=NOON_S, tariff_json='{"version": "2025"}')
        add_tariff(connection, valid_from_s=NOON_S + 1, tariff_json='{"version": "2026"}')
    assert client.get("/api/v1/public/tariff").json == {"version": "2025"}


def _ask(client: FlaskClient, method: str) -> tuple[int, Any]:
    answer = client.post("/api/v1/public/chain", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": []})
    return answer.status_code, answer.json


def test_without_a_chain_the_window_says_so(client: FlaskClient) -> None:
    status, problem = _ask(client, "eth_blockNumber")
    assert status == 503
    assert problem["detail"] == "No chain is connected to this server."


def test_the_window_onto_the_chain_calls_the_dispatcher_it_was_given(
    settings: Settings, community: Engine, clock: StandingClock
) -> None:
    def echo(request: Any) -> Any:
        return {"jsonrpc": "2.0", "id": request["id"], "result": request["method"]}

    client = create_app(settings, community, clock, chain_rpc=echo).test_client()
    assert _ask(client, "eth_blockNumber") == (200, {"jsonrpc": "2.0", "id": 1, "result": "eth_blockNumber"})


def test_the_window_shows_what_the_embedded_chain_lets_everybody_read() -> None:
    assert set(rpc.READ_ONLY_METHODS) <= READ_ONLY_METHODS
    assert not any(word in method for method in READ_ONLY_METHODS for word in ("send", "sign", "personal", "admin"))


@pytest.fixture
def served_chain() -> Any:
    seen: list[Any] = []

    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(asked)
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": "0x2a"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_reads_are_passed_on_to_a_served_chain(served_chain: tuple[str, list[Any]]) -> None:
    url, seen = served_chain
    question = {"jsonrpc": "2.0", "id": 9, "method": "eth_blockNumber", "params": []}
    assert forwarding_rpc(url)(question) == {"jsonrpc": "2.0", "id": 9, "result": "0x2a"}
    assert seen == [question]


@pytest.mark.parametrize(
    "question",
    [
        {"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["0x00"]},
        [{"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": []}],
        {"id": 1},
        [],
        [{"id": 1, "method": "eth_chainId"}] * 101,
        "eth_blockNumber",
    ],
)
def test_nothing_else_is_passed_on(served_chain: tuple[str, list[Any]], question: object) -> None:
    url, seen = served_chain
    assert "error" in forwarding_rpc(url)(question)
    assert seen == []


def test_a_chain_that_is_away_is_an_error_of_its_own() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    answer = forwarding_rpc(url)({"id": 3, "method": "eth_chainId"})
    assert answer["error"]["message"] == "the chain does not answer; try again later"
    assert answer["id"] == 3


@pytest.mark.parametrize("start_s", [2**63 - 1, 2**63, 10**30])
def test_a_moment_beyond_all_calendars_has_no_round(client: FlaskClient, start_s: int) -> None:
    assert client.get(f"/api/v1/public/rounds/{start_s}").status_code == 404
    assert client.get(f"/api/v1/public/rounds?start_s=0&end_s={start_s}").status_code == 422


def test_a_method_that_is_not_served_is_refused_with_those_that_are(client: FlaskClient) -> None:
    answer = client.put("/api/v1/public/rounds")
    assert answer.status_code == 405
    assert answer.content_type == "application/problem+json"
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["Allow"].replace(" ", "").split(","))
