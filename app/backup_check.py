"""Whether a copied or restored state is whole: sound files, a ledger that adds up, and a chain that agrees with it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.errors import InputError
from app.storage.schema import known_revisions
from contracts.embedded import CHAIN_FILE

DATABASE_FILE = "community.sqlite"
CHAIN_PLACES = (CHAIN_FILE, "chain", f"chain/{CHAIN_FILE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRecord:
    """The newest block of an embedded chain."""

    block_number: int
    block_hash: str


def chain_record(state: Path) -> ChainRecord | None:
    """The newest block of the chain in a state directory, None if there is no embedded chain."""
    path = _chain_file(state)
    if path is None:
        return None
    with closing(_open(path)) as chain:
        row = chain.execute("SELECT number, hash FROM block ORDER BY number DESC LIMIT 1").fetchone()
        if row is None:
            row = (0, chain.execute("SELECT hash FROM genesis").fetchone()[0])
    return ChainRecord(block_number=row[0], block_hash="0x" + row[1].hex())


def verify_restored(state: Path, chain: ChainRecord | None) -> None:
    """Raise InputError unless every database is sound, the ledger adds up, and its final batches are on the chain."""
    for path in state.rglob("*.sqlite"):
        with closing(_open(path)) as database:
            (answer,) = database.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            raise InputError(f"{path.name} is damaged ({answer}): use another archive")
    if chain_record(state) != chain:
        raise InputError("the chain in the archive is not the one it was made with: use another archive")
    ledger = state / DATABASE_FILE
    if ledger.exists():
        with closing(_open(ledger)) as database:
            _verify_ledger(database, state)


def _verify_ledger(database: sqlite3.Connection, state: Path) -> None:
    (revision,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    if revision not in known_revisions():
        raise InputError(f"the archive was made by a newer Commonwatt (schema {revision}): install that version")
    (wrong,) = database.execute("SELECT count(*) FROM transfer WHERE amount_nano <= 0 OR debit = credit").fetchone()
    if wrong:
        raise InputError(f"{wrong} transfers of the archive are not possible: use another archive")
    path = _chain_file(state)
    if path is None:
        return
    with closing(_open(path)) as chain:
        for sequence, number, block_hash in _final_batches(database):
            row = chain.execute("SELECT hash FROM block WHERE number = ?", (number,)).fetchone()
            if row is None or row[0].hex() != block_hash.removeprefix("0x"):
                raise InputError(
                    f"batch {sequence} is not in block {number} of the archive's chain: use another archive"
                )


def _final_batches(database: sqlite3.Connection) -> Iterator[tuple[int, int, str]]:
    yield from database.execute(
        "SELECT sequence, block_number, block_hash FROM settlement_batch WHERE state = 'final' ORDER BY sequence"
    )


def _chain_file(state: Path) -> Path | None:
    return next((state / place for place in CHAIN_PLACES if (state / place).is_file()), None)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
