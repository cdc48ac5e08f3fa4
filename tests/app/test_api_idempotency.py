"""A request that creates something, sent again with its Idempotency-Key, is done once: for all who die or wait."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, text
from werkzeug.test import TestResponse

from app.api import idempotency
from app.auth_pages import limiter
from app.config import Settings
from app.factory import create_app
from app.storage.database import connect_database, reading, writing
from app.storage.store.devices import GATEWAYS
from app.storage.store.kept_answers import ANSWERS
from app.storage.store.rounds import open_rounds
from tests.app.neighbourhood import NOON_S, StandingClock, token_for

START_S = NOON_S + 3600
ORDER = {
    "metering_point": "mp-anna",
    "start_s": START_S,
    "side": "buy",
    "quantity_wh": 500,
    "limit_micro_per_kwh": 250_000,
}


@pytest.fixture
def app(any_community: Engine, settings: Settings, clock: StandingClock) -> Iterator[Flask]:
    limiter.enabled = False
    with writing(any_community) as connection:
        open_rounds(connection, [START_S])
    yield create_app(settings, any_community, clock)
    limiter.enabled = True


def _post(app: Flask, path: str, body: object, key: str | None, who: dict[str, str]) -> TestResponse:
    headers = who if key is None else who | {"Idempotency-Key": key}
    return app.test_client().post(f"/api/v1/{path}", json=body, headers=headers)


def _count(engine: Engine, table: str) -> int:
    with reading(engine) as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608  our own names


def test_the_same_request_with_the_same_key_is_done_once(app: Flask, any_community: Engine) -> None:
    anna = token_for(any_community, "anna")
    first, second = (_post(app, "orders", ORDER, "k-1", anna) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert _count(any_community, "market_order") == 1
    assert _post(app, "orders", ORDER, None, anna).json != first.json
    assert _count(any_community, "market_order") == 2


def test_a_key_stands_for_one_request_only(app: Flask, any_community: Engine) -> None:
    anna = token_for(any_community, "anna")
    assert _post(app, "orders", ORDER, "k-1", anna).status_code == 201
    for path, body in (("orders", ORDER | {"quantity_wh": 501}), ("windows", ORDER | {"device": "car"})):
        refused = _post(app, path, body, "k-1", anna)
        assert refused.status_code == 422, path
    assert _count(any_community, "market_order") == 1
    for key in ("", "a b", "ä", "x" * 256):
        assert _post(app, "orders", ORDER, key, anna).status_code == 422, key


def test_keys_belong_to_their_caller(app: Flask, any_community: Engine) -> None:
    theirs = _post(app, "orders", ORDER | {"metering_point": "mp-bela"}, "k-1", token_for(any_community, "bela"))
    ours = _post(app, "orders", ORDER, "k-1", token_for(any_community, "anna"))
    assert (theirs.status_code, ours.status_code) == (201, 201)
    assert theirs.json is not None
    assert ours.json is not None
    assert ours.json["metering_point"] == "mp-anna"
    assert _count(any_community, "market_order") == 2


def test_a_refusal_is_not_kept(app: Flask, any_community: Engine) -> None:
    anna, too_late = token_for(any_community, "anna"), ORDER | {"start_s": START_S + 900}
    assert _post(app, "orders", too_late, "k-1", anna).status_code == 409
    with writing(any_community) as connection:
        open_rounds(connection, [START_S + 900])
    assert _post(app, "orders", too_late, "k-1", anna).status_code == 201


def test_a_kept_answer_expires_after_a_day(app: Flask, any_community: Engine, clock: StandingClock) -> None:
    olga = token_for(any_community, "olga")
    assert _post(app, "gateways", {"id": "g2", "name": "Attic"}, "k-1", olga).status_code == 201
    clock.now_s = NOON_S + 86_399
    assert _post(app, "gateways", {"id": "g2", "name": "Attic"}, "k-1", olga).status_code == 201
    clock.now_s = NOON_S + 86_400
    assert _post(app, "gateways", {"id": "g2", "name": "Attic"}, "k-1", olga).status_code == 409
    assert _post(app, "gateways", {"id": "g3", "name": "Attic"}, "k-1", olga).status_code == 201
    assert _count(any_community, "kept_answer") == 1


def test_a_secret_in_an_answer_is_not_stored(app: Flask, any_community: Engine) -> None:
    olga = token_for(any_community, "olga")
    answer = _post(app, "gateways", {"id": "g2", "name": "Attic"}, "key-of-olga", olga).json
    assert answer is not None
    with reading(any_community) as connection:
        (row,) = connection.execute(select(ANSWERS)).mappings()
    assert row["answer"]
    for secret in (answer["code"], "key-of-olga", "olga"):
        assert secret not in str(dict(row)), secret


def test_servers_of_one_database_do_it_once_together(
    any_community: Engine, any_url: str, settings: Settings, clock: StandingClock, app: Flask
) -> None:
    assert app
    engines = [connect_database(any_url) for _ in range(4)]
    servers = [create_app(settings, engine, clock) for engine in engines]
    olga, body = token_for(any_community, "olga"), {"id": "g2", "name": "Attic"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: _post(servers[i % 4], "gateways", body, "k-1", olga), range(16)))
    for engine in engines:
        engine.dispose()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.get_data() for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    with reading(any_community) as connection:
        assert connection.execute(select(func.count()).where(GATEWAYS.c.id == "g2")).scalar_one() == 1


@pytest.mark.parametrize("when", ["before the answer is kept", "before the answer is sent"])
def test_a_kill_leaves_all_or_nothing(
    any_community: Engine, any_url: str, settings: Settings, app: Flask, when: str, tmp_path: Path
) -> None:
    olga, body = token_for(any_community, "olga"), {"id": "g2", "name": "Attic"}
    any_community.dispose()
    child = os.fork()
    if child == 0:
        dying = create_app(settings, connect_database(any_url), StandingClock(NOON_S))
        if when == "before the answer is kept":
            idempotency.keep_answer = _die
        else:
            dying.after_request(_die)
        _post(dying, "gateways", body, "k-1", olga)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    done = int(when == "before the answer is sent")
    with reading(any_community) as connection:
        assert connection.execute(select(func.count()).where(GATEWAYS.c.id == "g2")).scalar_one() == done
    answer = _post(app, "gateways", body, "k-1", olga)
    assert answer.status_code == 201
    assert ("Idempotent-Replayed" in answer.headers) is bool(done)
    assert answer.json is not None
    assert answer.json["code"]


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_everything_that_is_created_takes_a_key(app: Flask) -> None:
    document = app.test_client().get("/api/v1/openapi.json").json
    assert document is not None
    creating = {
        path: operations["post"]
        for path, operations in document["paths"].items()
        if "201" in operations.get("post", {}).get("responses", {})
    }
    assert len(creating) > 4
    for path, operation in creating.items():
        assert "Idempotency-Key" in {each["name"] for each in operation["parameters"]}, path
