"""Twelve ways to alter a statement, each with a seed, from one digit to a forgery with all hashes computed again."""

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_utils.crypto import keccak
from statement_places import Place, altered, every, integers, octets

from contracts.evidence import device_leaf, hexed, interval_leaf, member_leaf
from contracts.fields import Fields
from contracts.figures import figures_of
from contracts.merkle import MerkleTree, root_from_path
from contracts.statement import figures_json
from contracts.statement_form import Month, read_interval, read_reading_batch, reading_batch_json
from contracts.tariff import Tariff
from meters.signing import SigningDomain, sign_batch

Document = dict[str, Any]
FORGERS_KEY = keccak(text="the forger's own key")
ORDERED = frozenset({"batches", "intervals", "rounds", "points", "orders", "transfers", "path", "lines"})
"""Lists whose order says something; the others are sets."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A statement to alter, statements of other members, and where chance comes from."""

    document: Document
    others: Sequence[Document]
    draw: random.Random

    def place(self, found: Sequence[Place]) -> Place:
        return self.draw.choice(found)


def figure_changed(case: Case) -> Document:
    place = case.place(list(integers(case.document)))
    by = case.draw.choice([-1, 1, 10, -1_000, 10**9, -(10**9), -2 * place.value or 7])
    return altered(case.document, place, place.value + by)


def figures_change_places(case: Case) -> Document:
    one, other = case.draw.sample(list(integers(case.document)), 2)
    return altered(altered(case.document, one, other.value), other, one.value)


def digit_of_a_hash_changed(case: Case) -> Document:
    place = case.place(list(octets(case.document)))
    at = case.draw.randrange(2, len(place.value))
    digit = case.draw.choice([each for each in "0123456789abcdef" if each != place.value[at]])
    return altered(case.document, place, place.value[:at] + digit + place.value[at + 1 :])


def text_changed(case: Case) -> Document:
    texts = [each for each in every(case.document) if isinstance(each.value, str) and not each.value.startswith("0x")]
    place = case.place(texts)
    at = case.draw.randrange(len(place.value) + 1)
    put = case.draw.choice(["", "x", " ", "0", "é", "\u200b"])
    kept = place.value[at + 1 :] if case.draw.random() < 0.5 else place.value[at:]
    return altered(case.document, place, place.value[:at] + put + kept)


def _rows(case: Case, names: frozenset[str] | None = None, least: int = 1) -> Place:
    lists = [each for each in every(case.document) if isinstance(each.value, list) and len(each.value) >= least]
    return case.place([each for each in lists if names is None or each.key in names])


def row_taken_away(case: Case) -> Document:
    place = _rows(case)
    at = case.draw.randrange(len(place.value))
    return altered(case.document, place, place.value[:at] + place.value[at + 1 :])


def row_doubled(case: Case) -> Document:
    place = _rows(case)
    at, to = case.draw.randrange(len(place.value)), case.draw.randrange(len(place.value) + 1)
    return altered(case.document, place, [*place.value[:to], place.value[at], *place.value[to:]])


def rows_change_places(case: Case) -> Document:
    place = _rows(case, ORDERED, 2)
    rows = list(place.value)
    one, other = case.draw.sample(range(len(rows)), 2)
    rows[one], rows[other] = rows[other], rows[one]
    return altered(case.document, place, rows)


def key_taken_away_or_added(case: Case) -> Document:
    place = case.place([each for each in every(case.document) if isinstance(each.value, dict)])
    values = dict(place.value)
    if values and case.draw.random() < 0.5:
        del values[case.draw.choice(list(values))]
    else:
        values[case.draw.choice(["extra_wh", "bonus_nano", "note", "mechanism", "earlier_keys"])] = 5
    return altered(case.document, place, values) if place.path else values


def value_of_another_type(case: Case) -> Document:
    place = case.place([each for each in every(case.document) if each.path])
    value = place.value
    strange = [None, True, False, str(value), [value], {"value": value}, 1.5, "", [], {}, 0]
    if isinstance(value, int):
        strange += [float(value), hex(value)]
    return altered(case.document, place, case.draw.choice([each for each in strange if type(each) is not type(value)]))


def part_of_another_member(case: Case) -> Document:
    other = case.draw.choice(case.others)
    theirs = {each.path: each.value for each in every(other) if isinstance(each.value, dict | list)}
    found = [
        each for each in every(case.document) if each.path and each.path in theirs and theirs[each.path] != each.value
    ]
    place = case.place(found)
    return altered(case.document, place, copy.deepcopy(theirs[place.path]))


def readings_signed_again(case: Case) -> Document:
    """The forger alters a register, signs the device's readings anew, and anchors the new head under his own key."""
    changed = copy.deepcopy(case.document)
    batches = [read_reading_batch(Fields(each, "")) for each in changed["readings"]]
    at = case.draw.randrange(len(batches))
    device, epoch = batches[at].device, batches[at].epoch
    domain = SigningDomain(chain_id=changed["chain"]["chain_id"], verifying_contract=changed["chain"]["ledger"])
    added_mwh, previous, heads = case.draw.choice([-1_000, 1, 1_000, 50_000]), None, {}
    key = case.draw.choice([FORGERS_KEY, keccak(text=str(case.draw.random()))])
    for i, batch in enumerate(batches):
        if (batch.device, batch.epoch) != (device, epoch) or i < at:
            continue
        rows = tuple(replace(row, import_mwh=max(0, row.import_mwh + added_mwh)) for row in batch.readings)
        signed = sign_batch(key, domain, rows, batch.previous_hash if previous is None else previous)
        previous = heads[rows[-1].seq] = signed.head
        changed["readings"][i] = reading_batch_json(signed)
    for entry in changed["batches"] if case.draw.random() < 0.7 else ():
        for row in entry["devices"]:
            if row["seq"] in heads and row["epoch"] == epoch:
                row["head"] = hexed(heads[row["seq"]])
        _root_of(entry, changed["member"], with_root=case.draw.random() < 0.5)
    return changed


def money_computed_again(case: Case) -> Document:
    """The forger gives himself money, and computes leaves, root, net position and bill so that they fit each other."""
    changed = copy.deepcopy(case.document)
    depth = case.draw.randrange(4)
    entry = case.draw.choice(changed["batches"])
    interval = case.draw.choice([each for each in entry["intervals"] if each["transfers"]])
    transfer = case.draw.choice(interval["transfers"])
    gain_wh = case.draw.choice([1, 10, 100])
    if "energy_wh" in transfer and case.draw.random() < 0.5:
        transfer["energy_wh"] += gain_wh
        gain_nano = gain_wh * transfer["price_micro_per_kwh"]
        transfer["paid_nano"] += -gain_nano if transfer["paid_nano"] < 0 else gain_nano
    else:
        transfer["paid_nano"] -= case.draw.choice([1, 10_000_000, 3_000_000_000])
    if depth >= 1:
        content = {key: value for key, value in interval.items() if key != "leaf_hash"}
        interval["leaf_hash"] = hexed(interval_leaf(bytes.fromhex(entry["salt"][2:]), content))
        _root_of(entry, changed["member"], with_root=depth >= 2)
    paid_nano = sum(each["paid_nano"] for row in entry["intervals"] for each in row["transfers"])
    entry["net_nano"] = -paid_nano if depth >= 2 else entry["net_nano"]
    return changed | _figures(changed) if depth >= 3 else changed


def _root_of(entry: Document, participant: str, *, with_root: bool) -> None:
    """The trades root that fits the entry's own leaves."""
    salt = bytes.fromhex(entry["salt"][2:])
    heads = [{key: value for key, value in row.items() if key != "proof"} for row in entry["devices"]]
    leaf = member_leaf(
        salt,
        participant=participant,
        lane=entry["lane"],
        root=MerkleTree([bytes.fromhex(each["leaf_hash"][2:]) for each in entry["intervals"]]).root,
        devices=[device_leaf(salt, head) for head in heads],
    )
    proof = entry["proof"]
    path = [bytes.fromhex(step[2:]) for step in proof["path"]]
    root = root_from_path(leaf, index=proof["index"], count=proof["count"], path=path)
    assert root is not None
    if with_root:
        entry["trades_root"] = hexed(root)


def _figures(document: Document) -> Document:
    month = Month.of(document["month"], document["timezone"])
    versions = {each.digest(): each for each in map(Tariff.from_json, document["tariffs"])}
    intervals, tariffs = [], {}
    for entry in document["batches"]:
        for row in entry["rounds"]:
            tariffs[row["start_s"]] = versions[bytes.fromhex(row["tariff_digest"][2:])]
        contents = [{key: value for key, value in row.items() if key != "leaf_hash"} for row in entry["intervals"]]
        intervals += [read_interval(Fields(content, "")) for content in contents]
    inside = [each for each in intervals if month.includes(each.start_s)]
    return dict(figures_json(figures_of(inside, tariffs)))


KINDS: tuple[Callable[[Case], Document], ...] = (
    figure_changed,
    figures_change_places,
    digit_of_a_hash_changed,
    text_changed,
    row_taken_away,
    row_doubled,
    rows_change_places,
    key_taken_away_or_added,
    value_of_another_type,
    part_of_another_member,
    readings_signed_again,
    money_computed_again,
)


def altered_by(kind: Callable[[Case], Document], documents: Sequence[Document], seed: int) -> Document:
    """One alteration of this kind: the same for the same seed, and never the document itself."""
    draw = random.Random(f"{kind.__name__} {seed}")  # noqa: S311 (test data)
    document = documents[seed % len(documents)]
    others = [each for each in documents if each is not document]
    while True:
        changed = kind(Case(document=document, others=others, draw=draw))
        if not same(changed, document):
            return changed


def same(one: object, other: object) -> bool:
    """Equal as JSON: 1, 1.0 and true are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return one == other
