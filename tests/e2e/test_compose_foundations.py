"""Database and chain of the compose stack: started as the file says, reachable as it says, and whole after a kill."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from compose_postgres import Postgres
from compose_processes import BIN, ROOT, Stack, confinement, read_services


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("compose")
    secrets = root / "secrets"
    subprocess.run([str(ROOT / "deploy/make-secrets"), str(secrets)], check=True, capture_output=True)
    stack = Stack(root=root, services=read_services({path.name: path for path in secrets.iterdir()}))
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def postgres(stack: Stack) -> Postgres:
    server = Postgres(stack)
    server.prepare()
    return server


def _connect(stack: Stack, password: str) -> psycopg.Connection:
    host, _, port = stack.address("postgres", 5432).partition(":")
    return psycopg.connect(host=host, port=port, user="commonwatt", dbname="commonwatt", password=password)


def _password(stack: Stack) -> str:
    return (stack.root / "secrets" / "database_password").read_text(encoding="utf-8")


def test_the_database_keeps_what_was_committed_through_a_kill(stack: Stack, postgres: Postgres) -> None:
    with _connect(stack, _password(stack)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    stack.kill("postgres")
    postgres.start()
    with _connect(stack, _password(stack)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_the_database_refuses_a_wrong_password(stack: Stack, postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _connect(stack, "wrong")


def _shown(stack: Stack) -> dict[str, object]:
    command = [str(BIN / "commonwatt"), "chain", "show", "--json", "--rpc", f"http://{stack.address('chain', 8545)}"]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def test_the_chain_is_the_same_chain_after_a_kill(stack: Stack) -> None:
    stack.start("chain")
    stack.wait_healthy("chain")
    before = _shown(stack)
    stack.kill("chain")
    assert not stack.is_healthy("chain")
    stack.start("chain")
    stack.wait_healthy("chain")
    assert _shown(stack) == before


def test_a_second_chain_on_the_same_volume_refuses_to_start(stack: Stack) -> None:
    if "chain" not in stack.processes:
        stack.start("chain")
    stack.wait_healthy("chain")
    second = [str(BIN / "commonwatt"), "chain", "serve", "--state", str(stack.root / "volumes/chain")]
    refused = subprocess.run(
        [*second, "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


@pytest.mark.needs("unshare", "setpriv", "root")
def test_a_confined_service_can_write_to_its_volume_and_nowhere_else(tmp_path: Path) -> None:
    volume, elsewhere = tmp_path / "volume", tmp_path / "elsewhere"
    volume.mkdir()
    elsewhere.mkdir()
    script = f"echo x > {volume}/file; echo x > {elsewhere}/file"
    done = subprocess.run([*confinement([volume]), "sh", "-c", script], capture_output=True, text=True, check=False)
    assert "Read-only file system" in done.stderr
    assert (volume / "file").exists()
    assert not (elsewhere / "file").exists()
