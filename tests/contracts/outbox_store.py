"""An outbox store in one SQLite file, as durable as the application's own table."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from contracts.outbox import StoredTransaction

_SELECT = "SELECT business_id, nonce, raw, tx_hash, final FROM outbox "


class SqliteOutboxStore:
    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS outbox (business_id TEXT PRIMARY KEY, nonce INTEGER UNIQUE NOT NULL, "
            "raw BLOB NOT NULL, tx_hash BLOB NOT NULL, final INTEGER NOT NULL)"
        )

    def find(self, business_id: str) -> StoredTransaction | None:
        rows = self._rows("WHERE business_id = ?", business_id)
        return rows[0] if rows else None

    def put(self, transaction: StoredTransaction) -> None:
        row = (transaction.business_id, transaction.nonce, transaction.raw, transaction.tx_hash, transaction.final)
        self._database.execute("INSERT INTO outbox VALUES (?, ?, ?, ?, ?)", row)

    def mark_final(self, business_id: str) -> None:
        self._database.execute("UPDATE outbox SET final = 1 WHERE business_id = ?", [business_id])

    def unfinished(self) -> list[StoredTransaction]:
        return self._rows("WHERE final = 0")

    def since(self, nonce: int) -> list[StoredTransaction]:
        return self._rows("WHERE nonce >= ?", nonce)

    def _rows(self, condition: str, *values: object) -> list[StoredTransaction]:
        cursor = self._database.execute(_SELECT + condition + " ORDER BY nonce", values)
        return [
            StoredTransaction(business_id=business_id, nonce=nonce, raw=raw, tx_hash=tx_hash, final=bool(final))
            for business_id, nonce, raw, tx_hash, final in cursor
        ]


class StoreThatThen(SqliteOutboxStore):
    """Does something right after a transaction was stored, before it is sent."""

    def __init__(self, path: Path, then: Callable[[], None]) -> None:
        super().__init__(path)
        self._then = then

    def put(self, transaction: StoredTransaction) -> None:
        super().put(transaction)
        self._then()
