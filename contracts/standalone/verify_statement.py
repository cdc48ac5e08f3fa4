#!/usr/bin/env python3
"""Verify a Commonwatt statement with public libraries alone: this script imports nothing of Commonwatt.

    pip install "eth-hash[pycryptodome]" eth-keys
    python verify_statement.py june.json --rpc http://HOST:PORT/api/v1/public/chain --checkpoint may.json

Proved are, in this order: the chain, the ledger's code and the checkpoints; that the ledger anchored every batch; that
intervals, rounds, tariffs and devices are what the batches anchor; that the readings are signed by the anchored keys;
that metered energy, own orders, prices, charges and VAT give every transfer; and that totals and bill in cents follow.
Exit code 0: every figure holds. 1: the line that does not hold is named. 2: file or chain cannot be read.

Without --checkpoint (an older statement of the same community) only consistency is proved: who owns the chain could
have rebuilt it as a whole. What other members paid, and amounts that follow from it (congestion, deviation), are
proved only to be those that were anchored.

It is one file, and longer than others, so that one person can read all of it before running it.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from eth_hash.auto import keccak
from eth_keys import keys

FORMAT = "commonwatt statement 1"
LEDGER_CODE_HASHES = (
    "0x0d89891527a67ab17446aff9afb5500a201904abaeb3de3916a3842b6e08e13f",
    "0x1a594572f1a07ae421aa8a94c64b997f093ce7fa31c890f2c004497c469b2c63",
    "0xfa6e54fafbcb7bdedc163e8deee0140a756f7dd4e3b0ef68cbef0c0761bf03f4",  # 0.1.0
)
"""keccak-256 of the runtime code of SettlementLedger, as published with its source; the newest first."""
MECHANISMS = {  # name: (one price for all firm energy, leftovers are pooled at it, average prices)
    "k_double_auction": (True, True, False),
    "mid_market_rate": (False, True, True),
    "fixed_price": (True, True, False),
    "static_key": (True, False, False),
    "dynamic_key": (True, True, False),
    "pay_as_bid": (False, False, True),
    "mcafee": (False, False, False),
}
ITEMS = {  # what a transfer is for, by its kind and the first word of its part, in the order of the bill
    ("energy", "buy"): "energy_bought",
    ("energy", "sell"): "energy_sold",
    ("platform_fee", "buy"): "platform_fee",
    ("grid_fee", "buy"): "grid_fee",
    ("grid_fee", "discount"): "grid_fee_locality_discount",
    ("levies", "buy"): "levies",
    ("levies", "discount"): "levies_locality_discount",
    ("vat", "buy"): "vat",
    ("vat", "sell"): "vat_on_sales",
    ("congestion", "compensation"): "curtailment_compensation",
    ("congestion", "rebate"): "congestion_rebate",
    ("congestion", "losses"): "losses",
    ("deviation", "caused"): "deviation",
    ("deviation", "suffered"): "deviation",
    ("rounding", ""): "carried_from_rounding",
    ("payment", ""): "payment",
}
OF_OTHERS = {"curtailment_compensation", "congestion_rebate", "losses", "deviation", "carried_from_rounding", "payment"}
OF_BOUGHT = {each for each in ITEMS.values() if each.startswith(("energy_b", "platform", "grid", "levies"))}
TOTALS = ("import_wh", "export_wh", "bought_wh", "sold_wh", "residual_import_wh", "residual_export_wh", "curtailed_wh")
NANO_PER_CENT = 10_000_000
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
LANES, LANE_BITS, HALF_LANE = 5, 51, 1 << 47

Json = dict[str, Any]
Ask = Callable[..., Any]
Energy = tuple[int, int]


class DoesNotHold(Exception):  # noqa: N818 it is a finding, not an error
    """A line of the statement that does not hold, and why."""

    def __init__(self, line: str, why: str) -> None:
        super().__init__(f"{line}: {why}")
        self.line = line


def need(condition: object, line: str, why: str) -> None:
    """Raise DoesNotHold unless `condition`."""
    if not condition:
        raise DoesNotHold(line, why)


# What the file says, read strictly.


def load(text: bytes) -> Json:
    """The document. Raises ValueError for what is no statement."""

    def once(pairs: list[tuple[str, Any]]) -> Json:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    try:
        document = json.loads(text.decode(), object_pairs_hook=once)
        json.dumps(document, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("brackets too deep in each other") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    return document


def only(values: Json, line: str, names: str) -> None:
    """Exactly these keys: what nothing proves has no place in a statement."""
    need(isinstance(values, dict), line, "is not an object")
    unlike = set(values) ^ set(names.split())
    need(not unlike, line, f"{', '.join(sorted(unlike))}: missing, or unknown here")


def whole(values: Json, line: str, names: str, most: int = 2**63 - 1) -> None:
    """Integers from 0 to `most` under these keys."""
    for name in names.split():
        value = values[name]
        need(type(value) is int and 0 <= value <= most, f"{line}.{name}", f"is {value!r}, no figure of its kind")


def octets(value: object, line: str, size: int = 32) -> bytes:
    """Bytes written as 0x and lower-case hexadecimal digits."""
    need(isinstance(value, str) and len(value) == 2 + 2 * size and value[:2] == "0x", line, "is not so many bytes")
    need(set(str(value)[2:]) <= set("0123456789abcdef"), line, "is not lower-case hexadecimal")
    return bytes.fromhex(str(value)[2:])


# How things are hashed.


def canonical(values: Json) -> bytes:
    """The one way to write an object: sorted keys, no spaces, UTF-8."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf_of(content: bytes) -> bytes:
    """Hash of a leaf; inner nodes begin with 1 and roots with 2, so that none passes for another."""
    return keccak(b"\x00" + content)


def salted(salt: bytes, purpose: str) -> bytes:
    """The salt of one leaf."""
    return keccak(b"commonwatt/salt" + salt + purpose.encode())


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over leaf hashes: RFC 6962's shape, bound to the number of leaves."""
    level = list(leaves)
    while len(level) > 1:
        pairs = [keccak(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) & ~1 :]
    return keccak(b"\x02" + len(leaves).to_bytes(8, "big") + b"".join(level))


def root_by_proof(leaf: bytes, proof: Json, line: str) -> bytes:
    """The root to which a proof leads from a leaf."""
    only(proof, f"{line}.proof", "index count path")
    whole(proof, f"{line}.proof", "index count")
    index, width, rest = proof["index"], proof["count"], [octets(each, f"{line}.proof") for each in proof["path"]]
    need(index < width, f"{line}.proof", "has no such place")
    while width > 1:
        if index ^ 1 < width:
            need(rest, f"{line}.proof", "is too short")
            other = rest.pop(0)
            leaf = keccak(b"\x01" + (other + leaf if index % 2 else leaf + other))
        index, width = index // 2, (width + 1) // 2
    need(not rest, f"{line}.proof", "is too long")
    return keccak(b"\x02" + proof["count"].to_bytes(8, "big") + leaf)


# What the chain says.


def chain_at(url: str) -> Ask:
    """JSON-RPC over HTTP: results, None for what the chain refuses. Raises OSError where it does not answer."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} does not begin with http:// or https://")

    def ask(method: str, *params: object) -> Any:  # noqa: ANN401 any JSON value
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 only http, see above
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 only http  # nosec B310
            answer = json.loads(response.read())
        if isinstance(answer.get("error"), dict) and answer["error"].get("code") == -32002:
            raise OSError(answer["error"].get("message"))
        return answer.get("result")

    return ask


def code_of(signature: str) -> str:
    """Selector of a contract's function."""
    return "0x" + keccak(signature.encode())[:4].hex()


SETTLE = code_of(
    "settle((uint64,uint64,uint64,uint256,uint256[],(int64,int64,int64,int64,int64,int64,int64),bytes32,bytes32,bytes32))"
)
COMMITMENT_OF = code_of("commitmentOf(uint64)")
PREDECESSOR = code_of("predecessor()")
SETTLED = "0x" + keccak(b"BatchSettled(uint64,uint64,uint64,bytes32,bytes32,bytes32)").hex()


def word(value: int) -> str:
    """An unsigned integer as the 32 bytes of the contract's interface, in hexadecimal."""
    return value.to_bytes(32, "big").hex()


def block_hash(ask: Ask, number: int) -> str:
    """Hash of a block, empty where there is none."""
    return str((ask("eth_getBlockByNumber", hex(number), False) or {}).get("hash", ""))  # noqa: FBT003 the protocol's


def check_chain(ask: Ask, chain: Json, older: Json | None) -> Iterator[str]:
    """The chain is the one named, its ledger's code is the published one, and delivered blocks are still there."""
    only(chain, "chain", "chain_id ledger ledger_code_hash genesis_hash checkpoint")
    whole(chain, "chain", "chain_id")
    need(chain["ledger"] == checksummed(chain["ledger"]), "chain.ledger", "is not an address")
    need(int(ask("eth_chainId") or "0x0", 16) == chain["chain_id"], "chain.chain_id", "the chain has another id")
    need(block_hash(ask, 0) == chain["genesis_hash"], "chain.genesis_hash", "the chain begins with another block")
    code = bytes.fromhex(str(ask("eth_getCode", chain["ledger"], "latest") or "0x")[2:])
    found = "0x" + keccak(code).hex()
    need(found == chain["ledger_code_hash"], "chain.ledger_code_hash", f"the ledger's code hashes to {found}")
    need(found in LEDGER_CODE_HASHES, "chain.ledger_code_hash", "is not the published contract's")
    yield "chain: chain id, genesis block and the ledger's published code"
    for line, each in [("chain.checkpoint", chain["checkpoint"]), ("the checkpoint delivered before", older)]:
        if each is not None:
            only(each, line, "block_number block_hash")
            whole(each, line, "block_number")
            there = block_hash(ask, each["block_number"])
            need(there == each["block_hash"], line, f"block {each['block_number']} is another: the chain was rebuilt")
            yield f"{line}: block {each['block_number']} is on the chain"


def ledgers_of(ask: Ask, ledger: str) -> list[str]:
    """The ledger and those it took over from, all of published code; gateways sign for the last of these."""
    found = [ledger]
    while len(found) < 100:
        before = str(ask("eth_call", {"to": found[-1], "data": PREDECESSOR}, "latest") or "0x0")[-40:]
        if not int(before, 16):
            break
        found.append("0x" + before)
        code = bytes.fromhex(str(ask("eth_getCode", found[-1], "latest") or "0x")[2:])
        published = "0x" + keccak(code).hex() in LEDGER_CODE_HASHES
        need(published, "chain.ledger", f"its predecessor {found[-1]} is no published one")
    return found


def checksummed(address: object) -> str:
    """An address with the capital letters of EIP-55."""
    digits = str(address)[2:].lower()
    pattern = keccak(digits.encode()).hex()
    written = "".join(d.upper() if p in "89abcdef" else d for d, p in zip(digits, pattern, strict=False))
    return "0x" + written if len(octets("0x" + digits, "address", 20)) == 20 else ""


def settled_log(ask: Ask, ledgers: list[str], sequence: int, first: int, last: int) -> Json | None:
    """The event of a batch in these blocks, of whichever ledger settled it."""
    wanted = {"address": ledgers if len(ledgers) > 1 else ledgers[0], "topics": [SETTLED, "0x" + word(sequence)]}
    logs = ask("eth_getLogs", wanted | {"fromBlock": hex(first), "toBlock": hex(last)})
    return logs[0] if isinstance(logs, list) and len(logs) == 1 else None


def check_anchored(ask: Ask, chain: Json, ledgers: list[str], entry: Json, line: str) -> None:
    """Period, roots, block and net position of a batch are what one of the ledgers settled."""
    need(entry["block_number"] <= chain["checkpoint"]["block_number"], f"{line}.block_number", "after the checkpoint")
    numbers = "".join(word(entry[name]) for name in ("sequence", "first_start_s", "end_s"))
    roots = "".join(octets(entry[name], line).hex() for name in ("trades_root", "readings_root", "evidence_hash"))
    kept = ask("eth_call", {"to": chain["ledger"], "data": COMMITMENT_OF + word(entry["sequence"])}, "latest")
    need(kept == "0x" + keccak(bytes.fromhex(numbers + roots)).hex(), line, "period and roots are not on the ledger")
    block = entry["block_number"]
    log = settled_log(ask, ledgers, entry["sequence"], block, block) or {}
    need(log, f"{line}.block_number", "the batch was not settled in this block")
    sent = ask("eth_getTransactionByHash", log["transactionHash"]) or {}
    direct = str(sent.get("to")).lower() == log["address"].lower() and str(sent.get("input"))[:10] == SETTLE
    need(direct, f"{line}.net_nano", "the batch was not settled by a direct call")
    data = bytes.fromhex(sent["input"][10:])
    values = [int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data), 32)]
    sequence, first_word, offset = values[1], values[4], 1 + values[5] // 32
    need(sequence == entry["sequence"], f"{line}.net_nano", "the transaction settled another batch")
    words = values[offset + 1 : offset + 1 + values[offset]]
    at, lane = divmod(entry["lane"], LANES)
    moved = 0
    if 0 <= at - first_word < len(words):
        bias = sum(HALF_LANE << (LANE_BITS * i) for i in range(LANES))
        moved = ((words[at - first_word] + bias) % 2**256 >> (LANE_BITS * lane)) % 2**LANE_BITS - HALF_LANE
    need(moved == entry["net_nano"], f"{line}.net_nano", f"the ledger moved {moved} nano on this lane")


def check_evidence_before(ask: Ask, ledgers: list[str], entry: Json, line: str) -> None:
    """The first batch of the statement continues the one before it on the chain."""
    before = "0x" + bytes(32).hex()
    if entry["sequence"] > 1:
        log = settled_log(ask, ledgers, entry["sequence"] - 1, 0, entry["block_number"])
        before = "0x" + str((log or {}).get("data", ""))[-64:]
    need(before == entry["previous_evidence_hash"], f"{line}.previous_evidence_hash", "is not that of the batch before")


# What a batch anchors.

ENTRY = (
    "sequence first_start_s end_s trades_root readings_root evidence_hash previous_evidence_hash lane salt vat_class "
    "net_nano proof rounds devices intervals block_number"
)


def check_entry(entry: Json, line: str, member: str) -> None:
    """Intervals, devices and rounds of a batch hash to its roots, and its transfers to its net position."""
    only(entry, line, ENTRY)
    whole(entry, line, "sequence first_start_s end_s lane block_number")
    salt, leaves, devices = octets(entry["salt"], f"{line}.salt"), [], []
    for i, each in enumerate(entry["intervals"]):
        content = {key: value for key, value in each.items() if key not in {"leaf_hash", "vat_class"}}
        leaf = leaf_of(salted(salt, f"interval/{each['start_s']}") + canonical(content))
        need(leaf == octets(each["leaf_hash"], line), f"{line}.intervals[{i}]", "is not what its leaf_hash was made of")
        leaves.append(leaf)
    for i, each in enumerate(entry["devices"]):
        content = {key: value for key, value in each.items() if key != "proof"}
        leaf = leaf_of(salted(salt, f"device/{each['device']}/{each['epoch']}") + canonical(content))
        root = root_by_proof(leaf, each["proof"], f"{line}.devices[{i}]")
        need(root == octets(entry["readings_root"], line), f"{line}.devices[{i}]", "does not lead to the readings root")
        devices.append(leaf)
    own = keccak(member.encode()) + keccak(b"".join(sorted(devices))) + root_of(leaves)
    leaf = leaf_of(salted(salt, "member") + entry["lane"].to_bytes(8, "big") + own)
    need(root_by_proof(leaf, entry["proof"], line) == octets(entry["trades_root"], line), f"{line}.trades_root", "no")
    rounds = root_of([leaf_of(canonical(each)) for each in entry["rounds"]])
    evidence = keccak(b"commonwatt/evidence" + rounds + octets(entry["previous_evidence_hash"], line))
    need(evidence == octets(entry["evidence_hash"], line), f"{line}.rounds", "do not give the evidence hash")
    paid = sum(transfer["paid_nano"] for each in entry["intervals"] for transfer in each["transfers"])
    need(entry["net_nano"] == -paid and type(entry["net_nano"]) is int, f"{line}.net_nano", f"transfers give {-paid}")


# From signed readings to energy.

FIGURES = ("seq", "start_s", "duration_s", "import_mwh", "export_mwh", "flags")


class Registers:
    """Cumulative registers of a device in one epoch; between two readings they lie on a straight line."""

    def __init__(self, readings: Sequence[Json], line: str) -> None:
        self.rows = readings
        self.ends = [each["start_s"] + each["duration_s"] for each in readings]
        for (one, start), (other, end) in pairwise(zip(readings, self.ends, strict=True)):
            rises = one["import_mwh"] <= other["import_mwh"] and one["export_mwh"] <= other["export_mwh"]
            need(rises and start < end, line, f"reading {other['seq']} is earlier or lower than the one before")

    def between(self, start_s: int, end_s: int) -> tuple[int, int, int]:
        """Seconds of [start_s, end_s) that are covered, and import and export in them, Wh."""
        covered = imported = exported = 0
        for i in range(max(0, bisect_right(self.ends, start_s) - 1), len(self.ends) - 1):
            low, high = max(start_s, self.ends[i]), min(end_s, self.ends[i + 1])
            if low < high:
                covered += high - low
                imported += self._wh(i, high, "import_mwh") - self._wh(i, low, "import_mwh")
                exported += self._wh(i, high, "export_mwh") - self._wh(i, low, "export_mwh")
            if self.ends[i] >= end_s:
                break
        return covered, imported, exported

    def _wh(self, i: int, at_s: int, register: str) -> int:
        low, high = self.rows[i][register], self.rows[i + 1][register]
        return int(low + (high - low) * (at_s - self.ends[i]) // (self.ends[i + 1] - self.ends[i])) // 1000


def signer_of(batch: Json, head: bytes, domain: bytes, line: str) -> str:
    """Address whose key signed the head of a batch of readings (EIP-712)."""
    type_hash = keccak(
        b"ReadingBatch(bytes32 device,uint64 epoch,uint64 firstSeq,uint64 count,bytes32 previousHash,bytes32 head)"
    )
    numbers = (batch["epoch"], batch["readings"][0]["seq"], len(batch["readings"]))
    signed = type_hash + keccak(batch["device"].encode()) + bytes.fromhex("".join(map(word, numbers)))
    digest = keccak(b"\x19\x01" + domain + keccak(signed + octets(batch["previous_hash"], line) + head))
    signature = octets(batch["signature"], f"{line}.signature", 65)
    proper = signature[64] in {27, 28} and int.from_bytes(signature[32:64], "big") <= HALF_ORDER
    need(proper, f"{line}.signature", "is no signature of the form that is used here")
    try:
        parts = keys.Signature(signature[:64] + bytes([signature[64] - 27]))
        return str(parts.recover_public_key_from_msg_hash(digest).to_checksum_address())
    except Exception as error:  # the library has many ways to say that it is none
        raise DoesNotHold(f"{line}.signature", "no key can have made it") from error


def check_readings(document: Json, signed_for: str) -> tuple[dict[str, list[Registers]], int]:
    """Registers by metering point, from batches whose chains hold, whose heads are anchored, with the keys anchored."""
    chain = document["chain"]
    domain = keccak(
        keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + keccak(b"Commonwatt")
        + keccak(b"1")
        + bytes.fromhex(word(chain["chain_id"]) + word(int(signed_for, 16)))
    )
    given: dict[tuple[str, int], list[tuple[str, Json]]] = defaultdict(list)
    for i, batch in enumerate(document["readings"]):
        only(batch, f"readings[{i}]", "device epoch previous_hash signature readings")
        whole(batch, f"readings[{i}]", "epoch")
        given[batch["device"], batch["epoch"]].append((f"readings[{i}]", batch))
    found: dict[str, list[Registers]] = defaultdict(list)
    for (device, epoch), batches in given.items():
        heads = [
            head
            for entry in document["batches"]
            for head in entry["devices"]
            if (head["device"], head["epoch"]) == (device, epoch)
        ]
        line, points = batches[0][0], {head["metering_point"] for head in heads}
        need(len(points) == 1, f"{line}.device", "no batch anchors this device at one metering point")
        hashes = dict(chained(batches, heads, domain))
        for head in heads:
            need(hashes.get(head["seq"]) == octets(head["head"], line), line, "the anchored head is another")
        found[points.pop()].append(Registers([row for _, batch in batches for row in batch["readings"]], line))
    return found, sum(len(batch["readings"]) for batch in document["readings"])


def chained(batches: Sequence[tuple[str, Json]], heads: Sequence[Json], domain: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and hash of every reading; each batch continues the one before and is signed by the key in force."""
    seq, previous = batches[0][1]["readings"][0]["seq"], octets(batches[0][1]["previous_hash"], batches[0][0])
    need(seq > 0 or previous == bytes(32), f"{batches[0][0]}.previous_hash", "a chain begins with zeros")
    for line, batch in batches:
        need(octets(batch["previous_hash"], line) == previous, f"{line}.previous_hash", "does not continue")
        first = seq
        for row in batch["readings"]:
            only(row, f"{line}.readings", " ".join(FIGURES))
            whole(row, f"{line}.readings", " ".join(FIGURES))
            need(row["seq"] == seq, f"{line}.readings", f"seq {seq} is expected")
            numbers = [batch["epoch"], *(row[name] for name in FIGURES)]
            packed = b"".join(value.to_bytes(16, "big") for value in numbers)
            previous = keccak(previous + keccak(batch["device"].encode()) + packed)
            yield seq, previous
            seq += 1
        covering = [head for head in heads if head["seq"] >= first]
        need(covering, line, "these readings are after all that is anchored")
        head = min(covering, key=lambda each: int(each["seq"]))
        in_force = (key["signer"] for key in head.get("earlier_keys", []) if seq - 1 <= key["until_seq"])
        signer = signer_of(batch, previous, domain, line)
        need(signer == next(in_force, head["signer"]), f"{line}.signature", "not signed by the device's gateway")


# From energy, own orders, price and tariff to every transfer.


class Terms(NamedTuple):
    """What an interval is settled with."""

    price: int | None
    tariff: Json
    buying_permille: int
    selling_permille: int
    uniform: bool
    pooled: bool
    above: int  # by how much an average may be floored
    island: Json | None  # where nobody has a supplier: value of lost load, stated price, and who forms the grid


def shared_rate(tariff: Json, name: str) -> int:
    """A charge on a shared kilowatt-hour: the full rate less the discount for locality, floored."""
    rate, percent = tariff[f"{name}_micro_per_kwh"], tariff[f"{name}_locality_discount_percent"]
    return int(rate * (100 - percent) // 100)


def item_of(kind: str, part: str) -> str | None:
    """The line of the bill for a transfer."""
    return ITEMS.get((kind, part.partition("@")[0])) or ITEMS.get((kind, ""))


def check_interval(versions: Sequence[tuple[str, Json]], terms: Terms, energy: Callable[..., Energy | None]) -> None:
    """All that batches anchored for one interval: energy by its last version, transfers of all together."""
    line, last = versions[-1]
    points, orders, owed = {}, {}, defaultdict[str, dict[tuple[str, str], int]](lambda: defaultdict(int))
    for path, version in versions:
        for i, order in enumerate(version["orders"]):
            check_order(order, terms, f"{path}.orders[{i}]")
            orders[order["order_id"]] = order
        for i, each in enumerate(version["transfers"]):
            check_transfer(each, f"{path}.transfers[{i}]")
            owed[each["subject"]][each["kind"], each["part"]] += each["paid_nano"]
        for i, point in enumerate(version["points"]):
            points[point["metering_point"]] = (f"{path}.points[{i}]", point)
    for name, (path, point) in points.items():
        metered = energy(name, last["start_s"], last["start_s"] + last["minutes"] * 60)
        need(metered is not None, path, "signed readings do not cover this interval")
        need((point["import_wh"], point["export_wh"]) == metered, path, f"signed readings say {metered}")
        need(point["bought_wh"] + point["residual_import_wh"] == point["import_wh"], path, "bought is not a part")
        need(point["sold_wh"] + point["residual_export_wh"] == point["export_wh"], path, "sold is not a part")
        own = [order for order in orders.values() if order["metering_point"] == name]
        left_wh = point["residual_import_wh"] + point["residual_export_wh"]
        need(terms.island is None or left_wh == 0, path, "leaves energy to a supplier, and an island has none")
        check_money(point, own, owed.pop(name, {}), terms, path)
    left = [key for parts in owed.values() for key in parts if item_of(*key) not in OF_OTHERS]
    need(not left, f"{line}.transfers", f"{left} where nothing was shared")


def moves_money_only(versions: Sequence[Json]) -> bool:
    """Whether nothing was metered or ordered: what is carried from rounding or was paid stands here, as anchored."""
    items = {item_of(transfer["kind"], transfer["part"]) for each in versions for transfer in each["transfers"]}
    return not any(each["points"] or each["orders"] for each in versions) and items <= OF_OTHERS


def check_order(order: Json, terms: Terms, line: str) -> None:
    """An outcome within quantity and own limit, at a price that the mechanism allows."""
    price, accepted, limit = order.get("price_micro_per_kwh"), order["accepted_wh"], order["limit_micro_per_kwh"]
    firm = order["firmness"] != "flexible"
    need(
        order["side"] in {"buy", "sell"} and order["firmness"] in {"firm", "curtailable", "flexible"}, line, "no order"
    )
    need(accepted + order["curtailed_wh"] <= order["quantity_wh"], line, "exceeds the quantity")
    need((price is None) == (accepted == 0), line, "has a price without energy, or energy without a price")
    above = order["amount_nano"] - accepted * (price or 0)
    need(0 <= above <= max(0, accepted - 1) * terms.above, line, "is not energy times price")
    if price is not None:
        if terms.island is not None and order["side"] == "buy" and order["firmness"] == "firm":
            limit = max(limit, terms.island["lost_load_micro_per_kwh"])
        better = accepted * limit - order["amount_nano"]
        need((better if order["side"] == "buy" else -better) >= 0, line, "is beyond the own limit")
        need(not (firm and terms.uniform) or price == terms.price, line, "is not at the clearing price")


def check_transfer(transfer: Json, line: str) -> None:
    """A transfer that a bill has a line for, energy times price where it is for energy."""
    energy, price = transfer.get("energy_wh", 0), transfer.get("price_micro_per_kwh", 0)
    need(item_of(transfer["kind"], transfer["part"]), line, "no line of a bill is for it")
    if transfer["kind"] in {"energy", "platform_fee", "grid_fee", "levies"}:
        need(abs(transfer["paid_nano"]) == abs(energy * price), line, "is not energy times price")
    else:
        need(energy == 0, line, "has energy where none belongs")
    named = transfer["part"].partition("@")[2]
    need(transfer["kind"] != "energy" or named == str(price), line, "names another price")


def check_money(point: Json, orders: Sequence[Json], owed: dict[tuple[str, str], int], terms: Terms, line: str) -> None:
    """Every transfer of a point follows, and none is missing."""
    held_back = [each["curtailed_wh"] for each in orders if terms.island is None or each["side"] == "sell"]
    need(point["curtailed_wh"] == sum(held_back), line, "curtailed is not what orders say")
    bought_nano = paid_for("buy", point, orders, owed, terms, f"{line}.bought_wh")
    sold_nano = paid_for("sell", point, orders, owed, terms, f"{line}.sold_wh")
    bought, tariff = point["bought_wh"], terms.tariff
    charges = {
        ("platform_fee", "buy"): bought * tariff["platform_fee_micro_per_kwh"],
        ("grid_fee", "buy"): bought * shared_rate(tariff, "grid_fee"),
        ("levies", "buy"): bought * shared_rate(tariff, "levies"),
    }
    due = charges | {
        ("vat", "buy"): (bought_nano + sum(charges.values())) * terms.buying_permille // 1000,
        ("vat", "sell"): -(sold_nano * terms.selling_permille // 1000),
    }
    for key, nano in due.items():
        need(owed.get(key, 0) == nano, f"{line} {key[0]}", f"{owed.get(key, 0)} nano where {nano} are due")


def rest_of(side: str, point: Json, own: Sequence[Json], terms: Terms) -> tuple[int | None, int]:
    """Price of what is shared without a contract, and how much of it there may be.

    Leftovers are pooled at the clearing price. On an island what a meter shows beyond its contracts came from the unit
    that forms the grid, or went to it, and has a stated price.
    """
    shared = int(point["bought_wh"] if side == "buy" else point["sold_wh"])
    if terms.island is None:
        return terms.price, shared if terms.pooled or terms.uniform else 0
    stated = terms.island["balancing_price_micro_per_kwh"]
    short = (side == "buy") != (point["metering_point"] == terms.island["grid_forming_point"])
    price = max(stated, terms.price or 0) if short else terms.price or 0
    return price, max(0, shared - sum(order["accepted_wh"] for order in own))


def paid_for(
    side: str, point: Json, orders: Sequence[Json], owed: dict[tuple[str, str], int], terms: Terms, line: str
) -> int:
    """Money for the energy shared on one side; all of it is paid, at the price of the rest or that of own orders."""
    own = [order for order in orders if order["side"] == side]
    rest_price, rest_wh = rest_of(side, point, own, terms)
    energy = total = 0
    for (kind, part), nano in owed.items():
        if kind != "energy" or not part.startswith(f"{side}@") or nano == 0:
            continue
        price, amount = int(part.partition("@")[2]), nano if side == "buy" else -nano
        here = amount // price
        need(here > 0 and here * price == amount, line, f"{nano} nano at {price}")
        most = rest_wh if price == rest_price else 0
        most += sum(
            order["accepted_wh"]
            for order in own
            if "price_micro_per_kwh" in order
            and 0 <= price - order["price_micro_per_kwh"] <= terms.above
            and (order["firmness"] == "flexible" or not terms.uniform)
        )
        need(here <= most, line, f"{here} Wh at {price}: neither clearing price nor own order")
        energy, total = energy + here, total + amount
    free = rest_price == 0 or any(order.get("price_micro_per_kwh") == 0 for order in own)
    shared = point["bought_wh" if side == "buy" else "sold_wh"]
    need(energy == shared or (free and energy < shared), line, f"transfers pay for {energy} Wh")
    return total


# From the intervals to the bill.


def figures(intervals: Iterable[Json], tariffs: dict[int, Json]) -> Json:
    """Totals and bill: the latest energy of each interval, all transfers, cents by largest remainder."""
    points, nano, energy = {}, dict.fromkeys(ITEMS.values(), 0), dict.fromkeys(ITEMS.values(), 0)
    for each in intervals:
        points.update({(each["start_s"], point["metering_point"]): point for point in each["points"]})
        for transfer in each["transfers"]:
            nano[item_of(transfer["kind"], transfer["part"]) or ""] += transfer["paid_nano"]
    for (start_s, _), point in points.items():
        for item in OF_BOUGHT:
            energy[item] += point["bought_wh"]
        energy["energy_sold"] += point["sold_wh"]
        energy["curtailment_compensation"] += point["curtailed_wh"]
        for name in ("grid_fee", "levies"):
            saved = tariffs[start_s][f"{name}_micro_per_kwh"] - shared_rate(tariffs[start_s], name)
            nano[name] += point["bought_wh"] * saved
            nano[f"{name}_locality_discount"] -= point["bought_wh"] * saved
    if nano["losses"] == 0:  # only an island has that line
        del nano["losses"]
    total = sum(nano.values())
    total_cents = (total + NANO_PER_CENT // 2) // NANO_PER_CENT
    cents = {item: amount // NANO_PER_CENT for item, amount in nano.items()}
    by_remainder = sorted(nano, key=lambda item: -(nano[item] % NANO_PER_CENT))
    for item in by_remainder[: total_cents - sum(cents.values())]:
        cents[item] += 1
    lines = [
        {"item": item, "energy_wh": energy[item], "amount_nano": nano[item], "amount_cents": cents[item]}
        for item in nano
    ]
    rounding = total_cents * NANO_PER_CENT - total
    bill = {"lines": lines, "total_nano": total, "rounding_nano": rounding, "total_cents": total_cents}
    return {"totals": {name: sum(point[name] for point in points.values()) for name in TOTALS}, "bill": bill}


def check_equal(found: object, due: object, line: str) -> None:
    """The same figures, each an integer, nothing missing and nothing more."""
    need(type(found) is type(due), line, f"is {found!r} where {due!r} follows")
    if isinstance(due, dict) and isinstance(found, dict):
        only(found, line, " ".join(due))
        for name, value in due.items():
            check_equal(found[name], value, f"{line}.{name}")
    elif isinstance(due, list) and isinstance(found, list):
        need(len(found) == len(due), line, "has not the lines that follow from the intervals")
        for i, pair in enumerate(zip(found, due, strict=True)):
            check_equal(*pair, f"{line}[{i}]")
    else:
        need(found == due, line, f"is {found!r}, but the intervals give {due!r}")


def check_span(document: Json) -> tuple[int, int]:
    """First and last second of the month, which the file must name, with what of it the batches cover."""
    name, zone = document["month"], ZoneInfo(document["timezone"])
    year, month = int(name[:4]), int(name[5:])
    need(name == f"{year:04d}-{month:02d}", "month", "is not YYYY-MM")
    start_s = int(datetime(year, month, 1, tzinfo=zone).timestamp())
    end_s = int(datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).timestamp())
    batches = document["batches"]
    first_s = min((each["first_start_s"] for each in batches), default=start_s)
    last_s = max((each["end_s"] for each in batches), default=start_s)
    from_s = min(max(start_s, first_s), end_s)
    to_s = max(from_s, min(end_s, last_s))
    due = {"start_s": start_s, "end_s": end_s, "covered_from_s": from_s, "covered_to_s": to_s}
    for key, value in (due | {"provisional": to_s < end_s}).items():
        check_equal(document[key], value, key)
    return start_s, end_s


DOCUMENT = (
    "format member month timezone start_s end_s covered_from_s covered_to_s provisional currency totals bill chain "
    "tariffs batches readings"
)


def verify(document: Json, ask: Ask, older: Json | None = None) -> Iterator[str]:
    """Yields what was proved. Raises DoesNotHold at the first line that does not hold."""
    try:
        yield from verified(document, ask, older)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, ZeroDivisionError) as error:
        raise DoesNotHold("the statement", f"is not of the form of a statement: {error!r}") from error


def verified(document: Json, ask: Ask, older: Json | None) -> Iterator[str]:
    """As `verify`, where the document has the form of one."""
    only(document, "the statement", DOCUMENT)
    need(document["format"] == FORMAT, "format", f"is not {FORMAT!r}")
    start_s, end_s = check_span(document)
    yield from check_chain(ask, document["chain"], older)
    ledgers = ledgers_of(ask, document["chain"]["ledger"])
    rounds: dict[int, Json] = {}
    for i, entry in enumerate(document["batches"]):
        line = f"batches[{i}]"
        check_entry(entry, line, document["member"])
        check_anchored(ask, document["chain"], ledgers, entry, line)
        if i == 0:
            check_evidence_before(ask, ledgers, entry, line)
        yield f"{line}: batch {entry['sequence']} is on the chain, its prices are those of the clearings it names"
        rounds.update({each["start_s"]: each for each in entry["rounds"]})
    for i, (before, after) in enumerate(pairwise(document["batches"])):
        need(after["sequence"] == before["sequence"] + 1, f"batches[{i + 1}].sequence", "a batch is left out")
        continues = after["previous_evidence_hash"] == before["evidence_hash"]
        need(continues, f"batches[{i + 1}].previous_evidence_hash", "is not the evidence of the batch before")
    tariffs = checked_tariffs(document, rounds)
    registers, count = check_readings(document, ledgers[-1])
    yield f"readings: {count} are signed by the gateways that the batches anchor"

    def energy(point: str, first_s: int, last_s: int) -> Energy | None:
        parts = [each.between(first_s, last_s) for each in registers.get(point, [])]
        if sum(covered for covered, _, _ in parts) != last_s - first_s:
            return None
        return sum(imported for _, imported, _ in parts), sum(exported for _, _, exported in parts)

    versions: dict[int, list[tuple[str, Json]]] = defaultdict(list)
    classes: dict[int, str] = {}
    for i, entry in enumerate(document["batches"]):
        for k, each in enumerate(entry["intervals"]):
            if start_s <= each["start_s"] < end_s:
                versions[each["start_s"]].append((f"batches[{i}].intervals[{k}]", each))
                classes[each["start_s"]] = each.get("vat_class", entry["vat_class"])
    check_intervals(versions, rounds, tariffs, classes, energy)
    yield f"intervals: in {len(versions)} energy, orders, prices, charges and VAT give every transfer"
    due = figures((each for same in by_batch(document, versions) for each in same), tariffs)
    check_equal(document["totals"], due["totals"], "totals")
    check_equal(document["bill"], due["bill"], "bill")
    yield f"bill: {due['bill']['total_cents']} cents follow from the intervals"


def check_intervals(
    versions: dict[int, list[tuple[str, Json]]],
    rounds: dict[int, Json],
    tariffs: dict[int, Json],
    classes: dict[int, str],
    energy: Callable[..., Energy | None],
) -> None:
    """Every interval of the month, with the round, tariff and VAT class that it is settled with."""
    for at_s, same in versions.items():
        if at_s not in rounds and moves_money_only([each for _, each in same]):
            continue  # the first interval of a month takes the rounding of the month before
        need(at_s in rounds, same[-1][0], "no round is anchored for it")
        check_interval(same, terms_of(rounds[at_s], tariffs[at_s], classes[at_s], same[-1][0]), energy)


def by_batch(document: Json, versions: dict[int, Any]) -> Iterator[list[Json]]:
    """The month's intervals in the order of their batches."""
    for entry in document["batches"]:
        yield [each for each in entry["intervals"] if each["start_s"] in versions]


def checked_tariffs(document: Json, rounds: dict[int, Json]) -> dict[int, Json]:
    """The tariff of every round; each that is given is anchored by one."""
    used = {each["tariff_digest"] for each in rounds.values()}
    given: dict[str, Json] = {}
    for i, tariff in enumerate(document["tariffs"]):
        content = json.dumps(tariff, sort_keys=True, separators=(",", ":")).encode()
        digest = "0x" + keccak(content).hex()
        need(digest in used and digest not in given, f"tariffs[{i}]", "is not anchored by any round, or given twice")
        need(tariff["currency"] == document["currency"], "currency", f"tariffs[{i}] is in {tariff['currency']}")
        given[digest] = tariff
    return {at_s: given[each["tariff_digest"]] for at_s, each in rounds.items() if each["tariff_digest"] in given}


def terms_of(market_round: Json, tariff: Json, vat_class: str, line: str) -> Terms:
    """Price, tariff, VAT and what the mechanism promises, as the round anchors them."""
    mechanism = market_round.get("mechanism", "k_double_auction")
    need(mechanism in MECHANISMS, line, f"the mechanism {mechanism!r} is unknown")
    uniform, pooled, average = MECHANISMS[mechanism]
    vat = tariff["vat"][vat_class]
    price = market_round.get("clearing_price_micro_per_kwh")
    island = market_round.get("island")
    uniform = uniform and island is None  # on an island what is firm has the price of its bus
    return Terms(price, tariff, vat["buying_permille"], vat["selling_permille"], uniform, pooled, int(average), island)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, verify, and say it."""
    parser = argparse.ArgumentParser(description="Verify a Commonwatt statement without Commonwatt's code.")
    parser.add_argument("file", type=Path, help="the statement, FILE.json")
    parser.add_argument("--rpc", required=True, help="address of the community's chain: http://... or https://...")
    parser.add_argument("--checkpoint", type=Path, help="an older statement of this community, delivered before")
    asked = parser.parse_args(arguments)
    try:
        older = None if asked.checkpoint is None else load(asked.checkpoint.read_bytes())["chain"]["checkpoint"]
        for told in verify(load(asked.file.read_bytes()), chain_at(asked.rpc), older):
            sys.stdout.write(f"{told}\n")
    except DoesNotHold as error:
        sys.stderr.write(f"does not hold: {error}\n")
        return 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"cannot be verified: {error}\n")
        return 2
    sys.stdout.write("Every figure holds.\n")
    if asked.checkpoint is None:
        sys.stdout.write("Without --checkpoint only consistency is proved: the chain could have been rebuilt.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
