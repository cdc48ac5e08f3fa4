"""From device signatures to the energy of intervals."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contracts.evidence import DeviceHead
from contracts.proofs import require
from meters.signing import GENESIS_HASH, ReadingBatch, RegisterReading, SigningDomain, batch_signer, reading_hash

MWH_PER_WH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchoredHead:
    """A device's head as one batch of the statement anchored it."""

    path: str
    head: DeviceHead


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedEnergy:
    """Energy of an interval. `between_readings` where a boundary lies on the straight line between two readings."""

    import_wh: int
    export_wh: int
    between_readings: bool


class SignedRegisters:
    """The registers of one device in one epoch, ascending by end; energy is a difference of them."""

    def __init__(self, readings: Sequence[RegisterReading]) -> None:
        self._readings = readings
        self._ends = [reading.start_s + reading.duration_s for reading in readings]

    def between(self, start_s: int, end_s: int) -> tuple[int, ProvedEnergy]:
        """Seconds of [start_s, end_s) that are covered, and the energy in them.

        A register between two readings is put on the straight line through them; energy is the difference of registers
        floored to whole Wh, so that intervals add up to the registers.
        """
        covered_s = import_wh = export_wh = 0
        estimated = False
        first = max(0, bisect_right(self._ends, start_s) - 1)
        for i in range(first, len(self._ends) - 1):
            opening_s, closing_s = self._ends[i], self._ends[i + 1]
            if opening_s >= end_s:
                break
            low, high = max(start_s, opening_s), min(end_s, closing_s)
            if low >= high:
                continue
            covered_s += high - low
            estimated = estimated or low > opening_s or high < closing_s
            import_wh += self._wh(i, high, "import_mwh") - self._wh(i, low, "import_mwh")
            export_wh += self._wh(i, high, "export_mwh") - self._wh(i, low, "export_mwh")
        return covered_s, ProvedEnergy(import_wh=import_wh, export_wh=export_wh, between_readings=estimated)

    def _wh(self, i: int, instant_s: int, register: str) -> int:
        opening, closing = getattr(self._readings[i], register), getattr(self._readings[i + 1], register)
        span_s = self._ends[i + 1] - self._ends[i]
        return int(opening + (closing - opening) * (instant_s - self._ends[i]) // span_s) // MWH_PER_WH


class ProvedReadings:
    """Signed batches whose chains hold and whose heads are anchored, by metering point."""

    def __init__(self) -> None:
        self._registers: dict[str, list[SignedRegisters]] = defaultdict(list)

    def add(
        self, batches: Sequence[tuple[str, ReadingBatch]], anchored: Sequence[AnchoredHead], domain: SigningDomain
    ) -> None:
        """Take in all batches (with their paths) of one device and epoch, and the heads anchored for it.

        Raises FieldError at the first batch or head that does not hold.
        """
        path = batches[0][0]
        points = {each.head.metering_point for each in anchored}
        require(len(points) == 1, f"{path}.device", "no batch anchors this device at one metering point")
        heads = _checked_chain(batches, anchored, domain)
        for each in anchored:
            known = heads.get(each.head.seq)
            require(known == each.head.head, f"{each.path}.head", "is not the head of the signed readings")
        readings = [reading for _, batch in batches for reading in batch.readings]
        _check_order(path, readings)
        self._registers[points.pop()].append(SignedRegisters(readings))

    def energy(self, metering_point: str, start_s: int, end_s: int) -> ProvedEnergy | None:
        """Energy of a point in [start_s, end_s); None where signed readings do not cover it exactly once."""
        parts = [registers.between(start_s, end_s) for registers in self._registers.get(metering_point, [])]
        if sum(covered_s for covered_s, _ in parts) != end_s - start_s:
            return None
        return ProvedEnergy(
            import_wh=sum(part.import_wh for _, part in parts),
            export_wh=sum(part.export_wh for _, part in parts),
            between_readings=any(part.between_readings for _, part in parts),
        )


def _checked_chain(
    batches: Sequence[tuple[str, ReadingBatch]], anchored: Sequence[AnchoredHead], domain: SigningDomain
) -> dict[int, bytes]:
    """Head after each reading, by sequence number."""
    heads: dict[int, bytes] = {}
    path, first = batches[0]
    expected_seq, expected_hash = first.first_seq, first.previous_hash
    require(first.first_seq > 0 or first.previous_hash == GENESIS_HASH, f"{path}.previous_hash", "seq 0 begins a chain")
    for path, batch in batches:
        require(batch.first_seq == expected_seq, f"{path}.readings[0].seq", f"seq {expected_seq} is expected")
        require(batch.previous_hash == expected_hash, f"{path}.previous_hash", "does not continue the readings before")
        head = batch.previous_hash
        for reading in batch.readings:
            require(reading.seq == expected_seq, f"{path}.readings", f"seq {expected_seq} is expected")
            head = reading_hash(head, reading)
            heads[reading.seq] = head
            expected_seq += 1
        _check_signer(path, batch, anchored, domain)
        expected_hash = head
    return heads


def _check_signer(path: str, batch: ReadingBatch, anchored: Sequence[AnchoredHead], domain: SigningDomain) -> None:
    """The key is the one anchored for the device by the first batch that covers these readings."""
    covering = [each.head for each in anchored if each.head.seq >= batch.first_seq]
    require(bool(covering), path, "these readings are after all that is anchored")
    try:
        signer = batch_signer(batch, domain)
    except ValueError as error:
        require(condition=False, path=f"{path}.signature", problem=str(error))
        return
    expected = min(covering, key=lambda head: head.seq).signer_of(batch.readings[-1].seq)
    require(signer == expected, f"{path}.signature", "the readings were not signed by the device's gateway")


def _check_order(path: str, readings: Iterable[RegisterReading]) -> None:
    before: RegisterReading | None = None
    for reading in readings:
        if before is not None:
            rises = reading.import_mwh >= before.import_mwh and reading.export_mwh >= before.export_mwh
            later = reading.start_s + reading.duration_s > before.start_s + before.duration_s
            require(rises and later, path, f"seq {reading.seq} does not follow in time or a register falls")
        before = reading
