"""The section [grid] of a configuration: an island with its unit, or one line that says what does not fit."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.errors import InputError
from app.founding import configured, found
from app.island_choice import IslandChoice
from app.market_choice import MarketChoice, adopt_choice, choice_at
from app.storage.database import reading, writing
from app.worker import network_of
from tests.app.configurations import ANNA, BEN, COMMUNITY, settings_from
from tests.app.neighbourhood import NOON_S

ISLAND = """
[grid]
islanded = true
lost_load_micro_per_kwh = 5000000
balancing_price_micro_per_kwh = 400000
grid_forming_member = "ben"
"""
BATTERY = "battery_wh = 20000\nbattery_w = 8000\n"
UNIT = BEN.replace("\n[members.meter]", BATTERY + "\n[members.meter]")
CHOICE = IslandChoice(
    lost_load_micro_per_kwh=5_000_000, balancing_price_micro_per_kwh=400_000, grid_forming_member="ben"
)
STREET = {
    "transformer.csv": "sn_kva\n100\n",
    "cables.csv": "name,from_node,to_node,type,length_m,members\nC1,station,box,NAYY 4x150 SE,150,MP-anna MP-ben\n",
}


@pytest.fixture
def street(tmp_path: Path) -> str:
    """[community] on a street of one cable."""
    folder = tmp_path / "street"
    folder.mkdir()
    for name, text in STREET.items():
        (folder / name).write_text(text, encoding="utf-8")
    return COMMUNITY.replace("transformer:100", str(folder))


def start(engine: Engine, folder: Path, text: str) -> tuple[str, ...]:
    settings = settings_from(folder, text)
    return found(engine, settings, network_of(configured(settings).network), now_s=NOON_S)


def test_an_island_is_configured_and_holds_from_the_next_open_gate(engine: Engine, tmp_path: Path, street: str) -> None:
    assert settings_from(tmp_path, street + ISLAND + ANNA + UNIT).market == MarketChoice(island=CHOICE)
    done = start(engine, tmp_path, street + ISLAND + ANNA + UNIT)
    assert any("the market is k_double_auction on an island from" in line for line in done)
    with reading(engine) as connection:
        assert choice_at(connection, NOON_S).island == CHOICE
    with writing(engine) as connection:
        assert adopt_choice(connection, MarketChoice(island=CHOICE), next_s=NOON_S + 900) == []
        adopt_choice(connection, MarketChoice(), next_s=NOON_S + 900)
        assert choice_at(connection, NOON_S + 899).island == CHOICE
        assert choice_at(connection, NOON_S + 900).island is None


def test_a_grid_that_is_no_island_needs_no_more_words(tmp_path: Path) -> None:
    settings = settings_from(tmp_path, COMMUNITY + "[grid]\nislanded = false\n" + ANNA)
    assert settings.market == MarketChoice()


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("islanded = true", "islanded = false", "grid.lost_load_micro_per_kwh: is for islands: set islanded = true"),
        ("islanded = true\n", "", "grid.islanded: is missing"),
        ("lost_load_micro_per_kwh = 5000000\n", "", "grid.lost_load_micro_per_kwh: is missing"),
        ("5000000", "5000050", "grid: the lost-load price 5000050 is off the tick"),
        ("400000", "5000100", "grid.balancing_price_micro_per_kwh: is 5000100: use 0 to 5000000"),
        ("balancing_price_micro_per_kwh = 400000\n", "", "grid.balancing_price_micro_per_kwh: is missing"),
        ('"ben"', '"dora"', "grid.grid_forming_member: 'dora' is no member: use an id"),
        ('"ben"', '"anna"', "grid.grid_forming_member: anna has no battery: give its battery_w and battery_wh"),
        ('grid_forming_member = "ben"\n', "", "grid.grid_forming_member: is missing"),
        ("[grid]", "[grid]\nlosses = 3", "grid.losses: is unknown here"),
        (
            "[grid]",
            '[market]\nmechanism = "mid_market_rate"\n[grid]',
            "grid: mid_market_rate knows no shedding; choose k_double_auction on an island",
        ),
    ],
)
def test_what_does_not_fit_an_island_is_refused_in_one_line(
    tmp_path: Path, before: str, after: str, problem: str
) -> None:
    with pytest.raises(InputError, match=r"commonwatt\.toml") as refusal:
        settings_from(tmp_path, COMMUNITY + ISLAND.replace(before, after) + ANNA + UNIT)
    assert problem in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_value_of_lost_load_that_a_member_could_outbid_is_refused(
    engine: Engine, tmp_path: Path, street: str
) -> None:
    cheap = ISLAND.replace("5000000", "200000").replace("400000", "200000")
    with pytest.raises(InputError, match=r"lost_load_micro_per_kwh is 200000, but member anna may bid .*: give more"):
        start(engine, tmp_path, street + cheap + ANNA + UNIT)


def test_a_member_on_the_other_side_of_the_open_transformer_is_refused(
    engine: Engine, tmp_path: Path, street: str
) -> None:
    network = network_of(str(tmp_path / "street"))
    above = next(bus["name"] for bus in network.drawing()["buses"] if bus["vn_kv"] > 1)
    elsewhere = ANNA.replace('id = "anna"', f'id = "anna"\nbus = "{above}"')
    with pytest.raises(InputError, match=r"member anna: bus .* is cut off from ben"):
        start(engine, tmp_path, street + ISLAND + elsewhere + UNIT)


def test_an_island_needs_the_cables_of_its_network(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"grid\.grid_forming_member: nothing is connected .* with its cables"):
        start(engine, tmp_path, COMMUNITY + ISLAND + ANNA + UNIT)
