"""The platform as strangers meet it: the web application on a real port, in front of a real chain and database."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import Engine

from app.auth import set_password
from app.auth_pages import limiter
from app.config import Settings
from app.factory import create_app
from app.serving import WebServer, listen
from app.storage.database import open_database, writing
from contracts.embedded import EmbeddedChain
from contracts.rpc import read_only_dispatch
from tests.app.neighbourhood import NOON_S, StandingClock, found_community

PASSWORD = "forty-two-watts"  # pragma: allowlist secret (of the tests' own street)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackedPlatform:
    """anna and bela with their meters, olga who operates; everything in one process, as `commonwatt up` has it."""

    url: str
    port: int
    engine: Engine
    clock: StandingClock
    chain: EmbeddedChain

    def browser(self) -> httpx.Client:
        """A client with cookies of its own."""
        return httpx.Client(base_url=self.url, timeout=20)

    def connection(self) -> socket.socket:
        """A connection on which anything may be said."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextlib.contextmanager
def attacked_platform(folder: Path) -> Iterator[AttackedPlatform]:
    """The platform in `folder` until the block ends."""
    with contextlib.ExitStack() as closing:
        clock = StandingClock(NOON_S)
        engine = open_database(f"sqlite:///{folder / 'community.sqlite'}")
        closing.callback(engine.dispose)
        found_community(engine)
        with writing(engine) as connection:
            for person in ("anna", "bela", "olga"):
                set_password(connection, person, PASSWORD)
        chain = EmbeddedChain(folder / "chain.sqlite", clock=clock)
        closing.callback(chain.close)
        settings = Settings.load(None, {"COMMONWATT_STATE": str(folder), "COMMONWATT_SECRET_KEY": "a" * 40})
        app = create_app(settings, engine, clock, chain_rpc=lambda request: read_only_dispatch(chain, request))
        limiter.reset()
        server = WebServer(app, listen("127.0.0.1", 0))
        server.start()
        closing.callback(server.close)
        yield AttackedPlatform(url=server.url, port=server.port, engine=engine, clock=clock, chain=chain)
