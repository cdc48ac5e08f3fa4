"""Ingest of signed batches: accepted once, in order, from the right key; everything else refused with its reason."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, update

from app.errors import InputError
from app.storage.database import open_database, reading, writing
from app.storage.ingest import BatchResult, ingest_batches
from app.storage.store.community import Community, create_community
from app.storage.store.devices import DEVICES, Gateway, add_gateway, find_gateway, set_gateway_status
from app.storage.store.readings import IngestAlarm, alarms, batches_of_device, energies_at
from meters.interval import DeliveryInterval, Quality
from meters.signing import ReadingBatch, batch_signer
from tests.app.neighbourhood import (
    DOMAIN,
    GATEWAY_KEY,
    NOON_S,
    STRANGERS_KEY,
    address_of,
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


def test_a_signed_batch_is_accepted_and_its_energy_derived(any_community: Engine) -> None:
    batch = signed(readings_from(REGISTERS))
    assert _post(any_community, batch) == [BatchResult(device="d-anna", epoch=0, next_seq=3, status="accepted")]
    assert _energy_wh(any_community, NOON_S) == (250, 0, Quality.MEASURED)
    assert _energy_wh(any_community, NOON_S + 900) == (0, 99, Quality.MEASURED)
    assert _energy_wh(any_community, NOON_S - 900) is None  # no register is known before the first reading
    with reading(any_community) as connection:
        gateway = find_gateway(connection, "g1")
        assert gateway is not None
        assert gateway.last_seen_s == NOON_S + 3_600
    assert _alarms(any_community) == ()


def test_an_accepted_batch_comes_back_with_a_signature_that_still_holds(any_community: Engine) -> None:
    first = signed(readings_from(REGISTERS))
    second = signed(readings_from([(1_300_000, 100_000)], first_seq=3, start_s=NOON_S + 1_800), first.head)
    _post(any_community, first, second)
    with reading(any_community) as connection:
        stored = batches_of_device(connection, "d-anna", start_s=NOON_S, end_s=NOON_S + 3_600)
    assert stored == (first, second)
    assert {batch_signer(batch, DOMAIN) for batch in stored} == {address_of(GATEWAY_KEY)}


def test_a_batch_sent_again_is_acknowledged_and_changes_nothing(any_community: Engine) -> None:
    batch = signed(readings_from(REGISTERS))
    _post(any_community, batch)
    again = _post(any_community, batch, batch)
    assert {(result.status, result.next_seq, result.code) for result in again} == {("duplicate", 3, None)}
    assert _energy_wh(any_community, NOON_S) == (250, 0, Quality.MEASURED)
    assert _alarms(any_community) == ()


def test_the_same_batch_twice_in_one_post_counts_once(any_community: Engine) -> None:
    batch = signed(readings_from(REGISTERS))
    assert [result.status for result in _post(any_community, batch, batch)] == ["accepted", "duplicate"]
    assert _energy_wh(any_community, NOON_S) == (250, 0, Quality.MEASURED)


def test_two_posts_of_one_batch_at_the_same_time_count_once(any_community: Engine) -> None:
    batch = signed(readings_from([(1_000_000 + i, 0) for i in range(200)], start_s=NOON_S - 200 * 900))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: _post(any_community, batch)[0], range(4)))
    assert sorted(result.status for result in results) == ["accepted", "duplicate", "duplicate", "duplicate"]
    assert {result.next_seq for result in results} == {200}


def test_a_gap_is_answered_with_the_number_to_send_from(any_community: Engine) -> None:
    first = signed(readings_from(REGISTERS[:1]))
    third = signed(readings_from(REGISTERS[2:], first_seq=2, start_s=NOON_S + 900), b"\x01" * 32)
    accepted, refused = _post(any_community, first, third)
    assert accepted.status == "accepted"
    assert (refused.status, refused.code, refused.next_seq) == ("refused", "gap", 1)
    assert _alarms(any_community) == ()  # a gap is mended by sending again


def test_a_batch_that_begins_before_and_ends_after_what_is_known_is_sent_again_from_there(
    any_community: Engine,
) -> None:
    readings = readings_from(REGISTERS)
    _post(any_community, signed(readings[:2]))
    (refused,) = _post(any_community, signed(readings))
    assert (refused.status, refused.code, refused.next_seq) == ("refused", "gap", 2)
    rest = signed(readings[2:], signed(readings[:2]).head)
    assert _post(any_community, rest)[0].status == "accepted"


def test_a_second_history_is_refused_kept_and_alarmed(any_community: Engine) -> None:
    readings = readings_from(REGISTERS)
    _post(any_community, signed(readings))
    other = signed((readings[0], replace(readings[1], import_mwh=1_100_000), readings[2]))
    (refused,) = _post(any_community, other)
    assert (refused.status, refused.code, refused.next_seq) == ("refused", "conflict", 3)
    (alarm,) = _alarms(any_community)
    assert (alarm.kind, alarm.device_id) == ("conflict", "d-anna")
    assert "1100000" in alarm.evidence
    assert other.signature.hex() in alarm.evidence
    assert _energy_wh(any_community, NOON_S) == (250, 0, Quality.MEASURED)


def test_a_chain_that_does_not_continue_the_accepted_one_is_altered(any_community: Engine) -> None:
    _post(any_community, signed(readings_from(REGISTERS)))
    forged = signed(readings_from([(2_000_000, 100_000)], first_seq=3, start_s=NOON_S + 1_800), b"\x07" * 32)
    (refused,) = _post(any_community, forged)
    assert (refused.code, refused.next_seq) == ("altered", 3)
    assert [alarm.kind for alarm in _alarms(any_community)] == ["altered"]


def test_a_first_batch_that_does_not_begin_at_the_genesis_hash_is_altered(any_community: Engine) -> None:
    assert _post(any_community, signed(readings_from(REGISTERS), b"\x07" * 32))[0].code == "altered"


@pytest.mark.parametrize(
    "tampered",
    [
        lambda batch: replace(batch, readings=(replace(batch.readings[0], import_mwh=1), *batch.readings[1:])),
        lambda batch: replace(batch, readings=batch.readings[:2]),
        lambda batch: replace(batch, previous_hash=b"\x09" * 32),
        lambda batch: replace(
            batch, device="d-bela", readings=tuple(replace(r, device="d-bela") for r in batch.readings)
        ),
        lambda batch: signed(batch.readings, key=STRANGERS_KEY),
    ],
    ids=["a register changed", "a reading dropped", "other previous hash", "another device", "a stranger's key"],
)
def test_what_the_gateway_did_not_sign_is_refused(community: Engine, tampered: object) -> None:
    assert callable(tampered)
    (refused,) = _post(community, tampered(signed(readings_from(REGISTERS))))
    assert (refused.status, refused.code) == ("refused", "unknown_key")
    assert "not signed by gateway g1" in refused.message
    assert _energy_wh(community, NOON_S) is None
    assert [alarm.kind for alarm in _alarms(community)] == ["unknown_key"]


def test_bytes_that_are_no_signature_are_a_bad_signature(community: Engine) -> None:
    (refused,) = _post(community, replace(signed(readings_from(REGISTERS)), signature=b"\x00" * 65))
    assert (refused.status, refused.code) == ("refused", "bad_signature")


def test_an_unregistered_device_is_refused(community: Engine) -> None:
    (refused,) = _post(community, signed(readings_from(REGISTERS, device="d-zoe")))
    assert (refused.code, refused.next_seq) == ("unknown_key", 0)
    assert "not registered" in refused.message


def test_a_gateway_that_is_not_approved_or_revoked_is_refused(community: Engine) -> None:
    with writing(community) as connection:
        pending = Gateway(id="g2", name="Attic", address=address_of(STRANGERS_KEY), status="pending")
        add_gateway(connection, pending)
        connection.execute(update(DEVICES).where(DEVICES.c.id == "d-bela").values(gateway_id="g2"))
        set_gateway_status(connection, "g1", "revoked")
    revoked, waiting = _post(
        community,
        signed(readings_from(REGISTERS)),
        signed(readings_from(REGISTERS, device="d-bela"), key=STRANGERS_KEY),
    )
    assert (revoked.status, revoked.code) == ("refused", "revoked")
    assert (waiting.status, waiting.code) == ("refused", "unknown_key")
    assert "waits for an operator's approval" in waiting.message


def test_a_refused_batch_does_not_hold_up_the_others(any_community: Engine) -> None:
    good = signed(readings_from(REGISTERS, device="d-bela"))
    bad = signed(readings_from(REGISTERS), key=STRANGERS_KEY)
    assert [result.status for result in _post(any_community, bad, good)] == ["refused", "accepted"]
    assert _energy_wh(any_community, NOON_S, "mp-bela") == (250, 0, Quality.MEASURED)


MALFORMED = {
    "not an object": 5,
    "no device": {"epoch": 0},
    "device is a number": {"device": 7, "epoch": 0},
    "epoch is true": {"device": "d-anna", "epoch": True},
    "no readings": {"readings": []},
    "a reading of five": {"readings": [[0, 1, 2, 3, 4]]},
    "a float register": {"readings": [[0, 0, 900, 1.5, 0, 0]]},
    "a boolean register": {"readings": [[0, 0, 900, True, 0, 0]]},
    "a negative register": {"readings": [[0, 0, 900, -1, 0, 0]]},
    "a register beyond 63 bits": {"readings": [[0, 0, 900, 2**63, 0, 0]]},
    "a jump in sequence": {"readings": [[0, 0, 900, 1, 0, 0], [2, 900, 900, 2, 0, 0]]},
    "a short hash": {"previous_hash": "0x00"},
    "no hexadecimal signature": {"signature": "0x" + "zz" * 65},
    "no signature": {"signature": None},
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_batch_is_refused_with_the_place(community: Engine, change: object) -> None:
    good = as_json(signed(readings_from(REGISTERS)))
    raw = {**good, **change} if isinstance(change, dict) and "epoch" not in change else change
    refused, accepted = ingest_batches(community, {"batches": [raw, good]}, NOW)
    assert (refused.status, refused.code) == ("refused", "malformed")
    assert "give" in refused.message or "follow" in refused.message or "object" in refused.message
    assert accepted.status == "accepted"


@pytest.mark.parametrize("payload", [None, [], {"batches": 1}, {"readings": []}, {"batches": [{}] * 2_001}])
def test_a_payload_of_another_shape_is_refused_as_a_whole(community: Engine, payload: object) -> None:
    with pytest.raises(InputError):
        ingest_batches(community, payload, NOW)


def test_readings_before_the_ledger_is_deployed_are_refused_for_later(sqlite_url: str) -> None:
    engine = open_database(sqlite_url)
    with writing(engine) as connection:
        create_community(connection, Community(id="hill", name="Hill", network="transformer:100", tie_seed="7"))
    with pytest.raises(InputError, match="not deployed yet"):
        _post(engine, signed(readings_from(REGISTERS)))
    engine.dispose()


def test_strangers_cannot_fill_the_disk_with_alarms(community: Engine) -> None:
    junk = {"batches": [{"device": f"x{i}", "epoch": 0, "junk": "j" * 100_000} for i in range(300)]}
    ingest_batches(community, junk, NOW)
    kept = _alarms(community)
    with reading(community) as connection:
        kept = alarms(connection, since_s=0, limit=1_000)
    assert len(kept) == 200
    assert max(len(alarm.evidence) for alarm in kept) == 4_000
