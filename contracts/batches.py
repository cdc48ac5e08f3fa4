"""From a day's settlement to one batch: net positions for the ledger, and roots of all that they were computed from.

A batch covers at least a day, because the net money of an hour divided by the public price would tell a home's kWh.

The trades root is a tree of members, each of which is a tree of that member's intervals. An interval holds `start_s`,
`minutes`, `points` (energy of each of the member's metering points), `orders` (with their outcome) and `transfers`
(what the member paid, + or was paid, -). The readings root holds the heads of the devices' chains, the evidence hash
the rounds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.bills import paid_nano
from contracts.evidence import (
    SALT_BYTES,
    DeviceHead,
    Json,
    RoundEvidence,
    canonical,
    device_leaf,
    evidence_hash,
    hexed,
    interval_leaf,
    member_leaf,
)
from contracts.merkle import MerkleTree, leaf_hash
from contracts.settlement import Allocation
from contracts.transfers import TREASURY, Transfer, business_key, member_account, net_positions
from matching.orders import Order, Trade
from meters.interval import DeliveryInterval

if TYPE_CHECKING:
    from contracts.ledger import LedgerBatch

MEMBER_PREFIX = member_account("")
SHORTEST_PERIOD_S = 23 * 3600
"""The shortest local day, when summer time begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradedOrder:
    """An order of one interval with its outcome."""

    interval: DeliveryInterval
    order: Order
    trade: Trade

    def to_json(self) -> Json:
        order, trade = self.order, self.trade
        values: Json = {
            "order_id": order.order_id,
            "metering_point": order.metering_point,
            "side": order.side.value,
            "firmness": order.firmness.value,
            "quantity_wh": order.quantity_wh,
            "limit_micro_per_kwh": order.limit_micro_per_kwh,
            "accepted_wh": trade.accepted_wh,
            "curtailed_wh": trade.curtailed_wh,
            "amount_nano": trade.amount_nano,
        }
        if trade.price_micro_per_kwh is not None:
            values["price_micro_per_kwh"] = trade.price_micro_per_kwh
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchContents:
    """Everything of a period that is not in a batch yet, in any order.

    transfers    without payments; corrections of earlier intervals may be among them
    allocations  the latest of each point and interval that is settled or corrected here
    orders       of these intervals; rounds: of the period; heads: one per device and epoch
    """

    transfers: Sequence[Transfer]
    allocations: Sequence[Allocation]
    orders: Sequence[TradedOrder]
    rounds: Sequence[RoundEvidence]
    heads: Sequence[DeviceHead]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPart:
    """One member's part of a batch. `intervals` ascend by start; credits of `delta_nano` are positive."""

    participant: str
    lane: int
    salt: bytes
    delta_nano: int
    intervals: tuple[Json, ...]
    leaf: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch:
    """A batch ready for the ledger, and all that is needed to prove each of its parts.

    system_deltas_nano  by system account, credits positive; with the members' they add up to zero
    members, devices    in the order of their trees' leaves
    """

    sequence: int
    first_start_s: int
    end_s: int
    system_deltas_nano: Mapping[str, int]
    trades_root: bytes
    readings_root: bytes
    evidence_hash: bytes
    previous_evidence_hash: bytes
    members: tuple[MemberPart, ...]
    devices: tuple[tuple[DeviceHead, bytes], ...]
    rounds: tuple[RoundEvidence, ...]

    @property
    def member_deltas_nano(self) -> dict[int, int]:
        """Change by lane, credits positive."""
        return {part.lane: part.delta_nano for part in self.members}

    def ledger_batch(self) -> "LedgerBatch":
        """The batch as the contract takes it; nothing in it names a member or tells a home's energy."""
        from contracts.ledger import LedgerBatch

        return LedgerBatch(
            sequence=self.sequence,
            first_start_s=self.first_start_s,
            end_s=self.end_s,
            member_deltas_nano=self.member_deltas_nano,
            system_deltas_nano=self.system_deltas_nano,
            trades_root=self.trades_root,
            readings_root=self.readings_root,
            evidence_hash=self.evidence_hash,
        )


def prepare_batch(
    contents: BatchContents,
    *,
    sequence: int,
    first_start_s: int,
    end_s: int,
    lanes: Mapping[str, int],
    salts: Mapping[str, bytes],
    previous_evidence_hash: bytes,
    shorter_than_a_day: bool = False,
) -> PreparedBatch:
    """The batch of [first_start_s, end_s); the same contents in any order give the same batch.

    lanes, salts            by participant: place in the ledger, and 32 secret bytes that blind this batch's leaves;
                            everybody with a lane has a part, so that no member's file can leave a batch out unnoticed
    previous_evidence_hash  of the batch before, NO_EVIDENCE for the first
    shorter_than_a_day      allows what privacy forbids: for a demonstration or a test
    Raises ValueError naming what is missing or does not belong into a batch.
    """
    if end_s - first_start_s < SHORTEST_PERIOD_S and not shorter_than_a_day:
        raise ValueError(f"batch {sequence} covers {end_s - first_start_s} s: a batch covers at least a day")
    if any(TREASURY in {each.debit, each.credit} for each in contents.transfers):
        raise ValueError(f"batch {sequence}: payments are issued and redeemed on the ledger, not settled in a batch")
    net = net_positions(contents.transfers)
    devices = sorted(
        ((head, device_leaf(_salt(salts, head.participant), head.to_json())) for head in contents.heads),
        key=lambda pair: pair[1],
    )
    members = _members(contents, net, devices, lanes, salts)
    rounds = sorted(contents.rounds, key=lambda each: each.interval)
    return PreparedBatch(
        sequence=sequence,
        first_start_s=first_start_s,
        end_s=end_s,
        system_deltas_nano={name: nano for name, nano in sorted(net.items()) if not name.startswith(MEMBER_PREFIX)},
        trades_root=MerkleTree([part.leaf for part in members]).root,
        readings_root=MerkleTree([leaf for _, leaf in devices]).root,
        evidence_hash=evidence_hash(rounds_root(each.to_json() for each in rounds), previous_evidence_hash),
        previous_evidence_hash=previous_evidence_hash,
        members=tuple(members),
        devices=tuple(devices),
        rounds=tuple(rounds),
    )


def rounds_root(rounds: Iterable[Mapping[str, object]]) -> bytes:
    """Root over the rounds of a batch, ascending by start; they are public and not salted."""
    return MerkleTree([leaf_hash(canonical(each)) for each in rounds]).root


def _salt(salts: Mapping[str, bytes], participant: str) -> bytes:
    salt = salts.get(participant, b"")
    if len(salt) != SALT_BYTES:
        raise ValueError(f"{participant} needs a salt of {SALT_BYTES} bytes")
    return salt


def _members(
    contents: BatchContents,
    net: Mapping[str, int],
    devices: Sequence[tuple[DeviceHead, bytes]],
    lanes: Mapping[str, int],
    salts: Mapping[str, bytes],
) -> list[MemberPart]:
    parts = []
    found = _intervals(contents)
    own_devices: dict[str, list[bytes]] = defaultdict(list)
    for head, leaf in devices:
        own_devices[head.participant].append(leaf)
    for participant in sorted(found.keys() | lanes.keys()):
        if participant not in lanes:
            raise ValueError(f"{participant} has no lane in the ledger: register the member first")
        intervals = found.get(participant, [])
        salt, lane = _salt(salts, participant), lanes[participant]
        root = MerkleTree([interval_leaf(salt, interval) for interval in intervals]).root
        delta_nano = net.get(member_account(participant), 0)
        leaf = member_leaf(salt, participant=participant, lane=lane, root=root, devices=own_devices[participant])
        parts.append(
            MemberPart(
                participant=participant,
                lane=lane,
                salt=salt,
                delta_nano=delta_nano,
                intervals=tuple(intervals),
                leaf=leaf,
            )
        )
    parts.sort(key=lambda part: part.leaf)
    if len({part.lane for part in parts}) != len(parts):
        raise ValueError("two members have the same lane in the ledger")
    return parts


def _intervals(contents: BatchContents) -> dict[str, list[Json]]:
    """Per participant the JSON of every interval that is allocated or moves money, ascending by start."""
    found: dict[str, dict[DeliveryInterval, tuple[list[Json], list[Json], list[Json]]]] = defaultdict(
        lambda: defaultdict(lambda: ([], [], []))
    )
    if len({(each.metering_point, each.interval) for each in contents.allocations}) != len(contents.allocations):
        raise ValueError("a point is allocated twice in one interval: give the latest allocation only")
    for each in sorted(contents.allocations, key=lambda each: each.metering_point):
        found[each.participant][each.interval][0].append(_point_json(each))
    for traded in sorted(contents.orders, key=lambda each: each.order.order_id):
        if traded.interval in found.get(traded.order.participant, {}):
            found[traded.order.participant][traded.interval][1].append(traded.to_json())
    for transfer in sorted(contents.transfers, key=lambda each: each.transfer_id):
        for account in (transfer.debit, transfer.credit):
            if account.startswith(MEMBER_PREFIX):
                participant = account.removeprefix(MEMBER_PREFIX)
                found[participant][transfer.interval][2].append(_transfer_json(transfer, account))
    return {
        participant: [
            {
                "start_s": interval.start_s,
                "minutes": interval.minutes,
                "points": points,
                "orders": orders,
                "transfers": transfers,
            }
            for interval, (points, orders, transfers) in sorted(intervals.items())
        ]
        for participant, intervals in sorted(found.items())
    }


def _point_json(allocation: Allocation) -> Json:
    return {
        "metering_point": allocation.metering_point,
        "import_wh": allocation.import_wh,
        "export_wh": allocation.export_wh,
        "bought_wh": allocation.bought_wh,
        "sold_wh": allocation.sold_wh,
        "residual_import_wh": allocation.residual_import_wh,
        "residual_export_wh": allocation.residual_export_wh,
        "curtailed_wh": allocation.curtailed_wh,
    }


def _transfer_json(transfer: Transfer, account: str) -> Json:
    key = business_key(transfer)
    values: Json = {
        "run": transfer.run,
        "kind": key.kind.value,
        "subject": key.subject,
        "part": key.part,
        "paid_nano": paid_nano(transfer, account),
    }
    if transfer.energy_wh:
        values["energy_wh"] = transfer.energy_wh
        values["price_micro_per_kwh"] = transfer.price_micro_per_kwh
    return values


def proof_json(leaves: Sequence[bytes], leaf: bytes) -> Json:
    """Where `leaf` is in the tree over `leaves`, and its neighbours on the way to the root."""
    index = leaves.index(leaf)
    return {"index": index, "count": len(leaves), "path": [hexed(each) for each in MerkleTree(leaves).path(index)]}
