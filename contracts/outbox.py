"""The way onto the chain: each transaction is signed once, stored, and only then sent, as often as it takes.

The same bytes carry the same nonce, so sending them twice does nothing twice. Every transaction has a business id
("settle:17") that is used once for ever. After a restart, a lost answer, a chain that was away or rolled back,
`recover` sends what the chain does not have, in the order of the nonces.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_typing import ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import TransactionNotFound, Web3RPCError
from web3.types import TxParams, TxReceipt, Wei

from contracts.embedded import ChainUnreachable
from contracts.single_writer import SingleWriter

GAS_MARGIN = 1.2
"""Gas limit over the estimate, for what other transactions may change before this one is mined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTransaction:
    """A signed transaction and the business it does."""

    business_id: str
    nonce: int
    raw: bytes
    tx_hash: bytes
    final: bool = False


class OutboxStore(Protocol):
    """Where signed transactions are kept; `put` returns only when the row is durable."""

    def find(self, business_id: str) -> StoredTransaction | None: ...

    def put(self, transaction: StoredTransaction) -> None:
        """Keep a new row. Raises if the business id or the nonce is there already."""
        ...

    def mark_final(self, business_id: str) -> None: ...

    def unfinished(self) -> Sequence[StoredTransaction]:
        """The rows not yet final, by nonce."""
        ...

    def since(self, nonce: int) -> Sequence[StoredTransaction]:
        """The rows with this nonce or a higher one, final or not, by nonce."""
        ...


class BusinessIdReusedError(ValueError):
    """A business id was used before for a transaction with another content."""


class TransactionRevertedError(RuntimeError):
    """A mined transaction failed; its effects did not happen and its business id is spent."""


class NotMinedInTimeError(TimeoutError):
    """The chain took the transaction but did not mine it in the time given; it stays stored, ask again."""


class NonceConflictError(RuntimeError):
    """Somebody else uses the key, or the chain is not the one the stored transactions were made for."""


class FeesAskedError(ChainUnreachable):
    """The chain asks for fees that nobody here pays. What was to be sent waits until it is free again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the outbox pays and waits.

    confirmations     blocks on top of a transaction's own before it counts as final; 0 where blocks cannot be undone
    max_fee_wei       highest price of a gas unit; 0 on a chain without fees
    patience_s        how long `send` waits for a transaction to be mined
    """

    confirmations: int = 0
    max_fee_wei: int = 0
    patience_s: float = 60.0
    poll_s: float = 0.2


class Outbox:
    """The one writer of `account` on the chain behind `w3`.

    Raises AlreadyInUseError if `lock_path` is held elsewhere. Calls raise ChainUnreachable while the chain is away.
    """

    def __init__(
        self, w3: Web3, account: LocalAccount, store: OutboxStore, *, lock_path: Path, policy: Policy | None = None
    ) -> None:
        self.w3 = w3
        self.address: ChecksumAddress = Web3.to_checksum_address(account.address)
        self._account = account
        self._store = store
        self._policy = policy or Policy()
        self._turn = threading.RLock()
        self._writer = SingleWriter(lock_path, what=f"the key of {self.address} ({lock_path})")

    def close(self) -> None:
        """Let another process write with this key."""
        self._writer.close()

    def send(self, business_id: str, to: str | None, data: bytes) -> TxReceipt:
        """Make sure that the business has been done once, and return its receipt. `to` None deploys a contract.

        A revert that can be foreseen raises web3's ContractCustomError and stores nothing. Also raises
        BusinessIdReusedError, TransactionRevertedError, NotMinedInTimeError, NonceConflictError, ChainUnreachable.
        """
        with self._turn:
            stored = self._store.find(business_id)
            if stored is None:
                stored = self._sign(business_id, to, data)
                self._store.put(stored)
            elif content_of(stored.raw) != (_receiver(to), data):
                raise BusinessIdReusedError(f"{business_id} was sent before with another content")
            receipt = self._mined(stored) or self._broadcast_and_wait(stored)
            self._finish(stored, receipt)
            if receipt["status"] != 1:
                raise TransactionRevertedError(f"{business_id} failed in block {receipt['blockNumber']}")
            return receipt

    def recover(self) -> list[str]:
        """Send again what the chain does not have, mark what became final; the business ids that were sent again."""
        with self._turn:
            next_nonce = self.w3.eth.get_transaction_count(self.address)
            missing = [stored for stored in self._store.since(next_nonce) if self._mined(stored) is None]
            if missing:
                self._broadcast_and_wait(missing[-1])  # and all before it
            for stored in self._store.unfinished():
                receipt = self._mined(stored)
                if receipt is None:
                    raise self._conflict(stored)
                self._finish(stored, receipt)
            return [stored.business_id for stored in missing]

    def _sign(self, business_id: str, to: str | None, data: bytes) -> StoredTransaction:
        call: TxParams = {"from": self.address, "data": HexBytes(data)}
        if to is not None:
            call["to"] = Web3.to_checksum_address(to)
        gas = int(self.w3.eth.estimate_gas(call) * GAS_MARGIN)
        self._require_affordable()
        on_chain = self.w3.eth.get_transaction_count(self.address)
        waiting = self._store.since(on_chain)
        nonce = waiting[-1].nonce + 1 if waiting else on_chain
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self.w3.eth.chain_id,
            "nonce": nonce,
            "gas": gas,
            "maxFeePerGas": Wei(self._policy.max_fee_wei),
            "maxPriorityFeePerGas": Wei(0),
            "value": Wei(0),
            "data": HexBytes(data),
        }
        if to is not None:
            fields["to"] = Web3.to_checksum_address(to)
        signed = self._account.sign_transaction(fields)
        return StoredTransaction(
            business_id=business_id, nonce=nonce, raw=bytes(signed.raw_transaction), tx_hash=bytes(signed.hash)
        )

    def _mined(self, stored: StoredTransaction) -> TxReceipt | None:
        try:
            return self.w3.eth.get_transaction_receipt(HexStr("0x" + stored.tx_hash.hex()))
        except TransactionNotFound:
            return None

    def _broadcast_and_wait(self, stored: StoredTransaction) -> TxReceipt:
        """Send the stored bytes and everything stored before them, and wait for the receipt."""
        next_nonce = self.w3.eth.get_transaction_count(self.address)
        for earlier in self._store.since(next_nonce):
            if earlier.nonce <= stored.nonce:
                self._broadcast(earlier)
        deadline = time.monotonic() + self._policy.patience_s
        while True:
            receipt = self._mined(stored)
            if receipt is not None:
                return receipt
            if self.w3.eth.get_transaction_count(self.address) > stored.nonce and self._mined(stored) is None:
                raise self._conflict(stored)
            if time.monotonic() > deadline:
                raise NotMinedInTimeError(f"{stored.business_id} is not mined after {self._policy.patience_s:.0f} s")
            time.sleep(self._policy.poll_s)

    def _broadcast(self, stored: StoredTransaction) -> None:
        try:
            self.w3.eth.send_raw_transaction(HexBytes(stored.raw))
        except Web3RPCError as refusal:
            # "already known", "nonce too low" and the like: harmless if these very bytes are what the chain has.
            try:
                self.w3.eth.get_transaction(HexStr("0x" + stored.tx_hash.hex()))
            except TransactionNotFound:
                self._require_affordable()
                raise NonceConflictError(
                    f"{stored.business_id} was refused by the chain: {refusal.message}"
                ) from refusal

    def _require_affordable(self) -> None:
        """Raises FeesAskedError where the newest block asks more for a unit of gas than this outbox pays."""
        asked_wei = self.w3.eth.get_block("latest").get("baseFeePerGas", 0)
        if asked_wei > self._policy.max_fee_wei:
            raise FeesAskedError(
                f"the chain asks {asked_wei} wei for a unit of gas and {self._policy.max_fee_wei} are paid: set it up "
                "without fees (Besu: zeroBaseFee and --min-gas-price=0; a base fee that is only 0 at first rises)"
            )

    def _conflict(self, stored: StoredTransaction) -> NonceConflictError:
        return NonceConflictError(
            f"{stored.business_id}: nonce {stored.nonce} of {self.address} was used by another transaction; "
            "only this program may use the key"
        )

    def _finish(self, stored: StoredTransaction, receipt: TxReceipt) -> None:
        confirmations = self._policy.confirmations
        if stored.final:
            return
        if confirmations == 0 or self.w3.eth.block_number >= receipt["blockNumber"] + confirmations:
            self._store.mark_final(stored.business_id)


def _receiver(to: str | None) -> bytes:
    return b"" if to is None else bytes.fromhex(to.removeprefix("0x"))


def content_of(raw: bytes) -> tuple[bytes, bytes]:
    """Receiver (empty for a deployment) and data of a signed EIP-1559 transaction."""
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return bytes(fields["to"]), bytes(fields["data"])
