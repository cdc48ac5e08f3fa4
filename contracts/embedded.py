"""The embedded chain: an Ethereum chain in this process whose history survives restart and sudden death.

What is durable is the list of raw transactions with their blocks' timestamps and hashes, in one SQLite file. A
transaction is acknowledged only after it is on disk (write-ahead log, synchronous FULL). Opening replays the list;
every block must come out with the hash stored for it, so that a file that was damaged or edited is noticed and the
history that was acknowledged is the only one.
"""

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from eth_utils.crypto import keccak
from web3.providers.base import JSONBaseProvider

from contracts.evm import EvmChain, TransactionRefusedError
from contracts.rpc import EvmProvider
from contracts.single_writer import SingleWriter
from meters.clock import Clock

DEFAULT_CHAIN_ID = 31_337
CHAIN_FILE = "chain.sqlite"
"""Name of the chain's file in a community's state directory."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS genesis (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  chain_id INTEGER NOT NULL, timestamp_s INTEGER NOT NULL, extra BLOB NOT NULL, hash BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS block (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  timestamp_s INTEGER NOT NULL, raw BLOB NOT NULL, hash BLOB NOT NULL
);
"""


class ChainDamagedError(RuntimeError):
    """The stored history does not give the stored block hashes, or belongs to another chain."""


class ChainUnreachable(ConnectionError):  # noqa: N818 (says what happened; callers catch it by this name)
    """No answer from the chain; nothing is lost, the same call may be made again later."""


class ChainStoppedError(ChainUnreachable):
    """The chain was closed, or its file could not be written; what was acknowledged is safe, open it again."""


class EmbeddedChain:
    """A durable chain in the SQLite file `path`, created there when missing.

    clock      gives the blocks' timestamps (at least one second after the block before)
    chain_id   of a new chain; when given for an existing one it must agree
    seed       makes the genesis block of one community differ from every other's
    Raises AlreadyInUseError if it is open elsewhere and ChainDamagedError naming the first block that does not hold.
    """

    def __init__(self, path: Path, *, clock: Clock, chain_id: int | None = None, seed: str = "commonwatt") -> None:
        self.path = path
        self.lock = threading.RLock()
        self._clock = clock
        self._writer = SingleWriter(path.with_name(path.name + ".lock"), what=f"the chain {path}")
        try:
            self._database: sqlite3.Connection | None = self._connect(path)
            self.evm = self._open_genesis(chain_id, seed)
            self._replay()
        except sqlite3.DatabaseError as error:
            self.close()
            raise ChainDamagedError(f"{path} is not a readable chain: {error}") from error
        except BaseException:
            self.close()
            raise

    @property
    def chain_id(self) -> int:
        return self.evm.chain_id

    @property
    def provider(self) -> JSONBaseProvider:
        """A web3 provider that calls this chain without a network."""
        return EvmProvider(self)

    def next_timestamp_s(self) -> int:
        """Seconds since the Unix epoch that a block mined now would have."""
        return max(int(self._clock().timestamp()), int(self.evm.head.timestamp) + 1)

    def submit(self, raw: bytes) -> bytes:
        """Mine `raw` in a block of its own and return the transaction's hash, once it is on disk.

        The same bytes again are acknowledged again and do nothing. Raises TransactionRefusedError or ChainStoppedError.
        """
        with self.lock:
            transaction_hash = keccak(raw)
            if self._database is None:
                raise ChainStoppedError(f"the chain {self.path} is closed")
            if self.evm.transaction(transaction_hash) is not None:
                return transaction_hash
            timestamp_s = self.next_timestamp_s()
            block = self.evm.build(raw, timestamp_s)
            row = (block.number, timestamp_s, raw, block.hash)
            try:
                self._database.execute("INSERT INTO block (number, timestamp_s, raw, hash) VALUES (?, ?, ?, ?)", row)
            except sqlite3.Error as error:
                # Whether the row reached the disk is unknown: only opening again can tell.
                self.close()
                raise ChainStoppedError(f"{self.path} could not be written ({error}): open the chain again") from error
            self.evm.append(block)
            return transaction_hash

    def close(self) -> None:
        """Free the file for another process; the chain takes no more transactions. Reads stay possible."""
        with self.lock:
            database = getattr(self, "_database", None)
            if database is not None:
                with suppress(sqlite3.Error):
                    database.close()
            self._database = None
            self._writer.close()

    @staticmethod
    def _connect(path: Path) -> sqlite3.Connection:
        # Autocommit: every INSERT is a transaction of its own, synced before `execute` returns.
        if not path.exists():
            path.touch(mode=0o600)
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.executescript(_SCHEMA)
        return database

    def _open_genesis(self, chain_id: int | None, seed: str) -> EvmChain:
        assert self._database is not None
        row = self._database.execute("SELECT chain_id, timestamp_s, extra, hash FROM genesis").fetchone()
        if row is None:
            extra = keccak(text=seed)
            genesis_s = int(self._clock().timestamp())
            evm = EvmChain(chain_id=chain_id or DEFAULT_CHAIN_ID, genesis_s=genesis_s, genesis_extra=extra)
            self._database.execute(
                "INSERT INTO genesis VALUES (1, ?, ?, ?, ?)", (evm.chain_id, genesis_s, extra, evm.head.hash)
            )
            return evm
        stored_id, genesis_s, extra, genesis_hash = row
        if chain_id not in {None, stored_id}:
            raise ChainDamagedError(
                f"{self.path} holds chain {stored_id}, not chain {chain_id}: check the configuration"
            )
        evm = EvmChain(chain_id=stored_id, genesis_s=genesis_s, genesis_extra=extra)
        if evm.head.hash != genesis_hash:
            raise ChainDamagedError(f"{self.path}: the genesis block does not give the stored hash; restore a backup")
        return evm

    def _replay(self) -> None:
        assert self._database is not None
        rows = self._database.execute("SELECT number, timestamp_s, raw, hash FROM block ORDER BY number")
        for number, timestamp_s, raw, stored_hash in rows:
            if number != self.evm.head.block_number + 1:
                raise ChainDamagedError(f"{self.path}: block {number - 1} is missing; restore a backup")
            try:
                block = self.evm.build(raw, timestamp_s)
            except (TransactionRefusedError, ValueError) as error:
                raise ChainDamagedError(f"{self.path}: block {number} cannot be replayed ({error})") from error
            if block.hash != stored_hash:
                raise ChainDamagedError(
                    f"{self.path}: block {number} replays to {block.hash.hex()}, stored is {stored_hash.hex()}; "
                    "the file was altered, restore a backup"
                )
            self.evm.append(block)
