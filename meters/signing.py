"""What a gateway signs: a hash chain of register readings per device, headed by EIP-712 typed data.

A reading carries the *cumulative* registers at the end of its interval, so energy is a difference of two
chained readings and errors cancel in the sum. `reading_hash` links each reading to the one before; the gateway
signs only the head, and a signature binds every reading of the batch and their order.
"""

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak

GENESIS_HASH = b"\x00" * 32

FLAG_INTERPOLATED = 1
FLAG_ESTIMATED = 2
FLAG_CLOCK_UNSYNCED = 4
FLAG_IMPORTED = 8
FLAG_SUSPECT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterReading:
    """Cumulative registers of one device at the end of one interval.

    start_s      start of the interval, seconds since the Unix epoch; duration_s may be 0 for an opening reading
    epoch        counts meter replacements and counter resets: registers are only comparable within one
    seq          0, 1, 2 ... without gap per (device, epoch)
    import_mwh, export_mwh  cumulative registers at start_s + duration_s, milliwatt-hours, never negative
    flags        sum of the FLAG_ constants
    """

    device: str
    epoch: int
    seq: int
    start_s: int
    duration_s: int
    import_mwh: int
    export_mwh: int
    flags: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningDomain:
    """The platform a signature is meant for: chain id and ledger address (0x..., 20 bytes)."""

    chain_id: int
    verifying_contract: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBatch:
    """Consecutive readings of one device with the signature of their chain head.

    `previous_hash` is the hash of the reading before the first (GENESIS_HASH for seq 0); `signature` is 65 bytes.
    """

    device: str
    epoch: int
    readings: tuple[RegisterReading, ...]
    previous_hash: bytes
    signature: bytes

    @property
    def first_seq(self) -> int:
        return self.readings[0].seq

    @property
    def head(self) -> bytes:
        return chain_head(self.previous_hash, self.readings)


def reading_hash(previous_hash: bytes, reading: RegisterReading) -> bytes:
    """keccak-256 of the previous hash and the fields in order (integers as 16 bytes, device hashed)."""
    fields = (
        reading.epoch,
        reading.seq,
        reading.start_s,
        reading.duration_s,
        reading.import_mwh,
        reading.export_mwh,
        reading.flags,
    )
    packed = b"".join(value.to_bytes(16, "big") for value in fields)
    return bytes(keccak(previous_hash + keccak(reading.device.encode()) + packed))


def chain_head(previous_hash: bytes, readings: tuple[RegisterReading, ...]) -> bytes:
    """Hash after the last of `readings`, starting from `previous_hash`."""
    head = previous_hash
    for reading in readings:
        head = reading_hash(head, reading)
    return head


def typed_data(
    domain: SigningDomain, *, device: str, epoch: int, first_seq: int, count: int, previous_hash: bytes, head: bytes
) -> SignableMessage:
    """The EIP-712 message of one batch head (https://eips.ethereum.org/EIPS/eip-712)."""
    types: dict[str, Any] = {
        "ReadingBatch": [
            {"name": "device", "type": "bytes32"},
            {"name": "epoch", "type": "uint64"},
            {"name": "firstSeq", "type": "uint64"},
            {"name": "count", "type": "uint64"},
            {"name": "previousHash", "type": "bytes32"},
            {"name": "head", "type": "bytes32"},
        ]
    }
    values = {
        "device": keccak(device.encode()),
        "epoch": epoch,
        "firstSeq": first_seq,
        "count": count,
        "previousHash": previous_hash,
        "head": head,
    }
    named = {
        "name": "Commonwatt",
        "version": "1",
        "chainId": domain.chain_id,
        "verifyingContract": domain.verifying_contract,
    }
    return encode_typed_data(named, types, values)


def sign_batch(
    key: bytes, domain: SigningDomain, readings: tuple[RegisterReading, ...], previous_hash: bytes
) -> ReadingBatch:
    """Sign consecutive readings of one device (at least one) with the gateway's secp256k1 key (32 bytes)."""
    first = readings[0]
    message = typed_data(
        domain,
        device=first.device,
        epoch=first.epoch,
        first_seq=first.seq,
        count=len(readings),
        previous_hash=previous_hash,
        head=chain_head(previous_hash, readings),
    )
    signature = bytes(Account.sign_message(message, key).signature)
    return ReadingBatch(
        device=first.device, epoch=first.epoch, readings=readings, previous_hash=previous_hash, signature=signature
    )


def batch_signer(batch: ReadingBatch, domain: SigningDomain) -> str:
    """Checksummed address whose key signed the batch; a changed byte anywhere gives another address."""
    message = typed_data(
        domain,
        device=batch.device,
        epoch=batch.epoch,
        first_seq=batch.first_seq,
        count=len(batch.readings),
        previous_hash=batch.previous_hash,
        head=batch.head,
    )
    return str(Account.recover_message(message, signature=batch.signature))
