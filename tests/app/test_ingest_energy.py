"""From accepted registers to the energy of intervals: exact to the Wh, labelled where it is not measured."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from app.storage.database import reading
from app.storage.ingest import BatchResult, ingest_batches
from app.storage.store.readings import IngestAlarm, alarms, energies_at, energy_history
from meters.interval import DeliveryInterval, Quality
from meters.signing import GENESIS_HASH, ReadingBatch
from tests.app.neighbourhood import (
    NOON_S,
    as_json,
    readings_from,
    signed,
)

NOW = datetime.fromtimestamp(NOON_S + 3_600, UTC)
REGISTERS = [(1_000_000, 0), (1_250_400, 0), (1_250_400, 99_999)]


def _post(engine: Engine, *batches: ReadingBatch) -> list[BatchResult]:
    return ingest_batches(engine, {"batches": [as_json(batch) for batch in batches]}, NOW)


def _alarms(engine: Engine) -> tuple[IngestAlarm, ...]:
    with reading(engine) as connection:
        return alarms(connection, since_s=0)


def _energy_wh(engine: Engine, start_s: int, point: str = "mp-anna") -> tuple[int, int, Quality] | None:
    with reading(engine) as connection:
        energy = energies_at(connection, DeliveryInterval.at(start_s)).get(point)
    return None if energy is None else (energy.import_wh, energy.export_wh, energy.quality)


def test_floored_energy_adds_up_to_the_registers_exactly(any_community: Engine) -> None:
    registers = [(i * 333_333, i * 1_001) for i in range(97)]
    _post(any_community, signed(readings_from(registers, start_s=NOON_S - 97 * 900)))
    with reading(any_community) as connection:
        rows = energy_history(connection, start_s=0, minutes=15, received_after_s=-1, received_by_s=NOON_S + 3_600)
    assert len(rows) == 96
    assert sum(row[2] for row in rows) == 96 * 333_333 // 1_000
    assert sum(row[3] for row in rows) == 96 * 1_001 // 1_000


def test_a_decreasing_register_is_refused_within_an_epoch_and_begins_a_new_one(any_community: Engine) -> None:
    _post(any_community, signed(readings_from(REGISTERS)))
    head = signed(readings_from(REGISTERS)).head
    (refused,) = _post(any_community, signed(readings_from([(0, 0)], first_seq=3, start_s=NOON_S + 1_800), head))
    assert (refused.code, refused.next_seq) == ("malformed", 3)
    assert "begins a new epoch" in refused.message
    opening = replace(readings_from([(0, 0)], epoch=1, start_s=NOON_S + 1_800)[0], duration_s=0)
    first = readings_from([(500_000, 0)], epoch=1, first_seq=1, start_s=NOON_S + 1_800)
    (accepted,) = _post(any_community, signed((opening, *first)))
    assert (accepted.status, accepted.next_seq) == ("accepted", 2)
    assert _energy_wh(any_community, NOON_S + 1_800) == (500, 0, Quality.MEASURED)
    late = signed(readings_from([(3_000_000, 200_000)], first_seq=3, start_s=NOON_S + 1_800), head)
    assert "epoch 0 ended when epoch 1 began" in _post(any_community, late)[0].message


def test_a_meter_replaced_within_an_interval_keeps_the_energy_of_both(any_community: Engine) -> None:
    _post(any_community, signed(readings_from([(1_000_000, 0)])))
    head = signed(readings_from([(1_000_000, 0)])).head
    closing = replace(readings_from([(1_100_000, 0)], first_seq=1, start_s=NOON_S)[0], duration_s=300)
    assert _post(any_community, signed((closing,), head))[0].status == "accepted"
    assert _energy_wh(any_community, NOON_S) is None  # five of fifteen minutes are not an interval yet
    opening = replace(readings_from([(7, 0)], epoch=1, start_s=NOON_S + 300)[0], duration_s=0)
    rest = replace(readings_from([(50_007, 0)], epoch=1, first_seq=1, start_s=NOON_S + 300)[0], duration_s=600)
    assert _post(any_community, signed((opening, rest)))[0].status == "accepted"
    assert _energy_wh(any_community, NOON_S) == (150, 0, Quality.MEASURED)


def test_five_minute_readings_fill_a_quarter_hour_across_posts(any_community: Engine) -> None:
    registers = [(1_000_000 + 100_500 * i, 0) for i in range(4)]
    readings = tuple(
        replace(reading, start_s=NOON_S - 300 + 300 * i, duration_s=300)
        for i, reading in enumerate(readings_from(registers))
    )
    head = GENESIS_HASH
    for part in readings:
        assert _energy_wh(any_community, NOON_S) is None
        batch = signed((part,), head)
        _post(any_community, batch)
        head = batch.head
    assert _energy_wh(any_community, NOON_S) == (301, 0, Quality.MEASURED)


def test_silence_is_bridged_by_a_straight_line_and_labelled(any_community: Engine) -> None:
    first = readings_from([(1_000_000, 0)])
    later = readings_from([(1_400_000, 0)], first_seq=1, start_s=NOON_S + 2_700)
    _post(any_community, signed((*first, *later)))
    assert [_energy_wh(any_community, NOON_S + 900 * i) for i in range(4)] == [(100, 0, Quality.ESTIMATED)] * 4
    far = readings_from([(2_000_000, 0)], first_seq=2, start_s=NOON_S + 3_600 - 900)
    assert _post(any_community, signed(far, signed((*first, *later)).head))[0].code == "malformed"


def test_a_silence_of_months_is_alarmed_and_not_split(community: Engine) -> None:
    old = readings_from([(1_000_000, 0)], start_s=NOON_S - 90 * 86_400)
    new = readings_from([(9_000_000, 0)], first_seq=1)
    assert _post(community, signed((*old, *new)))[0].status == "accepted"
    assert _energy_wh(community, NOON_S - 900) is None
    assert [alarm.kind for alarm in _alarms(community)] == ["silence"]


@pytest.mark.parametrize(
    ("flags", "quality"),
    [
        (1, Quality.INTERPOLATED),
        (2, Quality.ESTIMATED),
        (4, Quality.INTERPOLATED),
        (8, Quality.MANUAL),
        (16, Quality.PROVISIONAL),
    ],
)
def test_flags_of_the_gateway_become_the_quality_of_the_energy(community: Engine, flags: int, quality: Quality) -> None:
    _post(community, signed(readings_from(REGISTERS, flags=flags)))
    assert _energy_wh(community, NOON_S) == (250, 0, quality)


def test_a_reading_from_the_future_is_refused(community: Engine) -> None:
    (refused,) = _post(community, signed(readings_from(REGISTERS, start_s=NOON_S + 3_600)))
    assert refused.code == "malformed"
    assert "in the future" in refused.message


def test_energy_received_after_an_instant_was_not_known_at_it(any_community: Engine) -> None:
    _post(any_community, signed(readings_from(REGISTERS)))
    with reading(any_community) as connection:
        late = energy_history(connection, start_s=0, minutes=15, received_after_s=-1, received_by_s=NOON_S + 3_599)
        then = energy_history(connection, start_s=0, minutes=15, received_after_s=-1, received_by_s=NOON_S + 3_600)
    assert (len(late), len(then)) == (0, 2)
