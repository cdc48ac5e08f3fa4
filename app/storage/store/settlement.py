"""Transfers, allocations and the batches that anchor them on chain. Transfers are only ever inserted."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, RowMapping, func, or_, select, update

from app.storage import tables
from app.storage.store.bulk import insert_all, upsert
from app.storage.tables import core_table
from contracts.transfers import Transfer, TransferKind
from meters.interval import DeliveryInterval

TRANSFERS = core_table(tables.TransferRow)
ALLOCATIONS = core_table(tables.AllocationRow)
BATCHES = core_table(tables.SettlementBatch)
SALTS = core_table(tables.MemberSalt)
KEYS_PER_QUERY = 500


class LedgerConflictError(RuntimeError):
    """A posted transfer or a prepared batch was about to be changed: that is a bug, never input."""


class SharedEnergy(Protocol):
    """What a settlement says of one point's energy in one interval (Wh, non-negative)."""

    @property
    def metering_point(self) -> str: ...
    @property
    def bought_wh(self) -> int: ...
    @property
    def sold_wh(self) -> int: ...
    @property
    def residual_import_wh(self) -> int: ...
    @property
    def residual_export_wh(self) -> int: ...
    @property
    def curtailed_wh(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAllocation:
    """How a point's metered energy was shared in the interval that starts at start_s, by the latest run."""

    metering_point: str
    start_s: int
    run: str
    bought_wh: int
    sold_wh: int
    residual_import_wh: int
    residual_export_wh: int
    curtailed_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """A batch of settled intervals [first_start_s, end_s); chain columns are None until it is final.

    corrects_from_s  start of the earliest interval before its own that it sets right, None without one
    """

    sequence: int
    first_start_s: int
    end_s: int
    trades_root: str
    readings_root: str
    evidence_hash: str
    net_json: str
    prepared_s: int
    corrects_from_s: int | None = None
    state: str = "prepared"
    tx_hash: str | None = None
    block_number: int | None = None
    block_hash: str | None = None
    gas_used: int | None = None


def post_transfers(connection: Connection, transfers: Iterable[Transfer]) -> int:
    """Insert the transfers that are not posted yet; returns how many.

    Posting the same transfer again is nothing; another content under a posted id raises LedgerConflictError.
    """
    wanted = {transfer.transfer_id: transfer for transfer in transfers}
    posted = _posted(connection, list(wanted))
    for transfer_id, values in posted.items():
        if values != _transfer_values(wanted[transfer_id]):
            raise LedgerConflictError(f"transfer {transfer_id} is posted as {values}, not as {wanted[transfer_id]}")
    new = [transfer for transfer_id, transfer in wanted.items() if transfer_id not in posted]
    insert_all(connection, TRANSFERS, (_transfer_values(transfer) for transfer in new))
    return len(new)


def save_allocations(connection: Connection, start_s: int, run: str, allocations: Iterable[SharedEnergy]) -> None:
    """Store how the interval's energy was shared, for the next batch to hold; a later run replaces the earlier."""
    columns = ("run", "bought_wh", "sold_wh", "residual_import_wh", "residual_export_wh", "curtailed_wh")
    rows = (
        {
            "metering_point_id": allocation.metering_point,
            "start_s": start_s,
            "run": run,
            "pending": True,
            **{name: getattr(allocation, name) for name in columns[1:]},
        }
        for allocation in allocations
    )
    upsert(connection, ALLOCATIONS, rows, replacing=("pending", *columns))


def prepare_batch(
    connection: Connection, batch: BatchRecord, transfer_ids: Sequence[str], *, salts: dict[str, bytes]
) -> None:
    """Store a batch, its members' salts (by participant), and mark its transfers, in the caller's transaction.

    Raises LedgerConflictError if a transfer is in a batch already or is not posted.
    """
    insert_all(connection, BATCHES, [asdict(batch)])
    rows = [{"participant_id": member, "sequence": batch.sequence, "salt": salt} for member, salt in salts.items()]
    insert_all(connection, SALTS, rows)
    marked = 0
    for keys in _chunks(transfer_ids):
        marked += connection.execute(
            update(TRANSFERS)
            .where(TRANSFERS.c.transfer_id.in_(keys), TRANSFERS.c.batch_sequence.is_(None))
            .values(batch_sequence=batch.sequence)
        ).rowcount
    if marked != len(transfer_ids):
        raise LedgerConflictError(
            f"batch {batch.sequence}: {len(transfer_ids) - marked} of its transfers are not posted or in another batch"
        )


def mark_batch_sent(connection: Connection, sequence: int, *, tx_hash: str) -> None:
    """The batch's transaction is signed and stored; a final batch stays final."""
    connection.execute(
        update(BATCHES)
        .where(BATCHES.c.sequence == sequence, BATCHES.c.state != "final")
        .values(state="sent", tx_hash=tx_hash)
    )


def mark_batch_final(
    connection: Connection, sequence: int, *, tx_hash: str, block_number: int, block_hash: str, gas_used: int
) -> None:
    """The batch's transaction is final on chain in the given block."""
    connection.execute(
        update(BATCHES)
        .where(BATCHES.c.sequence == sequence)
        .values(state="final", tx_hash=tx_hash, block_number=block_number, block_hash=block_hash, gas_used=gas_used)
    )


def batches(connection: Connection) -> tuple[BatchRecord, ...]:
    """All batches by sequence."""
    rows = connection.execute(select(BATCHES).order_by(BATCHES.c.sequence)).mappings()
    return tuple(BatchRecord(**row) for row in rows)


def unfinished_batches(connection: Connection) -> tuple[BatchRecord, ...]:
    """Batches that are not final on chain, by sequence."""
    return tuple(batch for batch in batches(connection) if batch.state != "final")


def last_batch(connection: Connection) -> BatchRecord | None:
    """The newest batch, None before the first."""
    row = connection.execute(select(BATCHES).order_by(BATCHES.c.sequence.desc()).limit(1)).mappings().first()
    return None if row is None else BatchRecord(**row)


def salts_of(connection: Connection, sequence: int) -> dict[str, bytes]:
    """The salts of a batch by participant, without those that were erased."""
    rows = connection.execute(select(SALTS.c.participant_id, SALTS.c.salt).where(SALTS.c.sequence == sequence))
    return {member: bytes(salt) for member, salt in rows}


def transfers_between(
    connection: Connection, *, start_s: int, end_s: int, account: str | None = None, minutes: int
) -> tuple[Transfer, ...]:
    """Transfers of intervals that start in [start_s, end_s), all or those that touch `account`, in posting order."""
    query = select(TRANSFERS).where(TRANSFERS.c.start_s >= start_s, TRANSFERS.c.start_s < end_s)
    if account is not None:
        query = query.where(or_(TRANSFERS.c.debit == account, TRANSFERS.c.credit == account))
    rows = connection.execute(query.order_by(TRANSFERS.c.start_s, TRANSFERS.c.transfer_id)).mappings()
    return tuple(_transfer(row, minutes) for row in rows)


def transfers_of_batch(connection: Connection, sequence: int, *, minutes: int) -> tuple[Transfer, ...]:
    """Transfers anchored by a batch."""
    query = select(TRANSFERS).where(TRANSFERS.c.batch_sequence == sequence)
    rows = connection.execute(query.order_by(TRANSFERS.c.start_s, TRANSFERS.c.transfer_id)).mappings()
    return tuple(_transfer(row, minutes) for row in rows)


def transfers_outside_batches(connection: Connection, *, before_s: int, minutes: int) -> tuple[Transfer, ...]:
    """Posted transfers of intervals that start before `before_s` and are in no batch yet."""
    query = select(TRANSFERS).where(TRANSFERS.c.batch_sequence.is_(None), TRANSFERS.c.start_s < before_s)
    rows = connection.execute(query.order_by(TRANSFERS.c.start_s, TRANSFERS.c.transfer_id)).mappings()
    return tuple(_transfer(row, minutes) for row in rows)


def balances(connection: Connection) -> dict[str, int]:
    """Balance of every account in nano-units, credits positive; the values add up to zero."""
    totals: dict[str, int] = defaultdict(int)
    amount = func.sum(TRANSFERS.c.amount_nano)
    for side, sign in ((TRANSFERS.c.debit, -1), (TRANSFERS.c.credit, 1)):
        for account, total in connection.execute(select(side, amount).group_by(side)):
            totals[account] += sign * int(total)
    assert sum(totals.values()) == 0
    return dict(totals)


def balance_of(connection: Connection, account: str) -> int:
    """Balance of one account in nano-units; negative is owed."""
    amount = func.coalesce(func.sum(TRANSFERS.c.amount_nano), 0)
    credited = connection.execute(select(amount).where(TRANSFERS.c.credit == account)).scalar_one()
    debited = connection.execute(select(amount).where(TRANSFERS.c.debit == account)).scalar_one()
    return int(credited) - int(debited)


def allocations_between(
    connection: Connection, *, start_s: int, end_s: int, points: Sequence[str] | None = None
) -> tuple[StoredAllocation, ...]:
    """Allocations of intervals that start in [start_s, end_s), of all or some points, by interval and point."""
    query = select(ALLOCATIONS).where(ALLOCATIONS.c.start_s >= start_s, ALLOCATIONS.c.start_s < end_s)
    if points is not None:
        query = query.where(ALLOCATIONS.c.metering_point_id.in_(points))
    rows = connection.execute(query.order_by(ALLOCATIONS.c.start_s, ALLOCATIONS.c.metering_point_id)).mappings()
    return tuple(StoredAllocation(metering_point=row["metering_point_id"], **_rest(row)) for row in rows)


def settled_span(connection: Connection, points: Sequence[str]) -> tuple[int, int] | None:
    """Starts of the first and last settled interval of some points, None if nothing is settled."""
    query = select(func.min(ALLOCATIONS.c.start_s), func.max(ALLOCATIONS.c.start_s))
    first_s, last_s = connection.execute(query.where(ALLOCATIONS.c.metering_point_id.in_(points))).one()
    return None if first_s is None else (int(first_s), int(last_s))


def _rest(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in StoredAllocation.__dataclass_fields__ if name != "metering_point"}


def _posted(connection: Connection, transfer_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    columns = [column for column in TRANSFERS.columns if column.name != "batch_sequence"]
    found = {}
    for keys in _chunks(transfer_ids):
        rows = connection.execute(select(*columns).where(TRANSFERS.c.transfer_id.in_(keys))).mappings()
        found.update({row["transfer_id"]: dict(row) for row in rows})
    return found


def _chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[first : first + KEYS_PER_QUERY] for first in range(0, len(keys), KEYS_PER_QUERY))


def _transfer_values(transfer: Transfer) -> dict[str, Any]:
    return {
        "transfer_id": transfer.transfer_id,
        "start_s": transfer.interval.start_s,
        "run": transfer.run,
        "kind": transfer.kind.value,
        "debit": transfer.debit,
        "credit": transfer.credit,
        "amount_nano": transfer.amount_nano,
        "energy_wh": transfer.energy_wh,
        "price_micro_per_kwh": transfer.price_micro_per_kwh,
    }


def _transfer(row: RowMapping, minutes: int) -> Transfer:
    return Transfer(
        transfer_id=row["transfer_id"],
        interval=DeliveryInterval.at(row["start_s"], minutes),
        run=row["run"],
        kind=TransferKind(row["kind"]),
        debit=row["debit"],
        credit=row["credit"],
        amount_nano=row["amount_nano"],
        energy_wh=row["energy_wh"],
        price_micro_per_kwh=row["price_micro_per_kwh"],
    )
