"""What other users of the machine can read, and what readers of logs and error messages learn: nothing secret."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.ledger_access import settler_key
from app.storage.database import open_database
from contracts.embedded import EmbeddedChain
from meters.credentials import Credentials, save_credentials
from meters.outbox_file import open_file
from tests.app.neighbourhood import DOMAIN, GATEWAY_KEY, NOON_S, StandingClock


@pytest.fixture(autouse=True)
def _careless_umask() -> Iterator[None]:
    """A machine on which new files may be read and written by everybody, unless the program says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def _readable_by_others(folder: Path) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in (folder, *sorted(folder.rglob("*")))
        if stat.S_IMODE(path.stat().st_mode) & 0o077 and (path.is_dir() or path.stat().st_size)
    ]


def test_keys_databases_and_chains_are_their_owners_alone(tmp_path: Path) -> None:
    state, gateway = tmp_path / "state", tmp_path / "gateway"
    engine = open_database(f"sqlite:///{state / 'community.sqlite'}")
    with engine.begin() as connection:
        settler_key(state / "settler.key")
        chain = EmbeddedChain(state / "chain.sqlite", clock=StandingClock(NOON_S))
        save_credentials(gateway, Credentials(key=GATEWAY_KEY, gateway="g1", token="secret", domain=DOMAIN))
        outbox, lock = open_file(gateway / "outbox.sqlite")
        outbox.execute("INSERT INTO alarm VALUES ('d', 0, 0, 'x', 0, 'm', '')")
        assert connection.exec_driver_sql("SELECT count(*) FROM community").scalar() == 0
        assert _readable_by_others(state) == []
        assert _readable_by_others(gateway) == []
    outbox.close()
    lock.close()
    chain.close()
    engine.dispose()


def _commonwatt(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("commonwatt")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "COMMONWATT_SECRET_KEY": "s3cret" * 8}
    return subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_new_communitys_folder_is_its_owners_alone(tmp_path: Path) -> None:
    told = _commonwatt(tmp_path, "init")
    assert told.returncode == 0, told.stderr
    assert "/sign-in/link/" in told.stdout
    assert _readable_by_others(tmp_path / "state") == []


def test_a_password_in_the_address_of_a_database_or_chain_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "commonwatt.toml").write_text('environment = "local"\n')
    told = _commonwatt(tmp_path, "chain", "show", "--rpc", "http://me:hunter2@127.0.0.1:1")
    assert (told.returncode, "hunter2" in told.stderr + told.stdout) == (2, False), told.stderr
    assert told.stderr.startswith("Error: ")
    assert len(told.stderr.splitlines()) == 1
