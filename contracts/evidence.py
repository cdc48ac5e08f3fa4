"""What a batch is made of besides money: intervals as each member sees them, rounds, devices, and how they are hashed.

A leaf is canonical JSON, salted for its member, so that the roots on the chain tell nobody anything and a member who
shows one leaf shows no other. All functions here are shared by those who anchor and those who verify.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.island import IslandTerms
from contracts.merkle import leaf_hash
from matching.mechanisms import DEFAULT_MECHANISM
from meters.interval import DeliveryInterval
from meters.signing import keccak

SALT_BYTES = 32
NO_EVIDENCE = b"\x00" * 32
"""Previous evidence of the first batch."""

Json = dict[str, object]


def canonical(values: Mapping[str, object]) -> bytes:
    """The one way to write `values`: sorted keys, no spaces, UTF-8."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hexed(value: bytes) -> str:
    """0x and lower-case digits."""
    return "0x" + value.hex()


def salt_for(salt: bytes, purpose: str) -> bytes:
    """The salt of one leaf, from a member's salt of one batch: showing it reveals no other."""
    return keccak(b"commonwatt/salt" + salt + purpose.encode())


def interval_leaf(salt: bytes, interval: Mapping[str, object]) -> bytes:
    """Hash of one interval of one member (`contracts.batches` says what it holds)."""
    return leaf_hash(salt_for(salt, f"interval/{interval['start_s']}") + canonical(interval))


def member_leaf(salt: bytes, *, participant: str, lane: int, root: bytes, devices: Iterable[bytes]) -> bytes:
    """Hash of a member's whole batch: who, which lane of the ledger, root of the interval leaves, and device leaves."""
    blinded = salt_for(salt, "member")
    name, own_devices = keccak(participant.encode()), keccak(b"".join(sorted(devices)))
    return leaf_hash(blinded + lane.to_bytes(8, "big") + name + own_devices + root)


def device_leaf(salt: bytes, head: Mapping[str, object]) -> bytes:
    """Hash of the head of one device's chain of readings (`DeviceHead.to_json`)."""
    return leaf_hash(salt_for(salt, f"device/{head['device']}/{head['epoch']}") + canonical(head))


def evidence_hash(rounds_root: bytes, previous: bytes) -> bytes:
    """Hash over the rounds' root and the evidence of the batch before."""
    return keccak(b"commonwatt/evidence" + rounds_root + previous)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEvidence:
    """What is anchored of one round: its price, the digest of its clearing, and the tariff it is settled with.

    mechanism        written only where it is not the default, so that what was anchored before means the same
    clearing_digest  of the published result, "" where no auction was held
    tariff_digest    `Tariff.digest`
    island           what it is settled with besides where nobody has a supplier
    """

    interval: DeliveryInterval
    clearing_price_micro_per_kwh: int | None
    clearing_digest: str
    tariff_digest: bytes
    mechanism: str = DEFAULT_MECHANISM
    island: IslandTerms | None = None

    def to_json(self) -> Json:
        values: Json = {
            "start_s": self.interval.start_s,
            "minutes": self.interval.minutes,
            "clearing_digest": self.clearing_digest,
            "tariff_digest": hexed(self.tariff_digest),
        }
        if self.clearing_price_micro_per_kwh is not None:
            values["clearing_price_micro_per_kwh"] = self.clearing_price_micro_per_kwh
        if self.mechanism != DEFAULT_MECHANISM:
            values["mechanism"] = self.mechanism
        if self.island is not None:
            values["island"] = self.island.to_json()
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierKey:
    """A gateway's key that was followed by another: it signed the readings up to number `until_seq`."""

    signer: str
    until_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceHead:
    """How far a device's chain of signed readings had come when the batch was made.

    head          `reading_hash` of the reading with number `seq` of `epoch`
    signer        address of the gateway's key that signed it, 0x...
    earlier_keys  those that signed the readings before, oldest first; written only where there were any, so that what
                  was anchored before means the same
    """

    device: str
    metering_point: str
    participant: str
    epoch: int
    seq: int
    head: bytes
    signer: str
    earlier_keys: tuple[EarlierKey, ...] = ()

    def signer_of(self, seq: int) -> str:
        """Address of the key that signed the reading with number `seq`."""
        return next((key.signer for key in self.earlier_keys if seq <= key.until_seq), self.signer)

    def to_json(self) -> Json:
        values: Json = {
            "device": self.device,
            "metering_point": self.metering_point,
            "epoch": self.epoch,
            "seq": self.seq,
            "head": hexed(self.head),
            "signer": self.signer,
        }
        if self.earlier_keys:
            values["earlier_keys"] = [{"signer": key.signer, "until_seq": key.until_seq} for key in self.earlier_keys]
        return values
