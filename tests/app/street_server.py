"""The web application over the street of `community_day`, for a test client and on a real port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from apiflask import APIFlask
from community_day import CommunityDay, StandingClock
from werkzeug.serving import make_server

from app.config import Settings
from app.factory import create_app


def application(day: CommunityDay) -> APIFlask:
    """The application at the moment at which the street stands."""
    settings = Settings(environment="local", state=day.database.parent, database_url="", secret_key="street " * 8)
    return create_app(settings, day.open(), StandingClock(day.now))


@contextmanager
def serving(day: CommunityDay) -> Iterator[str]:
    """Serve on a free port of this machine; yields the address."""
    server = make_server("127.0.0.1", 0, application(day), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
