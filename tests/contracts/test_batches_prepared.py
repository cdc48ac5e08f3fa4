"""A batch moves exactly the money of its transfers, and tells nobody who it was or how much they used."""

from dataclasses import replace
from pathlib import Path

import pytest
from settlement_cases import NOON, Book, energy, point, settle
from signed_meters import FIRST
from statement_cases import LANES, MEMBERS, ProvenCommunity, round_of

from contracts.batches import BatchContents, PreparedBatch, prepare_batch
from contracts.evidence import NO_EVIDENCE, DeviceHead
from contracts.transfers import MARKET, TREASURY, Postings, TransferKind, member_account, net_positions
from meters.signing import keccak

SALTS = {name: keccak(name.encode()) for name in ("anna", "ben", "cem")}
DAY_S = 86_400


def contents(**changes: object) -> BatchContents:
    points = [point(name) for name in ("anna", "ben")]
    settled = settle(
        Book().buy("anna", 500).sell("ben", 400).cleared(), [energy("anna", 500), energy("ben", 0, 400)], points
    )
    head = DeviceHead(
        device="D1", metering_point="M-anna", participant="anna", epoch=0, seq=4, head=b"\x07" * 32, signer="0x01"
    )
    parts: dict[str, object] = {
        "transfers": settled.transfers,
        "allocations": settled.allocations,
        "orders": (),
        "rounds": (round_of(FIRST), round_of(FIRST.shifted(1))),
        "heads": (head, replace(head, device="D2", metering_point="M-ben", participant="ben")),
    }
    return BatchContents(**{**parts, **changes})


def prepared(given: BatchContents, **changes: object) -> PreparedBatch:
    arguments: dict[str, object] = {
        "sequence": 1,
        "first_start_s": NOON.start_s,
        "end_s": NOON.start_s + DAY_S,
        "lanes": {"anna": 0, "ben": 1, "cem": 2},
        "salts": SALTS,
        "previous_evidence_hash": NO_EVIDENCE,
    }
    return prepare_batch(given, **{**arguments, **changes})


def test_positions_are_those_of_the_transfers() -> None:
    given = contents()
    batch = prepared(given)
    net = net_positions(given.transfers)
    assert batch.member_deltas_nano == {
        0: net[member_account("anna")],
        1: net[member_account("ben")],
        2: 0,
    }
    assert batch.system_deltas_nano == {name: nano for name, nano in net.items() if name.startswith("system:")}
    assert batch.system_deltas_nano[MARKET] == 0
    assert sum(batch.member_deltas_nano.values()) + sum(batch.system_deltas_nano.values()) == 0


def test_the_same_contents_in_any_order_give_the_same_batch() -> None:
    given = contents()
    names = ("transfers", "allocations", "rounds", "heads")
    assert prepared(contents(**{name: getattr(given, name)[::-1] for name in names})) == prepared(given)


@pytest.mark.parametrize("name", ["transfers", "allocations", "rounds", "heads"])
def test_every_part_changes_what_is_anchored(name: str) -> None:
    given = contents()
    other = contents(**{name: getattr(given, name)[:-1]})
    anchored = {
        (each.trades_root, each.readings_root, each.evidence_hash) for each in (prepared(given), prepared(other))
    }
    assert len(anchored) == 2


def test_salts_hide_what_is_the_same() -> None:
    other = {**SALTS, "anna": b"\x05" * 32}
    assert prepared(contents(), salts=other).trades_root != prepared(contents()).trades_root
    assert prepared(contents(), salts=other).readings_root != prepared(contents()).readings_root


def test_a_batch_covers_at_least_a_day() -> None:
    with pytest.raises(ValueError, match="covers 3600 s: a batch covers at least a day"):
        prepared(contents(), end_s=NOON.start_s + 3600)
    assert prepared(contents(), end_s=NOON.start_s + 3600, shorter_than_a_day=True).sequence == 1
    assert prepared(contents(), end_s=NOON.start_s + 23 * 3600).sequence == 1  # the day on which summer time begins


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lanes": {"anna": 0}}, "ben has no lane in the ledger"),
        ({"lanes": {"anna": 0, "ben": 0}}, "two members have the same lane"),
        ({"salts": {"anna": b"\x01" * 32}}, "ben needs a salt of 32 bytes"),
        ({"salts": {**SALTS, "ben": b"short"}}, "ben needs a salt of 32 bytes"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        prepared(contents(), **changes)


def test_payments_do_not_belong_into_a_batch() -> None:
    book = Postings(NOON, "D1")
    book.post(TransferKind.PAYMENT, "x", "paid", debit=TREASURY, credit=member_account("anna"), amount_nano=5)
    with pytest.raises(ValueError, match="payments are issued and redeemed"):
        prepared(contents(transfers=book.transfers))


def test_a_point_cannot_be_allocated_twice() -> None:
    given = contents()
    with pytest.raises(ValueError, match="allocated twice in one interval"):
        prepared(contents(allocations=[*given.allocations, given.allocations[0]]))


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory):
    community = ProvenCommunity(tmp_path_factory.mktemp("proven"))
    yield community
    community.close()


def test_the_ledger_holds_exactly_what_the_batches_moved(proven: ProvenCommunity) -> None:
    for member in MEMBERS:
        expected = sum(batch.member_deltas_nano[LANES[member]] for batch in proven.batches)
        assert proven.ledger.balance_of(LANES[member]) == expected
    system = proven.ledger.system_balances()
    for account in {name for batch in proven.batches for name in batch.system_deltas_nano}:
        assert system[account] == sum(batch.system_deltas_nano.get(account, 0) for batch in proven.batches)
    assert system[MARKET] == 0


def test_nothing_on_the_chain_names_a_member_or_tells_a_homes_energy(proven: ProvenCommunity, tmp_path: Path) -> None:
    everything = b"".join(proven.chain.evm.mined(n).transaction.data for n in proven.blocks)
    names = [*MEMBERS, *(f"AT{name}" for name in MEMBERS), *(f"D-{name}" for name in MEMBERS)]
    for name in names:
        assert name.encode() not in everything
        assert keccak(name.encode()) not in everything
    energies = {wh for each in proven.settlements for a in each.allocations for wh in (a.import_wh, a.export_wh)}
    for energy_wh in energies - set(range(300)):
        assert energy_wh.to_bytes(32, "big") not in everything
