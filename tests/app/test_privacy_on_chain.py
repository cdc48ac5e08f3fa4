"""What went on the chain tells no name, no meter and no consumption; and what a member erases cannot be tied again."""

import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from flask import Flask
from sqlalchemy import Engine, select

from app.audit import entries
from app.cli import main
from app.errors import InputError
from app.local_time import LocalMonth
from app.platform import EXTENSION
from app.statement_proof import proof_document
from app.storage.database import reading
from app.storage.store.proofs import load_part, load_prepared
from app.storage.store.readings import ENERGY, READINGS
from app.storage.store.rounds import rounds_between
from app.storage.store.settlement import ALLOCATIONS, batches
from contracts.evidence import canonical, interval_leaf
from contracts.ledger import CONTRACT
from contracts.merkle import leaf_hash
from contracts.packing import pack_deltas
from contracts.proofs import LineProof
from contracts.published import artifact
from contracts.statement import load_statement
from contracts.verify import verify_statement
from contracts.verify_chain import BATCH_TYPE
from tests.app.community_day import HOMES, TARIFF, ZONE, CommunityDay
from tests.app.street_server import chain_of, everything_on

STRUCTURE_MOST = 2_048
"""Up to here a number may be the length or the place of something."""
JUNE = LocalMonth.parse("2016-06", ZONE)


@pytest.fixture(scope="module")
def on_chain(street: CommunityDay) -> bytes:
    """Everything that ever went on the chain: raw transactions, events, code, and all nodes of the state's tries."""
    return everything_on(street.chain)


@pytest.fixture(scope="module")
def engine(street: CommunityDay) -> Engine:
    return street.open()


def test_the_scan_sees_what_is_there(on_chain: bytes, engine: Engine) -> None:
    with reading(engine) as connection:
        (batch,) = [each for each in batches(connection) if each.state == "final"]
    for root in (batch.trades_root, batch.readings_root, batch.evidence_hash):
        assert on_chain.count(bytes.fromhex(root[2:])) >= 2, "in the call and in the event"
    assert b"cwEUR" in on_chain


def test_no_name_and_no_meter_is_on_the_chain_nor_a_bare_fingerprint_of_one(on_chain: bytes) -> None:
    words = ["Lindenweg", "OP", "Olga", "Olga Operator", "G1"]
    for number, home in enumerate(HOMES, 1):
        words += [home, f"MP-{home}", f"D-{home}", f"Home {number}", f"{home.lower()}@street.invalid", f"member:{home}"]
    for word in words:
        text = word.encode()
        assert len(text) < 4 or text not in on_chain, word
        assert text.ljust(32, b"\0") not in on_chain, word
        assert keccak(text) not in on_chain, word


def test_no_homes_energy_is_on_the_chain(on_chain: bytes, engine: Engine) -> None:
    with reading(engine) as connection:
        energies = connection.execute(select(ENERGY.c.import_wh, ENERGY.c.export_wh)).all()
        shared = connection.execute(select(ALLOCATIONS.c.bought_wh, ALLOCATIONS.c.sold_wh)).all()
        registers = connection.execute(select(READINGS.c.import_mwh, READINGS.c.export_mwh)).all()
        points = connection.execute(select(ENERGY.c.metering_point_id, ENERGY.c.import_wh)).all()
    in_wh = [value for row in (*energies, *shared) for value in row]
    days = [sum(wh for point, wh in points if point == f"MP-{home}") for home in HOMES]
    in_mwh = [1_000 * wh for wh in in_wh] + [value for row in registers for value in row]
    figures = {value for value in (*in_wh, *days, *in_mwh) if value > STRUCTURE_MOST}
    assert len(figures) > 2_000
    assert not [value for value in figures for size in (8, 16, 32) if value.to_bytes(size) in on_chain]


def test_every_byte_of_every_call_is_net_money_a_period_a_root_or_a_place(street: CommunityDay, engine: Engine) -> None:
    chain = chain_of(street.chain)
    with reading(engine) as connection:
        batch = load_prepared(connection, 1)
    deployed, registered, certificates, settled = (
        bytes(chain.evm.mined(number).transaction.data) for number in range(1, chain.evm.head.block_number + 1)
    )
    assert deployed.startswith(bytes.fromhex(artifact(CONTRACT)["bytecode"][2:]))
    assert certificates.startswith(bytes.fromhex(artifact("EnergyCertificate")["bytecode"][2:]))
    nobody = "0x" + "00" * 20
    assert decode(["uint256", "address[]"], registered[4:]) == (0, (nobody,) * len(HOMES)), "no wallet, no address"
    ((*numbers, first_word, words, system, trades, readings, evidence),) = decode([BATCH_TYPE], settled[4:])
    assert settled[4:] == encode([BATCH_TYPE], [(*numbers, first_word, words, system, trades, readings, evidence)])
    assert numbers == [1, batch.first_start_s, batch.end_s]
    assert (trades, readings, evidence) == (batch.trades_root, batch.readings_root, batch.evidence_hash)
    assert (first_word, list(words)) == pack_deltas(batch.member_deltas_nano)
    assert sum(system) == -sum(batch.member_deltas_nano.values())


def test_no_leaf_can_be_guessed_from_known_consumption(on_chain: bytes, engine: Engine) -> None:
    """Who knows every interval of a home, to the Wh, cannot tell whether the roots were made of it."""
    with reading(engine) as connection:
        part = load_part(connection, 1, "M02")
        assert part is not None
        leaves = {each.leaf for each in load_prepared(connection, 1).members}
    guesses = [b"", bytes(32), keccak(b""), keccak(b"M02"), keccak(b"1"), (1).to_bytes(32)]
    for interval, salt in itertools.product(part.intervals, guesses):
        assert interval_leaf(salt, interval) not in on_chain
        assert leaf_hash(canonical(interval)) not in on_chain
    assert not any(leaf in on_chain for leaf in leaves), "leaves are not on the chain, only their root is"


def test_net_money_over_public_prices_gives_no_homes_consumption(engine: Engine) -> None:
    """The attack: a pseudonym's net money of the day, over the day's mean price with and without charges and VAT.

    It must not tell what a home drew or fed in. What it comes near to is what was shared, and that is a part that
    differs from home to home.
    """
    with reading(engine) as connection:
        batch = load_prepared(connection, 1)
        span = {"start_s": batch.first_start_s, "end_s": batch.end_s}
        rounds = [each for each in rounds_between(connection, **span) if each.traded_wh]
        query = select(ENERGY).where(ENERGY.c.start_s >= span["start_s"], ENERGY.c.start_s < span["end_s"])
        metered = connection.execute(query).mappings().all()
    traded = sum(each.traded_wh or 0 for each in rounds)
    mean = sum((each.clearing_price_micro_per_kwh or 0) * (each.traded_wh or 0) for each in rounds) / traded
    paid = (mean + TARIFF.shared_charges_micro_per_kwh) * (1 + TARIFF.vat("private").buying_permille / 1000)
    near = []
    for part in batch.members:
        guesses = [abs(part.delta_nano) / price for price in (mean, paid)]
        for name in ("import_wh", "export_wh"):
            own = sum(row[name] for row in metered if row["metering_point_id"] == f"MP-{part.participant}")
            near += [(part.participant, name) for guess in guesses if own and abs(guess - own) < 0.05 * own]
    assert near == []


@pytest.fixture
def own_engine(own_street: Flask) -> Engine:
    return own_street.extensions[EXTENSION].engine


def erase(engine: Engine, member: str, *more: str) -> str:
    result = CliRunner().invoke(main, ["erase", "--member", member, "--yes", "--database", str(engine.url), *more])
    assert result.exit_code == 0, result.output
    return result.stdout


def proved(engine: Engine, member: str, street: CommunityDay) -> tuple[LineProof, ...]:
    with reading(engine) as connection:
        document = load_statement(json.dumps(proof_document(connection, member, JUNE)))
    return verify_statement(document, street_rpc(street))


def street_rpc(street: CommunityDay):
    from contracts.rpc import read_only_dispatch
    from contracts.rpc_client import dispatched_rpc

    return dispatched_rpc(lambda request: read_only_dispatch(chain_of(street.chain), request))


def test_what_is_erased_cannot_be_tied_to_the_member_and_the_ledger_is_still_proved(
    own_engine: Engine, street: CommunityDay
) -> None:
    with reading(own_engine) as connection:
        before = load_part(connection, 1, "M02")
    assert before is not None
    assert "M02: erased in 1 batches, kept in 0" in erase(own_engine, "M02")
    with reading(own_engine) as connection:
        after = load_part(connection, 1, "M02")
        assert after is not None
        assert (after.salt, after.leaf) == (b"", before.leaf)
        with pytest.raises(InputError, match="erased at the member's request"):
            proof_document(connection, "M02", JUNE)
        (entry,) = [each for each in entries(connection) if each.action == "proofs erased"]
        assert (entry.subject, entry.detail) == ("M02", "batches 1 to 1")
    for other in ("M01", "M05"):
        assert all(proof.holds for proof in proved(own_engine, other, street))
    files = [Path(str(own_engine.url.database) + ending) for ending in ("", "-wal")]
    left = b"".join(file.read_bytes() for file in files if file.exists())
    assert before.salt not in left, "nothing of it is left on the disk"
    assert before.leaf in left


def test_erasing_again_or_before_a_month_erases_nothing_more(own_engine: Engine) -> None:
    assert "erased in 0 batches, kept in 1" in erase(own_engine, "M03", "--until", "2016-05")
    assert "erased in 1 batches, kept in 0" in erase(own_engine, "M03", "--until", "2016-06")
    assert "erased in 0 batches, kept in 0" in erase(own_engine, "M03")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--member", "nobody"], "there is no member 'nobody'"),
        (["--member", "M01", "--until", "June"], "--until"),
        (["--member", "M01", "--state", "nowhere"], "nowhere/community.sqlite does not exist"),
    ],
)
def test_what_cannot_be_erased_is_refused_in_one_line(own_engine: Engine, arguments, reason: str) -> None:
    database = [] if "--state" in arguments else ["--database", str(own_engine.url)]
    result = CliRunner().invoke(main, ["erase", "--yes", *arguments, *database])
    assert result.exit_code == 2
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_a_yes_nothing_is_erased(own_engine: Engine) -> None:
    arguments = ["erase", "--member", "M01", "--database", str(own_engine.url)]
    assert CliRunner().invoke(main, arguments, input="n\n").exit_code == 1
    with reading(own_engine) as connection:
        part = load_part(connection, 1, "M01")
    assert part is not None
    assert len(part.salt) == 32
