"""From final allocations to certificates: exact sums, proportional shares, nothing that tells a home's output."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from chain_community import open_outbox
from hypothesis import given
from hypothesis import strategies as st
from settlement_cases import NOON

from contracts.certificate_contract import EnergyCertificates
from contracts.certificates import (
    PLANTS_MIN,
    CertifiedInterval,
    Source,
    certify,
    corrections,
    share_leaf,
    shares,
    shares_root,
)
from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.merkle import MerkleTree, root_from_path
from contracts.published import ContractRefusedError
from contracts.settlement import Allocation
from meters.clock import Clock
from meters.signing import keccak

SOLAR = {f"M-s{number}": Source.SOLAR for number in range(4)}
WIND = {f"M-w{number}": Source.WIND for number in range(3)}


def allocation(name: str, *, bought: int = 0, sold: int = 0, surplus: int = 0, slot: int = 0) -> Allocation:
    return Allocation(
        metering_point=f"M-{name}",
        participant=name,
        interval=NOON.shifted(slot),
        bought_wh=bought,
        sold_wh=sold,
        residual_import_wh=0,
        residual_export_wh=surplus,
    )


def generation(sold: Mapping[str, int], surplus: int = 0, slot: int = 0) -> list[Allocation]:
    return [allocation(name, sold=wh, surplus=surplus, slot=slot) for name, wh in sold.items()]


def certified_hour() -> tuple[CertifiedInterval, ...]:
    """600 Wh of solar and 300 Wh of wind sold to two buyers who want 300 and 600."""
    sold = generation({"s0": 100, "s1": 200, "s2": 300}, surplus=50) + generation({"w0": 100, "w1": 100, "w2": 100})
    bought = [allocation("anna", bought=300), allocation("ben", bought=600)]
    return certify([*sold, *bought], SOLAR | WIND, seed="seed")


def test_each_buyer_gets_of_every_source_in_proportion_to_what_it_bought() -> None:
    solar, wind = certified_hour()
    assert solar.generated_wh == {"s0": 150, "s1": 250, "s2": 350}  # sold or not
    assert solar.consumed_wh == {"anna": 200, "ben": 400}
    assert wind.consumed_wh == {"anna": 100, "ben": 200}
    assert (solar.total_generated_wh, solar.total_consumed_wh) == (750, 600)


def test_a_total_of_too_few_plants_is_not_certified() -> None:
    few = generation({f"s{number}": 100 for number in range(PLANTS_MIN - 1)})
    idle = [allocation("s2")]  # a third plant, that generated nothing
    buyer = [allocation("anna", bought=200)]
    assert certify([*few, *idle, *buyer], SOLAR, seed="seed") == ()
    (certified,) = certify([*few, allocation("s2", sold=1), allocation("anna", bought=201)], SOLAR, seed="seed")
    assert certified.total_generated_wh == 201


def test_energy_of_plants_that_are_not_certified_here_has_no_certificate() -> None:
    sold = generation({"s0": 10, "s1": 10, "s2": 10, "other": 70})
    (solar,) = certify([*sold, allocation("anna", bought=100)], SOLAR, seed="seed")
    assert (solar.total_generated_wh, solar.consumed_wh) == (30, {"anna": 30})


names = st.lists(st.integers(0, 900), min_size=3, max_size=4)


@given(names, st.lists(st.integers(0, 900), min_size=3, max_size=3), st.lists(st.integers(0, 900), max_size=5))
def test_nobody_consumes_more_than_they_bought_and_no_source_more_than_it_sold(
    solar: list[int], wind: list[int], wanted: list[int]
) -> None:
    plants = generation({f"s{i}": wh for i, wh in enumerate(solar)}) + generation(
        {f"w{i}": wh for i, wh in enumerate(wind)}
    )
    buyers = [allocation(f"b{i}", bought=wh) for i, wh in enumerate(wanted)]
    certified = certify([*plants, *buyers], SOLAR | WIND, seed="seed")
    sold = {Source.SOLAR: sum(solar), Source.WIND: sum(wind)}
    for each in certified:
        assert each.total_consumed_wh <= each.total_generated_wh == sold[each.source]
    for i, wh in enumerate(wanted):
        assert sum(each.consumed_wh.get(f"b{i}", 0) for each in certified) <= wh
    everything = sum(each.total_consumed_wh for each in certified)
    assert everything == min(sum(wanted), sum(each.total_generated_wh for each in certified))


def test_a_member_proves_a_share_with_a_salt_and_shows_no_other() -> None:
    certified = certified_hour()
    salts = {name: keccak(name.encode()) for name in ("anna", "ben")}
    parts = shares(certified, salts, purpose="consumed")
    tree = MerkleTree([part.leaf for part in parts])
    index = next(i for i, part in enumerate(parts) if part.participant == "ben")
    mine = parts[index]
    leaf = share_leaf(salts["ben"], purpose="consumed", certificate_id=mine.certificate_id, wh=mine.wh)
    path = tree.path(index)
    assert root_from_path(leaf, index=index, count=len(parts), path=path) == shares_root(parts)
    more = share_leaf(salts["ben"], purpose="consumed", certificate_id=mine.certificate_id, wh=mine.wh + 1)
    assert root_from_path(more, index=index, count=len(parts), path=path) != shares_root(parts)
    salted_anew = {name: keccak(b"new" + salt) for name, salt in salts.items()}
    assert shares_root(shares(certified, salted_anew, purpose="consumed")) != shares_root(parts)


def test_a_lower_total_is_a_correction_and_a_higher_one_is_not() -> None:
    solar, wind = certified_hour()
    lower = replace(solar, generated_wh={"s0": 140, "s1": 250, "s2": 350})
    higher = replace(wind, generated_wh={"w0": 500})
    assert corrections([solar, wind], [lower, higher]) == {solar.certificate_id: 740}
    assert corrections([solar, wind], [wind]) == {solar.certificate_id: 0}


@pytest.fixture
def afternoon() -> Clock:
    return lambda: NOON.shifted(8).start


def test_the_chain_holds_what_was_certified_once_and_burns_what_was_corrected(tmp_path: Path, afternoon: Clock) -> None:
    chain = EmbeddedChain(tmp_path / "chain.sqlite", clock=afternoon)
    outbox = open_outbox(tmp_path, connect(chain))
    certificates = EnergyCertificates.deploy(outbox, interval_minutes=15)
    for point, source in (SOLAR | WIND).items():
        certificates.admit_plant(keccak(b"secret" + point.encode()), source)
    certified = solar, wind = certified_hour()
    people = {name for each in certified for name in (*each.generated_wh, *each.consumed_wh)}
    salts = {name: keccak(name.encode()) for name in people}
    generated, consumed = (shares_root(shares(certified, salts, purpose=each)) for each in ("generated", "consumed"))
    for _ in range(2):
        certificates.attest("day 1", certified, keccak(b"readings"))
        certificates.mint("day 1", certified, generated)
        certificates.retire("day 1", certified, consumed)
    assert (certificates.root(1), certificates.root(2)) == (generated, consumed)
    for each in certified:
        record = certificates.record(each.certificate_id)
        assert (record.metered_wh, record.minted_wh) == (each.total_generated_wh, each.total_generated_wh)
        assert record.retired_wh == each.total_consumed_wh
    with pytest.raises(ContractRefusedError, match="AlreadyMinted"):
        certificates.mint("day 1 again", certified, generated)
    ((identity, metered_wh),) = corrections([solar, wind], [replace(solar, generated_wh={"s0": 700}), wind]).items()
    certificates.correct("RF", identity, metered_wh)
    assert certificates.record(identity).minted_wh == 700
    outbox.close()
    chain.close()
