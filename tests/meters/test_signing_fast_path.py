"""The precomputed signing path gives byte for byte what eth-account gives from the typed data itself."""

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak as reference_keccak
from hypothesis import given
from hypothesis import strategies as st

from meters.signing import (
    GENESIS_HASH,
    ReadingBatch,
    RegisterReading,
    SigningDomain,
    address_of,
    batch_signer,
    chain_head,
    keccak,
    keccak_without_extension,
    reading_hash,
    sign_batch,
)

DOMAIN = SigningDomain(chain_id=20260, verifying_contract="0x5FbDB2315678afecb367f032d93F642f64180aa3")
KEY = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
READING = RegisterReading(device="D017", epoch=0, seq=0, start_s=0, duration_s=900, import_mwh=1, export_mwh=2)

numbers = st.integers(min_value=0, max_value=2**63 - 1)
readings = st.builds(
    RegisterReading,
    device=st.text(min_size=1, max_size=40),
    epoch=numbers,
    seq=numbers,
    start_s=numbers,
    duration_s=numbers,
    import_mwh=numbers,
    export_mwh=numbers,
    flags=st.integers(min_value=0, max_value=31),
)


BATCH_FIELDS = [
    {"name": "device", "type": "bytes32"},
    {"name": "epoch", "type": "uint64"},
    {"name": "firstSeq", "type": "uint64"},
    {"name": "count", "type": "uint64"},
    {"name": "previousHash", "type": "bytes32"},
    {"name": "head", "type": "bytes32"},
]


def reference_signature(batch: ReadingBatch, domain: SigningDomain, key: bytes) -> bytes:
    message = encode_typed_data(
        {
            "name": "Commonwatt",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": domain.verifying_contract,
        },
        {"ReadingBatch": BATCH_FIELDS},
        {
            "device": reference_keccak(text=batch.device),
            "epoch": batch.epoch,
            "firstSeq": batch.first_seq,
            "count": len(batch.readings),
            "previousHash": batch.previous_hash,
            "head": batch.head,
        },
    )
    return bytes(Account.sign_message(message, key).signature)


@given(
    reading=readings,
    count=st.integers(min_value=1, max_value=3),
    previous_hash=st.binary(min_size=32, max_size=32),
    chain_id=st.integers(min_value=1, max_value=2**64),
    contract=st.binary(min_size=20, max_size=20),
    key=st.integers(min_value=1, max_value=2**255).map(lambda number: number.to_bytes(32, "big")),
)
def test_a_signature_has_the_bytes_that_eth_account_gives(reading, count, previous_hash, chain_id, contract, key):
    domain = SigningDomain(chain_id=chain_id, verifying_contract="0x" + contract.hex())
    batch = sign_batch(key, domain, (reading,) * count, previous_hash)
    assert batch.signature == reference_signature(batch, domain, key)
    assert batch_signer(batch, domain) == Account.from_key(key).address == address_of(key)


@given(reading=readings, previous_hash=st.binary(min_size=32, max_size=32))
def test_a_reading_is_hashed_as_documented(reading, previous_hash):
    fields = (
        reading.epoch,
        reading.seq,
        reading.start_s,
        reading.duration_s,
        reading.import_mwh,
        reading.export_mwh,
        reading.flags,
    )
    packed = b"".join(value.to_bytes(16, "big") for value in fields)
    expected = reference_keccak(previous_hash + reference_keccak(reading.device.encode()) + packed)
    assert reading_hash(previous_hash, reading) == expected


@given(st.binary(max_size=300))
def test_every_keccak_backend_gives_the_same_hash(data):
    assert keccak(data) == keccak_without_extension(data) == reference_keccak(data)


def test_a_changed_byte_anywhere_gives_another_signer():
    batch = sign_batch(KEY, DOMAIN, (READING, replace(READING, seq=1)), GENESIS_HASH)
    first, second = batch.readings
    changed = [
        replace(batch, readings=(replace(first, import_mwh=2), second)),
        replace(batch, readings=(second, first)),
        replace(batch, readings=(first,)),
        replace(batch, previous_hash=b"\x01" * 32),
        replace(batch, device="D018"),
    ]
    assert batch_signer(batch, DOMAIN) == address_of(KEY)
    assert all(batch_signer(other, DOMAIN) != address_of(KEY) for other in changed)
    assert batch_signer(batch, replace(DOMAIN, chain_id=1)) != address_of(KEY)


@pytest.mark.parametrize("signature", [b"", b"\x00" * 65, b"\x01" * 64 + b"\x1d", b"\xff" * 64 + b"\x1b"])
def test_bytes_that_are_no_signature_are_refused(signature: bytes):
    batch = sign_batch(KEY, DOMAIN, (READING,), GENESIS_HASH)
    with pytest.raises(ValueError, match="signature"):
        batch_signer(replace(batch, signature=signature), DOMAIN)


def test_a_field_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="outside"):
        reading_hash(GENESIS_HASH, replace(READING, import_mwh=-1))


def test_the_chain_binds_the_order_of_readings():
    other = replace(READING, seq=1)
    assert chain_head(GENESIS_HASH, (READING, other)) != chain_head(GENESIS_HASH, (other, READING))
