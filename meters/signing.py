"""What a gateway signs: a hash chain of register readings per device, headed by EIP-712 typed data.

A reading carries the *cumulative* registers at the end of its interval, so energy is a difference of two
chained readings and errors cancel in the sum. `reading_hash` links each reading to the one before; the gateway
signs only the head, and a signature binds every reading of the batch and their order.
"""

import importlib
import importlib.util
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak as pycryptodome  # nosec B413  pycryptodome, which is maintained, not pycrypto

GENESIS_HASH = b"\x00" * 32

FLAG_INTERPOLATED = 1
FLAG_ESTIMATED = 2
FLAG_CLOCK_UNSYNCED = 4
FLAG_IMPORTED = 8
FLAG_SUSPECT = 16

BATCH_TYPE = "ReadingBatch(bytes32 device,uint64 epoch,uint64 firstSeq,uint64 count,bytes32 previousHash,bytes32 head)"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
DOMAIN_NAME, DOMAIN_VERSION = "Commonwatt", "1"

_SEVEN_WORDS = struct.Struct(">" + "QQ" * 7)
_FOUR_WORDS = struct.Struct(">" + "QQQQ" * 3)


def keccak_without_extension(data: bytes) -> bytes:
    """keccak-256 from a package that has wheels for every small board."""
    return bytes(pycryptodome.new(data=data, digest_bits=256).digest())


def _fastest_keccak() -> Callable[[bytes], bytes]:
    """keccak-256 from the C extension `sha3` where it is installed (0.8 us), otherwise from pycryptodome (5 us)."""
    if importlib.util.find_spec("sha3") is not None:
        new: Callable[[bytes], Any] = importlib.import_module("sha3").keccak_256
        return lambda data: bytes(new(data).digest())
    return keccak_without_extension


keccak = _fastest_keccak()
"""keccak-256 as Ethereum uses it (not NIST's SHA3-256)."""


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


@lru_cache(maxsize=4096)
def _device_hash(device: str) -> bytes:
    return keccak(device.encode())


def reading_hash(previous_hash: bytes, reading: RegisterReading) -> bytes:
    """keccak-256 of the previous hash and the fields in order (integers as 16 bytes, device hashed)."""
    try:
        packed = _SEVEN_WORDS.pack(
            0, reading.epoch, 0, reading.seq, 0, reading.start_s, 0, reading.duration_s,
            0, reading.import_mwh, 0, reading.export_mwh, 0, reading.flags,
        )  # fmt: skip
    except struct.error as error:
        raise ValueError(f"{reading} has a field outside 0..2^64-1") from error
    return keccak(previous_hash + _device_hash(reading.device) + packed)


def chain_head(previous_hash: bytes, readings: tuple[RegisterReading, ...]) -> bytes:
    """Hash after the last of `readings`, starting from `previous_hash`."""
    head = previous_hash
    for reading in readings:
        head = reading_hash(head, reading)
    return head


@lru_cache(maxsize=64)
def domain_separator(domain: SigningDomain) -> bytes:
    """EIP-712 `hashStruct(eip712Domain)`. Raises ValueError for an address that is not 0x and 20 bytes in hex."""
    contract = bytes.fromhex(domain.verifying_contract.removeprefix("0x"))
    if len(contract) != 20:
        raise ValueError(f"verifying contract {domain.verifying_contract!r} is not an address of 20 bytes")
    return keccak(
        keccak(DOMAIN_TYPE.encode())
        + keccak(DOMAIN_NAME.encode())
        + keccak(DOMAIN_VERSION.encode())
        + domain.chain_id.to_bytes(32, "big")
        + contract.rjust(32, b"\x00")
    )


# Half the order of secp256k1: of the two values of s that are valid for one message only the lower one counts, as in
# https://eips.ethereum.org/EIPS/eip-2, so that nobody can make a second signature from the first.
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0

_BATCH_TYPE_HASH = keccak(BATCH_TYPE.encode())


def batch_digest(
    domain: SigningDomain, *, device: str, epoch: int, first_seq: int, count: int, previous_hash: bytes, head: bytes
) -> bytes:
    """The 32 bytes that are signed: the EIP-712 digest (https://eips.ethereum.org/EIPS/eip-712) of one batch head.

    The typed data are `DOMAIN_TYPE` with name "Commonwatt" and version "1", and `BATCH_TYPE` with the device's name as
    its keccak-256; any EIP-712 library makes the same digest of them.
    """
    numbers = _FOUR_WORDS.pack(0, 0, 0, epoch, 0, 0, 0, first_seq, 0, 0, 0, count)
    struct_hash = keccak(_BATCH_TYPE_HASH + _device_hash(device) + numbers + previous_hash + head)
    return keccak(b"\x19\x01" + domain_separator(domain) + struct_hash)


@lru_cache(maxsize=8)
def _private_key(key: bytes) -> PrivateKey:
    return PrivateKey(key)


@lru_cache(maxsize=4096)
def _address(public_key: bytes) -> str:
    return _with_checksum(keccak(public_key[1:])[-20:].hex())


def _with_checksum(address: str) -> str:
    """EIP-55: a letter is a capital where the hash of the address has 8 or more at its place."""
    marks = keccak(address.encode()).hex()
    pairs = zip(address, marks, strict=False)
    return "0x" + "".join(letter.upper() if mark >= "8" else letter for letter, mark in pairs)


def address_of(key: bytes) -> str:
    """Checksummed address of a secp256k1 private key (32 bytes)."""
    return _address(_private_key(key).public_key.format(compressed=False))


def sign_batch(
    key: bytes, domain: SigningDomain, readings: tuple[RegisterReading, ...], previous_hash: bytes
) -> ReadingBatch:
    """Sign consecutive readings of one device (at least one) with the gateway's secp256k1 key (32 bytes).

    The signature is deterministic (RFC 6979): signing the same readings again gives the same bytes.
    """
    first = readings[0]
    digest = batch_digest(
        domain,
        device=first.device,
        epoch=first.epoch,
        first_seq=first.seq,
        count=len(readings),
        previous_hash=previous_hash,
        head=chain_head(previous_hash, readings),
    )
    compact = _private_key(key).sign_recoverable(digest, hasher=None)
    signature = compact[:64] + bytes([compact[64] + 27])
    return ReadingBatch(
        device=first.device, epoch=first.epoch, readings=readings, previous_hash=previous_hash, signature=signature
    )


def batch_signer(batch: ReadingBatch, domain: SigningDomain) -> str:
    """Checksummed address whose key signed the batch; a changed byte anywhere gives another address.

    Raises ValueError for bytes that are no signature at all.
    """
    digest = batch_digest(
        domain,
        device=batch.device,
        epoch=batch.epoch,
        first_seq=batch.first_seq,
        count=len(batch.readings),
        previous_hash=batch.previous_hash,
        head=batch.head,
    )
    signature = batch.signature
    if len(signature) != 65 or signature[64] not in {27, 28}:
        raise ValueError(f"a signature has 65 bytes and ends with 27 or 28, not {signature.hex()!r}")
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        raise ValueError(f"the signature {signature.hex()!r} has a twin: its s must be in the lower half (EIP-2)")
    try:
        public_key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
        )
    except Exception as error:  # coincurve raises a bare Exception when no key can have made it
        raise ValueError(f"no key can have made the signature {signature.hex()!r}") from error
    return _address(public_key.format(compressed=False))
