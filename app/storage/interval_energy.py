"""From consecutive register readings to the energy of delivery intervals.

Energy is a difference of registers floored to whole Wh, so the intervals of a day add up to the day's registers
exactly: sum(floor(close) - floor(open)) telescopes, and no remainder is lost or counted twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from meters.interval import Quality
from meters.signing import (
    FLAG_CLOCK_UNSYNCED,
    FLAG_ESTIMATED,
    FLAG_IMPORTED,
    FLAG_INTERPOLATED,
    FLAG_SUSPECT,
    RegisterReading,
)

MWH_PER_WH = 1_000
# Straight-line estimation between two anchors holds up to here (VEE); beyond, the split is only provisional.
LINEAR_ESTIMATE_S_MAX = 2 * 3_600
# A longer silence is not split into intervals at all.
SILENCE_S_MAX = 35 * 86_400

_TRUST = {quality: rank for rank, quality in enumerate(Quality)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Registers known at an instant (`end_s`), with the flags of the reading that knew them."""

    end_s: int
    import_mwh: int
    export_mwh: int
    flags: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotEnergy:
    """Energy of the part of a slot that two readings cover: `covered_s` of the slot that starts at `start_s`."""

    start_s: int
    import_wh: int
    export_wh: int
    covered_s: int
    quality: Quality


def anchor_of(reading: RegisterReading) -> Anchor:
    """What the next reading is measured against."""
    return Anchor(
        end_s=reading.start_s + reading.duration_s,
        import_mwh=reading.import_mwh,
        export_mwh=reading.export_mwh,
        flags=reading.flags,
    )


def slots_between(opening: Anchor, closing: Anchor, *, slot_s: int) -> Iterator[SlotEnergy]:
    """Energy between two consecutive readings of one epoch, per slot of `slot_s` seconds.

    Inside one slot it is the plain difference. Across a boundary nobody read, registers are put on the straight
    line between the two readings and the slots are labelled estimated (provisional beyond two hours).
    """
    span_s = closing.end_s - opening.end_s
    first, last = opening.end_s // slot_s, -(-closing.end_s // slot_s)
    quality = _flagged(opening, closing)
    if last - first > 1:
        quality = worse(quality, Quality.ESTIMATED if span_s <= LINEAR_ESTIMATE_S_MAX else Quality.PROVISIONAL)
    before, imported, exported = opening.end_s, opening.import_mwh, opening.export_mwh
    for slot in range(first, last):
        after = min((slot + 1) * slot_s, closing.end_s)
        import_mwh = _on_line(opening.import_mwh, closing.import_mwh, after - opening.end_s, span_s)
        export_mwh = _on_line(opening.export_mwh, closing.export_mwh, after - opening.end_s, span_s)
        yield SlotEnergy(
            start_s=slot * slot_s,
            import_wh=import_mwh // MWH_PER_WH - imported // MWH_PER_WH,
            export_wh=export_mwh // MWH_PER_WH - exported // MWH_PER_WH,
            covered_s=after - before,
            quality=quality,
        )
        before, imported, exported = after, import_mwh, export_mwh


def merged(one: SlotEnergy, other: SlotEnergy, *, slot_s: int) -> SlotEnergy:
    """Two parts of one slot together; if they cover more than the slot, the later one stands alone."""
    assert one.start_s == other.start_s
    if one.covered_s + other.covered_s > slot_s:
        return other
    return SlotEnergy(
        start_s=one.start_s,
        import_wh=one.import_wh + other.import_wh,
        export_wh=one.export_wh + other.export_wh,
        covered_s=one.covered_s + other.covered_s,
        quality=worse(one.quality, other.quality),
    )


def worse(one: Quality, other: Quality) -> Quality:
    """The less trusted of two qualities."""
    return max(one, other, key=_TRUST.__getitem__)


def _flagged(opening: Anchor, closing: Anchor) -> Quality:
    either = opening.flags | closing.flags
    if either & FLAG_SUSPECT:
        return Quality.PROVISIONAL
    if either & FLAG_ESTIMATED:
        return Quality.ESTIMATED
    if closing.flags & FLAG_IMPORTED:
        return Quality.MANUAL
    if either & (FLAG_INTERPOLATED | FLAG_CLOCK_UNSYNCED):
        return Quality.INTERPOLATED
    return Quality.MEASURED


def _on_line(opening: int, closing: int, elapsed_s: int, span_s: int) -> int:
    return opening + (closing - opening) * elapsed_s // span_s
