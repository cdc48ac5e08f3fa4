"""The durable outbox of a gateway: nothing that was read is lost, sent twice under two numbers, or sent out of order.

SQLite in WAL mode with `synchronous=FULL`: a committed reading survives a power cut. The sequence number of a reading
is allocated inside the transaction that inserts it, together with its link in the hash chain and with the counter
state it came from, so that a killed gateway goes on exactly where it was.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from meters.counters import CounterState
from meters.energy import BoundaryReading
from meters.outbox_file import (
    Alarm,
    Chain,
    Parcel,
    look_into,
    open_file,
    reading_of,
    row_of,
    state_from_text,
    state_to_text,
    transaction,
)
from meters.signing import GENESIS_HASH, RegisterReading, reading_hash

READINGS_PER_PARCEL = 500
SEQUENCE_MAX = 1 << 62

Cut = tuple[str, int, int, int]
"""Device, epoch, first sequence number and count of a parcel."""


class Outbox:
    """Readings waiting for the platform, in one SQLite file that belongs to one gateway at a time."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create. Raises OutboxError if another process has it or if the file is damaged.

        read_only  look into one that exists, whoever has it
        """
        self._db, self._lock = look_into(path) if read_only else open_file(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let others have it."""
        self._db.close()
        self._lock.close()

    def record(
        self, entries: Sequence[tuple[str, int, BoundaryReading]], states: Mapping[str, CounterState]
    ) -> list[RegisterReading]:
        """Append readings (device, epoch, reading) and the counter states behind them, in one durable commit."""
        with transaction(self._db):
            numbered = self._append(entries)
            self._db.executemany(
                "INSERT INTO counter VALUES (?,?) ON CONFLICT (device) DO UPDATE SET state=excluded.state",
                [(device, state_to_text(state)) for device, state in states.items()],
            )
        return numbered

    def _append(self, entries: Sequence[tuple[str, int, BoundaryReading]]) -> list[RegisterReading]:
        chains: dict[tuple[str, int], tuple[int, bytes, int]] = {}
        rows, numbered = [], []
        for device, epoch, entry in entries:
            seq, head, _ = chains.get((device, epoch)) or self._head(device, epoch)
            reading = RegisterReading(
                device=device,
                epoch=epoch,
                seq=seq,
                start_s=entry.start_s,
                duration_s=entry.duration_s,
                import_mwh=entry.import_mwh,
                export_mwh=entry.export_mwh,
                flags=entry.flags,
            )
            head = reading_hash(head, reading)
            chains[device, epoch] = (seq + 1, head, entry.start_s + entry.duration_s)
            rows.append((*row_of(reading), head))
            numbered.append(reading)
        self._db.executemany("INSERT INTO reading VALUES (?,?,?,?,?,?,?,?,?)", rows)
        self._db.executemany(
            "INSERT INTO chain (device, epoch, next_seq, head, last_end_s) VALUES (?,?,?,?,?)"
            " ON CONFLICT (device, epoch)"
            " DO UPDATE SET next_seq=excluded.next_seq, head=excluded.head, last_end_s=excluded.last_end_s",
            [(*key, *values) for key, values in chains.items()],
        )
        return numbered

    def _head(self, device: str, epoch: int) -> tuple[int, bytes, int]:
        row = self._db.execute(
            "SELECT next_seq, head, last_end_s FROM chain WHERE device=? AND epoch=?", (device, epoch)
        ).fetchone()
        return row or (0, GENESIS_HASH, 0)

    def states(self) -> dict[str, CounterState]:
        """The counter state of every device as it was last recorded."""
        return {device: state_from_text(text) for device, text in self._db.execute("SELECT device, state FROM counter")}

    def chains(self) -> list[Chain]:
        """Every chain, by device and epoch."""
        rows = self._db.execute(
            "SELECT device, epoch, next_seq, acknowledged, last_end_s, blocked FROM chain ORDER BY device, epoch"
        )
        return [
            Chain(
                device=device,
                epoch=epoch,
                next_seq=next_seq,
                acknowledged=acknowledged,
                last_end_s=last_end_s,
                blocked=blocked or "",
            )
            for device, epoch, next_seq, acknowledged, last_end_s, blocked in rows
        ]

    def readings(self, device: str, epoch: int, first_seq: int, count: int) -> list[RegisterReading]:
        """Readings of one chain in order of sequence; fewer than `count` where they were pruned or do not exist."""
        rows = self._db.execute(
            "SELECT device, epoch, seq, start_s, duration_s, import_mwh, export_mwh, flags FROM reading"
            " WHERE device=? AND epoch=? AND seq>=? AND seq<? ORDER BY seq",
            (device, epoch, first_seq, first_seq + count),
        )
        return [reading_of(row) for row in rows]

    def history(self, device: str, epoch: int) -> list[RegisterReading]:
        """Every reading of one chain that is still kept, in order of sequence."""
        return self.readings(device, epoch, 0, SEQUENCE_MAX)

    def pending(self) -> int:
        """Readings that the platform has not acknowledged, without those of blocked chains."""
        return sum(chain.pending for chain in self.chains() if not chain.blocked)

    def alarms(self) -> list[Alarm]:
        """Every alarm, oldest first."""
        rows = self._db.execute(
            "SELECT device, epoch, first_seq, kind, at_s, message, evidence FROM alarm ORDER BY at_s, device"
        )
        return [
            Alarm(
                device=device,
                epoch=epoch,
                first_seq=first_seq,
                kind=kind,
                at_s=at_s,
                message=message,
                evidence=evidence,
            )
            for device, epoch, first_seq, kind, at_s, message, evidence in rows
        ]

    def parcels(
        self, *, parcels_max: int, readings_max: int, without: frozenset[tuple[str, int]] = frozenset()
    ) -> list[Parcel]:
        """What to send next: cut as it was cut before, and newly for the rest. Chains in `without` are left out.

        A parcel once cut keeps its bounds until it is acknowledged, so that what is sent again after a lost answer is
        the same to the byte.
        """
        cuts: list[Cut] = []
        fresh: list[Cut] = []
        room = readings_max
        for chain in self.chains():
            if chain.blocked or not chain.pending or (chain.device, chain.epoch) in without:
                continue
            sealed = self._sealed(chain.device, chain.epoch)
            for cut in [*sealed, *_cuts(chain, sealed)]:
                if len(cuts) == parcels_max or cut[3] > room:
                    break
                cuts.append(cut)
                room -= cut[3]
                if cut not in sealed:
                    fresh.append(cut)
        if fresh:
            with transaction(self._db):
                self._db.executemany("INSERT INTO sealed VALUES (?,?,?,?)", fresh)
        return [self._parcel(*cut) for cut in cuts]

    def _sealed(self, device: str, epoch: int) -> list[Cut]:
        return self._db.execute(
            "SELECT device, epoch, first_seq, count FROM sealed WHERE device=? AND epoch=? ORDER BY first_seq",
            (device, epoch),
        ).fetchall()

    def _parcel(self, device: str, epoch: int, first_seq: int, count: int) -> Parcel:
        previous = self._db.execute(
            "SELECT hash FROM reading WHERE device=? AND epoch=? AND seq=?", (device, epoch, first_seq - 1)
        ).fetchone()
        return Parcel(
            device=device,
            epoch=epoch,
            readings=tuple(self.readings(device, epoch, first_seq, count)),
            previous_hash=previous[0] if previous else GENESIS_HASH,
        )

    def settle(
        self,
        *,
        marks: Mapping[tuple[str, int], int],
        alarms: Sequence[Alarm] = (),
        blocked: Mapping[tuple[str, int], str] | None = None,
    ) -> None:
        """Take the platform's word in one commit.

        marks    per (device, epoch) the sequence number it expects next: forward acknowledges, backward sends again
        alarms   kept once per device, epoch, sequence number and kind
        blocked  chains of which nothing more is sent, and why
        """
        with transaction(self._db):
            for (device, epoch), mark in marks.items():
                self._db.execute(
                    "UPDATE chain SET acknowledged=min(?, next_seq) WHERE device=? AND epoch=?", (mark, device, epoch)
                )
                self._unseal(device, epoch, mark)
            self._db.executemany(
                "INSERT OR IGNORE INTO alarm VALUES (?,?,?,?,?,?,?)",
                [(a.device, a.epoch, a.first_seq, a.kind, a.at_s, a.message, a.evidence) for a in alarms],
            )
            self._db.executemany(
                "UPDATE chain SET blocked=? WHERE device=? AND epoch=?",
                [(why, *key) for key, why in (blocked or {}).items()],
            )

    def _unseal(self, device: str, epoch: int, mark: int) -> None:
        """Forget the parcels that are done; all of them if the platform's mark lies inside one or before them."""
        ahead = [cut for cut in self._sealed(device, epoch) if cut[2] >= mark]
        bound = mark if ahead and ahead[0][2] == mark else -1
        self._db.execute(
            "DELETE FROM sealed WHERE device=? AND epoch=? AND (first_seq < ? OR ? < 0)", (device, epoch, mark, bound)
        )

    def prune(self, before_s: int) -> int:
        """Delete acknowledged readings that ended before `before_s`, never a chain's last; returns how many."""
        with transaction(self._db):
            return self._db.execute(
                "DELETE FROM reading WHERE start_s + duration_s < ? AND seq + 1 <"
                " (SELECT acknowledged FROM chain WHERE chain.device=reading.device AND chain.epoch=reading.epoch)",
                (before_s,),
            ).rowcount


def _cuts(chain: Chain, sealed: Sequence[Cut]) -> list[Cut]:
    """New parcels for what is not yet in one."""
    begin = sealed[-1][2] + sealed[-1][3] if sealed else chain.acknowledged
    return [
        (chain.device, chain.epoch, first, min(READINGS_PER_PARCEL, chain.next_seq - first))
        for first in range(begin, chain.next_seq, READINGS_PER_PARCEL)
    ]
