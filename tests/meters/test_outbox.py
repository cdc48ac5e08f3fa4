"""The outbox keeps every reading, numbers it once, and sends it as it was cut, whatever kills whom."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meters.counters import CounterState
from meters.energy import BoundaryReading
from meters.outbox import READINGS_PER_PARCEL, Outbox
from meters.outbox_file import Alarm, OutboxError
from meters.reading import CounterRead
from meters.signing import GENESIS_HASH, chain_head


def entry(number: int) -> BoundaryReading:
    return BoundaryReading(start_s=number * 900, duration_s=900, import_mwh=number * 1000, export_mwh=number, flags=0)


FULL = os.environ.get("COMMONWATT_COUNTS") == "full"


def filled(path: Path, readings: int, device: str = "D001") -> Outbox:
    outbox = Outbox(path)
    outbox.record([(device, 0, entry(number)) for number in range(readings)], {})
    return outbox


def everything(outbox: Outbox, **options):
    return outbox.parcels(parcels_max=100, readings_max=100_000, **options)


def test_readings_are_numbered_and_chained_per_device_and_epoch(tmp_path):
    with filled(tmp_path / "o.sqlite", 3) as outbox:
        outbox.record([("D002", 0, entry(7)), ("D001", 0, entry(3)), ("D001", 1, entry(4))], {})
        first, other_epoch, other_device = everything(outbox)
    assert [reading.seq for reading in first.readings] == [0, 1, 2, 3]
    assert (other_epoch.epoch, other_epoch.readings[0].seq) == (1, 0)
    assert (other_device.device, other_device.readings[0].seq) == ("D002", 0)
    assert first.previous_hash == GENESIS_HASH


def test_a_parcel_goes_on_where_the_acknowledged_one_ended(tmp_path):
    with filled(tmp_path / "o.sqlite", 3) as outbox:
        (first,) = everything(outbox)
        outbox.settle(marks={("D001", 0): 3})
        outbox.record([("D001", 0, entry(3))], {})
        (second,) = everything(outbox)
        assert second.previous_hash == chain_head(GENESIS_HASH, first.readings)
        assert second.first_seq == 3
        outbox.settle(marks={("D001", 0): 4})
        assert everything(outbox) == []
        assert outbox.pending() == 0


def test_what_is_sent_again_has_the_same_bounds_though_more_has_come(tmp_path):
    with filled(tmp_path / "o.sqlite", 3) as outbox:
        (sent,) = everything(outbox)
        outbox.record([("D001", 0, entry(3))], {})
        again, rest = everything(outbox)
        assert again == sent
        assert rest.first_seq == 3


def test_a_backlog_is_cut_into_parcels_and_into_what_one_post_carries(tmp_path):
    with filled(tmp_path / "o.sqlite", 2 * READINGS_PER_PARCEL + 1) as outbox:
        assert [len(parcel.readings) for parcel in everything(outbox)] == [READINGS_PER_PARCEL, READINGS_PER_PARCEL, 1]
        assert len(outbox.parcels(parcels_max=2, readings_max=100_000)) == 2
        assert len(outbox.parcels(parcels_max=9, readings_max=READINGS_PER_PARCEL)) == 1


def test_a_mark_further_back_sends_again_from_there(tmp_path):
    with filled(tmp_path / "o.sqlite", 5) as outbox:
        everything(outbox)
        outbox.settle(marks={("D001", 0): 5})
        outbox.settle(marks={("D001", 0): 2})
        (again,) = everything(outbox)
        assert [reading.seq for reading in again.readings] == [2, 3, 4]


def test_a_mark_inside_a_parcel_cuts_the_rest_anew(tmp_path):
    with filled(tmp_path / "o.sqlite", 2 * READINGS_PER_PARCEL) as outbox:
        everything(outbox)
        outbox.settle(marks={("D001", 0): 10})
        assert everything(outbox)[0].first_seq == 10
        assert sum(len(parcel.readings) for parcel in everything(outbox)) == 2 * READINGS_PER_PARCEL - 10


def test_a_blocked_chain_is_not_sent_and_not_deleted(tmp_path):
    with filled(tmp_path / "o.sqlite", 5) as outbox:
        alarm = Alarm(device="D001", epoch=0, first_seq=0, kind="conflict", at_s=1, message="another past")
        outbox.settle(marks={}, alarms=[alarm, alarm], blocked={("D001", 0): "conflict"})
        assert everything(outbox) == []
        assert outbox.alarms() == [alarm]
        assert len(outbox.readings("D001", 0, 0, 9)) == 5


def test_only_acknowledged_and_old_readings_are_pruned(tmp_path):
    with filled(tmp_path / "o.sqlite", 10) as outbox:
        outbox.settle(marks={("D001", 0): 6})
        assert outbox.prune(before_s=8 * 900) == 5
        assert [reading.seq for reading in outbox.readings("D001", 0, 0, 99)] == [5, 6, 7, 8, 9]
        assert everything(outbox)[0].first_seq == 6


def test_counter_states_survive_exactly(tmp_path):
    at = datetime(2026, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)
    last = CounterRead(at=at, import_mwh=2**60, export_mwh=7, step_mwh=977)
    state = CounterState(epoch=3, last=last, import_offset_mwh=5, export_offset_mwh=6, suspect=last)
    with Outbox(tmp_path / "o.sqlite") as outbox:
        outbox.record([], {"D001": state, "D002": CounterState()})
    with Outbox(tmp_path / "o.sqlite") as outbox:
        assert outbox.states() == {"D001": state, "D002": CounterState()}


def test_a_commit_that_fails_leaves_nothing_behind(tmp_path):
    with filled(tmp_path / "o.sqlite", 2) as outbox:
        broken = BoundaryReading(start_s=0, duration_s=900, import_mwh=-1, export_mwh=0, flags=0)
        with pytest.raises(ValueError, match="outside"):
            outbox.record([("D001", 0, entry(2)), ("D001", 0, broken)], {})
        assert len(outbox.readings("D001", 0, 0, 9)) == 2


def test_a_second_gateway_is_refused_the_same_outbox(tmp_path):
    with Outbox(tmp_path / "o.sqlite"), pytest.raises(OutboxError, match="another gateway"):
        Outbox(tmp_path / "o.sqlite")
    Outbox(tmp_path / "o.sqlite").close()


def test_a_damaged_outbox_is_named(tmp_path):
    path = tmp_path / "o.sqlite"
    path.write_bytes(b"this is no database, and it is long enough to be read as one" * 50)
    with pytest.raises(OutboxError, match="damaged"):
        Outbox(path)


WRITERS = """
import os, sys
from pathlib import Path
from meters.energy import BoundaryReading
from meters.outbox import Outbox

def write():
    outbox = Outbox(Path(sys.argv[1]))
    number = {chain.device: chain.next_seq for chain in outbox.chains()}.get("D0", 0)
    while True:
        row = BoundaryReading(start_s=number * 900, duration_s=900, import_mwh=number, export_mwh=0, flags=0)
        outbox.record([(f"D{device}", 0, row) for device in range(5)], {})
        parcels = outbox.parcels(parcels_max=9, readings_max=9999)
        if number % 3 == 0:
            outbox.settle(marks={(parcel.device, 0): parcel.readings[-1].seq + 1 for parcel in parcels})
        os.write(1, f"{number}\\n".encode())
        number += 1

# Each line asks for a writer: forked, so that a kill costs no import.
for _ in sys.stdin:
    writer = os.fork()
    if writer == 0:
        write()
    os.write(1, f"pid {writer}\\n".encode())
    os.waitpid(writer, 0)
    os.write(1, b"dead\\n")
"""
KILLS = 1000 if FULL else 50


def test_killed_at_random_moments_it_loses_no_reading_and_numbers_none_twice(tmp_path):
    path = tmp_path / "o.sqlite"
    chance = random.Random(3)  # noqa: S311  a seeded test
    promised = -1
    with subprocess.Popen(
        [sys.executable, "-c", WRITERS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writers:
        for _ in range(KILLS):
            writers.stdin.write("another\n")
            writers.stdin.flush()
            lines = [writers.stdout.readline()]
            while not (any("pid" in line for line in lines) and any(line.strip().isdigit() for line in lines)):
                lines.append(writers.stdout.readline())
            time.sleep(chance.uniform(0, 0.05))
            os.kill(int(next(line for line in lines if "pid" in line).split()[1]), signal.SIGKILL)
            while lines[-1] != "dead\n":
                lines.append(writers.stdout.readline())
            promised = max([promised, *(int(line) for line in lines if line.strip().isdigit())])
        writers.stdin.close()
    with Outbox(path) as outbox:
        for device in range(5):
            readings = outbox.readings(f"D{device}", 0, 0, 10**6)
            assert [reading.seq for reading in readings] == list(range(len(readings)))
            assert [reading.import_mwh for reading in readings] == list(range(len(readings)))
            assert len(readings) > promised
        assert {len(outbox.readings(f"D{device}", 0, 0, 10**6)) for device in range(5)} == {len(readings)}
        head = sqlite3.connect(path).execute("SELECT head FROM chain WHERE device='D0'").fetchone()[0]
        assert head == chain_head(GENESIS_HASH, tuple(outbox.readings("D0", 0, 0, 10**6)))
    assert promised > KILLS
