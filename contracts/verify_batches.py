"""A statement's batch entries, read strictly and hashed up to the roots the ledger keeps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from contracts.batches import rounds_root
from contracts.evidence import (
    SALT_BYTES,
    DeviceHead,
    EarlierKey,
    device_leaf,
    evidence_hash,
    interval_leaf,
    member_leaf,
)
from contracts.fields import FieldError, Fields
from contracts.figures import MemberInterval
from contracts.island import IslandTerms, read_island
from contracts.merkle import MerkleTree, root_from_path
from contracts.proofs import Proofs, require
from contracts.statement_form import read_interval
from contracts.verify_chain import AnchoredEntry
from contracts.verify_readings import AnchoredHead
from matching.mechanisms import DEFAULT_MECHANISM, MECHANISMS

LARGEST = 2**63 - 1


NOT_IN_LEAF = ("leaf_hash", "vat_class")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Price and tariff of one interval, as a batch anchored them."""

    path: str
    minutes: int
    clearing_price_micro_per_kwh: int | None
    clearing_digest: str
    tariff_digest: bytes
    mechanism: str
    island: IslandTerms | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRead:
    """One batch entry whose hashes give its roots."""

    anchored: AnchoredEntry
    vat_class: str
    intervals: tuple[MemberInterval, ...]
    rounds: Mapping[int, Round]
    heads: tuple[AnchoredHead, ...]


def read_entry(fields: Fields, participant: str, proofs: Proofs) -> EntryRead | None:
    """Read an entry and prove what needs no chain; None where it cannot be read at all.

    A part that does not hold is recorded, and the rest is still judged.
    """
    try:
        anchored = _anchored(fields)
        salt = fields.octets("salt", SALT_BYTES)
        vat_class = fields.text("vat_class")
        intervals, leaves = _intervals(fields, salt, proofs)
        heads, devices = _heads(fields, salt, participant, anchored)
        entry = EntryRead(
            anchored=anchored,
            vat_class=vat_class,
            intervals=tuple(intervals),
            rounds=_rounds(fields, anchored),
            heads=tuple(heads),
        )
        root = MerkleTree(leaves).root
        leaf = member_leaf(salt, participant=participant, lane=anchored.lane, root=root, devices=devices)
        _check_path(fields.fields("proof"), leaf, anchored.trades_root, f"{fields.path}.trades_root")
        paid_nano = sum(transfer.paid_nano for each in intervals for transfer in each.transfers)
        require(anchored.net_nano == -paid_nano, f"{fields.path}.net_nano", f"the transfers add up to {-paid_nano}")
        fields.close()
    except FieldError as error:
        proofs.fails(error.path, error.problem)
        return None
    return entry


def _anchored(fields: Fields) -> AnchoredEntry:
    return AnchoredEntry(
        path=fields.path,
        sequence=fields.integer("sequence", least=1, most=LARGEST),
        first_start_s=fields.integer("first_start_s", least=0, most=LARGEST),
        end_s=fields.integer("end_s", least=0, most=LARGEST),
        trades_root=fields.octets("trades_root", 32),
        readings_root=fields.octets("readings_root", 32),
        evidence_hash=fields.octets("evidence_hash", 32),
        previous_evidence_hash=fields.octets("previous_evidence_hash", 32),
        lane=fields.integer("lane", least=0, most=LARGEST),
        net_nano=fields.integer("net_nano"),
        block_number=fields.integer("block_number", least=0, most=LARGEST),
    )


def _intervals(fields: Fields, salt: bytes, proofs: Proofs) -> tuple[list[MemberInterval], list[bytes]]:
    """The intervals that can be read, and the leaf hashes as the file gives them."""
    intervals, leaves = [], []
    for position, row in enumerate(fields.items("intervals")):
        each = Fields(row, f"{fields.path}.intervals[{position}]")
        leaf = each.octets("leaf_hash", 32)
        leaves.append(leaf)
        with proofs.judging():
            interval = read_interval(each)
            content = {key: value for key, value in each.values.items() if key not in NOT_IN_LEAF}
            require(interval_leaf(salt, content) == leaf, interval.path, "is not what its leaf_hash was made of")
            intervals.append(interval)
    return intervals, leaves


def _rounds(fields: Fields, anchored: AnchoredEntry) -> dict[int, Round]:
    rounds, content = {}, []
    for row in fields.rows("rounds"):
        start_s = row.integer("start_s", least=0, most=LARGEST)
        priced = row.has("clearing_price_micro_per_kwh")
        rounds[start_s] = Round(
            path=row.path,
            minutes=row.integer("minutes"),
            clearing_price_micro_per_kwh=row.integer("clearing_price_micro_per_kwh") if priced else None,
            clearing_digest=row.text("clearing_digest"),
            tariff_digest=row.octets("tariff_digest", 32),
            mechanism=_mechanism(row),
            island=read_island(row.fields("island")) if row.has("island") else None,
        )
        row.close()
        content.append(row.values)
    found = evidence_hash(rounds_root(content), anchored.previous_evidence_hash)
    require(found == anchored.evidence_hash, f"{fields.path}.rounds", "do not give the evidence_hash")
    return rounds


def _mechanism(row: Fields) -> str:
    name = row.text("mechanism") if row.has("mechanism") else DEFAULT_MECHANISM
    require(name in MECHANISMS, row.at("mechanism"), f"{name!r} is unknown")
    return name


def _heads(
    fields: Fields, salt: bytes, participant: str, anchored: AnchoredEntry
) -> tuple[list[AnchoredHead], list[bytes]]:
    """The member's device heads and their leaf hashes."""
    heads, leaves = [], []
    for row in fields.rows("devices"):
        head = DeviceHead(
            device=row.text("device"),
            metering_point=row.text("metering_point"),
            participant=participant,
            epoch=row.integer("epoch", least=0, most=LARGEST),
            seq=row.integer("seq", least=0, most=LARGEST),
            head=row.octets("head", 32),
            signer=row.text("signer"),
            earlier_keys=tuple(_earlier_keys(row)),
        )
        leaf = device_leaf(salt, {key: value for key, value in row.values.items() if key != "proof"})
        _check_path(row.fields("proof"), leaf, anchored.readings_root, row.path)
        row.close()
        heads.append(AnchoredHead(path=row.path, head=head))
        leaves.append(leaf)
    return heads, leaves


def _earlier_keys(row: Fields) -> Iterator[EarlierKey]:
    for each in row.rows("earlier_keys") if row.has("earlier_keys") else ():
        yield EarlierKey(signer=each.text("signer"), until_seq=each.integer("until_seq", least=0, most=LARGEST))
        each.close()


def _check_path(fields: Fields, leaf: bytes, root: bytes, line: str) -> None:
    index, count = fields.integer("index", least=0, most=LARGEST), fields.integer("count", least=0, most=LARGEST)
    path = []
    for i, step in enumerate(fields.items("path")):
        path.append(Fields({"step": step}, f"{fields.at('path')}[{i}]").octets("step", 32))
    fields.close()
    require(root_from_path(leaf, index=index, count=count, path=path) == root, line, "the proof does not lead to it")


def check_sequence(entries: Sequence[EntryRead]) -> None:
    """Entries follow each other without gap, and each continues the evidence of the one before. Raises FieldError."""
    for before, after in pairwise(entries):
        expected = before.anchored.sequence + 1
        path = after.anchored.path
        require(after.anchored.sequence == expected, f"{path}.sequence", f"batch {expected} is left out")
        require(
            after.anchored.previous_evidence_hash == before.anchored.evidence_hash,
            f"{path}.previous_evidence_hash",
            "is not the evidence of the batch before",
        )
