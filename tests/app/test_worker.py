"""The worker beside a database and a chain of others: one leads, absences are waited out, it shows that it lives."""

import os
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from app.config import Settings
from app.errors import InputError
from app.leadership import Leadership
from app.storage.database import open_database, reading
from app.storage.store.community import the_community
from app.storage.store.rounds import find_round
from app.worker import Worker
from app.worker_state import FILE, SILENT_S, WorkerState, alive, tell_state
from contracts.embedded import CHAIN_FILE, EmbeddedChain
from contracts.rpc_server import RpcServer
from tests.app.configurations import ANNA, BEN, COMMUNITY, settings_from
from tests.app.neighbourhood import NOON_S, StandingClock


@pytest.fixture
def postgres(postgres_url: str) -> Engine:
    return open_database(postgres_url)


def test_of_two_workers_on_postgresql_one_leads_until_it_gives_up(postgres: Engine) -> None:
    first, second = Leadership(postgres), Leadership(postgres)
    assert [first.take(), first.take(), second.take()] == [True, True, False]
    first.give_up()
    assert [second.take(), first.take()] == [True, False]
    second.give_up()


def test_who_lost_its_connection_does_not_lead_any_more(postgres: Engine) -> None:
    first, second = Leadership(postgres), Leadership(postgres)
    assert first.take()
    with postgres.begin() as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        connection.execute(text(ended))
    assert second.take()
    assert not first.take()
    second.give_up()


def test_a_sign_of_life_is_believed_for_a_minute(tmp_path: Path) -> None:
    tell_state(tmp_path, WorkerState.LEADING)
    assert alive(tmp_path) is WorkerState.LEADING
    long_ago = time.time() - SILENT_S - 1
    os.utime(tmp_path / FILE, (long_ago, long_ago))
    with pytest.raises(InputError, match="is silent for 61 s"):
        alive(tmp_path)


def test_a_worker_without_a_community_waits_and_says_so(engine: Engine, settings: Settings) -> None:
    worker = Worker(settings, engine, StandingClock(NOON_S))
    with capture_logs() as logs:
        worker.step()
        worker.step()
    assert [entry["event"] for entry in logs] == [
        "no community yet: found it in the browser, or name its configuration"
    ]
    assert alive(settings.state) is WorkerState.WAITING
    worker.close()


def test_rounds_go_on_while_the_chain_is_away_and_the_ledger_is_founded_when_it_is_back(
    engine: Engine, tmp_path: Path
) -> None:
    clock = StandingClock(NOON_S)
    chain = EmbeddedChain(tmp_path / "served" / CHAIN_FILE, clock=clock)
    server = RpcServer(chain, "127.0.0.1", 0)
    port = int(server.url.rpartition(":")[2])
    server.close()
    served = COMMUNITY + f'[chain]\nurl = "http://127.0.0.1:{port}"\n' + ANNA + BEN
    worker = Worker(settings_from(tmp_path, served), engine, clock)
    with capture_logs() as logs:
        worker.step()
    assert any("the ledger waits for its chain" in entry["event"] for entry in logs)
    with reading(engine) as connection:
        assert find_round(connection, NOON_S + 900).state == "cleared"
        assert the_community(connection).ledger_address is None

    server = RpcServer(chain, "127.0.0.1", port)
    worker.step()
    with reading(engine) as connection:
        assert the_community(connection).ledger_address is not None
    assert worker.ledger.connect().ledger.member_count() == 2
    worker.close()
    server.close()
    chain.close()


def test_rounds_that_nobody_ran_are_told(engine: Engine, tmp_path: Path) -> None:
    clock = StandingClock(NOON_S)
    worker = Worker(settings_from(tmp_path, COMMUNITY + ANNA + BEN), engine, clock)
    worker.step()
    clock.now_s += 900
    with capture_logs() as logs:
        worker.step()
    assert not any("missed" in entry["event"] for entry in logs)
    worker.close()
    clock.now_s += 4 * 900
    again = Worker(settings_from(tmp_path, COMMUNITY + ANNA + BEN), engine, clock)
    with capture_logs() as logs:
        again.step()
    assert [entry["count"] for entry in logs if "missed" in entry["event"]] == [3]
    again.close()


def test_a_second_worker_with_another_chain_is_refused_and_changes_no_round(engine: Engine, tmp_path: Path) -> None:
    clock = StandingClock(NOON_S)
    (tmp_path / "other").mkdir()
    workers = [
        Worker(settings_from(folder, COMMUNITY + ANNA + BEN), engine, clock)
        for folder in (tmp_path, tmp_path / "other")
    ]
    workers[0].step()
    with reading(engine) as connection:
        before = find_round(connection, NOON_S + 900)
    clock.now_s += 60
    with pytest.raises(InputError, match="the chain is not the one with the community's ledger"):
        workers[1].step()
    workers[0].step()
    with reading(engine) as connection:
        assert find_round(connection, NOON_S + 900) == before
    for worker in workers:
        worker.close()
