"""What the web server tells gateways about the time, and what it believes of proxies."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime

import httpx
from flask import Flask, request
from sqlalchemy import Engine

from app.config import Settings
from app.factory import create_app
from app.serving import WebServer, listen
from meters.clock import system_clock
from tests.app.neighbourhood import StandingClock

FORWARDED = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = WebServer(app, listen("127.0.0.1", 0))
    server.start()
    try:
        yield server.url
    finally:
        server.close()


def test_the_date_of_an_answer_is_the_community_s(settings: Settings, community: Engine, clock: StandingClock) -> None:
    with serving(create_app(settings, community, clock)) as url:
        dates = httpx.get(f"{url}/healthz").headers.get_list("Date")
    assert [parsedate_to_datetime(date) for date in dates] == [clock()]


def test_with_the_real_clock_the_server_s_own_date_is_left_alone(settings: Settings, community: Engine) -> None:
    app = create_app(settings, community, system_clock)
    assert "Date" not in app.test_client().get("/healthz").headers


def _seen_by(settings: Settings, community: Engine, clock: StandingClock, *, proxies: int) -> str:
    app = create_app(replace(settings, web=replace(settings.web, trusted_proxies=proxies)), community, clock)
    seen: list[str] = []

    @app.before_request
    def look() -> None:
        seen.append(f"{request.scheme} {request.remote_addr}")

    with serving(app) as url:
        httpx.get(f"{url}/healthz", headers=FORWARDED)
    return seen[0]


def test_a_trusted_proxy_tells_who_asks(settings: Settings, community: Engine, clock: StandingClock) -> None:
    assert _seen_by(settings, community, clock, proxies=1) == "https 192.0.2.7"


def test_without_a_trusted_proxy_nobody_can_pretend(
    settings: Settings, community: Engine, clock: StandingClock
) -> None:
    assert _seen_by(settings, community, clock, proxies=0) == "http 127.0.0.1"


def test_closing_finishes_what_is_asked_and_does_not_wait_for_idle_connections(
    settings: Settings, community: Engine
) -> None:
    app = create_app(settings, community, system_clock)
    asked = threading.Event()

    @app.before_request
    def take_time() -> None:
        if "slowly" in request.args:
            asked.set()
            time.sleep(0.3)

    server = WebServer(app, listen("127.0.0.1", 0))
    server.start()
    with httpx.Client(base_url=server.url) as idle, ThreadPoolExecutor() as clients:
        idle.get("/healthz")
        answer = clients.submit(httpx.get, f"{server.url}/healthz?slowly")
        assert asked.wait(5)
        server.close()
        assert answer.result().is_success
        assert not any(thread.name == "web" for thread in threading.enumerate())
