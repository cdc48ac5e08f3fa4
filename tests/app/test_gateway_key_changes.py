"""A gateway that gets another key: what both keys signed is anchored with the key that signed it."""

from datetime import UTC, datetime

import pytest
from eth_utils.crypto import keccak
from sqlalchemy import Engine, update

from app.storage.database import reading, writing
from app.storage.ingest import ingest_batches
from app.storage.store.batch_inputs import device_heads
from app.storage.store.devices import GATEWAYS
from app.storage.store.readings import BATCHES
from contracts.evidence import DeviceHead, EarlierKey
from meters.signing import GENESIS_HASH, ReadingBatch
from tests.app.neighbourhood import GATEWAY_KEY, NOON_S, address_of, as_json, readings_from, signed

KEYS = [GATEWAY_KEY, keccak(text="the second key"), GATEWAY_KEY, keccak(text="the fourth")]
ADDRESSES = [address_of(key) for key in KEYS]
NOW = datetime.fromtimestamp(NOON_S + 86_400, UTC)


def change_key(engine: Engine, address: str) -> None:
    """What enrolling again and an operator's approval do."""
    with writing(engine) as connection:
        connection.execute(update(GATEWAYS).where(GATEWAYS.c.id == "g1").values(address=address))


def post_two(engine: Engine, number: int, before: ReadingBatch | None) -> ReadingBatch:
    """Two readings with the key of this number."""
    change_key(engine, ADDRESSES[number])
    rows = [(1_000_000 + 1_000 * seq, 0) for seq in (2 * number, 2 * number + 1)]
    readings = readings_from(rows, first_seq=2 * number, start_s=NOON_S - 900 + 1_800 * number)
    batch = signed(readings, GENESIS_HASH if before is None else before.head, KEYS[number])
    results = ingest_batches(engine, {"batches": [as_json(batch)]}, NOW)
    assert [result.status for result in results] == ["accepted"], results
    return batch


def head_of(engine: Engine, *anchored: DeviceHead) -> DeviceHead:
    with reading(engine) as connection:
        (head,) = device_heads(connection, anchored)
    return head


def test_keys_are_anchored_with_the_readings_they_signed(any_community: Engine) -> None:
    before = post_two(any_community, 0, None)
    first = head_of(any_community)
    assert (first.signer, first.seq, first.earlier_keys) == (ADDRESSES[0], 1, ())
    assert "earlier_keys" not in first.to_json(), "what was anchored before keys were kept has the same hash"
    for number in (1, 2, 3):
        before = post_two(any_community, number, before)
    second = head_of(any_community, first)
    assert (second.signer, second.seq) == (ADDRESSES[3], 7)
    assert second.earlier_keys == tuple(
        EarlierKey(signer=ADDRESSES[number], until_seq=2 * number + 1) for number in (0, 1, 2)
    )
    assert [second.signer_of(seq) for seq in range(8)] == [ADDRESSES[seq // 2] for seq in range(8)]
    assert second == head_of(any_community), "with or without the batch before"


def test_a_key_that_has_signed_nothing_yet_is_not_the_one_that_signed(any_community: Engine) -> None:
    post_two(any_community, 0, None)
    first = head_of(any_community)
    change_key(any_community, ADDRESSES[1])
    assert head_of(any_community, first).signer == head_of(any_community).signer == ADDRESSES[0]


@pytest.mark.parametrize("anchored_before", [True, False])
def test_batches_accepted_before_signers_were_kept_are_the_gateways(
    any_community: Engine, anchored_before: bool
) -> None:
    post_two(any_community, 0, None)
    first = head_of(any_community)
    with writing(any_community) as connection:
        connection.execute(update(BATCHES).values(signer=None))
    assert head_of(any_community, *([first] if anchored_before else [])) == first
