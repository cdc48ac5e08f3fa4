"""The simulated site: conservation, set-points, and counters that survive a restart."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.demo.neighbourhood import Home, Neighbourhood
from app.demo.site import FREE, Battery, SetPoints, SiteState, advanced, flow
from app.demo.sites import SimulatedSite, SiteJournal

START = datetime(2016, 5, 26, tzinfo=UTC)
POWER_W = st.floats(0, 50_000)


def a_world(load_w: list[float], generation_w: list[float]) -> Neighbourhood:
    home = Home(home_id="H001", bus=3, generation_w=10_000, battery_w=3_000, battery_wh=6_000)
    column = np.array([load_w]).T
    return Neighbourhood(
        homes=(home,),
        first_start_s=int(START.timestamp()),
        load_w=column,
        load_var=column * 0,
        generation_w=np.array([generation_w]).T,
    )


@given(POWER_W, POWER_W, st.floats(0, 6_000), st.none() | POWER_W, st.none() | st.floats(-9_000, 9_000))
def test_power_is_conserved_and_every_limit_is_kept(
    load_w: float, generation_w: float, stored_wh: float, export_limit_w: float | None, battery_w: float | None
) -> None:
    battery = Battery(power_w=3_000, energy_wh=6_000)
    set_points = SetPoints(export_limit_w=export_limit_w, battery_w=battery_w)
    moving = flow(
        load_w=load_w,
        generation_w=generation_w,
        battery=battery,
        stored_wh=stored_wh,
        set_points=set_points,
        seconds=900,
    )
    assert moving.net_w == pytest.approx(load_w - moving.generation_w + moving.battery_w)
    assert abs(moving.battery_w) <= 3_000
    assert 0 <= moving.generation_w <= generation_w
    if export_limit_w is not None and moving.battery_w >= 0:
        assert -moving.net_w <= export_limit_w + 1e-6
    after = advanced(SiteState(at_s=0, import_mwh=0, export_mwh=0, stored_wh=stored_wh), moving, 900)
    assert 0 <= after.stored_wh <= 6_000 + 1e-6
    assert after.import_mwh * after.export_mwh == 0


def test_a_free_battery_stores_the_homes_surplus_and_covers_its_need() -> None:
    battery = Battery(power_w=3_000, energy_wh=6_000)
    surplus = flow(load_w=500, generation_w=2_500, battery=battery, stored_wh=0, set_points=FREE, seconds=900)
    need = flow(load_w=500, generation_w=0, battery=battery, stored_wh=3_000, set_points=FREE, seconds=900)
    assert (surplus.battery_w, surplus.net_w) == (2_000, 0)
    assert (need.battery_w, need.net_w) == (-500, 0)


class Hand:
    """A clock that a test sets by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_a_battery_set_point_comes_on_top_of_serving_the_home() -> None:
    battery = Battery(power_w=3_000, energy_wh=6_000)
    told = SetPoints(battery_w=-1_200)
    moving = flow(load_w=500, generation_w=0, battery=battery, stored_wh=3_000, set_points=told, seconds=900)
    assert (moving.battery_w, moving.net_w) == (-1_700, -1_200)


def test_counters_go_on_where_they_were_after_a_restart(tmp_path: Path) -> None:
    world, clock = a_world([800.0] * 8, [4_000.0] * 8), Hand()
    first = SimulatedSite(world.homes[0], 0, world, clock, SiteJournal(tmp_path / "a.sqlite"))
    undisturbed = SimulatedSite(world.homes[0], 0, world, clock, SiteJournal(tmp_path / "b.sqlite"))
    for site in (first, undisturbed):
        clock.now = START + timedelta(minutes=20)
        site.write("generation_limit_w", 1_000)
        site.write("battery_w", 0)
        clock.now = START + timedelta(minutes=50)
        site.write("generation_limit_w", math.nan)
        site.write("battery_w", math.nan)
    clock.now = START + timedelta(minutes=95)
    reopened = SimulatedSite(world.homes[0], 0, world, clock, SiteJournal(tmp_path / "a.sqlite"))
    assert reopened.registers_mwh() == undisturbed.registers_mwh()
    assert reopened.stored_wh() == undisturbed.stored_wh()


def test_looking_often_changes_nothing(tmp_path: Path) -> None:
    world, clock = a_world([123.4] * 8, [3_217.9] * 8), Hand()
    watched = SimulatedSite(world.homes[0], 0, world, clock, SiteJournal(tmp_path / "a.sqlite"))
    alone = SimulatedSite(world.homes[0], 0, world, clock, SiteJournal(tmp_path / "b.sqlite"))
    for second in range(0, 6_000, 7):
        clock.now = START + timedelta(seconds=second)
        watched.values()
    assert watched.registers_mwh() == alone.registers_mwh()


def test_an_export_limit_reduces_what_is_fed_in(tmp_path: Path) -> None:
    world, clock = a_world([0.0] * 8, [8_000.0] * 8), Hand()
    site = SimulatedSite(world.homes[0], 0, world, clock, SiteJournal(tmp_path / "a.sqlite"))
    site.write("generation_limit_w", 2_000)
    before = site.registers_mwh()[1]
    clock.now = START + timedelta(minutes=15)
    assert site.registers_mwh()[1] - before == 500_000


def test_beyond_the_data_there_is_an_error_and_not_a_zero(tmp_path: Path) -> None:
    world, clock = a_world([1.0] * 2, [0.0] * 2), Hand()
    site = SimulatedSite(world.homes[0], 0, world, clock, SiteJournal(tmp_path / "a.sqlite"))
    clock.now = START + timedelta(minutes=45)
    with pytest.raises(IndexError, match="no profile for 2016-05-26"):
        site.values()
