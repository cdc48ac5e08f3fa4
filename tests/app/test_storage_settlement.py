"""The ledger in the database, and the outbox of the chain: inserted once, never edited, always adding up."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from app.storage.database import reading, writing
from app.storage.store import settlement
from app.storage.store.chain import DatabaseOutboxStore
from app.storage.store.settlement import BatchRecord, LedgerConflictError
from contracts.outbox import OutboxStore, StoredTransaction
from contracts.settlement import Allocation
from contracts.transfers import CONGESTION, Transfer, TransferKind, member_account
from meters.interval import DeliveryInterval
from tests.app.neighbourhood import NOON_S

INTERVAL = DeliveryInterval.at(NOON_S)
SALE = Transfer(
    transfer_id="t1",
    interval=INTERVAL,
    run="D1",
    kind=TransferKind.ENERGY,
    debit=member_account("bela"),
    credit=member_account("anna"),
    amount_nano=76_000_000_000_000,
    energy_wh=400,
    price_micro_per_kwh=190_000,
)
FEE = replace(
    SALE, transfer_id="t2", kind=TransferKind.CONGESTION, credit=CONGESTION, amount_nano=5, energy_wh=0,
    price_micro_per_kwh=0, interval=INTERVAL.shifted(1),
)  # fmt: skip
BATCH = BatchRecord(
    sequence=1,
    first_start_s=NOON_S,
    end_s=NOON_S + 1_800,
    trades_root="0x01",
    readings_root="0x02",
    evidence_hash="0x03",
    net_json="{}",
    prepared_s=NOON_S + 2_000,
)


def _post(engine: Engine, *transfers: Transfer) -> int:
    with writing(engine) as connection:
        return settlement.post_transfers(connection, transfers)


def test_posted_transfers_make_balances_that_add_up_to_zero(any_engine: Engine) -> None:
    assert _post(any_engine, SALE, FEE) == 2
    with reading(any_engine) as connection:
        assert settlement.balances(connection) == {
            "member:anna": SALE.amount_nano,
            "member:bela": -SALE.amount_nano - 5,
            CONGESTION: 5,
        }
        assert settlement.balance_of(connection, "member:bela") == -SALE.amount_nano - 5
        assert settlement.balance_of(connection, "member:nobody") == 0
        mine = settlement.transfers_between(
            connection, start_s=0, end_s=NOON_S + 900, account="member:anna", minutes=15
        )
        assert mine == (SALE,)


def test_a_transfer_posted_again_is_posted_once(any_engine: Engine) -> None:
    assert (_post(any_engine, SALE), _post(any_engine, SALE, FEE), _post(any_engine, FEE)) == (1, 1, 0)
    with reading(any_engine) as connection:
        assert settlement.balance_of(connection, "member:anna") == SALE.amount_nano


def test_a_posted_transfer_is_never_changed(any_engine: Engine) -> None:
    _post(any_engine, SALE)
    with pytest.raises(LedgerConflictError, match="transfer t1 is posted as"):
        _post(any_engine, FEE, replace(SALE, amount_nano=1))
    with reading(any_engine) as connection:
        assert settlement.balances(connection) == {"member:anna": SALE.amount_nano, "member:bela": -SALE.amount_nano}


def test_thousands_of_transfers_post_in_one_go(any_engine: Engine) -> None:
    many = [replace(SALE, transfer_id=f"t{i}", amount_nano=i + 1) for i in range(5_000)]
    assert (_post(any_engine, *many), _post(any_engine, *many)) == (5_000, 0)
    with reading(any_engine) as connection:
        assert settlement.balance_of(connection, "member:anna") == 5_000 * 5_001 // 2


def test_a_later_run_replaces_the_allocation_of_an_interval(any_engine: Engine) -> None:
    first = Allocation(
        metering_point="mp-anna",
        participant="anna",
        interval=INTERVAL,
        bought_wh=0,
        sold_wh=300,
        residual_import_wh=0,
        residual_export_wh=100,
        curtailed_wh=7,
    )
    with writing(any_engine) as connection:
        settlement.save_allocations(connection, NOON_S, "D1", [first])
        settlement.save_allocations(connection, NOON_S, "R1", [replace(first, sold_wh=310, residual_export_wh=90)])
    with reading(any_engine) as connection:
        (stored,) = settlement.allocations_between(connection, start_s=0, end_s=NOON_S + 1, points=["mp-anna"])
        assert (stored.run, stored.sold_wh, stored.residual_export_wh, stored.curtailed_wh) == ("R1", 310, 90, 7)
        assert settlement.allocations_between(connection, start_s=0, end_s=NOON_S + 1, points=["mp-bela"]) == ()


def test_a_batch_takes_its_transfers_and_goes_from_prepared_to_final(any_engine: Engine) -> None:
    _post(any_engine, SALE, FEE)
    with writing(any_engine) as connection:
        settlement.prepare_batch(connection, BATCH, ["t1"], salts={"anna": b"pepper"})
        settlement.mark_batch_sent(connection, 1, tx_hash="0xaa")
    with reading(any_engine) as connection:
        assert settlement.transfers_of_batch(connection, 1, minutes=15) == (SALE,)
        assert settlement.transfers_outside_batches(connection, before_s=NOON_S * 2, minutes=15) == (FEE,)
        assert [batch.state for batch in settlement.unfinished_batches(connection)] == ["sent"]
        assert settlement.salts_of(connection, 1) == {"anna": b"pepper"}
    with writing(any_engine) as connection:
        settlement.mark_batch_final(connection, 1, tx_hash="0xaa", block_number=3, block_hash="0xbb", gas_used=70_000)
        settlement.mark_batch_sent(connection, 1, tx_hash="0xcc")
    with reading(any_engine) as connection:
        final = replace(BATCH, state="final", tx_hash="0xaa", block_number=3, block_hash="0xbb", gas_used=70_000)
        assert settlement.last_batch(connection) == final
        assert settlement.unfinished_batches(connection) == ()


@pytest.mark.parametrize("transfer_ids", [["t1", "t9"], ["t1", "t2"]], ids=["not posted", "in another batch"])
def test_a_batch_of_transfers_it_cannot_have_is_refused_whole(any_engine: Engine, transfer_ids: list[str]) -> None:
    _post(any_engine, SALE, FEE)
    with writing(any_engine) as connection:
        settlement.prepare_batch(connection, BATCH, ["t2"], salts={})
    with pytest.raises(LedgerConflictError, match="1 of its transfers"), writing(any_engine) as connection:
        settlement.prepare_batch(connection, replace(BATCH, sequence=2), transfer_ids, salts={})
    with reading(any_engine) as connection:
        assert len(settlement.batches(connection)) == 1
        assert settlement.transfers_outside_batches(connection, before_s=NOON_S * 2, minutes=15) == (SALE,)


def _outbox(engine: Engine) -> OutboxStore:
    return DatabaseOutboxStore(engine, lambda: datetime.fromtimestamp(NOON_S, UTC))


def test_the_outbox_returns_what_was_stored_until_it_is_final(any_engine: Engine) -> None:
    store = _outbox(any_engine)
    deploy = StoredTransaction(business_id="deploy", nonce=0, raw=b"\x02raw", tx_hash=b"\xaa" * 32)
    settle = StoredTransaction(business_id="settle:1", nonce=1, raw=b"\x02more", tx_hash=b"\xbb" * 32)
    for transaction in (settle, deploy):
        store.put(transaction)
    assert list(store.unfinished()) == [deploy, settle]
    store.mark_final("deploy")
    assert store.find("deploy") == replace(deploy, final=True)
    assert list(store.unfinished()) == [settle]
    assert list(store.since(0)) == [replace(deploy, final=True), settle]
    assert list(store.since(2)) == []
    assert store.find("settle:2") is None


@pytest.mark.parametrize(("business_id", "nonce"), [("settle:1", 2), ("settle:2", 1)])
def test_the_outbox_keeps_one_transaction_per_business_and_nonce(
    any_engine: Engine, business_id: str, nonce: int
) -> None:
    store = _outbox(any_engine)
    first = StoredTransaction(business_id="settle:1", nonce=1, raw=b"\x02", tx_hash=b"\xbb" * 32)
    store.put(first)
    with pytest.raises(IntegrityError):
        store.put(replace(first, business_id=business_id, nonce=nonce))
    assert list(store.since(0)) == [first]
