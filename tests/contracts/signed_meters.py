"""A meter behind the tests' gateway: signed batches of its registers, and the energy ingest makes of them."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from eth_utils.crypto import keccak

from app.storage.interval_energy import anchor_of, slots_between
from contracts.evidence import DeviceHead, EarlierKey
from meters.interval import DeliveryInterval, IntervalEnergy
from meters.signing import GENESIS_HASH, ReadingBatch, RegisterReading, SigningDomain, address_of, sign_batch

GATEWAY_KEY = keccak(text="gateway of the tests")
LATER_KEY = keccak(text="the key that follows it")
FIRST = DeliveryInterval.at(1_464_775_200)  # 2016-06-01 10:00 UTC
COUNT = 10


@dataclass
class Meter:
    """A device with its chain of signed batches."""

    device: str
    participant: str
    batches: list[ReadingBatch] = field(default_factory=list)
    heads: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def record(self, domain: SigningDomain, flows: list[tuple[int, int]]) -> None:
        """Sign registers of all intervals: an opening reading, then one or two readings a batch."""
        imported, exported, epoch, previous = 5_000_000_123, 7_000_999, 0, GENESIS_HASH
        readings = [self._reading(epoch, 0, FIRST.start_s, 0, imported, exported)]
        for i, (import_mwh, export_mwh) in enumerate(flows[:COUNT]):
            imported, exported = imported + import_mwh, exported + export_mwh
            interval = FIRST.shifted(i)
            if self.participant == "anna" and i == 3:
                continue  # never read: the energy of two intervals lies between two readings
            readings.append(self._reading(epoch, readings[-1].seq + 1, interval.start_s, 900, imported, exported))
            if self.participant == "ben" and i == 6:
                previous = self._sign(domain, readings, previous)
                epoch, imported, exported, previous = 1, 0, 0, GENESIS_HASH
                readings = [self._reading(epoch, 0, interval.start_s + 900, 0, imported, exported)]
            elif i % 2:
                previous = self._sign(domain, readings, previous)
                readings = readings[-1:]
        if not self.batches or self.batches[-1].readings[-1] != readings[-1]:
            self._sign(domain, readings, previous)

    def _reading(self, epoch: int, seq: int, start_s: int, duration_s: int, imported: int, exported: int):
        return RegisterReading(
            device=self.device,
            epoch=epoch,
            seq=seq,
            start_s=start_s,
            duration_s=duration_s,
            import_mwh=imported,
            export_mwh=exported,
        )

    def key_of(self, start_s: int) -> bytes:
        """Cem's gateway gets another key within the first batch of the ledger."""
        changed = self.participant == "cem" and start_s >= FIRST.shifted(2).start_s
        return LATER_KEY if changed else GATEWAY_KEY

    def _sign(self, domain: SigningDomain, readings: list[RegisterReading], previous: bytes) -> bytes:
        signed = {r.seq for batch in self.batches if batch.epoch == readings[-1].epoch for r in batch.readings}
        new = tuple(reading for reading in readings if reading.seq not in signed)
        batch = sign_batch(self.key_of(new[0].start_s), domain, new, previous)
        self.batches.append(batch)
        self.heads[batch.epoch, new[-1].seq] = batch.head
        return batch.head

    def energies(self) -> dict[int, IntervalEnergy]:
        """Energy per interval as ingest computes it."""
        found: dict[int, list[int]] = {}
        for epoch in {batch.epoch for batch in self.batches}:
            readings = [r for batch in self.batches if batch.epoch == epoch for r in batch.readings]
            for one, other in pairwise(readings):
                for slot in slots_between(anchor_of(one), anchor_of(other), slot_s=900):
                    energy = found.setdefault(slot.start_s, [0, 0])
                    energy[0] += slot.import_wh
                    energy[1] += slot.export_wh
        return {
            start_s: IntervalEnergy(
                metering_point=f"AT{self.participant}",
                interval=DeliveryInterval.at(start_s),
                import_wh=import_wh,
                export_wh=export_wh,
            )
            for start_s, (import_wh, export_wh) in found.items()
        }

    def anchored(self, until_s: int) -> list[DeviceHead]:
        """The last signed head of each epoch by an instant."""
        last: dict[int, ReadingBatch] = {}
        keys: dict[int, dict[str, int]] = defaultdict(dict)
        for batch in self.batches:
            if batch.readings[0].start_s < until_s:
                last[batch.epoch] = batch
                keys[batch.epoch][address_of(self.key_of(batch.readings[0].start_s))] = batch.readings[-1].seq
        return [
            DeviceHead(
                device=self.device,
                metering_point=f"AT{self.participant}",
                participant=self.participant,
                epoch=epoch,
                seq=batch.readings[-1].seq,
                head=batch.head,
                signer=list(keys[epoch])[-1],
                earlier_keys=tuple(
                    EarlierKey(signer=signer, until_seq=seq) for signer, seq in list(keys[epoch].items())[:-1]
                ),
            )
            for epoch, batch in last.items()
        ]
