"""Signed transactions on their way to the chain, kept in the community's database."""

from sqlalchemy import Connection, Engine, RowMapping, select, update

from app.storage import tables
from app.storage.database import reading, writing
from app.storage.tables import core_table
from contracts.outbox import StoredTransaction
from meters.clock import Clock

OUTBOX = core_table(tables.ChainOutbox)


class DatabaseOutboxStore:
    """`contracts.outbox.OutboxStore` on the table chain_outbox; each call is a durable transaction of its own."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def find(self, business_id: str) -> StoredTransaction | None:
        """The transaction that does this business, None if none was ever signed."""
        with reading(self._engine) as connection:
            row = connection.execute(select(OUTBOX).where(OUTBOX.c.business_id == business_id)).mappings().first()
        return None if row is None else _stored(row)

    def put(self, transaction: StoredTransaction) -> None:
        """Keep a new row. A business id or nonce that is there already raises IntegrityError."""
        row = {
            "business_id": transaction.business_id,
            "nonce": transaction.nonce,
            "raw": transaction.raw,
            "tx_hash": "0x" + transaction.tx_hash.hex(),
            "state": "final" if transaction.final else "stored",
            "stored_s": int(self._clock().timestamp()),
        }
        with writing(self._engine) as connection:
            connection.execute(OUTBOX.insert(), row)

    def mark_final(self, business_id: str) -> None:
        """The transaction can no longer be undone."""
        with writing(self._engine) as connection:
            connection.execute(update(OUTBOX).where(OUTBOX.c.business_id == business_id).values(state="final"))

    def unfinished(self) -> tuple[StoredTransaction, ...]:
        """The rows that are not final, by nonce."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(OUTBOX).where(OUTBOX.c.state != "final").order_by(OUTBOX.c.nonce))
            return tuple(_stored(row) for row in rows.mappings())

    def since(self, nonce: int) -> tuple[StoredTransaction, ...]:
        """The rows with this nonce or a higher one, final or not, by nonce."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(OUTBOX).where(OUTBOX.c.nonce >= nonce).order_by(OUTBOX.c.nonce))
            return tuple(_stored(row) for row in rows.mappings())


def newest_transactions(connection: Connection, *, below_nonce: int, count: int) -> list[tuple[int, str]]:
    """(nonce, hash) of the newest transactions with a lower nonce, newest first."""
    query = select(OUTBOX.c.nonce, OUTBOX.c.tx_hash).where(OUTBOX.c.nonce < below_nonce)
    rows = connection.execute(query.order_by(OUTBOX.c.nonce.desc()).limit(count))
    return [(int(nonce), str(tx_hash)) for nonce, tx_hash in rows]


def _stored(row: RowMapping) -> StoredTransaction:
    return StoredTransaction(
        business_id=row["business_id"],
        nonce=row["nonce"],
        raw=bytes(row["raw"]),
        tx_hash=bytes.fromhex(row["tx_hash"].removeprefix("0x")),
        final=row["state"] == "final",
    )
