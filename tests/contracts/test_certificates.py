"""From final allocations to certificates: exact sums, proportional shares, nothing that tells a home's output."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from chain_community import open_outbox
from hypothesis import given
from hypothesis import strategies as st
from settlement_cases import NOON

from contracts.certificate_contract import INTERVALS_PER_CALL, EnergyCertificates
from contracts.certificates import (
    HOMES_MIN,
    CertifiedInterval,
    Source,
    certify,
    corrections,
    hides_homes,
    shares_leaf,
    shares_of,
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
    """600 Wh of solar and 300 Wh of wind sold to three buyers who want 300, 450 and 150."""
    sold = generation({"s0": 100, "s1": 200, "s2": 300}, surplus=50) + generation({"w0": 100, "w1": 100, "w2": 100})
    bought = [allocation("anna", bought=300), allocation("ben", bought=450), allocation("cleo", bought=150)]
    return certify([*sold, *bought], SOLAR | WIND, seed="seed")


def test_each_buyer_gets_of_every_source_in_proportion_to_what_it_bought() -> None:
    solar, wind = certified_hour()
    assert solar.generated_wh == {"s0": 150, "s1": 250, "s2": 350}  # sold or not
    assert solar.consumed_wh == {"anna": 200, "ben": 300, "cleo": 100}
    assert wind.consumed_wh == {"anna": 100, "ben": 150, "cleo": 50}
    assert (solar.total_generated_wh, solar.total_consumed_wh) == (750, 600)


def test_a_total_of_too_few_plants_is_not_certified() -> None:
    few = generation({f"s{number}": 100 for number in range(HOMES_MIN - 1)})
    idle = [allocation("s2")]  # a third plant, that generated nothing
    buyer = [allocation("anna", bought=200)]
    assert certify([*few, *idle, *buyer], SOLAR, seed="seed") == ()
    (certified,) = certify([*few, allocation("s2", sold=10), allocation("anna", bought=210)], SOLAR, seed="seed")
    assert certified.total_generated_wh == 210


def test_plants_of_one_home_are_one_home() -> None:
    same = [replace(each, participant="s0") for each in generation({"s0": 100, "s1": 100, "s2": 100})]
    assert certify([*same, allocation("anna", bought=300)], SOLAR, seed="seed") == ()


def test_a_total_that_is_nearly_one_homes_is_not_published() -> None:
    """The second largest of 1 000, 300 and 90 knows its 300: it would know the largest to within 9 per cent."""
    assert not hides_homes({"a": 1000, "b": 300, "c": 90})
    assert hides_homes({"a": 1000, "b": 300, "c": 60, "d": 40})
    assert not hides_homes({"a": 1, "b": 1})


def test_what_one_buyer_bought_is_minted_and_not_retired() -> None:
    sold = generation({"s0": 100, "s1": 100, "s2": 100})
    (solar,) = certify([*sold, allocation("anna", bought=300)], SOLAR, seed="seed")
    assert (solar.total_generated_wh, solar.consumed_wh) == (300, {})


def test_what_one_home_sold_or_kept_is_not_the_difference_of_published_sums() -> None:
    """All that was traded is public (600), so 500 retired would say that the uncertified plant sold 100."""
    sold = generation({"s0": 200, "s1": 200, "s2": 100})
    bought = [allocation(name, bought=200) for name in ("anna", "ben", "cleo")]
    (solar,) = certify([*sold, allocation("w0", sold=100), *bought], SOLAR, seed="seed")
    assert (solar.total_generated_wh, solar.consumed_wh) == (500, {})
    kept = [replace(sold[0], residual_export_wh=70), *sold[1:]]  # 570 minted, 500 retired: s0 kept 70
    (solar,) = certify([*kept, *[replace(each, bought_wh=166) for each in bought]], SOLAR, seed="seed")
    assert (solar.total_generated_wh, solar.consumed_wh) == (570, {})


def test_energy_of_plants_that_are_not_certified_here_has_no_certificate() -> None:
    sold = generation({"s0": 10, "s1": 10, "s2": 10, "other": 30, "more": 20, "else": 20})
    bought = [allocation(name, bought=wh) for name, wh in (("anna", 60), ("ben", 20), ("cleo", 20))]
    (solar,) = certify([*sold, *bought], SOLAR, seed="seed")
    assert (solar.total_generated_wh, solar.consumed_wh) == (30, {"anna": 18, "ben": 6, "cleo": 6})


names = st.lists(st.integers(0, 900), min_size=3, max_size=4)


@given(names, st.lists(st.integers(0, 900), min_size=3, max_size=3), st.lists(st.integers(0, 900), max_size=5))
def test_nobody_consumes_more_than_they_bought_and_no_source_more_than_it_sold(
    solar: list[int], wind: list[int], wanted: list[int]
) -> None:
    plants = generation({f"s{i}": wh for i, wh in enumerate(solar)}) + generation(
        {f"w{i}": wh for i, wh in enumerate(wind)}
    )
    buyers = [allocation(f"b{i}", bought=wh) for i, wh in enumerate(wanted)]
    settled = [*plants, *buyers]
    certified = certify(settled, SOLAR | WIND, seed="seed")
    sold = {Source.SOLAR: sum(solar), Source.WIND: sum(wind)}
    for each in certified:
        assert each.total_consumed_wh <= each.total_generated_wh == sold[each.source]
        assert hides_homes(each.generated_wh)
        assert not each.consumed_wh or hides_homes(each.consumed_wh)
    for i, wh in enumerate(wanted):
        assert sum(each.consumed_wh.get(f"b{i}", 0) for each in certified) <= wh
    retired = [each for each in certified if each.consumed_wh]
    everything = sum(each.total_consumed_wh for each in retired)
    assert everything == min(sum(wanted), sum(each.total_generated_wh for each in retired))
    published = {each.source for each in retired}
    left_over = {
        each.participant: each.sold_wh
        for each in settled
        if each.sold_wh and (SOLAR | WIND).get(each.metering_point) not in published
    }
    assert not retired or not left_over or hides_homes(left_over)


def test_a_member_proves_a_share_with_a_salt_and_shows_no_other() -> None:
    certified = certified_hour()
    salts = {name: keccak(name.encode()) for name in ("anna", "ben", "cleo")}
    parts = shares_of(certified, salts, purpose="consumed")
    leaves = [part.leaf for part in parts]
    index = next(i for i, part in enumerate(parts) if part.participant == "ben")
    assert parts[index].wh == {certified[0].certificate_id: 300, certified[1].certificate_id: 150}
    path = MerkleTree(leaves).path(index)

    def proved(wh: Mapping[int, int]) -> bytes | None:
        leaf = shares_leaf(salts["ben"], purpose="consumed", wh=wh)
        return root_from_path(leaf, index=index, count=len(parts), path=path)

    assert proved(parts[index].wh) == shares_root(leaves) == shares_root(reversed(leaves))
    assert proved({**parts[index].wh, certified[0].certificate_id: 301}) != shares_root(leaves)
    salted_anew = {name: keccak(b"new" + salt) for name, salt in salts.items()}
    other = shares_of(certified, salted_anew, purpose="consumed")
    assert not {part.leaf for part in other} & set(leaves)


def test_a_lower_total_is_a_correction_and_a_higher_one_is_not() -> None:
    solar, wind = certified_hour()
    metered = generated_wh([solar, wind])
    lower = replace(solar, generated_wh={"s0": 140, "s1": 250, "s2": 350})
    higher = replace(wind, generated_wh={"w0": 500})
    assert corrections(metered, [lower, higher]) == {solar.certificate_id: 740}
    assert corrections(metered, [wind]) == {solar.certificate_id: 0}


def generated_wh(certified: Iterable[CertifiedInterval]) -> dict[int, int]:
    return {each.certificate_id: each.total_generated_wh for each in certified}


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
    generated, consumed = (
        shares_root(part.leaf for part in shares_of(certified, salts, purpose=each))
        for each in ("generated", "consumed")
    )
    metered = generated_wh(certified)
    retired = {each.certificate_id: each.total_consumed_wh for each in certified}
    for _ in range(2):
        certificates.attest("day 1", metered, keccak(b"readings"))
        certificates.mint("day 1", metered, generated)
        certificates.retire("day 1", retired, consumed)
    assert (certificates.root(1), certificates.root(2)) == (generated, consumed)
    for each in certified:
        record = certificates.record(each.certificate_id)
        assert (record.metered_wh, record.minted_wh) == (each.total_generated_wh, each.total_generated_wh)
        assert record == certificates.supply(each.source)
        assert record.retired_wh == each.total_consumed_wh
    with pytest.raises(ContractRefusedError, match="AlreadyMinted"):
        certificates.mint("day 1 again", metered, generated)
    lower = replace(solar, generated_wh={"s0": 200, "s1": 200, "s2": 300})
    ((identity, metered_wh),) = corrections(metered, [lower, wind]).items()
    certificates.correct("RF", identity, metered_wh)
    assert certificates.record(identity).minted_wh == 700
    outbox.close()
    chain.close()


def test_many_intervals_take_several_calls(tmp_path: Path, afternoon: Clock) -> None:
    chain = EmbeddedChain(tmp_path / "chain.sqlite", clock=afternoon)
    outbox = open_outbox(tmp_path, connect(chain))
    certificates = EnergyCertificates.deploy(outbox, interval_minutes=5)
    certificates.admit_plant(keccak(b"plant"), Source.SOLAR)
    wh = {(NOON.start_s - 300 * number) << 8 | Source.SOLAR: number for number in range(1, INTERVALS_PER_CALL + 2)}
    for _ in range(2):
        certificates.attest("days", wh, keccak(b"readings"))
        certificates.mint("days", wh, keccak(b"shares"))
    assert certificates.supply(Source.SOLAR).minted_wh == sum(wh.values())
    blocks = range(1, chain.evm.head.block_number + 1)
    assert 5_000_000 < max(outbox.w3.eth.get_block(number)["gasUsed"] for number in blocks) < 15_000_000
    outbox.close()
    chain.close()
