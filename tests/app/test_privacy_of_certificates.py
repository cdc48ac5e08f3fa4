"""Certificates on the chain tell no home's energy: not alone, not by what is public beside them, not to an insider."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import permutations

import pytest
from sqlalchemy import Engine, select

from app.storage.database import reading
from app.storage.store.certificates import PLANTS, certificates_between, parts_of
from app.storage.store.members import metering_points
from app.storage.store.readings import ENERGY, READINGS
from app.storage.store.rounds import rounds_between
from app.storage.store.settlement import ALLOCATIONS
from contracts.certificates import Source, shares_leaf
from meters.signing import keccak
from tests.app.certified_street import certified_street
from tests.app.community_day import HOMES, CommunityDay
from tests.app.street_server import everything_on

STRUCTURE_MOST = 2_048
"""Up to here a number may be the length or the place of something."""
FOR_EVER_S = 1 << 40


@pytest.fixture(scope="module")
def certified(street: CommunityDay, tmp_path_factory: pytest.TempPathFactory) -> CommunityDay:
    return certified_street(street, tmp_path_factory.mktemp("certified"))


@pytest.fixture(scope="module")
def on_chain(certified: CommunityDay) -> bytes:
    return everything_on(certified.chain)


@pytest.fixture(scope="module")
def engine(certified: CommunityDay) -> Iterator[Engine]:
    engine = certified.open()
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def totals(engine: Engine) -> dict[int, tuple[int, int]]:
    """By certificate id: Wh minted and retired, as they are on the chain."""
    with reading(engine) as connection:
        batches = certificates_between(connection, start_s=0, end_s=FOR_EVER_S)
    assert {each.state for each in batches} == {"final"}
    return {identity: both for each in batches for identity, both in each.totals_wh.items()}


def test_the_street_is_certified_and_the_scan_sees_it(on_chain: bytes, totals: dict[int, tuple[int, int]]) -> None:
    minted, retired = (sum(each) for each in zip(*totals.values(), strict=True))
    assert minted > retired > 0
    assert {identity & 255 for identity in totals} == {Source.SOLAR}  # the home with a battery is alone
    for identity, (generated, _) in totals.items():
        assert on_chain.count(identity.to_bytes(32)) >= 2, "in the calls and in the events"
        assert generated.to_bytes(32) in on_chain


def test_no_homes_energy_no_name_and_no_bare_pseudonym_is_on_the_chain(on_chain: bytes, engine: Engine) -> None:
    with reading(engine) as connection:
        wh = connection.execute(select(ENERGY.c.import_wh, ENERGY.c.export_wh)).all()
        shared = connection.execute(select(ALLOCATIONS.c.bought_wh, ALLOCATIONS.c.sold_wh)).all()
        mwh = connection.execute(select(READINGS.c.import_mwh, READINGS.c.export_mwh)).all()
        plants = list(connection.execute(select(PLANTS.c.metering_point_id, PLANTS.c.pseudonym)))
    figures = {value for row in (*wh, *shared, *mwh) for value in row if value > STRUCTURE_MOST}
    assert len(figures) > 2_000
    assert not [value for value in figures for size in (7, 8, 16, 32) if value.to_bytes(size) in on_chain]
    for point, pseudonym in plants:
        assert bytes(pseudonym) in on_chain
        assert not any(
            keccak(f"{word}{point}{source}".encode()) in on_chain for word in ("", "street") for source in ("", "1")
        )
    for home in HOMES:
        assert f"MP-{home}".encode() not in on_chain


def test_no_leaf_is_on_the_chain_nor_can_it_be_guessed_from_known_energy(on_chain: bytes, engine: Engine) -> None:
    with reading(engine) as connection:
        batches = certificates_between(connection, start_s=0, end_s=FOR_EVER_S)
        parts = [part for each in batches for part in parts_of(connection, each.sequence)]
    attacked = 0
    for part in parts:
        for purpose, wh, leaf in (
            ("generated", part.generated_wh, part.generated_leaf),
            ("consumed", part.consumed_wh, part.consumed_leaf),
        ):
            for salt in (b"", bytes(32), keccak(b""), keccak(part.participant.encode())) if wh else ():
                attacked += 1
                assert shares_leaf(salt, purpose=purpose, wh=wh) != leaf
        assert not any(leaf in on_chain for leaf in (part.generated_leaf, part.consumed_leaf) if leaf)
    assert attacked > 20


def test_nobody_learns_a_homes_part_from_totals_their_differences_and_what_is_public(
    engine: Engine, totals: dict[int, tuple[int, int]]
) -> None:
    """The attack: any of the sums, alone or less what an insider knows to be its own, taken for another home's part.

    Sums are: what was minted, retired, and left of it; and the round's public trades less what was retired, both as
    they were agreed on and as they were settled.
    """
    with reading(engine) as connection:
        owners = {point.id: point for point in metering_points(connection)}
        traded = {each.start_s: each.traded_wh or 0 for each in rounds_between(connection, start_s=0, end_s=FOR_EVER_S)}
        rows = connection.execute(select(ALLOCATIONS)).mappings().all()
    certified = {point for point, each in owners.items() if each.generation_w and not each.battery_wh}
    settled = defaultdict(list)
    for row in rows:
        settled[row["start_s"]].append(row)
    attacked = 0
    for identity, (minted, retired) in totals.items():
        found = settled[identity >> 8]
        own = [row for row in found if row["metering_point_id"] in certified]
        others = [row for row in found if row["metering_point_id"] not in certified]
        sold = [row["sold_wh"] for row in own]
        sums = [(minted, [row["sold_wh"] + row["residual_export_wh"] for row in own])]
        if retired:
            sums += [(retired, sold), (retired, [row["bought_wh"] for row in found])]
            sums.append((minted - retired, [row["residual_export_wh"] for row in own]))
            for all_sold in (traded[identity >> 8], sum(row["sold_wh"] for row in found)):
                sums.append((all_sold - retired, [row["sold_wh"] for row in others]))
        for total, parts in sums:
            for insider, target in permutations((0, *filter(None, parts)), 2):
                if target:
                    attacked += 1
                    assert abs(total - insider - target) >= 0.099 * target, (identity, total, parts)
    assert attacked > 100
