"""A member's statement as a file that a stranger can verify (`contracts.verify`).

Every figure is a JSON integer directly under a key ending `_wh`, `_nano`, `_micro_per_kwh` or `_cents`. What cannot be
proved is not in the file: it covers the intervals of the month that are in batches on the chain, `covered_from_s` to
`covered_to_s`, and is provisional as long as they do not reach the end of the month.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.batches import PreparedBatch, proof_json
from contracts.evidence import SALT_BYTES, Json, hexed, interval_leaf
from contracts.fields import Fields
from contracts.figures import Figures, figures_of
from contracts.statement_form import FORMAT, Month, read_interval, reading_batch_json
from contracts.tariff import Tariff
from contracts.untrusted_json import read_json
from meters.signing import ReadingBatch


class UnreadableStatementError(ValueError):
    """The file is no statement at all; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A block of the chain that was delivered to members: what is before it cannot be rewritten unnoticed."""

    block_number: int
    block_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainIdentity:
    """Which chain and which contract: chain id, ledger address 0x..., hash of its code and of the genesis block."""

    chain_id: int
    ledger: str
    ledger_code_hash: bytes
    genesis_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledEntry:
    """A member's entry of one batch (`member_entry`, or the same read from storage) and the block the batch is in."""

    entry: Mapping[str, object]
    block_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementInputs:
    """What a statement is built from.

    batches   all batches from the first to the last that touches the month, by sequence without gap
    readings  signed batches of the member's devices, from the one with the last reading before the first interval up to
              those with the readings the batches anchor, in order per device and epoch
    tariffs   the versions that rounds of these batches name
    """

    participant: str
    month: Month
    chain: ChainIdentity
    checkpoint: Checkpoint
    tariffs: tuple[Tariff, ...]
    batches: tuple[SettledEntry, ...]
    readings: tuple[ReadingBatch, ...]


def member_entry(batch: PreparedBatch, participant: str, *, vat_class_at: Callable[[int], str]) -> Json:
    """One member's part of a batch with its proofs: what the statement carries, and what is worth storing.

    The entry names the VAT class at the beginning of its batch, and an interval of another time the class of then.

    Raises KeyError for a participant without a part in the batch, and ValueError where the salt was erased.
    """
    parts = {part.participant: part for part in batch.members}
    part = parts[participant]
    if len(part.salt) != SALT_BYTES:
        raise ValueError(f"the salt of {participant} in batch {batch.sequence} was erased: it can no longer be proved")
    member_leaves = [each.leaf for each in batch.members]
    device_leaves = [leaf for _, leaf in batch.devices]
    own_class = vat_class_at(batch.first_start_s)

    def taxed(interval: Json) -> Json:
        then = vat_class_at(Fields(interval, "interval").integer("start_s"))
        return {"vat_class": then} if interval["points"] and then != own_class else {}

    return {
        "sequence": batch.sequence,
        "first_start_s": batch.first_start_s,
        "end_s": batch.end_s,
        "trades_root": hexed(batch.trades_root),
        "readings_root": hexed(batch.readings_root),
        "evidence_hash": hexed(batch.evidence_hash),
        "previous_evidence_hash": hexed(batch.previous_evidence_hash),
        "lane": part.lane,
        "salt": hexed(part.salt),
        "vat_class": own_class,
        "net_nano": part.delta_nano,
        "proof": proof_json(member_leaves, part.leaf),
        "rounds": [each.to_json() for each in batch.rounds],
        "devices": [
            head.to_json() | {"proof": proof_json(device_leaves, leaf)}
            for head, leaf in batch.devices
            if head.participant == participant
        ],
        "intervals": [
            each | taxed(each) | {"leaf_hash": hexed(interval_leaf(part.salt, each))} for each in part.intervals
        ],
    }


def build_statement(inputs: StatementInputs) -> dict[str, object]:
    """The statement document, ready for `json.dumps`. Raises ValueError if entries and tariffs do not fit together."""
    month = inputs.month
    entries = [{**each.entry, "block_number": each.block_number} for each in inputs.batches]
    intervals, tariffs, spans = [], {}, []
    versions = {each.digest(): each for each in inputs.tariffs}
    for i, entry in enumerate(entries):
        fields = Fields(entry, f"batches[{i}]")
        spans.append((fields.integer("first_start_s"), fields.integer("end_s")))
        for row in fields.rows("rounds"):
            tariffs[row.integer("start_s")] = versions[row.octets("tariff_digest", 32)]
        for row in fields.rows("intervals"):
            row.octets("leaf_hash", 32)
            intervals.append(read_interval(row))
    inside = [each for each in intervals if month.includes(each.start_s)]
    covered_from_s, covered_to_s = covered_span(month, spans)
    return {
        "format": FORMAT,
        "member": inputs.participant,
        "month": month.name,
        "timezone": month.timezone,
        "start_s": month.start_s,
        "end_s": month.end_s,
        "covered_from_s": covered_from_s,
        "covered_to_s": covered_to_s,
        "provisional": covered_to_s < month.end_s,
        "currency": inputs.tariffs[0].currency if inputs.tariffs else "",
        **figures_json(figures_of(inside, tariffs)),
        "chain": {
            "chain_id": inputs.chain.chain_id,
            "ledger": inputs.chain.ledger,
            "ledger_code_hash": hexed(inputs.chain.ledger_code_hash),
            "genesis_hash": hexed(inputs.chain.genesis_hash),
            "checkpoint": {
                "block_number": inputs.checkpoint.block_number,
                "block_hash": hexed(inputs.checkpoint.block_hash),
            },
        },
        "tariffs": [each.to_json() for each in inputs.tariffs],
        "batches": entries,
        "readings": [reading_batch_json(each) for each in inputs.readings],
    }


def covered_span(month: Month, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The part of the month that batches with these [first_start_s, end_s) cover; empty at its start without any."""
    if not spans:
        return month.start_s, month.start_s
    first_s, last_s = min(first for first, _ in spans), max(end for _, end in spans)
    covered_from_s = min(max(month.start_s, first_s), month.end_s)
    return covered_from_s, max(covered_from_s, min(month.end_s, last_s))


def figures_json(figures: Figures) -> Json:
    """`totals` and `bill` of the document."""
    bill = figures.bill
    return {
        "totals": dict(figures.totals_wh),
        "bill": {
            "lines": [
                {
                    "item": line.item.value,
                    "energy_wh": line.energy_wh,
                    "amount_nano": line.amount_nano,
                    "amount_cents": line.amount_cents,
                }
                for line in bill.lines
            ],
            "total_nano": bill.total_nano,
            "rounding_nano": bill.rounding_nano,
            "total_cents": bill.total_cents,
        },
    }


def load_statement(text: str | bytes) -> dict[str, object]:
    """The document in a file. Raises UnreadableStatementError if it is not a statement of this form."""
    try:
        document = read_json(text, object_pairs_hook=_without_repeated_keys)
    except ValueError as error:
        raise UnreadableStatementError(f"not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UnreadableStatementError(f"not a statement: its format must be {FORMAT!r}")
    return document


def load_checkpoint(text: str | bytes) -> Checkpoint:
    """The checkpoint in an older statement, or standing alone as {"block_number", "block_hash"}.

    Raises UnreadableStatementError if there is none.
    """
    try:
        fields = Fields(read_json(text, object_pairs_hook=_without_repeated_keys), "")
        if fields.has("chain"):
            fields = fields.fields("chain").fields("checkpoint")
        return Checkpoint(
            block_number=fields.integer("block_number", least=0), block_hash=fields.octets("block_hash", 32)
        )
    except ValueError as error:
        raise UnreadableStatementError(f"no checkpoint in it ({error}): give an older statement") from error


def _without_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        repeated = next(key for i, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:i]))
        raise ValueError(f"the key {repeated!r} is given twice")
    return values
