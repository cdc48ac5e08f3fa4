"""The web application over the street of `community_day`, for a test client and on a real port."""

import re
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path

from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from app.config import Settings
from app.factory import create_app
from app.guess_limits import guesses
from app.platform import EXTENSION
from app.sign_ins import begin_sign_in
from app.storage.database import writing
from contracts.embedded import EmbeddedChain
from contracts.rpc import read_only_dispatch
from tests.app.community_day import NOW, CommunityDay, StandingClock


def member(app: APIFlask, participant_id: str) -> FlaskClient:
    """A browser in which somebody is signed in, without the form and its limits."""
    client = app.test_client()
    platform = app.extensions[EXTENSION]
    with writing(platform.engine) as connection:
        secret = begin_sign_in(connection, participant_id, means="link", device="", now_s=platform.now_s())
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = secret, True
    return client


def post(client: FlaskClient, form_page: str, address: str, values: dict[str, str]) -> TestResponse:
    """Send a form as a browser does: with the hidden fields of the page it stands on."""
    page = client.get(form_page).text
    hidden = dict(re.findall(r'<input type="hidden" name="(csrf_token|order_id)" value="([^"]*)"', page))
    return client.post(address, data=hidden | values)


def application(day: CommunityDay, clock: StandingClock | None = None) -> APIFlask:
    """The application at the moment at which the street stands, or by a clock that a test moves."""
    settings = Settings(environment="local", state=day.database.parent, database_url="", secret_key="street " * 8)
    return create_app(settings, day.open(), clock or StandingClock(day.now), chain_rpc=partial(_ask, day.chain))


def _ask(chain: Path, request: object) -> object:
    return read_only_dispatch(chain_of(chain), request)


@cache
def chain_of(file: Path) -> EmbeddedChain:
    """The street's chain, replayed from a copy; what is closed can still be read."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "chain.sqlite"
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copied)) as target:
            source.backup(target)
        chain = EmbeddedChain(copied, clock=StandingClock(NOW))
        chain.close()
    return chain


def everything_on(file: Path) -> bytes:
    """Everything that ever went on a chain: raw transactions, events, code, and all nodes of the state's tries."""
    chain = chain_of(file)
    parts: list[bytes] = [bytes(value) for value in chain.evm._chain.chaindb.db.wrapped_db.kv_store.values()]
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as stored:
        parts += [bytes(raw) for (raw,) in stored.execute("SELECT raw FROM block")]
    for number in range(1, chain.evm.head.block_number + 1):
        mined = chain.evm.mined(number)
        parts += [bytes(mined.transaction.data), *(bytes(log.data) for log in mined.receipt.logs)]
        parts += [topic.to_bytes(32) for log in mined.receipt.logs for topic in log.topics]
    return b"\0".join(parts)


@contextmanager
def serving(day: CommunityDay, clock: StandingClock | None = None) -> Iterator[str]:
    """Serve on a free port of this machine; yields the address."""
    guesses.enabled = False  # many browsers of one address sign in here
    server = make_server("127.0.0.1", 0, application(day, clock), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
