"""Who supplied whom: flows that add up, and no group of homes so small that a home could be told from it."""

import html
import re
from datetime import timedelta
from itertools import pairwise

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.platform import EXTENSION
from app.sharing import FEWEST_HOMES, HomeKind, KindEnergy, KindTotals, groups_of, own_sources, pool_shares, sharing_of
from app.storage.database import reading, writing
from app.storage.store.settlement import allocations_between
from app.storage.store.settlement_runs import RUNS
from app.web.charts.sankey import FLOW_HEIGHT, Flow, sankey
from tests.app.community_day import FIRST_DAY, HOMES
from tests.app.neighbourhood import NOON_S
from tests.app.settled_year import Metered, settle, tariffs
from tests.app.street_server import member

KINDS = list(HomeKind)
YESTERDAY_S, TODAY_S = (int((FIRST_DAY + timedelta(days=days)).timestamp()) for days in (1, 2))


def shown(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


@given(st.dictionaries(st.sampled_from(KINDS), st.integers(0, 9)))
def test_no_group_has_fewer_homes_than_the_least_and_none_is_left_out(homes: dict[HomeKind, int]) -> None:
    groups = groups_of(homes)
    counts = [sum(homes[kind] for kind in group if kind in homes) for group in groups]
    assert all(count >= FEWEST_HOMES for count in counts)
    if groups:
        assert sum(counts) == sum(homes.values())
        assert sorted(kind for group in groups for kind in group if homes[kind]) == sorted(
            kind for kind in homes if homes[kind]
        )
    else:
        assert sum(homes.values()) < FEWEST_HOMES


def test_few_homes_with_a_battery_are_merged_and_a_lone_seller_is_not_told() -> None:
    many = {HomeKind.SOLAR: 5, HomeKind.STORAGE: 2, HomeKind.PLAIN: 9}
    assert set(groups_of(many)) == {frozenset({"solar", "storage"}), frozenset({"plain"})}
    assert groups_of({HomeKind.SOLAR: 2, HomeKind.PLAIN: 0}) == ()


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), min_size=1, max_size=5))
def test_what_is_drawn_from_a_pool_is_split_as_it_was_filled_and_adds_up(energy_wh: int, sold_wh: list[int]) -> None:
    shares = pool_shares(energy_wh, sold_wh)
    total_wh = sum(sold_wh)
    assert sum(shares) == (energy_wh if total_wh else 0)
    for share, wh in zip(shares, sold_wh, strict=True):
        assert abs(share - energy_wh * wh / max(1, total_wh)) < 1


def test_each_interval_has_its_own_mix() -> None:
    # At noon the roofs sell 3 kWh and the batteries 1, at night the batteries alone 2: worked out by hand.
    energies = [
        KindEnergy(start_s=0, kind=HomeKind.SOLAR, bought_wh=0, sold_wh=3_000),
        KindEnergy(start_s=0, kind=HomeKind.STORAGE, bought_wh=1_000, sold_wh=1_000),
        KindEnergy(start_s=0, kind=HomeKind.PLAIN, bought_wh=3_000, sold_wh=0),
        KindEnergy(start_s=900, kind=HomeKind.STORAGE, bought_wh=0, sold_wh=2_000),
        KindEnergy(start_s=900, kind=HomeKind.PLAIN, bought_wh=2_000, sold_wh=0),
    ]
    totals = [
        KindTotals(kind=kind, homes_drawing=4, homes_feeding=feeding, residual_import_wh=7, residual_export_wh=5)
        for kind, feeding in ((HomeKind.SOLAR, 4), (HomeKind.STORAGE, 4), (HomeKind.PLAIN, 0))
    ]
    solar, storage, plain = (frozenset({kind}) for kind in KINDS)
    found = sharing_of(energies, totals)
    assert found is not None
    assert {pair: wh for pair, wh in found.between.items() if wh} == {
        (solar, storage): 750,
        (storage, storage): 250,
        (solar, plain): 2_250,
        (storage, plain): 2_750,
    }
    assert found.from_suppliers == {solar: 7, storage: 7, plain: 7}
    assert found.to_grid == {solar: 5, storage: 5}
    assert own_sources(energies, {0: 400, 900: 100}, (solar, storage), selling=False) == {solar: 300, storage: 200}
    assert own_sources(energies, {0: 1_000}, (storage, plain), selling=True) == {storage: 250, plain: 750}


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.sampled_from("XYZ"), st.integers(0, 10**6)),
        max_size=9,
        unique_by=lambda flow: flow[:2],
    )
)
def test_ribbons_fill_the_nodes_they_leave_and_reach_and_no_label_covers_another(
    flows: list[tuple[str, str, int]],
) -> None:
    chart = sankey([Flow(source=source, target=target, energy_wh=wh, series="x") for source, target, wh in flows])
    total_wh = sum(wh for _, _, wh in flows)
    for side, index in ((chart.left, 0), (chart.right, 1)):
        assert sum(node.energy_wh for node in side) == total_wh
        for node in side:
            own = [each for each in chart.ribbons if (each.flow.source, each.flow.target)[index] == node.name]
            assert node.height == pytest.approx(sum(each.thickness for each in own))
        for above, below in pairwise(side):
            assert below.y >= above.y + max(above.height, 30)
        assert not side or chart.height >= side[-1].y + side[-1].height
    assert sum(each.thickness for each in chart.ribbons) == pytest.approx(FLOW_HEIGHT if total_wh else 0)


def test_a_member_sees_who_supplied_them_and_it_adds_up_to_what_was_settled(street_app: Flask) -> None:
    engine: Engine = street_app.extensions[EXTENSION].engine
    with reading(engine) as connection:
        own = allocations_between(connection, start_s=YESTERDAY_S, end_s=TODAY_S, points=["MP-M02"])
    page = shown(member(street_app, "M02").get("/sharing").text)
    bought_kwh = sum(row.bought_wh for row in own) / 1000
    rows = re.findall(r"Homes with solar or a battery Your home ([\d.]+)", page)
    assert [float(row) for row in rows] == [bought_kwh]
    assert f"Your supplier Your home {sum(row.residual_import_wh for row in own) / 1000:.3f}" in page


def test_the_neighbourhood_adds_up_to_all_that_was_settled_and_names_nobody(street_app: Flask) -> None:
    engine: Engine = street_app.extensions[EXTENSION].engine
    with reading(engine) as connection:
        everybody = allocations_between(connection, start_s=YESTERDAY_S, end_s=TODAY_S)
    page = member(street_app, "M02").get("/sharing/2016-06")
    text = shown(page.text).partition("The whole neighbourhood")[2]
    # The one home with a battery is told with those that have solar alone.
    shared = re.findall(r"Homes with solar or a battery (?:Homes [a-z ]+|Neighbours) ([\d.]+)", text)
    assert sum(float(kwh) for kwh in shared) == pytest.approx(sum(row.bought_wh for row in everybody) / 1000)
    assert "Homes with a battery" not in text
    assert not any(f"MP-{home}" in page.text or f"Home {home[-1]}<" in page.text for home in HOMES)


def test_a_month_without_settlements_says_so_and_the_future_is_not_found(street_app: Flask) -> None:
    browser = member(street_app, "M02")
    assert "Nothing was settled in May 2016" in shown(browser.get("/sharing/2016-05").text)
    assert browser.get("/sharing/2016-13").status_code == 404
    assert browser.get("/sharing/2017-01").status_code == 404
    assert "Nothing of yours was settled in May 2016" in shown(browser.get("/sharing/2016-05").text)


def test_two_homes_are_too_few_to_tell_of_them_but_each_sees_its_own_part(web_app: Flask, community: Engine) -> None:
    tariffs(community)
    settle(community, [Metered(name="bela", start_s=NOON_S - 900, bought_wh=700, import_wh=1_000)])
    settle(community, [Metered(name="anna", start_s=NOON_S - 900, sold_wh=700, export_wh=900)])
    page = shown(member(web_app, "bela").get("/sharing/2025-06").text)
    assert "Neighbours Your home 0.700" in page
    assert "Too few homes to show this" in page
    assert "0.200" not in page, "what anna fed in to her supplier is hers alone"


def test_a_month_is_added_up_again_after_another_run(own_street: Flask) -> None:
    engine: Engine = own_street.extensions[EXTENSION].engine
    browser = member(own_street, "M02")
    before = browser.get("/sharing").text
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE allocation SET residual_import_wh = residual_import_wh + 1000000")
    kept = shown(browser.get("/sharing").text).partition("The whole neighbourhood")[2]
    assert kept == shown(before).partition("The whole neighbourhood")[2]
    with writing(engine) as connection:
        connection.execute(RUNS.update().values(ran_s=RUNS.c.ran_s + 1))
    assert shown(browser.get("/sharing").text).partition("The whole neighbourhood")[2] != kept
