"""Which authentic batches are admitted: the next ones of their chain, in order of time, with rising registers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from app.storage import tables
from app.storage.interval_energy import SILENCE_S_MAX, Anchor, SlotEnergy, anchor_of, merged, slots_between
from app.storage.store.bulk import insert_all, upsert
from app.storage.store.devices import DEVICES
from app.storage.store.readings import BATCHES, ENERGY, READINGS
from app.storage.tables import core_table
from meters.interval import Quality
from meters.signing import GENESIS_HASH, ReadingBatch, RegisterReading

HEADS = core_table(tables.DeviceHead)
CLOCK_TOLERANCE_S = 300
# A clock that lost its time shows 1970; between then and now a straight line would have two million intervals.
OLDEST_S = 3 * 366 * 86_400
# No connection of a home carries a megawatt. Registers that say so are broken or forged, and what they would cost
# would stop the settlement of everybody.
POWER_W_MAX = 1_000_000
MWH_PER_WATT_S = 1_000 / 3_600

Key = tuple[str, int]


class RefusedError(Exception):
    """A batch is not admitted. `code` is one of the protocol's, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The end of a device's accepted chain in one epoch."""

    next_seq: int
    head: bytes
    anchor: Anchor


class Admission:
    """One transaction of ingest: locks the devices, admits batch after batch, then writes all in bulk."""

    def __init__(self, connection: Connection, points: Mapping[str, str], *, slot_s: int, now_s: int) -> None:
        """`points` gives each device's metering point; `slot_s` is the market time unit in seconds."""
        self._connection = connection
        self._points = points
        self._slot_s = slot_s
        self._now_s = now_s
        self._heads = _lock_heads(connection, points)
        self._newest_epoch: dict[str, int] = {}
        for device, epoch in self._heads:
            self._newest_epoch[device] = max(epoch, self._newest_epoch.get(device, 0))
        self._moved: set[Key] = set()
        self._reading_rows: list[dict[str, Any]] = []
        self._batch_rows: list[dict[str, Any]] = []
        self._slots: dict[tuple[str, int], SlotEnergy] = {}
        self.silences: list[tuple[str, str]] = []

    def next_seq(self, device: str, epoch: int) -> int:
        """The sequence number this device's next reading must have."""
        head = self._heads.get((device, epoch))
        return 0 if head is None else head.next_seq

    def admit(self, batch: ReadingBatch, *, signer: str | None) -> bool:
        """Take the batch in, or recognise it as taken before (then False). Raises RefusedError.

        signer  address of the key that signed it
        """
        next_seq = self.next_seq(batch.device, batch.epoch)
        if batch.first_seq > next_seq:
            raise RefusedError("gap", f"seq {batch.first_seq} leaves a gap: send from seq {next_seq}")
        if batch.first_seq < next_seq:
            self._recognise(batch, next_seq)
            return False
        opening = self._opening(batch)
        _require_present(batch.readings, now_s=self._now_s)
        _require_order(opening, batch.readings)
        self._take_in(batch, opening, signer)
        return True

    def write(self) -> None:
        """Write everything admitted since the last call."""
        insert_all(self._connection, READINGS, self._reading_rows)
        insert_all(self._connection, BATCHES, self._batch_rows)
        columns = ("next_seq", "head", "end_s", "import_mwh", "export_mwh", "flags")
        upsert(self._connection, HEADS, [_head_row(key, self._heads[key]) for key in self._moved], replacing=columns)
        self._write_energy()
        for written in (self._reading_rows, self._batch_rows, self._moved, self._slots):
            written.clear()

    def _opening(self, batch: ReadingBatch) -> Anchor | None:
        newest = self._newest_epoch.get(batch.device, batch.epoch)
        if newest > batch.epoch:
            raise RefusedError("malformed", f"epoch {batch.epoch} ended when epoch {newest} began: send epoch {newest}")
        head = self._heads.get((batch.device, batch.epoch))
        if batch.previous_hash != (GENESIS_HASH if head is None else head.head):
            raise RefusedError(
                "altered", f"seq {batch.first_seq} does not continue the accepted chain: an earlier reading differs"
            )
        if head is not None:
            return head.anchor
        before = self._heads.get((batch.device, newest))
        if before is not None and batch.readings[0].start_s < before.anchor.end_s:
            raise RefusedError("malformed", f"epoch {batch.epoch} begins before epoch {newest} ended")
        return None

    def _recognise(self, batch: ReadingBatch, next_seq: int) -> None:
        """A batch that begins in the past is the same again, or evidence of a second history."""
        self.write()
        query = (
            select(*(READINGS.c[name] for name in RegisterReading.__dataclass_fields__ if name != "device"))
            .where(
                READINGS.c.device_id == batch.device,
                READINGS.c.epoch == batch.epoch,
                READINGS.c.seq >= batch.first_seq,
                READINGS.c.seq <= batch.readings[-1].seq,
            )
            .order_by(READINGS.c.seq)
        )
        stored = [RegisterReading(device=batch.device, **row) for row in self._connection.execute(query).mappings()]
        for known, sent in zip(stored, batch.readings, strict=False):
            if known != sent:
                raise RefusedError("conflict", f"seq {sent.seq} was accepted with other content: both are kept")
        if len(stored) < len(batch.readings):
            raise RefusedError("gap", f"readings up to seq {next_seq - 1} are accepted: send from seq {next_seq}")

    def _take_in(self, batch: ReadingBatch, opening: Anchor | None, signer: str | None) -> None:
        key = (batch.device, batch.epoch)
        head = batch.head
        for reading in batch.readings:
            self._reading_rows.append(_reading_row(reading, batch.first_seq))
            closing = anchor_of(reading)
            if opening is not None:
                self._add_energy(batch.device, opening, closing)
            opening = closing
        assert opening is not None
        self._batch_rows.append(_batch_row(batch, head, self._now_s, signer))
        self._heads[key] = ChainHead(next_seq=batch.readings[-1].seq + 1, head=head, anchor=opening)
        self._newest_epoch[batch.device] = batch.epoch
        self._moved.add(key)

    def _add_energy(self, device: str, opening: Anchor, closing: Anchor) -> None:
        if closing.end_s - opening.end_s > SILENCE_S_MAX:
            self.silences.append((device, f"silent from {opening.end_s} to {closing.end_s}: its energy is not split"))
            return
        point = self._points[device]
        for slot in slots_between(opening, closing, slot_s=self._slot_s):
            earlier = self._slots.get((point, slot.start_s))
            self._slots[point, slot.start_s] = slot if earlier is None else merged(earlier, slot, slot_s=self._slot_s)

    def _write_energy(self) -> None:
        parts = {key: slot for key, slot in self._slots.items() if slot.covered_s < self._slot_s}
        for key, stored in _stored_slots(self._connection, parts).items():
            self._slots[key] = merged(stored, parts[key], slot_s=self._slot_s)
        rows = (
            {
                "metering_point_id": point,
                "start_s": slot.start_s,
                "import_wh": slot.import_wh,
                "export_wh": slot.export_wh,
                "quality": slot.quality.value,
                "received_s": self._now_s,
                "covered_s": slot.covered_s,
            }
            for (point, _), slot in self._slots.items()
        )
        columns = ("import_wh", "export_wh", "quality", "received_s", "covered_s")
        upsert(self._connection, ENERGY, rows, replacing=columns)


def _lock_heads(connection: Connection, points: Mapping[str, str]) -> dict[Key, ChainHead]:
    # In order of id, so that two transactions never wait for each other.
    connection.execute(select(DEVICES.c.id).where(DEVICES.c.id.in_(points)).order_by(DEVICES.c.id).with_for_update())
    rows = connection.execute(select(HEADS).where(HEADS.c.device_id.in_(points))).mappings()
    return {
        (row["device_id"], row["epoch"]): ChainHead(
            next_seq=row["next_seq"],
            head=bytes(row["head"]),
            anchor=Anchor(**{name: row[name] for name in Anchor.__dataclass_fields__}),
        )
        for row in rows
    }


def _require_present(readings: Iterable[RegisterReading], *, now_s: int) -> None:
    for reading in readings:
        end_s = reading.start_s + reading.duration_s
        if end_s > now_s + CLOCK_TOLERANCE_S:
            raise RefusedError("malformed", f"seq {reading.seq} ends at {end_s}, in the future: set the clock")
        if end_s < now_s - OLDEST_S:
            raise RefusedError("malformed", f"seq {reading.seq} ends at {end_s}, years ago: set the clock")


def _require_order(opening: Anchor | None, readings: Iterable[RegisterReading]) -> None:
    for reading in readings:
        closing = anchor_of(reading)
        if opening is not None:
            if reading.start_s < opening.end_s or closing.end_s == opening.end_s:
                raise RefusedError("malformed", f"seq {reading.seq} overlaps the reading before it")
            if closing.import_mwh < opening.import_mwh or closing.export_mwh < opening.export_mwh:
                raise RefusedError(
                    "malformed",
                    f"seq {reading.seq}: a register decreases; a reset or replaced meter begins a new epoch",
                )
            _require_carriable(opening, closing, reading.seq)
        opening = closing


def _require_carriable(opening: Anchor, closing: Anchor, seq: int) -> None:
    risen_mwh = max(closing.import_mwh - opening.import_mwh, closing.export_mwh - opening.export_mwh)
    span_s = closing.end_s - opening.end_s
    if risen_mwh > POWER_W_MAX * MWH_PER_WATT_S * span_s:
        raise RefusedError(
            "malformed",
            f"seq {seq}: a register rises by {risen_mwh // 1000} Wh in {span_s} s, more than any home's connection "
            "carries; a replaced meter begins a new epoch",
        )


def _stored_slots(
    connection: Connection, parts: Mapping[tuple[str, int], SlotEnergy]
) -> dict[tuple[str, int], SlotEnergy]:
    if not parts:
        return {}
    starts: dict[int, list[str]] = defaultdict(list)
    for point, start_s in parts:
        starts[start_s].append(point)
    found = {}
    for start_s, points in starts.items():
        query = select(ENERGY).where(ENERGY.c.start_s == start_s, ENERGY.c.metering_point_id.in_(points))
        for row in connection.execute(query).mappings():
            found[row["metering_point_id"], start_s] = SlotEnergy(
                start_s=start_s,
                import_wh=row["import_wh"],
                export_wh=row["export_wh"],
                covered_s=row["covered_s"],
                quality=Quality(row["quality"]),
            )
    return found


def _reading_row(reading: RegisterReading, batch_first_seq: int) -> dict[str, Any]:
    return {
        "device_id": reading.device,
        "epoch": reading.epoch,
        "seq": reading.seq,
        "start_s": reading.start_s,
        "duration_s": reading.duration_s,
        "import_mwh": reading.import_mwh,
        "export_mwh": reading.export_mwh,
        "flags": reading.flags,
        "batch_first_seq": batch_first_seq,
    }


def _batch_row(batch: ReadingBatch, head: bytes, received_s: int, signer: str | None) -> dict[str, Any]:
    return {
        "device_id": batch.device,
        "epoch": batch.epoch,
        "first_seq": batch.first_seq,
        "count": len(batch.readings),
        "previous_hash": batch.previous_hash,
        "head": head,
        "signature": batch.signature,
        "received_s": received_s,
        "signer": signer,
    }


def _head_row(key: Key, head: ChainHead) -> dict[str, Any]:
    anchor = head.anchor
    return {
        "device_id": key[0],
        "epoch": key[1],
        "next_seq": head.next_seq,
        "head": head.head,
        "end_s": anchor.end_s,
        "import_mwh": anchor.import_mwh,
        "export_mwh": anchor.export_mwh,
        "flags": anchor.flags,
    }
