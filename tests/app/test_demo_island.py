"""The island of a demonstration: load that is shed is switched off, and the battery follows what the others do."""

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.demo.island import IslandDay
from app.demo.island_site import Followed, GridFormingSite, site_of
from app.demo.neighbourhood import SLOT_S, UNIT_ID, Home, Neighbourhood, with_unit
from app.demo.site import FREE, Battery, flow
from app.demo.sites import LoadSwitches, SimulatedSite, SiteJournal
from app.demo.state import DemoState
from grid.network import open_network

FIRST_S = 1_464_213_600
STREET = {
    "transformer.csv": "sn_kva\n100\n",
    "cables.csv": "name,from_node,to_node,type,length_m,members\n"
    "C1,station,box,NAYY 4x150 SE,200,UNIT\n"
    "C2,box,house1,NAYY 4x50 SE,300,H001\n",
}


class HandClock:
    """A present that a test sets."""

    def __init__(self) -> None:
        self.now_s = FIRST_S

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.now_s, UTC)


def test_a_home_whose_demand_is_shed_draws_no_more_than_it_may() -> None:
    def drawn_w(load_w: float, limit_w: float, battery: Battery = Battery(power_w=0, energy_wh=0)) -> float:  # noqa: B008 (frozen)
        moving = flow(
            load_w=load_w,
            generation_w=200,
            battery=battery,
            stored_wh=battery.energy_wh,
            set_points=FREE,
            seconds=SLOT_S,
            import_limit_w=limit_w,
        )
        return moving.net_w

    assert drawn_w(1_000, math.inf) == 800
    assert drawn_w(1_000, 300) == 300
    assert drawn_w(400, 300) == 200
    assert drawn_w(1_000, 0) == 0
    assert drawn_w(1_000, 0, Battery(power_w=500, energy_wh=10_000)) == 0


def test_switches_hold_in_their_slot_and_are_seen_by_a_site_that_runs_already(tmp_path: Path) -> None:
    running, switches = LoadSwitches(tmp_path / "switches.json"), LoadSwitches(tmp_path / "switches.json")
    assert running.limit_w("H001", FIRST_S) == math.inf
    switches.switch(FIRST_S, {"H001": 120.0})
    switches.switch(FIRST_S + SLOT_S, {})
    assert [running.limit_w("H001", FIRST_S + k * SLOT_S) for k in range(3)] == [120.0, math.inf, math.inf]
    assert running.limit_w("H002", FIRST_S) == math.inf


@pytest.fixture
def island(tmp_path: Path):
    """One home that draws 8 kW for four slots, and a battery 300 m of cable away."""
    for name, text in STREET.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    network = open_network(str(tmp_path))
    buses = network.member_buses()
    home = Home(home_id="H001", bus=buses["H001"], generation_w=0, battery_w=0, battery_wh=0)
    load_w = np.full((4, 1), 8_000.0)
    world = Neighbourhood(
        homes=(home,), first_start_s=FIRST_S, load_w=load_w, load_var=load_w * 0, generation_w=load_w * 0
    )
    return with_unit(world, buses["UNIT"]), network, DemoState(tmp_path), HandClock()


def test_the_unit_delivers_what_a_home_draws_and_what_is_lost_on_the_way(island) -> None:
    world, network, state, clock = island
    day = IslandDay(world, network, state, clock)
    day.follow(clock.now_s)
    before = Followed.load(state.unit, world.homes[-1], FIRST_S).state
    for slot in (1, 2):
        clock.now_s = FIRST_S + slot * SLOT_S
        day.follow(clock.now_s)
        day.follow(clock.now_s)  # a second time changes nothing
    after = Followed.load(state.unit, world.homes[-1], FIRST_S)
    delivered_wh = (after.state.export_mwh - before.export_mwh) / 1000
    # By hand: 300 m at 0.642 ohms a kilometre, and 1 % of the voltage is lost on the way.
    amperes = 8_000 / (math.sqrt(3) * 400 * 0.99)
    lost_wh = 2 * 3 * amperes**2 * 0.3 * 0.642 / 4
    assert delivered_wh - 4_000 == pytest.approx(lost_wh, rel=0.01)
    assert before.stored_wh - after.state.stored_wh == pytest.approx(delivered_wh, abs=0.1)
    journal = SiteJournal(state.sites)
    unit, home = (site_of(each, k, world, clock, journal, state) for k, each in reversed(list(enumerate(world.homes))))
    assert isinstance(unit, GridFormingSite)
    assert unit.home.home_id == UNIT_ID
    assert unit.registers_mwh() == (after.state.import_mwh, after.state.export_mwh)
    assert isinstance(home, SimulatedSite)
    assert not isinstance(home, GridFormingSite)
    journal.close()


def test_what_is_shed_is_not_delivered(island) -> None:
    world, network, state, clock = island
    LoadSwitches(state.switches).switch(FIRST_S, {"H001": 2_000.0})
    day = IslandDay(world, network, state, clock)
    day.follow(clock.now_s)
    clock.now_s += SLOT_S
    day.follow(clock.now_s)
    assert Followed.load(state.unit, world.homes[-1], FIRST_S).flow.net_w == pytest.approx(-2_000, abs=20)
